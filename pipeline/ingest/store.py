"""Read new files and store their data in archive and tables, with a reason for each bad file."""

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
from pipeline.ingest.field_checks import find_suspect_steps, list_empty_variables
from pipeline.ingest.file_reader import FileReader, as_bad_granule
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
from pipeline.sources.gauges.parts import READINGS, explain_passed_over
from pipeline.sources.upstream import SIDECARS, describe_unreadable, sha256
from pipeline.storage.archive import Archive
from pipeline.storage.database import as_json
from pipeline.storage.readings import Correction, Withdrawal
from pipeline.storage.records import Records
from pipeline.times import from_utc64, utc64

if TYPE_CHECKING:
    from pipeline.sources.gauges.own_table import OwnLayout


SHOWN = 5
"""Bad rows of a file, and stations with conflicts or corrections, that are listed singly."""
NOTES = ("out_of_range", "bad_rows", "said")
"""Attributes of a reader's data that are stored with the granule and shown to the user."""
FILES_AT_A_TIME = 512
"""Grid files that are in memory at a time: 0.1 GB of a variable. A batch is one commit."""


@dataclass(frozen=True)
class File:
    """One file to read.

    Parameters
    ----------
    granule
        Granule that the file should be.
    path
        Path of the file.
    published
        Moment it became available.
    sha256
        Checksum; empty until it is needed.
    """

    granule: Granule
    path: Path
    published: datetime
    sha256: str = ""


@dataclass(frozen=True)
class Content:
    """Data of a file, or the reason why it could not be read."""

    file: File
    data: xr.Dataset | pd.DataFrame | None
    origin: Origin
    rejected: str | None
    notes: dict[str, Any] = field(default_factory=dict)
    """Notes on a file that was read: cells out of range, bad rows, remarks."""
    later: bool = False
    """Whether all data lie after the as-of time: the file is not noted, and is read again."""


@dataclass(frozen=True)
class Intake:
    """Totals over the files of an ingest.

    Parameters
    ----------
    read
        Number of files that could be read.
    added
        Number of new steps or readings.
    rejected, passed_over
        Files that are not what their name promises, and files of parameters that the pipeline
        does not use; each with the reason.
    unknown_stations, unknown_station_files
        Codes of stations that the table of stations does not know, and the files with their stages.
    remarks
        Remarks on files that were read.
    """

    read: int = 0
    added: int = 0
    rejected: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    unknown_stations: tuple[str, ...] = ()
    unknown_station_files: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def list_files(
    row: Source, folder: Path, *, asof: datetime, layout: OwnLayout | None = None
) -> list[File]:
    """List the files of a folder with their checksums; their content gives the interval later.

    Raises
    ------
    FileNotFoundError
        There is no such folder, or no file of the source in it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"expected a folder of {row.id} files, found nothing at {folder}")
    paths = [
        path for path in sorted(folder.iterdir()) if not _describe_unsuitable(row, path, folder)
    ]
    if not paths:
        names = ", ".join(list_passed_over(row, folder)[:SHOWN]) or "none"
        raise FileNotFoundError(f"expected {row.id} files in {folder}, found {names}")
    digest = layout.digest if layout is not None else str
    granules = {path: Granule(row.id, str(folder), shown_name(path), asof, asof) for path in paths}
    return [File(granule, path, asof, digest(checksum(path))) for path, granule in granules.items()]


def list_passed_over(row: Source, folder: Path) -> list[str]:
    """List entries of a folder that are not a source's files, with reasons; opens nothing."""
    reasons = ((path, _describe_unsuitable(row, path, folder)) for path in sorted(folder.iterdir()))
    return [f"{shown_name(path)}: {reason}" for path, reason in reasons if reason]


def _describe_unsuitable(row: Source, path: Path, folder: Path) -> str | None:
    """Describe why an entry of a folder is not a source's file; None where it may be one."""
    if row.kind != "readings":
        module = row.load()
        names = module.FILE_NAMES if isinstance(module, Named) else None
        product_remark = names.describe_other_product(row.id, path) if names else None
        return describe_unreadable(path, folder) or product_remark
    sidecars = tuple(end for end in SIDECARS if end not in READINGS)
    suffixes = (".aux.xml", ".cmr.json", *sidecars)
    if reason := describe_unreadable(path, folder, sidecars=suffixes):
        return reason
    return explain_passed_over(path.name)


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, or a mark where it is too big or not readable."""
    try:
        size = path.stat().st_size
        return sha256(path) if size <= MAX_BYTES else f"not read: {size} bytes"
    except OSError as error:
        return f"not read: {error.strerror}"


def read_and_store(
    row: Source,
    files: Sequence[File],
    read: Callable[[Path], xr.Dataset | pd.DataFrame],
    *,
    archive: Archive,
    records: Records,
    asof: datetime,
    from_folder: bool,
    progress: Progress,
) -> Intake:
    """Read files and store their data; grids batch by batch, so that a long record fits.

    Parameters
    ----------
    row
        Their source.
    files
        From :func:`pipeline.ingest.known_files.select_unknown`.
    read
        Its reader.
    archive, records
        Stores to write to.
    asof
        As-of time; later data are not known.
    from_folder
        Whether the interval comes from the content.
    progress
        Progress callback.
    """
    total = Intake()
    size = FILES_AT_A_TIME if row.kind == "grid" else max(len(files), 1)
    for first in range(0, len(files), size):

        def report(activity: str, count: int, _: int, /, first: int = first) -> None:
            progress(activity, first + count, len(files))

        contents, passed_over = read_all(
            row,
            files[first : first + size],
            read,
            asof=asof,
            from_folder=from_folder,
            progress=report,
        )
        contents = reject_other_variables(contents, archived=_list_archived_variables(row, archive))
        contents = note_suspect_fields(row, contents, archive=archive, asof=asof)
        with_unknown = [content for content in contents if _find_unknown_stations(content.data)]
        codes = {code for content in with_unknown for code in _find_unknown_stations(content.data)}
        files_with_unknown = [shown_name(content.file.path) for content in with_unknown]
        added, contradictions = store(row, contents, archive=archive, records=records, asof=asof)
        remarks = [remark for content in contents for remark in _list_remarks(content)]
        total = Intake(
            read=total.read + sum(content.data is not None for content in contents),
            added=total.added + added,
            rejected=(
                *total.rejected,
                *(content.rejected for content in contents if content.rejected),
            ),
            passed_over=(*total.passed_over, *passed_over),
            unknown_stations=tuple(sorted(codes.union(total.unknown_stations))),
            unknown_station_files=(*total.unknown_station_files, *files_with_unknown),
            remarks=(*total.remarks, *remarks, *contradictions),
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
    """Read files one after the other; return their contents and the reasons for skipped files.

    Parameters
    ----------
    row, files, read, asof, from_folder, progress
        As of :func:`read_and_store`.

    Raises
    ------
    WrongOption
        The named columns are in no file.
    """
    contents, passed_over, unfit = list[Content](), list[str](), dict[File, WrongOption]()
    with FileReader(read) as reader:
        for number, file in enumerate(files):
            progress(row.id, number + 1, len(files))
            try:
                contents.append(read_file(row, file, reader, asof=asof, from_folder=from_folder))
            except Skipped as skipped:
                passed_over.append(str(skipped))
            except WrongOption as wrong:
                unfit[file] = wrong
    if unfit and not any(content.data is not None for content in contents):
        raise next(iter(unfit.values()))
    contents += [Content(file, None, "measured", str(wrong)) for file, wrong in unfit.items()]
    return contents, passed_over


def read_file(
    row: Source,
    file: File,
    read: Callable[[Path], xr.Dataset | pd.DataFrame],
    *,
    asof: datetime,
    from_folder: bool,
) -> Content:
    """Read one file; a file that is not what its name promises is returned as rejected.

    Raises
    ------
    Skipped
        The file holds a parameter that the pipeline does not use, or later readings alone.
    WrongOption
        The named columns are not in the file.
    """
    try:
        data = read(file.path)
        notes = {name: data.attrs.pop(name) for name in NOTES if data.attrs.get(name)}
        rejected = None
        if isinstance(data, pd.DataFrame):
            _check_times(data, file.path)
            data, rejected, first_later = _drop_later(data, file.path, asof=asof)
            if first_later is not None:
                notes["later"] = f"{first_later:%Y-%m-%dT%H:%M:%SZ}"
        elif later := _describe_later(data, file.path, asof=asof + row.ahead):
            return Content(file, None, "measured", later, later=True)
        if from_folder:
            file = _date_from_content(row, data, file)
        if (
            row.kind == "grid"
            and isinstance(data, xr.Dataset)
            and (empty := list_empty_variables(data))
        ):
            notes["empty"] = empty
        return Content(file, data, data.attrs["origin"], rejected, as_json(notes))
    except (Skipped, WrongOption):
        raise
    except BadGranule as bad:
        return Content(file, None, "measured", str(bad))
    except Exception as error:  # noqa: BLE001  (a file's fault must not end the night)
        return Content(file, None, "measured", str(as_bad_granule(file.path, error)))


def store(
    row: Source,
    contents: list[Content],
    *,
    archive: Archive,
    records: Records,
    asof: datetime,
) -> tuple[int, list[str]]:
    """Store the data of files, grids in one commit (the areal record year by year).

    Returns
    -------
    tuple
        Number of new steps or readings; and remarks by station: times with several values, and
        corrections of stored values.
    """
    if not contents:
        return 0, []
    added, contradictions = 0, list[str]()
    grids = [content.data for content in contents if isinstance(content.data, xr.Dataset)]
    for grid in [concatenate_steps(contents)] if row.kind == "grid" and grids else grids:
        message = f"{row.id} as of {asof:%Y-%m-%dT%H:%MZ}, {grid.sizes['time']} steps"
        added += archive.append(row.id, grid, message=message)
    with records.ingest(row.id, asof=asof) as batch:
        origins: tuple[Origin, ...] = ("measured", "virtual")
        for origin in origins:
            tables = [
                content.data.assign(file=_name_parts(content))
                for content in contents
                if isinstance(content.data, pd.DataFrame) and content.origin == origin
            ]
            if tables:
                readings = mark_conflicts(pd.concat(tables, ignore_index=True))
                added += batch.add_readings(readings, asof=asof, latency=row.latency, origin=origin)
                contradictions += conflicts.describe_stations(readings)
        for content in contents:
            if content.later:
                continue
            batch.add_granule(
                shown_name(content.file.path),
                start=content.file.granule.start,
                end=content.file.granule.end,
                sha256=content.file.sha256,
                available_time=content.file.published,
                origin=content.origin,
                rejected=content.rejected,
                notes=content.notes,
            )
        changed: list[Correction | Withdrawal] = [*batch.corrections, *batch.withdrawals]
        corrected = [f"{conflicts.name_gauge(change.station)}: {change}" for change in changed]
    return added, [*_shorten(contradictions), *_shorten(corrected)]


def _name_parts(content: Content) -> str | pd.Series[str]:
    """Name the file of readings, and the member or sheet of each reading where it has several."""
    name = shown_name(content.file.path)
    if isinstance(content.data, pd.DataFrame) and "part" in content.data:
        return name + ": " + content.data["part"]
    return name


def _shorten(lines: list[str]) -> list[str]:
    """Keep the first lines and append the number of those left out."""
    hidden = len(lines) - SHOWN
    return [*lines[: SHOWN - 1], f"{lines[SHOWN - 1]}; and {hidden} more"] if hidden > 0 else lines


def mark_conflicts(readings: pd.DataFrame) -> pd.DataFrame:
    """Keep each value once; mark several values of one time as conflict, with their files.

    Parameters
    ----------
    readings
        Canonical readings of the files of one ingest, with ``file``, and ``part`` where one of
        the files has several.
    """
    series = ["station", "variable", "method", "valid_time"]
    marked = readings.sort_values([*series, "value"], kind="stable")
    marked = conflicts.keep_alternatives(marked.reset_index(drop=True))
    twice = marked.duplicated(series, keep=False)
    source = marked["value"].map("{:g} in ".format) + marked["file"]
    return marked.assign(
        qc=marked["qc"].mask(twice, "conflict"), raw=marked["raw"].mask(twice, source)
    ).drop(columns=["file", "part"], errors="ignore")


def concatenate_steps(contents: Sequence[Content]) -> xr.Dataset:
    """Concatenate the steps of grids, each with the time at which it became available."""
    grids_by_number = {
        number: content.data
        for number, content in enumerate(contents)
        if isinstance(content.data, xr.Dataset)
    }
    available = [
        utc64(contents[number].file.published)
        for number, data in grids_by_number.items()
        for _ in range(data.sizes["time"])
    ]
    grids = list(grids_by_number.values())
    # All have the same grid and variables, which xr.concat would compare at length.
    joined = {}
    for name in ("time", *grids[0].data_vars):
        first = grids[0].variables[name]
        steps = np.concatenate([grid.variables[name].values for grid in grids])
        joined[name] = xr.Variable(first.dims, steps, first.attrs, first.encoding)
    joined_grid = grids[0].drop_dims("time").assign(joined)
    joined_grid.attrs = dict(set.intersection(*(set(grid.attrs.items()) for grid in grids)))
    return joined_grid.assign_coords(available_time=("time", np.array(available)))


def _find_unknown_stations(data: xr.Dataset | pd.DataFrame | None) -> set[str]:
    """Find stations with stages that the table of stations does not know, by code."""
    if not isinstance(data, pd.DataFrame):
        return set()
    stages = data[(data["variable"] == "stage") & data["value"].notna()]
    return set(map(str, stages["station"].unique())) - set(stations())


def _list_remarks(content: Content) -> list[str]:
    """List the remarks on a file that was read, one line each."""
    name = shown_name(content.file.path)
    bad_rows = list(content.notes.get("bad_rows", ()))
    remarks = [f"{name}: {remark}" for remark in content.notes.get("said", ())]
    if bad_rows:
        hidden = f"; and {len(bad_rows) - SHOWN} more" if len(bad_rows) > SHOWN else ""
        shown = "; ".join(map(str, bad_rows[:SHOWN]))
        remarks.append(f"{name}: left out {len(bad_rows)} bad rows: {shown}{hidden}")
    remarks += [
        f"{name}: {excess['cells']} cells of {variable} out of range, the worst {excess['worst']}"
        for variable, excess in content.notes.get("out_of_range", {}).items()
    ]
    if empty := content.notes.get("empty"):
        remarks.append(f"{name}: no value of {', '.join(empty)} in the window")
    if suspect := content.notes.get("suspect"):
        remarks.append(f"{name}: suspect, {suspect}")
    return remarks


def _list_archived_variables(row: Source, archive: Archive) -> tuple[str, ...] | None:
    """List the archived variables of a source, sorted; None where nothing is archived."""
    if row.kind == "readings" or row.id not in archive.products():
        return None
    return tuple(sorted(map(str, archive.stored(row.id).data_vars)))


def reject_other_variables(
    contents: list[Content], *, archived: tuple[str, ...] | None = None
) -> list[Content]:
    """Reject grids with other variables than the archive has, or than most where it has none."""
    names_by_number = {
        number: tuple(sorted(map(str, content.data.data_vars)))
        for number, content in enumerate(contents)
        if isinstance(content.data, xr.Dataset)
    }
    if not names_by_number or set(names_by_number.values()) == {archived}:
        return contents
    usual = archived or Counter(names_by_number.values()).most_common(1)[0][0]
    checked = list(contents)
    for number, names in names_by_number.items():
        if names != usual:
            path = contents[number].file.path
            bad = BadGranule(
                path, expected=f"{', '.join(usual)} as in the others", found=", ".join(names)
            )
            checked[number] = replace(contents[number], data=None, rejected=str(bad))
    return checked


def note_suspect_fields(
    row: Source, contents: list[Content], *, archive: Archive, asof: datetime
) -> list[Content]:
    """Add to each grid of observations the reason why its whole field is suspect, if it is."""
    if row.kind != "grid" or row.ahead:
        return contents
    grids = [content.data for content in contents if isinstance(content.data, xr.Dataset)]
    reasons = find_suspect_steps(grids, product=row.id, archive=archive, asof=asof)
    if not reasons:
        return contents
    noted = list(contents)
    for number, content in enumerate(contents):
        if isinstance(content.data, xr.Dataset):
            file_reasons = [
                reasons[time] for time in content.data["time"].values if time in reasons
            ]
            if file_reasons:
                noted[number] = replace(
                    content, notes={**content.notes, "suspect": file_reasons[0]}
                )
    return noted


def _check_times(table: pd.DataFrame, path: Path) -> None:
    """Raise BadGranule unless there are readings and each has a time."""
    lacking = int(table["valid_time"].isna().sum())
    if table.empty or lacking:
        description = f"{lacking} readings without a time" if lacking else "none"
        raise BadGranule(path, expected="readings that each have a time", found=description)


def _drop_later(
    table: pd.DataFrame, path: Path, *, asof: datetime
) -> tuple[pd.DataFrame, str | None, pd.Timestamp | None]:
    """Drop readings dated later than a moment; return the rest, a remark and the first dropped.

    A mean is dated by the end of its interval. Rows of future times without a value are ignored.

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


def _describe_later(ds: xr.Dataset, path: Path, *, asof: datetime) -> str | None:
    """Describe a grid with a time in the future; None where there is none."""
    last = ds.indexes["time"].max().to_datetime64()
    if last <= utc64(asof):
        return None
    bad = BadGranule(
        path, expected=f"times up to {asof:%Y-%m-%d %H:%MZ}", found=f"{last} in the future"
    )
    return str(bad)


def _date_from_content(row: Source, data: xr.Dataset | pd.DataFrame, file: File) -> File:
    """Set a file's interval from its content, and the usual time of its availability."""
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
