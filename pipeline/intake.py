"""From files to the stores: which are new, what each holds, and what is said of the bad ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.archive import utc64
from pipeline.places import stations
from pipeline.sources.base import BadGranule, Granule, Origin, Skipped, Source, sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pipeline.archive import Archive
    from pipeline.records import Records


READINGS = {".csv", ".json", ".xml", ".wml"}
"""Files of a folder that may hold readings; metadata and maps lie beside exports."""
BATCH = 512
"""Grid files that are in memory at a time: 0.1 GB of a variable. A batch is one commit."""


class Show(Protocol):
    """How far a step is: what it does, done and total."""

    def __call__(self, what: str, done: int, total: int, /) -> None:
        """Show it."""


@dataclass(frozen=True)
class File:
    """One file to read: what it should be, where it lies, when it was published.

    Parameters
    ----------
    granule
        What the file should be.
    path
        Where it lies.
    published
        Moment it became available.
    sha256
        Checksum, empty until it is wanted.
    """

    granule: Granule
    path: Path
    published: datetime
    sha256: str = ""


@dataclass(frozen=True)
class Content:
    """What a file held, or why it could not be read."""

    file: File
    data: xr.Dataset | pd.DataFrame | None
    origin: Origin
    rejected: str | None


@dataclass(frozen=True)
class Taken:
    """What files held, all in all.

    Parameters
    ----------
    read
        How many could be read.
    added
        Steps or readings that were new.
    rejected, passed_over
        Files that are not what their name promises, and files of parameters that nothing here
        uses; each with the reason.
    strangers
        Files with stages of stations that the table of stations does not know.
    """

    read: int = 0
    added: int = 0
    rejected: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()


def in_folder(row: Source, folder: Path, *, asof: datetime) -> list[File]:
    """List the files of a folder with their checksums; the interval the content will tell."""
    if not folder.is_dir():
        raise FileNotFoundError(f"expected a folder of {row.id} files, found nothing at {folder}")
    files = sorted(path for path in folder.iterdir() if path.is_file())
    if row.kind == "readings":
        files = [path for path in files if path.suffix in READINGS]
    if not files:
        raise FileNotFoundError(f"expected {row.id} files in {folder}, found none")
    return [
        File(Granule(row.id, str(folder), path.name, asof, asof), path, asof, sha256(path))
        for path in files
    ]


def unknown(found: list[File], known: dict[str, set[tuple[datetime | None, str]]]) -> list[File]:
    """Files not dealt with yet, with their checksums; without one, known by time of publication."""
    news = []
    for file in found:
        seen = known.get(file.path.name, set())
        if not file.sha256 and any(time == file.published for time, _ in seen):
            continue
        marked = file if file.sha256 else replace(file, sha256=sha256(file.path))
        if all(marked.sha256 != other for _, other in seen):
            news.append(marked)
    return news


def bring_in(
    row: Source,
    files: Sequence[File],
    read: Callable[[Path], xr.Dataset | pd.DataFrame],
    *,
    archive: Archive,
    records: Records,
    asof: datetime,
    from_folder: bool,
    show: Show,
) -> Taken:
    """Read files and store what they hold; grids batch by batch, so that a long record fits.

    Parameters
    ----------
    row
        Their source.
    files
        From :func:`unknown`.
    read
        Its reader.
    archive, records
        Where to.
    asof
        Moment of the question.
    from_folder
        Whether the content tells the interval.
    show
        Told how far it is.
    """
    total = Taken()
    size = BATCH if row.kind == "grid" else max(len(files), 1)
    for first in range(0, len(files), size):

        def shown(what: str, done: int, _: int, /, first: int = first) -> None:
            show(what, first + done, len(files))

        contents, passed_over = read_all(
            row, files[first : first + size], read, asof=asof, from_folder=from_folder, show=shown
        )
        contents = of_one_kind(contents)
        total = Taken(
            read=total.read + sum(one.data is not None for one in contents),
            added=total.added + store(row, contents, archive=archive, records=records, asof=asof),
            rejected=(*total.rejected, *(one.rejected for one in contents if one.rejected)),
            passed_over=(*total.passed_over, *passed_over),
            strangers=(*total.strangers, *_strangers(contents)),
        )
    return total


def read_all(
    row: Source,
    files: Sequence[File],
    read: Callable[[Path], xr.Dataset | pd.DataFrame],
    *,
    asof: datetime,
    from_folder: bool,
    show: Show,
) -> tuple[list[Content], list[str]]:
    """Read files one after the other, and say which were passed over.

    Parameters
    ----------
    row, files, read, asof, from_folder, show
        As of :func:`bring_in`.
    """
    contents, passed_over = list[Content](), list[str]()
    for number, file in enumerate(files):
        show(row.id, number + 1, len(files))
        try:
            contents.append(take(row, file, read, asof=asof, from_folder=from_folder))
        except Skipped as skipped:
            passed_over.append(str(skipped))
    return contents, passed_over


def take(
    row: Source,
    file: File,
    read: Callable[[Path], xr.Dataset | pd.DataFrame],
    *,
    asof: datetime,
    from_folder: bool,
) -> Content:
    """Read one file; one that is not what its name promises is kept as rejected, with the reason.

    Raises
    ------
    Skipped
        The file holds something that nothing here uses.
    """
    try:
        data = read(file.path)
        rejected = None
        if isinstance(data, pd.DataFrame):
            data, rejected = _not_after(data, file.path, asof=asof)
        else:
            _refuse_future(data, file.path, asof=asof + row.ahead)
        if from_folder:
            file = _told(row, data, file)
    except BadGranule as bad:
        return Content(file, None, "measured", str(bad))
    return Content(file, data, data.attrs["origin"], rejected)


def store(
    row: Source,
    contents: list[Content],
    *,
    archive: Archive,
    records: Records,
    asof: datetime,
) -> int:
    """Store what files held, grids in one commit (the areal record year by year).

    Returns
    -------
    int
        Steps or readings that were new.
    """
    if not contents:
        return 0
    added = 0
    grids = [one.data for one in contents if isinstance(one.data, xr.Dataset)]
    for grid in [together(contents)] if row.kind == "grid" and grids else grids:
        message = f"{row.id} as of {asof:%Y-%m-%dT%H:%MZ}, {grid.sizes['time']} steps"
        added += archive.append(row.id, grid, message=message)
    with records.ingest(row.id, asof=asof) as batch:
        origins: tuple[Origin, ...] = ("measured", "virtual")
        for origin in origins:
            tables = [
                one.data.assign(file=one.file.path.name)
                for one in contents
                if isinstance(one.data, pd.DataFrame) and one.origin == origin
            ]
            if tables:
                whole = with_conflicts(pd.concat(tables, ignore_index=True))
                added += batch.add_readings(whole, asof=asof, latency=row.latency, origin=origin)
        for one in contents:
            batch.add_granule(
                one.file.granule,
                one.file.path.name,
                sha256=one.file.sha256,
                available_time=one.file.published,
                origin=one.origin,
                rejected=one.rejected,
            )
    return added


def with_conflicts(readings: pd.DataFrame) -> pd.DataFrame:
    """Keep each value once; where several stand for one time, mark them and say where each stood.

    Parameters
    ----------
    readings
        Canonical readings of the files of one ingest, with ``file``.
    """
    series = ["station", "variable", "method", "valid_time"]
    given = readings.sort_values([*series, "value"], kind="stable")
    # A missing value contradicts nothing, and two values that agree to the millimetre are one.
    given = given.assign(millimetres=(1000.0 * given["value"]).round())
    given = given.drop_duplicates([*series, "millimetres"])
    known = given["value"].notna().groupby([given[name] for name in series]).transform("any")
    given = given[given["value"].notna() | ~known]
    twice = given.duplicated(series, keep=False)
    source = given["value"].map("{:g} in ".format) + given["file"]
    return given.assign(
        qc=given["qc"].mask(twice, "conflict"), raw=given["raw"].mask(twice, source)
    ).drop(columns=["millimetres", "file"])


def together(contents: Sequence[Content]) -> xr.Dataset:
    """Put the steps of grids one behind the other, each with the moment it became available."""
    found = {
        number: one.data for number, one in enumerate(contents) if isinstance(one.data, xr.Dataset)
    }
    known = [
        utc64(contents[number].file.published)
        for number, data in found.items()
        for _ in range(data.sizes["time"])
    ]
    grids = list(found.values())
    # All are of one grid and of the same variables, which xr.concat would look into at length.
    joined = {}
    for name in ("time", *grids[0].data_vars):
        first = grids[0].variables[name]
        steps = np.concatenate([one.variables[name].values for one in grids])
        joined[name] = xr.Variable(first.dims, steps, first.attrs, first.encoding)
    whole = grids[0].drop_dims("time").assign(joined)
    whole.attrs = dict(set.intersection(*(set(one.attrs.items()) for one in grids)))
    return whole.assign_coords(available_time=("time", np.array(known)))


def _strangers(contents: list[Content]) -> list[str]:
    """Files with stages of stations that the table of stations does not know."""
    found = []
    for one in contents:
        if isinstance(one.data, pd.DataFrame):
            stages = one.data[one.data["variable"] == "stage"]
            if not set(stages["station"]) <= set(stations()):
                found.append(one.file.path.name)
    return found


def of_one_kind(contents: list[Content]) -> list[Content]:
    """Reject grids that hold other variables than most files of their source."""
    held = {
        number: tuple(sorted(map(str, one.data.data_vars)))
        for number, one in enumerate(contents)
        if isinstance(one.data, xr.Dataset)
    }
    if len(set(held.values())) < 2:
        return contents
    ((usual, _),) = Counter(held.values()).most_common(1)
    kept = list(contents)
    for number, names in held.items():
        if names != usual:
            path = contents[number].file.path
            bad = BadGranule(
                path, expected=f"{', '.join(usual)} as in the others", found=", ".join(names)
            )
            kept[number] = replace(contents[number], data=None, rejected=str(bad))
    return kept


def _not_after(
    table: pd.DataFrame, path: Path, *, asof: datetime
) -> tuple[pd.DataFrame, str | None]:
    """Keep the readings up to a moment, and say what of those dated later."""
    later = table["valid_time"] > pd.Timestamp(utc64(asof))
    if not later.any():
        return table, None
    bad = BadGranule(
        path,
        expected=f"readings up to {asof:%Y-%m-%d %H:%MZ}",
        found=f"{later.sum()} dated later, the last {table['valid_time'].max()}",
    )
    return table[~later], str(bad)


def _refuse_future(ds: xr.Dataset, path: Path, *, asof: datetime) -> None:
    last = ds.indexes["time"].max().to_datetime64()
    if last > utc64(asof):
        raise BadGranule(
            path, expected=f"times up to {asof:%Y-%m-%d %H:%MZ}", found=f"{last} in the future"
        )


def _told(row: Source, data: xr.Dataset | pd.DataFrame, file: File) -> File:
    """Interval that a file's content tells, and when such a file is usually available."""
    times = data["time"] if isinstance(data, xr.Dataset) else data["valid_time"]
    first, last = (
        datetime.fromtimestamp(int(moment.astype("datetime64[s]").astype("int64")), tz=UTC)
        for moment in (times.to_numpy().min(), times.to_numpy().max())
    )
    if isinstance(data, pd.DataFrame):
        granule = replace(file.granule, start=first, end=last)
        return replace(file, granule=granule, published=first + row.latency)
    end = last + row.cadence
    return replace(
        file, granule=replace(file.granule, start=first, end=end), published=end + row.latency
    )
