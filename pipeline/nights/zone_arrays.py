"""Rain and indices of cells, sub-basins, cities and gauges as labelled arrays."""

from __future__ import annotations

from datetime import datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import pandas as pd
import xarray as xr

from models import registry
from pipeline.areal import monthly, substitutes
from pipeline.areal.zonal_record import put_on_zones, put_parameters_on_zones
from pipeline.choices import Region
from pipeline.geography import places
from pipeline.geography.variables import outside_range
from pipeline.gridded import job
from pipeline.indices import daily, river
from pipeline.indices.common import copy_reference_attrs
from pipeline.indices.flow import low_flow_ratio
from pipeline.indices.season import wet_season
from pipeline.indices.suite import INDICES, SUITE, Index
from pipeline.indices.windows import DAY
from pipeline.issuance.products import MODELS, SPIN_UP_DAYS
from pipeline.issuance.snapshot import NO_MODELS, Snapshot
from pipeline.quality.selection import select_used
from pipeline.storage.archive import Archive, NothingArchived
from pipeline.times import utc64

By = Literal["cell", "basin", "city", "gauge"]
"""What an index is computed for."""
ByZone = Literal["basin", "city"]
"""Kinds of zones, which alone have rain."""
_Series = TypeVar("_Series", xr.DataArray, xr.Dataset)


def read_rain(
    snapshot: Snapshot, by: ByZone, start: datetime | None, end: datetime | None
) -> xr.DataArray:
    """Read the daily rain of sub-basins or cities as the night knew it, lazily.

    Parameters
    ----------
    snapshot
        Snapshot of the night.
    by
        Kind of the zones.
    start, end
        Half-open interval of whole days; None for the whole record.

    Returns
    -------
    xarray.DataArray
        mm of the day, dims (time, ``by``), with the zones' names; NaN where it is not known.

    Raises
    ------
    LookupError
        There are no such zones, the night had no zonal daily series, or they have no such day.
    """
    if by not in get_args(ByZone):
        raise LookupError(f"by: expected one of {', '.join(get_args(ByZone))}, found {by!r}")
    record = _require_record(snapshot)
    _check_span("rain", record, start, end)
    rain = _select(record["rain"], start, end)
    return label_zones(rain.drop_vars("available_time"), by, snapshot)


def read_index(
    snapshot: Snapshot,
    models_dir: Path,
    name: str,
    *,
    by: By,
    start: datetime | None,
    end: datetime | None,
) -> xr.DataArray:
    """Read an index of the grid, or compute one of zones from stored parameters.

    Parameters
    ----------
    snapshot
        Snapshot of the night.
    models_dir
        Folder of the models, which hold the parameters of the zones' indices.
    name
        Name of the index in :data:`pipeline.indices.suite.INDICES`.
    by
        Cells of the grid, sub-basins, cities, or gauges with discharge.
    start, end
        Half-open interval; None for all that there is.

    Returns
    -------
    xarray.DataArray
        In the unit of the index, NaN where it is not known or out of the index's range: of cells
        with dims (time, lat, lon), lazy, from the archive; of zones and gauges with dims (time,
        ``by``). The time of a month or year is its first day.

    Raises
    ------
    LookupError
        There is no such index for such places, or what it is made from is not there; the message
        says how to make it.
    """
    row = INDICES.get(name)
    kind = {"cell": "cells", "gauge": "gauges"}.get(by, "zones")
    if by not in get_args(By):
        raise LookupError(f"by: expected one of {', '.join(get_args(By))}, found {by!r}")
    if row is None or not _is_offered(row, by):
        known = [index.name for index in SUITE if _is_offered(index, by)]
        near = get_close_matches(name.lower(), known, n=3)
        hint = f"; near: {', '.join(near)}" if near else ""
        if row is not None and _is_offered(row, "gauge"):
            hint = f"; {row.name} is of gauges (by: gauge)"
        raise LookupError(
            f"index of {kind}: expected one of {', '.join(known)}, found {name!r}{hint}"
        )
    if by == "cell":
        return _read_cells(snapshot, row, start, end)
    models, _ = _load_parameters(models_dir, snapshot.version)
    if by == "gauge":
        da = _compute_at_gauges(snapshot, row, models["monthly"], start, end)
    elif row.accumulate is None and "months" in row.families:
        da = _compute_seasons(snapshot, row, models["monthly"], start, end)
    elif "months" in row.families:
        da = _compute_months(snapshot, row, models["monthly"], start, end)
    else:
        da = _compute_days(snapshot, row, models["drought"].parameters(), start, end)
    da = da.where(~outside_range(da, row.valid_min, row.valid_max)).rename(row.name)
    if by == "gauge":
        return _label_gauges(da, snapshot)
    return label_zones(da.drop_vars("available_time", errors="ignore"), by, snapshot)


def _is_offered(row: Index, by: By) -> bool:
    """Whether an index is computed for cells, zones or gauges, by day, month or year."""
    of_gauges = row.inputs == ("discharge",)
    if of_gauges or by == "gauge":
        return of_gauges and by == "gauge"
    if "months" in row.families:
        return row.accumulate is not None or by != "cell"
    return ("cells" if by == "cell" else "zones") in row.families


def label_zones(da: xr.DataArray, by: ByZone, snapshot: Snapshot) -> xr.DataArray:
    """Select the zones of a kind, under their ids as people write them, with their names.

    Parameters
    ----------
    da
        Dims with ``zone``.
    by
        Kind of the zones.
    snapshot
        Snapshot of the night.

    Returns
    -------
    xarray.DataArray
        Dim ``by`` in place of ``zone``, with the coordinate ``name``; lazy where ``da`` is.
    """
    prefix = f"{by}:"
    zones = [zone for zone in da["zone"].values.tolist() if str(zone).startswith(prefix)]
    names = _list_names(by, snapshot.region, snapshot.asof)
    ids = [zone.removeprefix(prefix) for zone in zones]
    labels: dict[str, Any] = {
        by: (by, ids, {"long_name": f"Id of the {'sub-basin' if by == 'basin' else 'city'}"}),
        "name": (by, [names.get(key, key) for key in ids], {"long_name": "Name"}),
    }
    return da.sel(zone=zones).drop_vars("zone").rename(zone=by).assign_coords(labels)


def _label_gauges(da: xr.DataArray, snapshot: Snapshot) -> xr.DataArray:
    """Label gauges by their codes, with their names; a code alone where no table has the gauge."""
    gauges = places.stations(asof=snapshot.asof)
    codes = da["station"].values.tolist()
    names = [gauges[code].name if code in gauges else code for code in codes]
    labels: dict[str, Any] = {
        "gauge": ("gauge", codes, {"long_name": "Code of the gauge"}),
        "name": ("gauge", names, {"long_name": "Name"}),
    }
    return da.drop_vars("station").rename(station="gauge").assign_coords(labels)


def _list_names(by: ByZone, region: Region, asof: datetime) -> dict[str, str]:
    if by == "city":
        return {city.id: city.name for city in places.cities(region, asof=asof).values()}
    return {basin.id: basin.name for basin in places.basins(asof=asof).values()}


def _read_cells(
    snapshot: Snapshot, row: Index, start: datetime | None, end: datetime | None
) -> xr.DataArray:
    """Read an index of the grid; the night's own days are appended after its forecast."""
    product = job.MONTHLY if "months" in row.families else job.DAILY
    archive = Archive(snapshot.archive.folder)
    span = {"start": start, "end": end}
    try:
        ds = archive.read(product, asof=snapshot.asof, **span)
    except NothingArchived as error:
        raise LookupError(
            f"{row.name} of the grid: {error}; compute the record: mekong indices --record"
        ) from error
    if row.name not in ds:
        lacking = " and ".join(row.inputs)
        raise LookupError(f"{row.name} of the grid: expected {lacking} in the archive, found none")
    return ds[row.name].drop_vars("available_time")


def _require_record(snapshot: Snapshot) -> xr.Dataset:
    record = snapshot.zonal_record
    if record is None:
        raise LookupError(
            "expected zonal daily series as of the night, found none: mekong ingest zones"
        )
    return record


def _load_parameters(models_dir: Path, version: str) -> tuple[dict[str, Any], dict[str, Any]]:
    if version == NO_MODELS:
        raise LookupError("indices of zones: expected a night with models, found one without")
    return registry.load(models_dir, version, names=MODELS)


def _compute_days(
    snapshot: Snapshot,
    row: Index,
    parameters: dict[str, xr.Dataset],
    start: datetime | None,
    end: datetime | None,
) -> xr.DataArray:
    """Compute an index of days as it is published, lazily."""
    since = None if start is None else start - timedelta(days=SPIN_UP_DAYS)
    filled = substitutes.fill_gaps(_require_record(snapshot), snapshot.archive, asof=snapshot.asof)
    _check_span(row.name, filled, start, end)
    record = _select(filled, since, end).chunk(time=-1)
    network = river.routing(basins=places.basins(asof=snapshot.asof))
    parameters = put_parameters_on_zones(parameters, record["zone"].values.tolist())
    indices = daily.risk(record, parameters=parameters, network=network)
    return _select(indices[row.name_in("zones")], start, end)


def _compute_months(
    snapshot: Snapshot,
    row: Index,
    fits: dict[str, dict[str, Any]],
    start: datetime | None,
    end: datetime | None,
) -> xr.DataArray:
    """Compute an index of whole months as it is published."""
    parameters = _find_parameters(row, fits, row.params_in("months"))
    look_back = timedelta(days=31 * (row.window + 1))
    since = None if start is None else start - look_back
    record = _require_record(snapshot)
    _check_span(row.name, record, start, end)
    land = None
    if {"pet", "runoff"} & set(row.inputs):
        land = monthly.read_land_months(
            snapshot.archive, asof=snapshot.asof, start=since, region=snapshot.region
        )
    no_discharge = pd.DataFrame({"value": np.empty(0)})
    months = monthly.collect_months(
        _select(record, since, end).compute(), land=land, discharge=no_discharge
    )
    lacking = [name for name in row.inputs if name not in months.zones]
    if lacking:
        raise LookupError(f"{row.name}: expected months of {', '.join(lacking)}, found none")
    series = row.series(months.zones)
    parameters = put_on_zones(parameters, record["zone"].values.tolist())
    computed = _select(row.describe(row.compute(series, parameters)), start, end)
    if not computed.sizes["time"]:
        raise LookupError(f"{row.name}: expected a whole month within the span, found none")
    return computed


def _compute_seasons(
    snapshot: Snapshot,
    row: Index,
    fits: dict[str, dict[str, Any]],
    start: datetime | None,
    end: datetime | None,
) -> xr.DataArray:
    """Find a date or the length of each year's wet season as it is published."""
    parameters = _find_parameters(row, fits, row.params)
    record = _require_record(snapshot)
    _check_span(row.name, record, start, end)
    first, last = record["time"].values[[0, -1]]
    rain = record["rain"].drop_vars("available_time", errors="ignore")
    rain = rain.reindex(time=np.arange(first, last + DAY, DAY)).compute()
    parameters = put_on_zones(parameters, rain["zone"].values.tolist())
    da = wet_season(rain=rain, parameters=parameters)[row.name.removeprefix(f"{row.params}_")]
    years = (da["year"].values - 1970).astype("M8[Y]").astype("M8[ns]")
    da = da.rename(year="time").assign_coords(time=years)
    da = da.assign_attrs(copy_reference_attrs(parameters))
    found = _select(row.describe(da), start, end)
    if not found.sizes["time"]:
        raise LookupError(f"{row.name}: expected the first day of a year in the span, found none")
    return found


def _compute_at_gauges(
    snapshot: Snapshot,
    row: Index,
    fits: dict[str, dict[str, Any]],
    start: datetime | None,
    end: datetime | None,
) -> xr.DataArray:
    """Compute an index of discharge by month as it is published."""
    discharge = monthly.average_flow_by_month(select_used(snapshot.readings("discharge")))
    if discharge is None:
        raise LookupError(f"{row.name}: expected two months of discharge at gauges, found less")
    _check_span(row.name, discharge.to_dataset(), start, end)
    if row.fit is None:
        agreed = monthly.read_agreed_low_flow(discharge, asof=snapshot.asof)
        da = low_flow_ratio(discharge=discharge, reference_flow=agreed)
    else:
        parameters = _find_parameters(row, fits, f"gauges/{row.params_in('months')}")
        known = discharge.reindex(station=parameters["station"].values)
        da = row.compute(row.series({"discharge": known}), parameters)
    return _select(row.describe(da), start, end)


def _find_parameters(row: Index, fits: dict[str, dict[str, Any]], key: str) -> xr.Dataset:
    """Find the parameters of an index among those of the night's models."""
    if key not in fits:
        raise LookupError(f"{row.name}: expected parameters in the night's models, found none")
    return xr.Dataset.from_dict(fits[key])


def _check_span(
    name: str, record: xr.Dataset, start: datetime | None, end: datetime | None
) -> None:
    """Raise LookupError where the record has no day of a span."""
    if _select(record["time"], start, end).size:
        return
    first, last = np.datetime_as_string(record["time"].values[[0, -1]], unit="D")
    raise LookupError(f"{name}: expected a span within the record, {first} to {last}, found none")


def _select(da: _Series, start: datetime | None, end: datetime | None) -> _Series:
    """Select a half-open interval."""
    time = da["time"].values
    wanted = np.ones(time.size, bool)
    if start is not None:
        wanted &= time >= utc64(start)
    if end is not None:
        wanted &= time < utc64(end)
    return da.isel(time=wanted)
