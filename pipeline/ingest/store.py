"""From files to the stores: which are new, what each holds, and what is said of the bad ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.geography.places import stations
from pipeline.ingest.field_checks import suspicions, without_value
from pipeline.ingest.file_reader import FileReader, refusal
from pipeline.progress import Progress
from pipeline.quality import conflicts
from pipeline.sources.base import (
    MAX_BYTES,
    BadGranule,
    Granule,
    Named,
    Origin,
    Skipped,
    Source,
    WrongOption,
    shown_name,
)
from pipeline.sources.gauges.parts import READINGS, reason_passed_over
from pipeline.sources.upstream import SIDECARS, not_a_granule, sha256
from pipeline.storage.archive import Archive
from pipeline.storage.database import as_json
from pipeline.storage.readings import Correction, Withdrawal
from pipeline.storage.records import Records
from pipeline.times import from_utc64, utc64

if TYPE_CHECKING:
    from pipeline.sources.gauges.own_table import OwnLayout


SHOWN = 5
"""Bad rows of a file, and stations with conflicts or corrections, that are shown
one by one."""
NOTES = ("out_of_range", "bad_rows", "said")
"""Attributes of what a reader returns that are kept with the granule and told to the user."""
BATCH = 512
"""Grid files that are in memory at a time: 0.1 GB of a variable. A batch is one commit."""


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
    notes: dict[str, Any] = field(default_factory=dict)
    """What is to be known of a file that was read: cells out of range, bad rows, remarks."""
    later: bool = False
    """Whether all of it lies after the moment asked for: it is not noted, and read again."""


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
    unknown_stations, unknown_station_files
        Codes of stations that the table of stations does not know, and the files with their stages.
    remarks
        What is to be said of files that were read.
    """

    read: int = 0
    added: int = 0
    rejected: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    unknown_stations: tuple[str, ...] = ()
    unknown_station_files: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def in_folder(
    row: Source, folder: Path, *, asof: datetime, layout: OwnLayout | None = None
) -> list[File]:
    """List the files of a folder with their checksums; the interval the content will tell.

    Raises
    ------
    FileNotFoundError
        There is no such folder, or no file of the source in it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"expected a folder of {row.id} files, found nothing at {folder}")
    paths = [path for path in sorted(folder.iterdir()) if not _beside(row, path, folder)]
    if not paths:
        found = ", ".join(beside(row, folder)[:SHOWN]) or "none"
        raise FileNotFoundError(f"expected {row.id} files in {folder}, found {found}")
    mark = layout.mark if layout is not None else str
    granules = {path: Granule(row.id, str(folder), shown_name(path), asof, asof) for path in paths}
    return [File(granule, path, asof, mark(checksum(path))) for path, granule in granules.items()]


def beside(row: Source, folder: Path) -> list[str]:
    """Name what lies in a folder beside a source's files, each with the reason; opens nothing."""
    reasons = ((path, _beside(row, path, folder)) for path in sorted(folder.iterdir()))
    return [f"{shown_name(path)}: {reason}" for path, reason in reasons if reason]


def _beside(row: Source, path: Path, folder: Path) -> str | None:
    """Say why something in a folder is not one of a source's files; None where it may be."""
    if row.kind != "readings":
        module = row.load()
        names = module.FILE_NAMES if isinstance(module, Named) else None
        other = names.other_product(row.id, path) if names else None
        return not_a_granule(path, folder) or other
    sidecars = tuple(end for end in SIDECARS if end not in READINGS)
    own = (".aux.xml", ".cmr.json", *sidecars)
    if reason := not_a_granule(path, folder, sidecars=own):
        return reason
    return reason_passed_over(path.name)


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, or what marks one that is too big or not readable."""
    try:
        size = path.stat().st_size
        return sha256(path) if size <= MAX_BYTES else f"not read: {size} bytes"
    except OSError as error:
        return f"not read: {error.strerror}"


def unknown(found: list[File], known: dict[str, set[tuple[datetime | None, str]]]) -> list[File]:
    """Files not dealt with yet, with their checksums; without one, known by time of publication."""
    news = []
    for file in found:
        seen = known.get(shown_name(file.path), set())
        if not file.sha256 and any(time == file.published for time, _ in seen):
            continue
        marked = file if file.sha256 else replace(file, sha256=checksum(file.path))
        if all(marked.sha256 != other for _, other in seen):
            news.append(marked)
    return news


def any_sound(found: list[File], known: dict[str, set[tuple[datetime | None, str]]]) -> bool:
    """Whether any of some files has been read before and was sound."""
    return any(
        time is not None and (time == file.published or mark == file.sha256)
        for file in found
        for time, mark in known.get(shown_name(file.path), ())
    )


def bring_in(
    row: Source,
    files: Sequence[File],
    read: Callable[[Path], xr.Dataset | pd.DataFrame],
    *,
    archive: Archive,
    records: Records,
    asof: datetime,
    from_folder: bool,
    progress: Progress,
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
    progress
        Called with how far it is.
    """
    total = Taken()
    size = BATCH if row.kind == "grid" else max(len(files), 1)
    for first in range(0, len(files), size):

        def report(activity: str, done: int, _: int, /, first: int = first) -> None:
            progress(activity, first + done, len(files))

        contents, passed_over = read_all(
            row,
            files[first : first + size],
            read,
            asof=asof,
            from_folder=from_folder,
            progress=report,
        )
        contents = of_one_kind(contents, archived=_variables(row, archive))
        contents = flagged_fields(row, contents, archive=archive, asof=asof)
        with_unknown = [content for content in contents if _unknown_stations(content.data)]
        codes = {code for content in with_unknown for code in _unknown_stations(content.data)}
        files_with_unknown = [shown_name(content.file.path) for content in with_unknown]
        added, said = store(row, contents, archive=archive, records=records, asof=asof)
        remarks = [remark for one in contents for remark in _remarks(one)]
        total = Taken(
            read=total.read + sum(one.data is not None for one in contents),
            added=total.added + added,
            rejected=(*total.rejected, *(one.rejected for one in contents if one.rejected)),
            passed_over=(*total.passed_over, *passed_over),
            unknown_stations=tuple(sorted(codes.union(total.unknown_stations))),
            unknown_station_files=(*total.unknown_station_files, *files_with_unknown),
            remarks=(*total.remarks, *remarks, *said),
        )
    return total


def read_all(
    row: Source,
    files: Sequence[File],
    read: Callable[[Path], xr.Dataset | pd.DataFrame],
    *,
    asof: datetime,
    from_folder: bool,
    progress: Progress,
) -> tuple[list[Content], list[str]]:
    """Read files one after the other, and say which were passed over.

    Parameters
    ----------
    row, files, read, asof, from_folder, progress
        As of :func:`bring_in`.

    Raises
    ------
    WrongOption
        The columns that were named are those of no file.
    """
    contents, passed_over, unfit = list[Content](), list[str](), dict[File, WrongOption]()
    with FileReader(read) as reader:
        for number, file in enumerate(files):
            progress(row.id, number + 1, len(files))
            try:
                contents.append(take(row, file, reader, asof=asof, from_folder=from_folder))
            except Skipped as skipped:
                passed_over.append(str(skipped))
            except WrongOption as wrong:
                unfit[file] = wrong
    if unfit and not any(content.data is not None for content in contents):
        raise next(iter(unfit.values()))
    contents += [Content(file, None, "measured", str(wrong)) for file, wrong in unfit.items()]
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
        The file holds something that nothing here uses, or readings of later moments alone.
    WrongOption
        The columns that were named are not those of the file.
    """
    try:
        data = read(file.path)
        notes = {name: data.attrs.pop(name) for name in NOTES if data.attrs.get(name)}
        rejected = None
        if isinstance(data, pd.DataFrame):
            _check_times(data, file.path)
            data, rejected, first_later = _not_after(data, file.path, asof=asof)
            if first_later is not None:
                notes["later"] = f"{first_later:%Y-%m-%dT%H:%M:%SZ}"
        elif later := _later(data, file.path, asof=asof + row.ahead):
            return Content(file, None, "measured", later, later=True)
        if from_folder:
            file = _told(row, data, file)
        if row.kind == "grid" and isinstance(data, xr.Dataset) and (empty := without_value(data)):
            notes["empty"] = empty
        return Content(file, data, data.attrs["origin"], rejected, as_json(notes))
    except (Skipped, WrongOption):
        raise
    except BadGranule as bad:
        return Content(file, None, "measured", str(bad))
    except Exception as error:  # noqa: BLE001  (a file's fault must not end the night)
        return Content(file, None, "measured", str(refusal(file.path, error)))


def store(
    row: Source,
    contents: list[Content],
    *,
    archive: Archive,
    records: Records,
    asof: datetime,
) -> tuple[int, list[str]]:
    """Store what files held, grids in one commit (the areal record year by year).

    Returns
    -------
    tuple
        Steps or readings that were new; and by station what is to be said of readings: several
        values of one time, and stored ones that are corrected.
    """
    if not contents:
        return 0, []
    added, contradictions = 0, list[str]()
    grids = [one.data for one in contents if isinstance(one.data, xr.Dataset)]
    for grid in [together(contents)] if row.kind == "grid" and grids else grids:
        message = f"{row.id} as of {asof:%Y-%m-%dT%H:%MZ}, {grid.sizes['time']} steps"
        added += archive.append(row.id, grid, message=message)
    with records.ingest(row.id, asof=asof) as batch:
        origins: tuple[Origin, ...] = ("measured", "virtual")
        for origin in origins:
            tables = [
                one.data.assign(file=_places(one))
                for one in contents
                if isinstance(one.data, pd.DataFrame) and one.origin == origin
            ]
            if tables:
                whole = with_conflicts(pd.concat(tables, ignore_index=True))
                added += batch.add_readings(whole, asof=asof, latency=row.latency, origin=origin)
                contradictions += conflicts.describe_stations(whole)
        for one in contents:
            if one.later:
                continue
            batch.add_granule(
                shown_name(one.file.path),
                start=one.file.granule.start,
                end=one.file.granule.end,
                sha256=one.file.sha256,
                available_time=one.file.published,
                origin=one.origin,
                rejected=one.rejected,
                notes=one.notes,
            )
        changed: list[Correction | Withdrawal] = [*batch.corrections, *batch.withdrawals]
        corrected = [f"{conflicts.gauge_name(change.station)}: {change}" for change in changed]
    return added, [*_first_of(contradictions), *_first_of(corrected)]


def _places(content: Content) -> str | pd.Series[str]:
    """Name of the file that readings stand in, and of its member or sheet if it has several."""
    name = shown_name(content.file.path)
    if isinstance(content.data, pd.DataFrame) and "part" in content.data:
        return name + ": " + content.data["part"]
    return name


def _first_of(lines: list[str]) -> list[str]:
    """List the first few lines, the last of them with how many there are more."""
    more = len(lines) - SHOWN
    return [*lines[: SHOWN - 1], f"{lines[SHOWN - 1]}; and {more} more"] if more > 0 else lines


def with_conflicts(readings: pd.DataFrame) -> pd.DataFrame:
    """Keep each value once; where several stand for one time, mark them and say where each stood.

    Parameters
    ----------
    readings
        Canonical readings of the files of one ingest, with ``file``, and ``part`` where a file of
        them has several.
    """
    series = ["station", "variable", "method", "valid_time"]
    given = readings.sort_values([*series, "value"], kind="stable")
    given = conflicts.keep_alternatives(given.reset_index(drop=True))
    twice = given.duplicated(series, keep=False)
    source = given["value"].map("{:g} in ".format) + given["file"]
    return given.assign(
        qc=given["qc"].mask(twice, "conflict"), raw=given["raw"].mask(twice, source)
    ).drop(columns=["file", "part"], errors="ignore")


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


def _unknown_stations(data: xr.Dataset | pd.DataFrame | None) -> set[str]:
    """Codes of stations with stages that the table of stations does not know."""
    if not isinstance(data, pd.DataFrame):
        return set()
    stages = data[(data["variable"] == "stage") & data["value"].notna()]
    return set(map(str, stages["station"].unique())) - set(stations())


def _remarks(one: Content) -> list[str]:
    """Say what is to be known of a file that was read, line by line."""
    name = shown_name(one.file.path)
    bad_rows = list(one.notes.get("bad_rows", ()))
    remarks = [f"{name}: {said}" for said in one.notes.get("said", ())]
    if bad_rows:
        rest = f"; and {len(bad_rows) - SHOWN} more" if len(bad_rows) > SHOWN else ""
        shown = "; ".join(map(str, bad_rows[:SHOWN]))
        remarks.append(f"{name}: left out {len(bad_rows)} bad rows: {shown}{rest}")
    remarks += [
        f"{name}: {found['cells']} cells of {variable} out of range, the worst {found['worst']}"
        for variable, found in one.notes.get("out_of_range", {}).items()
    ]
    if empty := one.notes.get("empty"):
        remarks.append(f"{name}: no value of {', '.join(empty)} in the window")
    if suspect := one.notes.get("suspect"):
        remarks.append(f"{name}: suspect, {suspect}")
    return remarks


def _variables(row: Source, archive: Archive) -> tuple[str, ...] | None:
    """Names of the variables that the archive holds of a source, sorted; None where it has none."""
    if row.kind == "readings" or row.id not in archive.products():
        return None
    return tuple(sorted(map(str, archive.stored(row.id).data_vars)))


def of_one_kind(
    contents: list[Content], *, archived: tuple[str, ...] | None = None
) -> list[Content]:
    """Reject grids that hold other variables than the archive, or than most where it has none."""
    held = {
        number: tuple(sorted(map(str, one.data.data_vars)))
        for number, one in enumerate(contents)
        if isinstance(one.data, xr.Dataset)
    }
    if not held or set(held.values()) == {archived}:
        return contents
    usual = archived or Counter(held.values()).most_common(1)[0][0]
    kept = list(contents)
    for number, names in held.items():
        if names != usual:
            path = contents[number].file.path
            bad = BadGranule(
                path, expected=f"{', '.join(usual)} as in the others", found=", ".join(names)
            )
            kept[number] = replace(contents[number], data=None, rejected=str(bad))
    return kept


def flagged_fields(
    row: Source, contents: list[Content], *, archive: Archive, asof: datetime
) -> list[Content]:
    """Note with each grid of observations why it is suspect as a whole, where it is."""
    if row.kind != "grid" or row.ahead:
        return contents
    grids = [one.data for one in contents if isinstance(one.data, xr.Dataset)]
    reasons = suspicions(grids, product=row.id, archive=archive, asof=asof)
    if not reasons:
        return contents
    kept = list(contents)
    for number, one in enumerate(contents):
        if isinstance(one.data, xr.Dataset):
            own = [reasons[time] for time in one.data["time"].values if time in reasons]
            if own:
                kept[number] = replace(one, notes={**one.notes, "suspect": own[0]})
    return kept


def _check_times(table: pd.DataFrame, path: Path) -> None:
    """Raise BadGranule unless there are readings and each has a time."""
    lacking = int(table["valid_time"].isna().sum())
    if table.empty or lacking:
        found = f"{lacking} readings without a time" if lacking else "none"
        raise BadGranule(path, expected="readings that each have a time", found=found)


def _not_after(
    table: pd.DataFrame, path: Path, *, asof: datetime
) -> tuple[pd.DataFrame, str | None, pd.Timestamp | None]:
    """Keep the readings up to a moment; say what of those dated later, and the first of these.

    A mean of an interval is dated by the interval's end. Empty rows of times to come say nothing.

    Raises
    ------
    Skipped
        All readings are dated later.
    """
    ended = table.get("ended", table["valid_time"])
    later = ended > pd.Timestamp(utc64(asof))
    table = table[~(later & table["value"].isna())]
    ended, later = ended[table.index], later[table.index]
    if not later.any():
        return table, None, None
    first, last = ended[later].min(), ended.max()
    if later.all():
        raise Skipped(
            f"{shown_name(path)}: later than {asof:%Y-%m-%d %H:%MZ}, left out: "
            f"its first reading is of {first:%Y-%m-%d %H:%MZ}"
        )
    bad = BadGranule(
        path,
        expected=f"readings up to {asof:%Y-%m-%d %H:%MZ}",
        found=f"{later.sum()} dated later, the last {last}",
    )
    return table[~later], str(bad), first


def _later(ds: xr.Dataset, path: Path, *, asof: datetime) -> str | None:
    """Say that a grid is of a moment still to come; None where it is not."""
    last = ds.indexes["time"].max().to_datetime64()
    if last <= utc64(asof):
        return None
    bad = BadGranule(
        path, expected=f"times up to {asof:%Y-%m-%d %H:%MZ}", found=f"{last} in the future"
    )
    return str(bad)


def _told(row: Source, data: xr.Dataset | pd.DataFrame, file: File) -> File:
    """Interval that a file's content tells, and when such a file is usually available."""
    if isinstance(data, xr.Dataset):
        times = data["time"].to_numpy()
    else:
        times = data.loc[data["value"].notna(), "valid_time"].to_numpy()
    first, last = (from_utc64(moment) for moment in (times.min(), times.max()))
    if isinstance(data, pd.DataFrame):
        granule = replace(file.granule, start=first, end=last)
        return replace(file, granule=granule, published=first + row.latency)
    end = last + row.cadence
    return replace(
        file, granule=replace(file.granule, start=first, end=end), published=end + row.latency
    )
