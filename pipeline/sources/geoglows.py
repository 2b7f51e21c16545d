"""GEOGLOWS v2 river forecasts: a second opinion where no gauge exists.

One Zarr store a day in a public bucket (`2026082000.zarr`; dims rivid, ensemble, time; `Qout` in
m3/s; members 1 to 51 every three hours for 15 days, and the high-resolution run 52 hourly for 10;
both share one time axis, on which the members are NaN at the hours of the run alone). The river of
each city is chosen by a person in `data/reference/geoglows_rivers.csv`; without a row there nothing
is fetched. The model is not corrected to any gauge: its changes count, not its levels. That a
day's store is complete after the latency in the table of sources is unverified.

References
----------
Hales et al. 2022, J. Flood Risk Management 15:e12822. Nelson et al. 2019, JAWRA 55:1049 (GEOGLOWS).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import h5py
import numpy as np
import xarray as xr

from pipeline.geography.reference_tables import edition
from pipeline.geography.variables import attributes
from pipeline.sources import SOURCES
from pipeline.sources.base import BadGranule, Granule, HttpError, time_steps
from pipeline.sources.formats.hdf import open_hdf5
from pipeline.sources.formats.limits import mask_impossible
from pipeline.sources.formats.names import parse_stamp
from pipeline.storage.atomic import draft_file, set_published

if TYPE_CHECKING:
    from pipeline.sources.access.client import Client

MEMBERS = 51
"""Members of the ensemble; the 52nd is the high-resolution run, which is no draw from it."""
QUANTILES = {"flow_q10": 0.1, "flow_q50": 0.5, "flow_q90": 0.9}
LONGEST = np.timedelta64(17, "D")
"""Time from its issue within which all steps of a forecast lie."""
WHOLE_DAY = 0.75
"""Least share of a day's steps from which its mean is taken."""
MOST_VALUES, MOST_RIVERS = 1 << 25, 1 << 24
"""Most values of a forecast of the cities' rivers, and most rivers of a store, to be read."""
_UNITS = {"m3/s", "m^3/s", "m3 s-1", "m^3 s-1", "m3 s^-1", "m^3 s^-1", "m**3 s**-1", "cms"}
_DAY = timedelta(days=1)
_TIMEOUT = timedelta(seconds=60)


def rivers() -> dict[str, int]:
    """River of the model at each city, by the city's id; empty until a user fills the table."""
    return {row["city"]: int(row["river_id"]) for row in edition().rows("geoglows_rivers.csv")}


def granules(source: str, start: datetime, end: datetime, asof: datetime) -> Iterator[Granule]:
    """List the forecasts issued in an interval and by a moment; none where no river is named.

    Parameters
    ----------
    source
        ``geoglows``.
    start, end
        Half-open interval of issue times, UTC.
    asof
        No forecast issued later is listed.
    """
    if not rivers():
        return
    for issued, _ in time_steps(start, end, asof, _DAY, length=timedelta()):
        yield Granule(source, "GEOGLOWS", f"geoglows_{issued:%Y%m%d}00.nc", issued, issued + _DAY)


def by_hand(source: str) -> str:  # noqa: ARG001
    """Explain why nothing is fetched; empty where it is.

    Parameters
    ----------
    source
        ``geoglows``.
    """
    if rivers():
        return ""
    return "no river is named in data/reference/geoglows_rivers.csv"


def read(path: Path) -> xr.Dataset:
    """Read one forecast as :func:`fetch` left it.

    Parameters
    ----------
    path
        netCDF file with the members of the cities' rivers.

    Returns
    -------
    xarray.Dataset
        ``flow_q10``, ``flow_q50``, ``flow_q90`` (m3 s-1, of the daily means of 51 members over the
        hours that they have), dims (time, zone), zones ``city:<id>``; days ahead of the issue time,
        which is in ``available_time``. A day that a member lacks a step of has none.

    Raises
    ------
    BadGranule
        Not such a file, cut short, or with other members or units, impossible flows or times that
        are not those of its issue.
    """
    with open_hdf5(path) as members:
        size = sum(
            dataset.size for dataset in members.values() if isinstance(dataset, h5py.Dataset)
        )
        if size > MOST_VALUES:
            raise BadGranule(path, expected=f"at most {MOST_VALUES} values", found=str(size))
    try:
        with xr.open_dataset(path, engine="h5netcdf") as file:
            ds = file.load()
        return _take_quantiles(ds, path)
    except BadGranule:
        raise
    except Exception as error:  # the libraries raise any exception for a damaged file
        raise BadGranule(
            path, expected="a forecast as it was fetched", found=f"{type(error).__name__}: {error}"
        ) from error


def _take_quantiles(ds: xr.Dataset, path: Path) -> xr.Dataset:
    """Take the quantiles of the members' daily means."""
    if "Qout" not in ds or set(ds["Qout"].dims) != {"zone", "ensemble", "time"}:
        names = ", ".join(map(str, ds.variables))
        raise BadGranule(path, expected="Qout (zone, ensemble, time)", found=names)
    # A store without units has those of its documentation.
    if (units := str(ds["Qout"].attrs.get("units", "m3/s")).strip()) not in _UNITS:
        raise BadGranule(path, expected="Qout in m3/s", found=units or "none")
    flow = ds["Qout"].where(ds["ensemble"] <= MEMBERS, drop=True).dropna("time", how="all")
    members = sorted(flow["ensemble"].values.tolist())
    if members != list(range(1, MEMBERS + 1)) or not flow.size:
        raise BadGranule(
            path,
            expected=f"flows of {MEMBERS} members",
            found=f"{len(members)} at {flow.sizes['time']} hours",
        )
    issued = parse_stamp(str(ds.attrs.get("issue_time")), "%Y-%m-%dT%H:%MZ", path)
    named = f"geoglows_{np.datetime_as_string(issued, 'h').replace('-', '').replace('T', '')}.nc"
    time = flow["time"].values
    if (
        path.name != named
        or time[0] < issued
        or time[-1] >= issued + LONGEST
        or not (np.diff(time) > np.timedelta64(0)).all()
    ):
        raise BadGranule(
            path,
            expected=f"steps from the issue of its name on, {named}",
            found=f"{time[0]} to {time[-1]}, issued {issued}",
        )
    possible = mask_impossible(flow.to_dataset(name="discharge"), path)
    by_day = possible["discharge"].resample(time="1D")
    steps = flow["time"].resample(time="1D").count()
    daily = by_day.mean(skipna=False)
    daily = daily.isel(time=(steps >= WHOLE_DAY * steps.max()).values)
    quantiles = {
        name: daily.quantile(share, "ensemble", skipna=False)
        .drop_vars("quantile")
        .transpose("time", "zone")
        .astype(np.float32)
        .assign_attrs(attributes("discharge"))
        for name, share in QUANTILES.items()
    }
    available = np.full(daily.sizes["time"], issued + np.timedelta64(SOURCES["geoglows"].latency))
    out = xr.Dataset(quantiles).assign_coords(available_time=("time", available))
    remarks = {key: value for key, value in possible.attrs.items() if key == "out_of_range"}
    origin = "virtual" if ds.attrs.get("origin") == "virtual" else "measured"
    return out.assign_attrs(remarks, origin=origin, version="v2")


def fetch(granule: Granule, upstream: Path, *, client: Client) -> Path:
    """Fetch the rivers of the cities from one day's store.

    Parameters
    ----------
    granule
        From :func:`granules`.
    upstream
        Root of the upstream folder.
    client
        HTTP client; its endpoint is ``geoglows``, the bucket.

    Raises
    ------
    NotPublished
        The day's store is not there.
    HttpError
        The bucket does not answer, or a river is not in the store.
    """
    from obstore.store import HTTPStore  # noqa: PLC0415  (heavy, wanted only here)
    from zarr.storage import ObjectStore  # noqa: PLC0415

    name = f"{granule.start:%Y%m%d}00.zarr"
    base = client.endpoint("geoglows")
    client.get(f"{base}/{name}/.zmetadata")
    plain = urlsplit(base).scheme == "http"
    bucket = HTTPStore.from_url(
        f"{base}/{name}", client_options={"timeout": _TIMEOUT, "allow_http": plain}
    )
    wanted = rivers()
    try:
        ds = xr.open_zarr(ObjectStore(bucket, read_only=True), consolidated=True, chunks=None)
        flow = _select_rivers(ds, wanted, name)
        origin = str(ds.attrs.get("origin", "measured"))
    except HttpError:
        raise
    except Exception as error:  # the libraries raise any exception for damaged content
        kind = type(error).__name__
        raise HttpError(f"{name}: expected a store of forecasts, found {kind} in it") from error
    zones = [f"city:{city}" for city in wanted]
    out = flow.rename(rivid="zone").assign_coords(zone=zones).to_dataset(name="Qout")
    out = out.assign_attrs(origin=origin, issue_time=f"{granule.start:%Y-%m-%dT%H:%MZ}")
    path = upstream / granule.folder / granule.pattern
    path.parent.mkdir(parents=True, exist_ok=True)
    with draft_file(path) as draft:
        out.to_netcdf(draft, engine="h5netcdf")
        # The bucket gives no time of publication: the usual one of the source is taken.
        set_published(draft, granule.start + SOURCES["geoglows"].latency)
    return path


def _select_rivers(ds: xr.Dataset, wanted: dict[str, int], name: str) -> xr.DataArray:
    """Load the flow of the cities' rivers; raise where one is absent or the store is too large."""
    if (count := ds["rivid"].size) > MOST_RIVERS:
        raise HttpError(f"{name}: expected at most {MOST_RIVERS} rivers, found {count}")
    absent = set(wanted.values()) - set(ds["rivid"].values.tolist())
    if absent:
        raise HttpError(
            f"{name}: expected the rivers {sorted(wanted.values())}, found none of {sorted(absent)}"
        )
    flow = ds["Qout"].sel(rivid=list(wanted.values()))
    if flow.size > MOST_VALUES:
        raise HttpError(f"{name}: expected at most {MOST_VALUES} flows, found {flow.size}")
    return flow.load()
