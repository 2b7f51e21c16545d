"""Indices of the whole grid: fitted once per reference period, then applied to record and nights.

The work is cut into blocks of cells, each through no more days than a reference period has, so that
memory does not grow with the record. A block reads the archive by itself and writes chunks that no
other block writes, in a local thread or a worker of a cluster; all blocks become one commit. The
results are packed into whole numbers of a thousandth (indices), a hundredth (percent, years) or a
tenth (mm), which :meth:`Archive.read` unpacks.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import product as every
from pathlib import Path
from typing import Any, NamedTuple, cast

import icechunk
import numpy as np
import xarray as xr
import zarr
from dask.base import compute
from dask.delayed import delayed
from numpy.typing import NDArray

from pipeline.areal import rain as areal_rain
from pipeline.choices import Region
from pipeline.geography.variables import LEAST_HALF_HOURS, outside, outside_range
from pipeline.gridded import cells
from pipeline.gridded.encoding import (
    COLUMNS,
    ROWS,
    build_reference_template,
    build_step_template,
    flatten,
    pack,
    to_marker,
    unflatten,
)
from pipeline.indices.spi import MIN_YEARS
from pipeline.indices.suite import INDICES, MIN_SHARE, inputs_of
from pipeline.indices.windows import DAY, next_months, whole_months
from pipeline.storage.archive import REFERENCE, Archive, NothingArchived
from pipeline.times import day_start, from_utc64, utc64

Days = NDArray[np.datetime64]

DAILY, MONTHLY = "indices", "indices_monthly"
"""Products of the archive, by day and by calendar month."""
RAIN = "imerg_daily"
INPUTS = {
    "rain": (RAIN, "rain", "mm"),
    "pet": ("gldas", "pet", "mm"),
    "soil_moisture": ("smap", "soil_moisture", "m3 m-3"),
    "ndvi": ("ndvi", "ndvi", "1"),
    "lst": ("lst", "lst", "K"),
    "runoff": ("gldas_monthly", "runoff", "mm"),
}
"""Product, variable and units of each input; without an input, its indices are missing."""
COMPOSITES = {"ndvi", "lst"}
"""Monthly inputs that may lack months; ``runoff`` is monthly too."""
NORMAL = 1991, 2020
"""Reference years where the record covers them (WMO-No. 1203); otherwise all its whole years."""
LOOK_BACK_D = 400
"""Look-back of the indices before their first day (days): twelve months, a dry spell."""
SETTLED = timedelta(days=60)
"""A day is computed the morning after, and again so long after it, with the late files."""
CATCH_UP = timedelta(days=14)
"""Missed nights that a later night computes; longer gaps need the whole record."""
_LONGEST = 26 * 366
"""Days that a block covers at a time; a reference period of 30 years is a little longer."""
_BLOCK = ROWS * COLUMNS * (_LONGEST + LOOK_BACK_D)
"""Values of one input of a block."""
_TALLEST = 90
_MANY_CHUNKS = {"codec_pipeline.batch_size": 64, "array.write_empty_chunks": True}
"""Zarr takes a third less time to write many chunks when it takes them together."""


@dataclass(frozen=True)
class JobResult:
    """Outcome of a job.

    Parameters
    ----------
    reference
        Id of the fit; empty where there is none.
    fitted
        Whether the reference was fitted by this job.
    days, months
        Number of days and months computed.
    period, provisional
        Reference period, and whether it is shorter than 30 years.
    left_out
        Number of results out of range and left out, by index.
    """

    reference: str
    fitted: bool = False
    days: int = 0
    months: int = 0
    period: str = ""
    provisional: bool = False
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Rows:
    """Location of an input's steps: rows of the archive, positions of their days on the axis."""

    product: str
    variable: str
    rows: NDArray[np.int64]
    place: NDArray[np.int64]


@dataclass(frozen=True)
class Job:
    """Description of a job, enough to compute a block wherever the archive's folder is visible.

    Parameters
    ----------
    folder, snapshot
        Folder and version of the archive that is read.
    axis
        Days that are read, without gaps.
    inputs
        Location of the steps by input; ``n_valid`` belongs to ``rain``.
    tail
        Rain of the last days of the axis with half-hourly products included, mm, if any.
    days, months
        Positions on the axis, and in its whole months, of the steps to compute.
    period
        Reference period to fit; None where stored parameters are read.
    reference
        Id of the fit.
    """

    folder: Path
    snapshot: str
    axis: Days
    inputs: dict[str, Rows]
    tail: NDArray[np.float32] | None
    days: NDArray[np.int64]
    months: NDArray[np.int64]
    period: tuple[datetime, datetime] | None
    reference: str


def compute_record(archive: Archive, *, asof: datetime, region: Region = "mekong") -> JobResult:
    """Compute the indices of every day and month of the record that are not stored yet.

    The reference is fitted where the archive has none of the record's reference period.

    Parameters
    ----------
    archive
        Archive of the products and the indices.
    asof
        Only data available by then are used; the results are available from then on.
    region
        Region of the grid.

    Returns
    -------
    JobResult

    Raises
    ------
    NothingArchived
        No daily rain was known by then.
    ValueError
        Fewer than 20 whole years of it were.
    """
    _, times = archive.rows(RAIN, asof=asof)
    if times.size == 0:
        raise NothingArchived(f"no step of {RAIN} was known as of {asof:%Y-%m-%d %H:%MZ}")
    period = _choose_period(times)
    reference = _find_reference(archive, asof=asof, period=period)
    fitted, steps = reference is None, _NOTHING
    if reference is None:
        reference, steps = _fit(archive, period, asof=asof, region=region)
    axis = _make_axis(times[0].astype("M8[D]"), times[-1].astype("M8[D]") + DAY)
    more = _apply(archive, reference["id"], axis, asof=asof, region=region)
    return _sum_steps(reference, steps, more, fitted=fitted)


def compute_newest(archive: Archive, *, asof: datetime, region: Region = "mekong") -> JobResult:
    """Compute the indices of yesterday, of recently missed nights, and of days now settled.

    Parameters
    ----------
    archive, asof, region
        As for :func:`compute_record`.

    Returns
    -------
    JobResult
        Empty where no reference was known by then.
    """
    reference = _find_reference(archive, asof=asof)
    if reference is None:
        return JobResult("")
    last = day_start(asof)
    axis = _make_axis(utc64(last - SETTLED - CATCH_UP), utc64(last))
    steps = _apply(archive, reference["id"], axis, asof=asof, region=region)
    return _sum_steps(reference, steps, fitted=False)


class _Steps(NamedTuple):
    """Number of days and months computed, and of results left out by index."""

    days: int
    months: int
    left_out: Counter[str]


_NOTHING = _Steps(0, 0, Counter())


def _sum_steps(reference: dict[str, Any], *parts: _Steps, fitted: bool) -> JobResult:
    return JobResult(
        reference["id"],
        fitted,
        sum(part.days for part in parts),
        sum(part.months for part in parts),
        reference["reference_period"],
        bool(reference["provisional_lt30y"]),
        sum((part.left_out for part in parts), Counter[str]()),
    )


def _find_reference(
    archive: Archive, *, asof: datetime, period: tuple[datetime, datetime] | None = None
) -> dict[str, Any] | None:
    """Return the last reference known at a moment, of a given period if any."""
    references = [
        reference
        for reference in archive.references()
        if datetime.fromisoformat(reference["available_time"]) <= asof
        and (period is None or reference["reference_period"] == _format_period(period))
    ]
    return max(references, key=lambda row: (row["available_time"], row["id"]), default=None)


def _choose_period(times: Days) -> tuple[datetime, datetime]:
    """Choose the climatological normal where a record covers it, otherwise all its whole years."""
    first, last = (edge.astype("M8[D]") for edge in (times[0], times[-1] + DAY))
    begin, end = (int(edge.astype("M8[Y]").astype(int)) + 1970 for edge in (first, last))
    begin += int(first.astype("M8[Y]") < first)
    if begin <= NORMAL[0] and end > NORMAL[1]:
        begin, end = NORMAL[0], NORMAL[1] + 1
    if end - begin < MIN_YEARS:
        raise ValueError(
            f"reference period: expected {MIN_YEARS} whole years of {RAIN} or more, found "
            f"{max(end - begin, 0)}"
        )
    return datetime(begin, 1, 1, tzinfo=UTC), datetime(end, 1, 1, tzinfo=UTC)


def _fit(
    archive: Archive, period: tuple[datetime, datetime], *, asof: datetime, region: Region
) -> tuple[dict[str, Any], _Steps]:
    """Fit a reference period and compute its indices, unless the same inputs have been fitted."""
    axis = _make_axis(*(utc64(moment) for moment in period))
    job = _plan(archive, axis, whole_months(axis), asof=asof, region=region, period=period)
    params, indices = _compute_indices(job, _make_blank(job), None)
    like = dict(indices)
    params = {name: ds for name, ds in params.items() if inputs_of(name) <= set(job.inputs)}
    digest = hashlib.sha256()
    for name, ds in sorted(params.items()):
        digest.update(f"{name} {ds.attrs['definition_sha256']}".encode())
    for rows in job.inputs.values():
        digest.update(archive.digest(rows.product, rows.rows).encode())
    job = replace(job, reference=digest.hexdigest()[:16])
    steps = _NOTHING
    if job.reference not in {reference["id"] for reference in archive.references()}:
        left_out = _compute_blocks(archive, job, like, params, asof=asof)
        steps = _Steps(job.days.size, job.months.size, left_out)
    return next(row for row in archive.references() if row["id"] == job.reference), steps


def _apply(
    archive: Archive, reference: str, axis: Days, *, asof: datetime, region: Region
) -> _Steps:
    """Apply a reference to the days and months of an axis that are not computed yet."""
    days, months = axis, whole_months(axis)
    known: dict[str, Any] = {"reference": reference, "asof": asof}
    days = days[_find_pending(archive, DAILY, days, days + DAY, **known)]
    months = months[_find_pending(archive, MONTHLY, months, next_months(months), **known)]
    sizes, left_out = (days.size, months.size), Counter[str]()
    while days.size or months.size:
        limit = min([*days[:1], *months[:1]]) + _LONGEST * DAY
        days_in, months_in = days < limit, next_months(months) <= limit
        job = _plan(
            archive, days[days_in], months[months_in], asof=asof, region=region, reference=reference
        )
        left_out += _compute_blocks(archive, job, _list_variables(archive), {}, asof=asof)
        days, months = days[~days_in], months[~months_in]
    return _Steps(*sizes, left_out)


def _find_pending(
    archive: Archive, product: str, times: Days, ends: Days, *, reference: str, asof: datetime
) -> NDArray[np.bool_]:
    """Mark steps not computed with a reference yet, or computed before they settled by now."""
    known = archive.since(product, asof=asof, digest=to_marker(reference))
    now, wait = utc64(asof), np.timedelta64(SETTLED)
    return np.array(
        [
            time not in known or known[time] < end + wait <= now
            for time, end in zip(times, ends, strict=True)
        ],
        bool,
    )


def _plan(
    archive: Archive,
    days: Days,
    months: Days,
    *,
    asof: datetime,
    region: Region,
    period: tuple[datetime, datetime] | None = None,
    reference: str = "",
) -> Job:
    """Plan the job of some days and months: locate their inputs."""
    begin = min([*days[:1], *months[:1]]) - LOOK_BACK_D * DAY
    end = max([*days[-1:] + DAY, *next_months(months)[-1:]])
    axis = _make_axis(begin, end)
    inputs = {}
    for name, (product, variable, _) in (*INPUTS.items(), ("n_valid", (RAIN, "n_valid", "1"))):
        rows, times = archive.rows(product, asof=asof, start=from_utc64(begin), end=from_utc64(end))
        if rows.size:
            place = ((times - begin) // DAY).astype(np.int64)
            inputs[name] = Rows(product, variable, rows, place)
    if period is not None and "soil_moisture" in inputs:
        soil_days = axis[inputs["soil_moisture"].place]
        if not ((soil_days >= utc64(period[0])) & (soil_days < utc64(period[1]))).any():
            del inputs["soil_moisture"]
    tail = None
    if end == utc64(day_start(asof)) and {"imerg_late", "imerg_early", "gk2a"} & set(
        archive.products()
    ):
        since = areal_rain.find_first_summed_day(
            archive, asof=asof, start=day_start(asof) - CATCH_UP, end=day_start(asof)
        )
        rain = areal_rain.read_daily_rain(
            archive, asof=asof, start=since, end=day_start(asof), region=region
        )
        tail = rain["rain"].to_numpy().astype(np.float32)
    return Job(
        folder=archive.folder,
        snapshot=archive.snapshot,
        axis=axis,
        inputs=inputs,
        tail=tail,
        days=((days - begin) // DAY).astype(np.int64),
        months=np.searchsorted(whole_months(axis), months),
        period=period,
        reference=reference,
    )


def _list_variables(archive: Archive) -> dict[str, xr.DataArray]:
    """Return the variables of both products, by product and name."""
    return {
        f"{product}/{name}": da
        for product in (DAILY, MONTHLY)
        for name, da in archive.stored(product).data_vars.items()
    }


def _compute_blocks(
    archive: Archive,
    job: Job,
    like: dict[str, xr.DataArray],
    params: dict[str, xr.Dataset],
    *,
    asof: datetime,
) -> Counter[str]:
    """Compute the blocks of a job with dask and commit them together.

    Parameters
    ----------
    archive, job
        Archive that is written, and job.
    like
        Variables of both products, by product and name.
    params
        Parameters to store; empty where they are stored already.
    asof
        Time from which the results are available.

    Returns
    -------
    Counter
        Number of results out of range and left out, by index.
    """
    lat, lon = archive.axes(RAIN)
    space = {"lat": lat, "lon": lon}
    frames = {}
    if params:
        frames[f"{REFERENCE}/{job.reference}"] = build_reference_template(
            params, space, available=asof, snapshot=job.snapshot
        )
    places = {DAILY: job.axis[job.days], MONTHLY: whole_months(job.axis)[job.months]}
    for product, times in places.items():
        if times.size:
            variables = {
                k.split("/")[1]: da for k, da in like.items() if k.startswith(f"{product}/")
            }
            frames[product] = build_step_template(
                variables, times, space, available=asof, reference=job.reference
            ).assign_attrs(origin=archive.origin(RAIN))
    height = int(np.clip(_BLOCK // (len(job.axis) * COLUMNS), ROWS, _TALLEST)) // ROWS * ROWS
    boxes = every(_cut(len(lat), height), _cut(len(lon), COLUMNS))
    message = f"indices of {job.days.size} days and {job.months.size} months as of {asof:%Y-%m-%d}"
    with archive.drafting(frames, message=message) as session:
        shared = delayed(job, traverse=False)
        block = delayed(_compute_block, pure=False, traverse=False)
        blocks = [block(shared, rows, columns, session.fork()) for rows, columns in boxes]
        left_out = Counter[str]()
        for fork, counts in compute(*blocks, traverse=False, chunksize=1):  # type: ignore[no-untyped-call]
            session.merge(fork)
            left_out.update(counts)
    return left_out


def _compute_block(
    job: Job, lat: slice, lon: slice, fork: icechunk.ForkSession
) -> tuple[icechunk.ForkSession, dict[str, int]]:
    """Compute the indices of some cells and write them through a fork of the draft's session.

    Values outside an index's range are written as missing and counted by its name.
    """
    archive = Archive(job.folder, snapshot=job.snapshot)
    days = job.axis[job.days]
    stored = None
    if not job.period:
        stored = unflatten(archive.reference(job.reference).isel(lat=lat, lon=lon), days=days)
    inputs = _load(archive, job, lat, lon, stored)
    params, indices = _compute_indices(job, inputs, stored)
    group = zarr.open_group(fork.store, mode="r+")

    def put(name: str, values: NDArray[Any], *front: slice) -> None:
        array = cast("zarr.Array[Any]", group[name])
        where = (*(front or [slice(None)] * (array.ndim - 2)), lat, lon)
        shape = *values.shape[:-1], lat.stop - lat.start, lon.stop - lon.start
        array[where] = values.reshape(shape)

    left_out = {}
    with zarr.config.set(_MANY_CHUNKS):
        for name, index in indices:
            row = INDICES[name.partition("/")[2]]
            da, wrong = index, outside_range(index, row.valid_min, row.valid_max)
            if count := int(wrong.sum()):
                da, left_out[name] = index.where(~wrong), count
            put(name, pack(da), slice(-da.sizes["time"], None))
            del da  # the next index is computed before the name is bound again
        if not stored:
            for name, values in flatten(params).items():
                put(f"{REFERENCE}/{job.reference}/{name}", values)
    return fork, left_out


def _compute_indices(
    job: Job, inputs: dict[str, xr.DataArray], stored: dict[str, xr.Dataset] | None
) -> tuple[dict[str, xr.Dataset], Iterator[tuple[str, xr.DataArray]]]:
    """Return parameters and indices of some cells; the former are complete after the latter."""
    block, params = cells.Cells(**inputs), dict(stored or {})

    def compute_all() -> Iterator[tuple[str, xr.DataArray]]:
        fit: dict[str, Any] = {"params": params, "period": job.period}
        if job.days.size:
            for name, da in cells.compute_daily(block, days=job.days, **fit):
                yield f"{DAILY}/{name}", da
        months = whole_months(job.axis)[job.months]
        if months.size:
            for name, da in cells.compute_monthly(block, months=months, **fit):
                yield f"{MONTHLY}/{name}", da

    return params, compute_all()


def _load(
    archive: Archive, job: Job, lat: slice, lon: slice, params: dict[str, xr.Dataset] | None
) -> dict[str, xr.DataArray]:
    """Read a block's inputs by day, dims (time, cell), where parameters exist for them."""
    shape = lat.stop - lat.start, lon.stop - lon.start
    inputs = {}
    fitted = set().union(*(inputs_of(index) for index in params)) if params else set(INPUTS)
    for name, (_, _, units) in INPUTS.items():
        if name not in job.inputs or name not in fitted:
            continue
        rows = job.inputs[name]
        values = archive.block(rows.product, rows.variable, rows=rows.rows, lat=lat, lon=lon)
        values[outside(xr.DataArray(values), rows.variable).values] = np.nan
        if name in COMPOSITES:
            time, full = job.axis[rows.place], values
        elif name == "runoff":
            time = _list_months(job, rows.place)
            full = np.full((len(time), *shape), np.nan, np.float32)
            full[np.searchsorted(time, job.axis[rows.place])] = np.maximum(values, 0)
        else:
            begin = int(rows.place[0]) if name == "soil_moisture" else 0
            time = job.axis[begin:]
            full = np.full((len(time), *shape), np.nan, np.float32)
            full[np.unique(rows.place) - begin] = _average_by_day(values, rows.place)
        if name == "rain" and "n_valid" in job.inputs:
            rows = job.inputs["n_valid"]
            count = archive.block(rows.product, rows.variable, rows=rows.rows, lat=lat, lon=lon)
            full[rows.place] = np.where(count >= LEAST_HALF_HOURS, full[rows.place], np.nan)
        if name == "rain" and job.tail is not None:
            full[-len(job.tail) :] = job.tail[:, lat, lon]
        inputs[name] = _make_series(name, full.reshape(len(time), -1), time, units)
    return inputs


def _list_months(job: Job, place: NDArray[np.int64]) -> Days:
    """List the months without gaps from the first to the last of some positions on the axis."""
    first, last = job.axis[place[[0, -1]]].astype("M8[M]")
    return np.arange(first, last + 1).astype("M8[ns]")


def _average_by_day(values: NDArray[np.float32], place: NDArray[np.int64]) -> NDArray[np.float32]:
    """Average the steps of each day; missing where too few are present."""
    _, begin, count = np.unique(place, return_index=True, return_counts=True)
    if count.max() == 1:
        return values
    enough = count >= MIN_SHARE * count.max()
    mean = np.add.reduceat(values, begin) / count.reshape(-1, 1, 1).astype(np.float32)
    return np.where(enough.reshape(-1, 1, 1), mean, np.float32(np.nan))


def _make_series(name: str, values: NDArray[np.float32], time: Days, units: str) -> xr.DataArray:
    return xr.DataArray(values, {"time": time}, ("time", "cell"), name=name, attrs={"units": units})


def _make_blank(job: Job) -> dict[str, xr.DataArray]:
    """Return inputs of one cell without data; its indices have all names, units, definitions."""
    inputs = {}
    for name, (_, _, units) in INPUTS.items():
        place = job.inputs[name].place if name in job.inputs else np.arange(len(job.axis))
        time = job.axis[place[0] :] if name == "soil_moisture" else job.axis
        if name in COMPOSITES:
            time = job.axis[place]
        if name == "runoff":
            time = _list_months(job, place)
        inputs[name] = _make_series(name, np.full((len(time), 1), np.nan, np.float32), time, units)
    return inputs


def _cut(length: int, size: int) -> list[slice]:
    return [slice(begin, min(begin + size, length)) for begin in range(0, length, size)]


def _format_period(period: tuple[datetime, datetime]) -> str:
    return "/".join(f"{moment:%Y-%m-%d}" for moment in period)


def _make_axis(first: np.datetime64, end: np.datetime64) -> Days:
    return np.arange(first, end, DAY).astype("M8[ns]")
