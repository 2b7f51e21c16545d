"""GEOGLOWS v2 river forecasts: a second opinion where no gauge exists.

One Zarr store a day in a public bucket (`2026082000.zarr`; dims rivid, ensemble, time; `Qout` in
m3/s; members 1 to 51 and the high-resolution run 52; 15 days ahead). Which river of the model is a
city's is for a person to say: `data/reference/geoglows_rivers.csv` names them, and without a row
there nothing is fetched. The model is not corrected to any gauge: read changes, not levels.

References
----------
Hales et al. 2022, J. Flood Risk Management 15:e12822. Nelson et al. 2019, JAWRA 55:1049 (GEOGLOWS).
"""

from __future__ import annotations

import csv
import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
import xarray as xr

from pipeline.settings import REFERENCE
from pipeline.sources.base import BadGranule, Granule, HttpError
from pipeline.sources.hdf import opened
from pipeline.variables import VARIABLES, attributes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.sources.http import Client

RIVERS = REFERENCE / "geoglows_rivers.csv"
MEMBERS = 51
"""Members of the ensemble; the 52nd is the high-resolution run, which is no draw from it."""
QUANTILES = {"flow_q10": 0.1, "flow_q50": 0.5, "flow_q90": 0.9}
LATENCY = timedelta(hours=12)
"""From the issue time to when the day's store is usually complete (unverified)."""
_DAY = timedelta(days=1)
_TIMEOUT = timedelta(seconds=60)


def rivers(path: Path = RIVERS) -> dict[str, int]:
    """River of the model at each city, by the city's id; empty until a user fills the table.

    Parameters
    ----------
    path
        CSV with the columns ``city`` and ``river_id``.
    """
    with path.open(encoding="utf-8", newline="") as table:
        return {row["city"]: int(row["river_id"]) for row in csv.DictReader(table)}


def granules(source: str, start: datetime, end: datetime, asof: datetime) -> Iterator[Granule]:
    """Forecasts that were issued in an interval and by a moment; none where no river is named.

    Parameters
    ----------
    source
        ``geoglows``.
    start, end
        Half-open interval of issue times, UTC.
    asof
        Nothing that was issued later is named.
    """
    if not rivers():
        return
    issued = start.replace(hour=0, minute=0, second=0, microsecond=0)
    issued += timedelta(days=issued < start)
    while issued < end and issued <= asof:
        yield Granule(source, "GEOGLOWS", f"geoglows_{issued:%Y%m%d}00.nc", issued, issued + _DAY)
        issued += _DAY


def read(path: Path) -> xr.Dataset:
    """Read one forecast as :func:`fetch` left it.

    Parameters
    ----------
    path
        netCDF file with the members of the cities' rivers.

    Returns
    -------
    xarray.Dataset
        ``flow_q10``, ``flow_q50``, ``flow_q90`` (m3 s-1, of the daily means of 51 members), dims
        (time, zone), zones ``city:<id>``; days ahead of the issue time, which is in
        ``available_time``.

    Raises
    ------
    BadGranule
        Not such a file, cut short, or with other members or impossible flows.
    """
    with opened(path):
        pass
    with xr.open_dataset(path, engine="h5netcdf") as file:
        ds = file.load()
    if "Qout" not in ds or set(ds["Qout"].dims) != {"zone", "ensemble", "time"}:
        names = ", ".join(map(str, ds.variables))
        raise BadGranule(path, expected="Qout (zone, ensemble, time)", found=names)
    flow = ds["Qout"].where(ds["ensemble"] <= MEMBERS, drop=True)
    row = VARIABLES["discharge"]
    least, most = float(flow.min()), float(flow.max())
    if flow.sizes["ensemble"] != MEMBERS or not row.valid_min <= least <= most <= row.valid_max:
        raise BadGranule(
            path, expected=f"{MEMBERS} members of {row.valid_min} to {row.valid_max} m3/s",
            found=f"{flow.sizes['ensemble']} of {least} to {most}",
        )  # fmt: skip
    daily = flow.resample(time="1D").mean(skipna=False)
    found = {
        name: daily.quantile(share, "ensemble", skipna=False)
        .drop_vars("quantile")
        .transpose("time", "zone")
        .astype(np.float32)
        .assign_attrs(attributes("discharge"))
        for name, share in QUANTILES.items()
    }
    issued = np.datetime64(ds.attrs["issue_time"].removesuffix("Z"), "ns")
    known = np.full(daily.sizes["time"], issued + np.timedelta64(LATENCY))
    return xr.Dataset(found, attrs={"origin": ds.attrs["origin"], "version": "v2"}).assign_coords(
        available_time=("time", known)
    )


def fetch(granule: Granule, upstream: Path, *, client: Client) -> Path:
    """Take the rivers of the cities out of one day's store.

    Parameters
    ----------
    granule
        From :func:`granules`.
    upstream
        Root folder of the upstream.
    client
        Knows ``geoglows``, the bucket.

    Raises
    ------
    NotPublished
        The day's store is not there.
    HttpError
        The bucket does not answer, or a river is not in the store.
    """
    from obstore.exceptions import BaseError  # noqa: PLC0415  (heavy, wanted only here)
    from obstore.store import HTTPStore  # noqa: PLC0415
    from zarr.storage import ObjectStore  # noqa: PLC0415

    name = f"{granule.start:%Y%m%d}00.zarr"
    base = client.endpoint("geoglows")
    client.get(f"{base}/{name}/.zmetadata")
    plain = urlsplit(base).scheme == "http"
    bucket = HTTPStore.from_url(
        f"{base}/{name}", client_options={"timeout": _TIMEOUT, "allow_http": plain}
    )
    store = ObjectStore(bucket, read_only=True)
    wanted = rivers()
    try:
        ds = xr.open_zarr(store, consolidated=True, chunks=None)
        absent = set(wanted.values()) - set(ds["rivid"].values.tolist())
        if absent:
            raise HttpError(
                f"{name}: expected the rivers {sorted(wanted.values())}, found none of "
                f"{sorted(absent)}"
            )
        flow = ds["Qout"].sel(rivid=list(wanted.values())).load()
    except BaseError as error:
        raise HttpError(f"{name}: {type(error).__name__} while it was read") from None
    zones = [f"city:{city}" for city in wanted]
    out = flow.rename(rivid="zone").assign_coords(zone=zones).to_dataset(name="Qout")
    out = out.assign_attrs(
        origin=ds.attrs.get("origin", "measured"), issue_time=f"{granule.start:%Y-%m-%dT%H:%M}Z"
    )
    path = upstream / granule.folder / granule.pattern
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    out.to_netcdf(part, engine="h5netcdf")
    # The bucket tells no time of publication: it counts as out when the source usually is.
    os.utime(part, ((granule.start + LATENCY).timestamp(),) * 2)
    part.replace(path)
    return path
