"""Indices of the whole grid: fitted once per reference period, kept, applied to record and nights.

The work is cut into blocks of cells, each through no more days than a reference period has, so that
memory does not grow with the record. A block reads the archive by itself and writes chunks that no
other block writes, in a thread here or in a worker of a cluster; all blocks become one commit. The
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
from pipeline.gridded.encoding import COLUMNS, ROWS, flat, frame, mark, pack, parameters, shelf
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
"""Product, variable and units of each input; without it, its indices are missing."""
COMPOSITES = {"ndvi", "lst"}
"""Inputs that come by month, with months left out; ``runoff`` comes by month too."""
NORMAL = 1991, 2020
"""Years of the reference where the record has them (WMO-No. 1203), else all its whole years."""
LEAD = 400
"""Days before the first one wanted that its indices may look at: twelve months, a dry spell."""
SETTLED = timedelta(days=60)
"""A day is made the morning after, and once more so long after it, when late files have come."""
CATCH_UP = timedelta(days=14)
"""Nights that a later one makes up for; longer gaps are filled by making the whole record."""
_LONGEST = 26 * 366
"""Days that a block goes through at a time; a reference period of 30 years is a little longer."""
_BLOCK = ROWS * COLUMNS * (_LONGEST + LEAD)
"""Values of one input of a block."""
_TALLEST = 90
_MANY_CHUNKS = {"codec_pipeline.batch_size": 64, "array.write_empty_chunks": True}
"""Zarr takes a third less time to write many chunks when it takes them together."""


@dataclass(frozen=True)
class Made:
    """What was made.

    Parameters
    ----------
    reference
        Id of the fit; empty where there is none.
    fitted
        Whether it was fitted now.
    days, months
        Number of days and months that were made.
    period, provisional
        Reference period, and whether it is shorter than 30 years.
    left_out
        By index how many results were out of its range and left out.
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
    """Where the steps of an input lie: rows of the archive, and their days on the axis."""

    product: str
    variable: str
    rows: NDArray[np.int64]
    place: NDArray[np.int64]


@dataclass(frozen=True)
class Job:
    """All that a block must know to be made anywhere that sees the archive's folder.

    Parameters
    ----------
    folder, snapshot
        The archive as it is read.
    axis
        Days without gaps that are read.
    inputs
        By name where their steps lie; ``n_valid`` belongs to ``rain``.
    tail
        Rain of the last days of the axis from half-hours too, mm, where there is such.
    days, months
        Places on the axis, and among its whole months, of what is made.
    period
        Reference period to fit; None where the fit is read.
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


def whole_record(archive: Archive, *, asof: datetime, region: Region = "mekong") -> Made:
    """Make the indices of every day and month of the record that are not there yet.

    The reference is fitted where the archive has none of the record's reference period.

    Parameters
    ----------
    archive
        Where the products are read and the indices are kept.
    asof
        Only what was available by then goes in; what is made counts as available from then on.
    region
        Whose grid it is.

    Returns
    -------
    Made

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
    period = _period(times)
    known = _known(archive, asof=asof, period=period)
    fitted, made = known is None, _NOTHING
    if known is None:
        known, made = _fit(archive, period, asof=asof, region=region)
    axis = _axis(times[0].astype("M8[D]"), times[-1].astype("M8[D]") + DAY)
    more = _apply(archive, known["id"], axis, asof=asof, region=region)
    return _made(known, made, more, fitted=fitted)


def newest(archive: Archive, *, asof: datetime, region: Region = "mekong") -> Made:
    """Make the indices of yesterday, of nights missed lately, and of the days settled by now.

    Parameters
    ----------
    archive, asof, region
        As for :func:`whole_record`.

    Returns
    -------
    Made
        Nothing is made where no reference was known by then.
    """
    known = _known(archive, asof=asof)
    if known is None:
        return Made("")
    last = day_start(asof)
    axis = _axis(utc64(last - SETTLED - CATCH_UP), utc64(last))
    made = _apply(archive, known["id"], axis, asof=asof, region=region)
    return _made(known, made, fitted=False)


class _Steps(NamedTuple):
    """Days and months that were made, and by index how many results were left out."""

    days: int
    months: int
    left_out: Counter[str]


_NOTHING = _Steps(0, 0, Counter())


def _made(known: dict[str, Any], *parts: _Steps, fitted: bool) -> Made:
    return Made(
        known["id"],
        fitted,
        sum(one.days for one in parts),
        sum(one.months for one in parts),
        known["reference_period"],
        bool(known["provisional_lt30y"]),
        sum((one.left_out for one in parts), Counter[str]()),
    )


def _known(
    archive: Archive, *, asof: datetime, period: tuple[datetime, datetime] | None = None
) -> dict[str, Any] | None:
    """Say which fit was the last known at a moment, of one period where it is given."""
    found = [
        one
        for one in archive.references()
        if datetime.fromisoformat(one["available_time"]) <= asof
        and (period is None or one["reference_period"] == _span(period))
    ]
    return max(found, key=lambda one: (one["available_time"], one["id"]), default=None)


def _period(times: Days) -> tuple[datetime, datetime]:
    """Choose the standard normal where a record covers it, else all its whole years."""
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
    """Fit a reference period and make its indices, unless the same inputs have been fitted."""
    axis = _axis(*(utc64(moment) for moment in period))
    job = _job(archive, axis, whole_months(axis), asof=asof, region=region, period=period)
    laws, made = _indices(job, _blank(job), None)
    like = dict(made)
    laws = {name: law for name, law in laws.items() if inputs_of(name) <= set(job.inputs)}
    digest = hashlib.sha256()
    for name, law in sorted(laws.items()):
        digest.update(f"{name} {law.attrs['definition_sha256']}".encode())
    for one in job.inputs.values():
        digest.update(archive.digest(one.product, one.rows).encode())
    job = replace(job, reference=digest.hexdigest()[:16])
    steps = _NOTHING
    if job.reference not in {one["id"] for one in archive.references()}:
        left_out = _make(archive, job, like, laws, asof=asof)
        steps = _Steps(job.days.size, job.months.size, left_out)
    return next(one for one in archive.references() if one["id"] == job.reference), steps


def _apply(
    archive: Archive, reference: str, axis: Days, *, asof: datetime, region: Region
) -> _Steps:
    """Apply a reference to what is still to be made on an axis."""
    days, months = axis, whole_months(axis)
    of: dict[str, Any] = {"reference": reference, "asof": asof}
    days = days[_wanting(archive, DAILY, days, days + DAY, **of)]
    months = months[_wanting(archive, MONTHLY, months, next_months(months), **of)]
    made, left_out = (days.size, months.size), Counter[str]()
    while days.size or months.size:
        limit = min([*days[:1], *months[:1]]) + _LONGEST * DAY
        near, soon = days < limit, next_months(months) <= limit
        job = _job(archive, days[near], months[soon], asof=asof, region=region, reference=reference)
        left_out += _make(archive, job, _variables(archive), {}, asof=asof)
        days, months = days[~near], months[~soon]
    return _Steps(*made, left_out)


def _wanting(
    archive: Archive, product: str, times: Days, ends: Days, *, reference: str, asof: datetime
) -> NDArray[np.bool_]:
    """Find steps not made with a reference yet, or made before they were settled, as now."""
    known = archive.since(product, asof=asof, digest=mark(reference))
    now, wait = utc64(asof), np.timedelta64(SETTLED)
    return np.array(
        [
            time not in known or known[time] < end + wait <= now
            for time, end in zip(times, ends, strict=True)
        ],
        bool,
    )


def _job(
    archive: Archive,
    days: Days,
    months: Days,
    *,
    asof: datetime,
    region: Region,
    period: tuple[datetime, datetime] | None = None,
    reference: str = "",
) -> Job:
    """Find where the inputs of some days and months lie."""
    begin = min([*days[:1], *months[:1]]) - LEAD * DAY
    end = max([*days[-1:] + DAY, *next_months(months)[-1:]])
    axis = _axis(begin, end)
    inputs = {}
    for name, (product, variable, _) in (*INPUTS.items(), ("n_valid", (RAIN, "n_valid", "1"))):
        rows, times = archive.rows(product, asof=asof, start=from_utc64(begin), end=from_utc64(end))
        if rows.size:
            place = ((times - begin) // DAY).astype(np.int64)
            inputs[name] = Rows(product, variable, rows, place)
    if period is not None and "soil_moisture" in inputs:
        within = axis[inputs["soil_moisture"].place]
        if not ((within >= utc64(period[0])) & (within < utc64(period[1]))).any():
            del inputs["soil_moisture"]
    tail = None
    if end == utc64(day_start(asof)) and {"imerg_late", "imerg_early", "gk2a"} & set(
        archive.products()
    ):
        since = areal_rain.find_first_summed_day(
            archive, asof=asof, start=day_start(asof) - CATCH_UP, end=day_start(asof)
        )
        found = areal_rain.read_daily_rain(
            archive, asof=asof, start=since, end=day_start(asof), region=region
        )
        tail = found["rain"].to_numpy().astype(np.float32)
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


def _variables(archive: Archive) -> dict[str, xr.DataArray]:
    """Variables of both products, by product and name."""
    return {
        f"{product}/{name}": da
        for product in (DAILY, MONTHLY)
        for name, da in archive.stored(product).data_vars.items()
    }


def _make(
    archive: Archive,
    job: Job,
    like: dict[str, xr.DataArray],
    laws: dict[str, xr.Dataset],
    *,
    asof: datetime,
) -> Counter[str]:
    """Make one job's blocks, wherever dask computes, and commit them together.

    Parameters
    ----------
    archive, job
        Where, what.
    like
        The variables of both products, by product and name.
    laws
        The laws to keep; none where they have been kept.
    asof
        Moment that all of it counts as available from.

    Returns
    -------
    Counter
        By index how many results were out of its range and left out.
    """
    lat, lon = archive.axes(RAIN)
    space = {"lat": lat, "lon": lon}
    frames = {}
    if laws:
        frames[f"{REFERENCE}/{job.reference}"] = shelf(
            laws, space, available=asof, snapshot=job.snapshot
        )
    places = {DAILY: job.axis[job.days], MONTHLY: whole_months(job.axis)[job.months]}
    for product, times in places.items():
        if times.size:
            its = {k.split("/")[1]: da for k, da in like.items() if k.startswith(f"{product}/")}
            frames[product] = frame(
                its, times, space, available=asof, reference=job.reference
            ).assign_attrs(origin=archive.origin(RAIN))
    height = int(np.clip(_BLOCK // (len(job.axis) * COLUMNS), ROWS, _TALLEST)) // ROWS * ROWS
    boxes = every(_cuts(len(lat), height), _cuts(len(lon), COLUMNS))
    message = f"indices of {job.days.size} days and {job.months.size} months as of {asof:%Y-%m-%d}"
    with archive.drafting(frames, message=message) as session:
        shared = delayed(job, traverse=False)
        block = delayed(_block, pure=False, traverse=False)
        blocks = [block(shared, rows, columns, session.fork()) for rows, columns in boxes]
        left_out = Counter[str]()
        for fork, counts in compute(*blocks, traverse=False, chunksize=1):  # type: ignore[no-untyped-call]
            session.merge(fork)
            left_out.update(counts)
    return left_out


def _block(
    job: Job, lat: slice, lon: slice, fork: icechunk.ForkSession
) -> tuple[icechunk.ForkSession, dict[str, int]]:
    """Make the indices of some cells and write them through a fork of the draft's session.

    What an index cannot be is written as missing; it is counted by its name.
    """
    archive = Archive(job.folder, snapshot=job.snapshot)
    days = job.axis[job.days]
    kept = None
    if not job.period:
        kept = parameters(archive.reference(job.reference).isel(lat=lat, lon=lon), days=days)
    inputs = _load(archive, job, lat, lon, kept)
    laws, made = _indices(job, inputs, kept)
    group = zarr.open_group(fork.store, mode="r+")

    def put(name: str, values: NDArray[Any], *front: slice) -> None:
        array = cast("zarr.Array[Any]", group[name])
        where = (*(front or [slice(None)] * (array.ndim - 2)), lat, lon)
        shape = *values.shape[:-1], lat.stop - lat.start, lon.stop - lon.start
        array[where] = values.reshape(shape)

    left_out = {}
    with zarr.config.set(_MANY_CHUNKS):
        for name, one in made:
            row = INDICES[name.partition("/")[2]]
            da, wrong = one, outside_range(one, row.valid_min, row.valid_max)
            if count := int(wrong.sum()):
                da, left_out[name] = one.where(~wrong), count
            put(name, pack(da), slice(-da.sizes["time"], None))
            del da  # the next one is made before the name is bound again
        if not kept:
            for name, values in flat(laws).items():
                put(f"{REFERENCE}/{job.reference}/{name}", values)
    return fork, left_out


def _indices(
    job: Job, inputs: dict[str, xr.DataArray], kept: dict[str, xr.Dataset] | None
) -> tuple[dict[str, xr.Dataset], Iterator[tuple[str, xr.DataArray]]]:
    """Laws and indices of some cells: the laws are whole once all indices have been made."""
    known, laws = cells.Cells(**inputs), dict(kept or {})

    def made() -> Iterator[tuple[str, xr.DataArray]]:
        of: dict[str, Any] = {"laws": laws, "period": job.period}
        if job.days.size:
            for name, da in cells.by_day(known, days=job.days, **of):
                yield f"{DAILY}/{name}", da
        months = whole_months(job.axis)[job.months]
        if months.size:
            for name, da in cells.by_calendar_month(known, months=months, **of):
                yield f"{MONTHLY}/{name}", da

    return laws, made()


def _load(
    archive: Archive, job: Job, lat: slice, lon: slice, laws: dict[str, xr.Dataset] | None
) -> dict[str, xr.DataArray]:
    """Read a block's inputs by day, dims (time, cell), as far as there are laws for them."""
    shape = lat.stop - lat.start, lon.stop - lon.start
    found = {}
    fitted = set().union(*(inputs_of(law) for law in laws)) if laws else set(INPUTS)
    for name, (_, _, units) in INPUTS.items():
        if name not in job.inputs or name not in fitted:
            continue
        one = job.inputs[name]
        values = archive.block(one.product, one.variable, rows=one.rows, lat=lat, lon=lon)
        values[outside(xr.DataArray(values), one.variable).values] = np.nan
        if name in COMPOSITES:
            time, whole = job.axis[one.place], values
        elif name == "runoff":
            time = _months_of(job, one.place)
            whole = np.full((len(time), *shape), np.nan, np.float32)
            whole[np.searchsorted(time, job.axis[one.place])] = np.maximum(values, 0)
        else:
            begin = int(one.place[0]) if name == "soil_moisture" else 0
            time = job.axis[begin:]
            whole = np.full((len(time), *shape), np.nan, np.float32)
            whole[np.unique(one.place) - begin] = _daily(values, one.place)
        if name == "rain" and "n_valid" in job.inputs:
            one = job.inputs["n_valid"]
            count = archive.block(one.product, one.variable, rows=one.rows, lat=lat, lon=lon)
            whole[one.place] = np.where(count >= LEAST_HALF_HOURS, whole[one.place], np.nan)
        if name == "rain" and job.tail is not None:
            whole[-len(job.tail) :] = job.tail[:, lat, lon]
        found[name] = _cells(name, whole.reshape(len(time), -1), time, units)
    return found


def _months_of(job: Job, place: NDArray[np.int64]) -> Days:
    """Months without gaps from the first to the last of some places on the axis."""
    first, last = job.axis[place[[0, -1]]].astype("M8[M]")
    return np.arange(first, last + 1).astype("M8[ns]")


def _daily(values: NDArray[np.float32], place: NDArray[np.int64]) -> NDArray[np.float32]:
    """Mean of a day's steps, missing where too few of them are there."""
    _, begin, count = np.unique(place, return_index=True, return_counts=True)
    if count.max() == 1:
        return values
    enough = count >= MIN_SHARE * count.max()
    mean = np.add.reduceat(values, begin) / count.reshape(-1, 1, 1).astype(np.float32)
    return np.where(enough.reshape(-1, 1, 1), mean, np.float32(np.nan))


def _cells(name: str, values: NDArray[np.float32], time: Days, units: str) -> xr.DataArray:
    return xr.DataArray(values, {"time": time}, ("time", "cell"), name=name, attrs={"units": units})


def _blank(job: Job) -> dict[str, xr.DataArray]:
    """One cell of which nothing is known: what is made of it tells names, units, definitions."""
    found = {}
    for name, (_, _, units) in INPUTS.items():
        place = job.inputs[name].place if name in job.inputs else np.arange(len(job.axis))
        time = job.axis[place[0] :] if name == "soil_moisture" else job.axis
        if name in COMPOSITES:
            time = job.axis[place]
        if name == "runoff":
            time = _months_of(job, place)
        found[name] = _cells(name, np.full((len(time), 1), np.nan, np.float32), time, units)
    return found


def _cuts(length: int, size: int) -> list[slice]:
    return [slice(begin, min(begin + size, length)) for begin in range(0, length, size)]


def _span(period: tuple[datetime, datetime]) -> str:
    return "/".join(f"{moment:%Y-%m-%d}" for moment in period)


def _axis(first: np.datetime64, end: np.datetime64) -> Days:
    return np.arange(first, end, DAY).astype("M8[ns]")
