"""The public Icechunk store of IMERG, on a local server that speaks S3."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import icechunk
import numpy as np
import pytest
import xarray as xr
from moto.server import ThreadedMotoServer

from pipeline.geography.grid import Grid
from pipeline.sources import imerg, imerg_store
from pipeline.sources.access.client import Client
from pipeline.sources.base import Granule, HttpError, NotPublished
from tests.sources.servers import closed_address

GRID = Grid(9.0, 10.0, 105.0, 106.0)
START = datetime(2024, 8, 20, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    import boto3

    url = f"http://127.0.0.1:{port}"
    assert host
    s3 = boto3.client(
        "s3", endpoint_url=url, region_name=imerg_store.REGION, aws_access_key_id="a",
        aws_secret_access_key="b",  # noqa: S106
    )  # fmt: skip
    bucket = imerg_store.BUCKET
    s3.create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": imerg_store.REGION}
    )
    public = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": ["s3:GetObject", "s3:HeadObject", "s3:ListBucket"],
                "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
            }
        ],
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(public))
    yield url
    server.stop()


def publish(
    endpoint: str,
    source: str,
    *,
    units: str = "kg m-2 s-1",
    steps: int = 3,
    ascending: bool = False,
    change: Callable[[xr.Dataset], xr.Dataset] = lambda ds: ds,
) -> xr.DataArray:
    """Half-hours over a box a little larger than the grid, as dynamical.org lays it out."""
    storage = icechunk.s3_storage(
        bucket=imerg_store.BUCKET, prefix=imerg_store.PREFIXES[source], region=imerg_store.REGION,
        endpoint_url=endpoint, allow_http=True, force_path_style=True, access_key_id="a",
        secret_access_key="b",  # noqa: S106
    )  # fmt: skip
    session = icechunk.Repository.create(storage).writable_session("main")
    half_hours = np.arange(steps) * np.timedelta64(30, "m")
    time = np.datetime64("2024-08-20T02:30") + half_hours
    latitude = np.round(np.arange(10.45, 8.5, -0.1), 2)
    longitude = np.round(np.arange(104.55, 106.5, 0.1), 2)
    rng = np.random.default_rng(0)
    rate = rng.gamma(0.3, 1e-3, (steps, len(latitude), len(longitude))).astype("f4")
    rate[1, 12, 9] = np.nan
    rate[2] = np.nan
    da = xr.DataArray(
        rate,
        {"time": time.astype("M8[ns]"), "latitude": latitude, "longitude": longitude},
        ("time", "latitude", "longitude"),
        attrs={"units": units},
    )
    da = da[:, ::-1] if ascending else da
    ds = change(da.to_dataset(name="precipitation_surface"))
    ds.to_zarr(session.store, zarr_format=3, consolidated=False)
    session.commit("its steps")
    return da


def granule(source: str, start: datetime) -> Granule:
    (found,) = imerg.granules(source, start, start + timedelta(minutes=30), START.replace(day=29))
    return found


def test_a_step_of_the_store_reads_as_a_granule(endpoint: str, tmp_path: Path) -> None:
    truth = publish(endpoint, "imerg_late")
    with Client(endpoints={"imerg_store": endpoint}, environment={}) as client:
        path = imerg_store.fetch(granule("imerg_late", START), tmp_path, GRID, client=client)
        with pytest.raises(NotPublished, match="empty"):
            imerg_store.fetch(
                granule("imerg_late", START + timedelta(minutes=30)), tmp_path, GRID, client=client
            )
        with pytest.raises(NotPublished, match="not in the public store yet"):
            imerg_store.fetch(
                granule("imerg_late", START + timedelta(hours=1)), tmp_path, GRID, client=client
            )
    ds = imerg.read(path, GRID)
    box = truth.sel(time=ds["time"][0], latitude=slice(10, 9), longitude=slice(105, 106)) * 3600
    np.testing.assert_allclose(ds["rain_rate"].values[0], box.values, rtol=1e-6)
    assert np.isnan(ds["rain_rate"].values[0]).sum() == 1
    assert (ds.attrs["version"], ds.attrs["origin"]) == ("V07", "measured")
    published = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
    assert published == START + timedelta(minutes=30, hours=14)


def empty(endpoint: str) -> None:
    """Take all objects of the bucket away."""
    import boto3

    bucket = boto3.resource(
        "s3", endpoint_url=endpoint, region_name=imerg_store.REGION, aws_access_key_id="a",
        aws_secret_access_key="b",  # noqa: S106
    ).Bucket(imerg_store.BUCKET)  # fmt: skip
    bucket.objects.all().delete()


def test_half_hours_of_a_night_are_read_at_once(endpoint: str, tmp_path: Path) -> None:
    empty(endpoint)
    truth = publish(endpoint, "imerg_late", steps=4 * 48, ascending=True)
    times = [START + timedelta(days=2, minutes=30 * number) for number in range(-46, 2)]
    with Client(endpoints={"imerg_store": endpoint}, environment={}) as client:

        def bring(start: datetime) -> Path:
            found = granule("imerg_late", start)
            return imerg_store.fetch(found, tmp_path, GRID, client=client)

        paths = [bring(times[-2])]
        empty(endpoint)
        with ThreadPoolExecutor(8) as threads:
            paths += threads.map(bring, reversed(times[:-2]))
        paths.append(bring(times[-1]))
        with pytest.raises(HttpError, match="the public store failed in"):
            bring(START + timedelta(days=3, hours=12))
    assert len(paths) == len(set(paths)) == 48
    for path in paths[:3] + paths[-2:]:
        ds = imerg.read(path, GRID)
        box = truth.sel(time=ds["time"][0], longitude=slice(105, 106))
        box = box.sel(latitude=slice(9, 10))[::-1] * 3600
        np.testing.assert_allclose(ds["rain_rate"].values[0], box.values, rtol=1e-6)


FORMAT_2 = Path(__file__).parents[3] / "shared/cases/grids/icechunk_v2"


@pytest.mark.skipif(not FORMAT_2.exists(), reason="the store is not beside the project")
def test_a_store_of_format_2_is_read_or_says_what_reads_it() -> None:
    storage = icechunk.local_filesystem_storage(str(FORMAT_2))
    if int(icechunk.__version__.partition(".")[0]) >= 2:
        with pytest.raises(KeyError, match="dimension_names"):  # opened; its array has no dims
            imerg_store.open_store(storage, "the store")
        return
    with pytest.raises(HttpError, match=r"Python 3\.12 and later bring icechunk 2") as said:
        imerg_store.open_store(storage, "the store")
    assert "\n" not in str(said.value)


def test_a_public_store_of_format_2_is_one_line(endpoint: str, tmp_path: Path) -> None:
    if not FORMAT_2.exists() or int(icechunk.__version__.partition(".")[0]) >= 2:
        pytest.skip("needs the store, and a library that does not read it")
    import boto3

    empty(endpoint)
    s3 = boto3.client(
        "s3", endpoint_url=endpoint, region_name=imerg_store.REGION, aws_access_key_id="a",
        aws_secret_access_key="b",  # noqa: S106
    )  # fmt: skip
    prefix = imerg_store.PREFIXES["imerg_late"]
    for path in (one for one in FORMAT_2.rglob("*") if one.is_file()):
        key = f"{prefix}/{path.relative_to(FORMAT_2)}"
        s3.put_object(Bucket=imerg_store.BUCKET, Key=key, Body=path.read_bytes())
    with (
        Client(endpoints={"imerg_store": endpoint}, environment={}) as client,
        pytest.raises(HttpError, match=r"imerg_late is of a newer format .* bring icechunk 2"),
    ):
        imerg_store.fetch(granule("imerg_late", START), tmp_path, GRID, client=client)


@pytest.mark.parametrize(("change", "message"), [
    (lambda ds: ds.rename(precipitation_surface="rain"), "KeyError: .*precipitation_surface"),
    (lambda ds: ds.rename(latitude="y"), "KeyError: 'latitude'"),
    (lambda ds: ds.assign_coords(latitude=ds["latitude"] + 40), "cells of the grid"),
    (lambda ds: ds.isel(time=[1, 0, 2]), "times that rise"),
    (lambda ds: ds.isel(time=[0, 1, 1]), "times that rise"),
])  # fmt: skip
def test_a_store_of_something_else_is_a_failure(
    endpoint: str, tmp_path: Path, change: Callable[[xr.Dataset], xr.Dataset], message: str
) -> None:
    empty(endpoint)
    publish(endpoint, "imerg_late", change=change)
    with (
        Client(endpoints={"imerg_store": endpoint}, environment={}) as client,
        pytest.raises(HttpError, match=message),
    ):
        imerg_store.fetch(granule("imerg_late", START), tmp_path, GRID, client=client)


def test_the_library_does_not_ask_where_nobody_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[str]()
    monkeypatch.setattr(imerg_store, "open_store", lambda _, name: asked.append(name))
    nowhere = {"imerg_store": closed_address()}
    with Client(endpoints=nowhere, environment={}, sleep=lambda _: None) as client:
        for _ in range(2):
            with pytest.raises(HttpError, match=r"refused|cannot be reached"):
                imerg_store.fetch(granule("imerg_late", START), tmp_path, GRID, client=client)
    assert asked == []


def test_a_store_in_other_units_is_refused(endpoint: str, tmp_path: Path) -> None:
    publish(endpoint, "imerg_early", units="mm h-1")
    with (
        Client(endpoints={"imerg_store": endpoint}, environment={}) as client,
        pytest.raises(HttpError, match=r"expected the public store in kg m-2 s-1, found mm h-1"),
    ):
        imerg_store.fetch(granule("imerg_early", START), tmp_path, GRID, client=client)
