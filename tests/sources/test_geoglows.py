"""GEOGLOWS: stores of a server, forecasts as fetched, and their quantiles."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from pipeline.issuance.products import read_second_opinion
from pipeline.issuance.snapshot import Snapshot
from pipeline.sources import geoglows
from pipeline.sources.base import (
    BadGranule,
    HttpError,
    NotPublished,
)
from pipeline.storage.archive import Archive
from pipeline.storage.records import Records
from tests.conftest import LayOver
from tests.sources.public_files import DAY, NEXT, ask, only, served


def store(bucket: Path, members: int = 52) -> None:
    """One day's Zarr store of three rivers, two days of 3-hourly flows that differ by member."""
    time = np.arange("2024-08-20", "2024-08-22", np.timedelta64(3, "h"), dtype="M8[ns]")
    ensemble = np.arange(1, members + 1)
    flow = ensemble[:, None, None] + np.array([0.0, 100.0, 200.0])[:, None] + np.zeros(len(time))
    flow[51:] = 1e5
    ds = xr.Dataset(
        {"Qout": (("ensemble", "rivid", "time"), flow)},
        {"ensemble": ensemble, "rivid": [11, 22, 33], "time": time},
    )
    ds.to_zarr(bucket / "2024082000.zarr", zarr_format=2, consolidated=True)


@pytest.fixture
def named(lay_over: LayOver) -> None:
    lay_over(
        "geoglows_rivers.csv",
        "city,river_id,source,verified",
        "khon_kaen,22,x,M",
        "chiang_rai,33,x,M",
    )


@pytest.mark.usefixtures("named")
def test_geoglows_gives_quantiles_of_51_members_per_city(tmp_path: Path) -> None:
    granule = only(geoglows.granules("geoglows", DAY, NEXT, DAY))
    store(tmp_path / "bucket")
    with served(tmp_path / "bucket") as url, ask("geoglows", url) as client:
        path = geoglows.fetch(granule, tmp_path, client=client)
    ds = geoglows.read(path)
    assert ds["zone"].values.tolist() == ["city:khon_kaen", "city:chiang_rai"]
    np.testing.assert_allclose(ds["flow_q50"].values, [[126.0, 226.0]] * 2)
    np.testing.assert_allclose(ds["flow_q10"].values[0], [106.0, 206.0])
    np.testing.assert_allclose(ds["flow_q90"].values[0], [146.0, 246.0])
    assert ds["available_time"].values[0] == np.datetime64("2024-08-20T12:00")


LAYOUT = Path(__file__).parents[3] / "shared/cases/grids/geoglows_layout.py"


@pytest.mark.skipif(not LAYOUT.exists(), reason="the provider's layout is not beside the project")
@pytest.mark.usefixtures("named")
def test_the_providers_axis_of_time_gives_fifteen_days(tmp_path: Path) -> None:
    layout = runpy.run_path(str(LAYOUT))
    layout["store"](tmp_path / "bucket/2024082000.zarr")
    granule = only(geoglows.granules("geoglows", DAY, NEXT, DAY))
    with served(tmp_path / "bucket") as url, ask("geoglows", url) as client:
        ds = geoglows.read(geoglows.fetch(granule, tmp_path, client=client))
    assert ds["time"].values.tolist() == [
        np.datetime64(f"2024-08-{20 + day}" if day < 12 else f"2024-09-{day - 11:02}", "ns").item()
        for day in range(15)
    ]
    # Member e of river r has e + 100 (r - 1) all the time: of 1 to 51 the tenths are 6, 26 and 46.
    for name, value in (("flow_q10", 6.0), ("flow_q50", 26.0), ("flow_q90", 46.0)):
        np.testing.assert_allclose(ds[name].values, [[value + 100, value + 200]] * 15)


def forecast(path: Path, change: Callable[[xr.Dataset], xr.Dataset] = lambda ds: ds) -> xr.Dataset:
    """File as it is fetched: member e has e + 8 d + 3.5 on day d, the run 52 a value every hour."""
    hours = np.arange(0, 361)
    time = np.datetime64("2024-08-20", "ns") + hours * np.timedelta64(1, "h")
    members = np.arange(1, 53)
    flow = (members[:, None] + hours / 3)[None].astype("f4")
    flow[:, :51, hours % 3 != 0] = np.nan
    flow[:, 51] = np.where(hours < 240, 1e5, np.nan)
    ds = xr.Dataset(
        {"Qout": (("zone", "ensemble", "time"), flow)},
        {"zone": ["city:khon_kaen"], "ensemble": members, "time": time},
        {"issue_time": "2024-08-20T00:00Z", "origin": "measured"},
    )
    change(ds).to_netcdf(path, engine="h5netcdf")
    return geoglows.read(path)


def test_daily_means_are_of_the_hours_that_members_have(tmp_path: Path) -> None:
    ds = forecast(tmp_path / "geoglows_2024082000.nc")
    assert ds.sizes["time"] == 15, "the one step of the sixteenth day is no day"
    np.testing.assert_allclose(ds["flow_q50"].values[:, 0], 26 + 8 * np.arange(15) + 3.5)
    np.testing.assert_allclose(ds["flow_q10"].values[:, 0], 6 + 8 * np.arange(15) + 3.5)


def gap(ds: xr.Dataset) -> xr.Dataset:
    ds["Qout"][0, 16, 30] = np.nan
    return ds


def spike(ds: xr.Dataset) -> xr.Dataset:
    ds["Qout"][0, 16, 30] = 1e9
    return ds


@pytest.mark.parametrize(("change", "counted"), [(gap, None), (spike, 1)])
def test_a_day_that_a_member_lacks_a_step_of_is_missing(
    tmp_path: Path, change: Callable[[xr.Dataset], xr.Dataset], counted: int | None
) -> None:
    ds = forecast(tmp_path / "geoglows_2024082000.nc", change)
    median = ds["flow_q50"].values[:, 0]
    assert np.flatnonzero(np.isnan(median)).tolist() == [1], "hour 30 is of the second day"
    found = ds.attrs.get("out_of_range", {}).get("discharge", {}).get("cells")
    assert found == counted


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.assign_attrs(issue_time="2024-08-21T00:00Z"), "geoglows_2024082100"),
        (lambda ds: ds.assign_attrs(issue_time="yesterday"), "a date as"),
        (lambda ds: ds.drop_attrs(), "a date as"),
        (lambda ds: ds.assign(Qout=ds["Qout"] * np.nan), "51 members, found 51 at 0 hours"),
        (lambda ds: ds.assign(Qout=ds["Qout"] * 0 - 1), "discharge in 0"),
        (lambda ds: ds.assign_coords(ensemble=ds["ensemble"] + 1), "51 members, found 50"),
        (lambda ds: ds.assign_coords(time=ds["time"] - np.timedelta64(1, "D")), "steps from"),
        (lambda ds: ds.assign_coords(time=ds["time"][::-1].values), "steps from"),
        (lambda ds: ds.drop_vars("time"), "a forecast as it was fetched"),
        (lambda ds: ds.rename(Qout="flow"), "Qout"),
        (
            lambda ds: ds.assign(Qout=ds["Qout"].assign_attrs(units="ft3/s")),
            "Qout in m3/s, found ft3/s",
        ),
    ],
)
def test_forecasts_that_are_not_what_they_say(
    tmp_path: Path, change: Callable[[xr.Dataset], xr.Dataset], message: str
) -> None:
    with pytest.raises(BadGranule, match=message):
        forecast(tmp_path / "geoglows_2024082000.nc", change)


def test_a_forecast_of_another_size_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "geoglows_2024082000.nc"
    forecast(path)
    with h5py.File(path, "r+") as file:
        file.create_dataset("more", (40_000, 40_000, 40), "f8", chunks=(100, 100, 40))
    with pytest.raises(BadGranule, match="at most 33554432 values, found 64000"):
        geoglows.read(path)


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize("broken", ["Qout/.zarray", "time/0", "rivid/0", "Qout/0.0.0"])
def test_a_broken_store_is_the_providers_failure(tmp_path: Path, broken: str) -> None:
    store(tmp_path / "bucket")
    root = tmp_path / "bucket/2024082000.zarr"
    if broken.endswith(".zarray"):
        whole = json.loads((root / ".zmetadata").read_text())
        whole["metadata"][broken]["dtype"] = "<q9"
        (root / ".zmetadata").write_text(json.dumps(whole))
    else:
        (root / broken).write_bytes(b"<html>")
    granule = only(geoglows.granules("geoglows", DAY, NEXT, DAY))
    with (
        served(tmp_path / "bucket") as url,
        ask("geoglows", url) as client,
        pytest.raises(HttpError, match=r"2024082000\.zarr: expected a store of forecasts"),
    ):
        geoglows.fetch(granule, tmp_path, client=client)


@pytest.mark.usefixtures("named")
def test_its_flows_are_published_as_a_second_opinion(tmp_path: Path) -> None:
    store(tmp_path / "bucket")
    archive, asof = Archive(tmp_path / "archive"), DAY.replace(hour=13)
    view = Snapshot(archive, Records(f"sqlite:///{tmp_path}/r.db"), asof, {}, "")
    assert read_second_opinion(view) == []
    granule = only(geoglows.granules("geoglows", DAY, NEXT, DAY))
    with served(tmp_path / "bucket") as url, ask("geoglows", url) as client:
        path = geoglows.fetch(granule, tmp_path, client=client)
    archive.append("geoglows", geoglows.read(path), message="test")
    rows = read_second_opinion(view)
    assert [(row["city"], row["valid_date"]) for row in rows] == [
        (city, day) for city in ("khon_kaen", "chiang_rai") for day in ("2024-08-20", "2024-08-21")
    ]
    assert rows[0]["flow_q50_m3s"] == 126.0
    assert rows[0]["available_time"] == "2024-08-20T12:00:00Z"


@pytest.mark.usefixtures("named")
def test_geoglows_refuses_what_is_not_there(tmp_path: Path) -> None:
    granule = only(geoglows.granules("geoglows", DAY, NEXT, DAY))
    (tmp_path / "bucket").mkdir()
    with served(tmp_path / "bucket") as url, ask("geoglows", url) as client:
        with pytest.raises(NotPublished):
            geoglows.fetch(granule, tmp_path, client=client)
        store(tmp_path / "bucket", members=50)
        path = geoglows.fetch(granule, tmp_path, client=client)
    with pytest.raises(BadGranule, match="expected flows of 51 members"):
        geoglows.read(path)


def test_no_river_is_asked_for_until_someone_names_one() -> None:
    assert geoglows.rivers() == {}
    assert list(geoglows.granules("geoglows", DAY, NEXT, NEXT)) == []
