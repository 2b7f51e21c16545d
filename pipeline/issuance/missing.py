"""Missing, bad and doubtful inputs of a night."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from pipeline.areal import substitutes
from pipeline.areal.zonal_record import put_on_zones, read_zonal
from pipeline.choices import Upstream
from pipeline.geography import places
from pipeline.geography.places import Zone
from pipeline.issuance import silence
from pipeline.issuance.snapshot import INPUT_LOOK_BACK, Snapshot
from pipeline.quality.selection import describe_suspects
from pipeline.remarks import Remark, RemarkCode
from pipeline.sources import NIGHTLY, SOURCES, select_sources
from pipeline.sources.base import Source
from pipeline.storage.archive import NothingArchived
from pipeline.storage.records import Records
from pipeline.times import day_start, from_utc64, utc64

DOUBTS: dict[str, tuple[RemarkCode, str]] = {
    "impossible": ("results_out_of_range", "results out of range and left out"),
    "suspect": ("results_suspect", "rests on suspect files"),
}
"""Code and text of a doubt in the zonal daily series, by its kind."""
DOUBTFUL_DAYS = 10
"""Days of the zonal daily series whose doubts are reported."""


@dataclass(frozen=True)
class Missing:
    """Missing, bad or doubtful inputs.

    Parameters
    ----------
    no_provider
        Remark that no provider gave anything, where that is so; reported first.
    remarks
        All other remarks.
    degraded
        Why the night is degraded, in plain words: no gauges, or nothing from a source that every
        night needs.
    """

    no_provider: tuple[Remark, ...]
    remarks: tuple[Remark, ...]
    degraded: tuple[str, ...]


def find_missing(snapshot: Snapshot, *, upstream: Upstream = "archive") -> Missing:
    """Find the missing, bad and doubtful inputs of a night.

    Parameters
    ----------
    snapshot
        Snapshot of the run.
    upstream
        Origin of the files: the providers have more sources than a night needs.
    """
    inputs = snapshot.inputs
    readings = snapshot.records.readings.last_times(by="source", asof=snapshot.asof)
    last = snapshot.records.last_files(asof=snapshot.asof)
    grids = [source.id for source in SOURCES.values() if source.kind != "readings"]
    last = {name: end for name, end in last.items() if name in grids} | readings
    remarks, degraded = list[Remark](), list[str]()
    for source in SOURCES.values():
        rows = [row for row in inputs if row["source"] == source.id]
        silent = _describe_silent_source(source, last.get(source.id), asof=snapshot.asof)
        if source.core and source.kind == "grid":
            remarks += _describe_absent_files(source, rows, asof=snapshot.asof)
        if (
            silent
            and source.kind != "zones"
            and (source.id in (*select_sources(upstream), *NIGHTLY) or source.id in last)
        ):
            remarks.append(silent)
            degraded += [silent.text] if source.id in NIGHTLY else []
        remarks += [
            Remark(
                code="file_rejected",
                text=f"{source.id}: rejected {row['rejected']}",
                source=source.id,
                time=row["start"],
            )
            for row in rows
            if row["rejected"]
        ]
        remarks += _describe_notes(source, [row for row in rows if not row["rejected"]])
    gauges = silence.describe_silent_gauges(snapshot)
    degraded += gauges.degraded
    week = snapshot.asof - timedelta(days=7)
    for variable in ("stage", "rain"):
        remarks += describe_suspects(snapshot.every_reading(variable, start=week))
    record = snapshot.filled_record
    if record is not None:
        products = substitutes.list_in_use(record, asof=snapshot.asof)
        remarks += substitutes.describe_use(snapshot.archive, products, asof=snapshot.asof)
    remarks += [*_describe_doubts(snapshot), *_describe_new_zones(snapshot), *gauges.remarks]
    no_provider = _describe_no_provider(last, asof=snapshot.asof) if upstream == "internet" else []
    return Missing(tuple(no_provider), tuple(remarks), tuple(degraded))


def _describe_absent_files(
    source: Source, rows: Sequence[dict[str, Any]], *, asof: datetime
) -> list[Remark]:
    """Say how many files of a source that every night needs are absent."""
    module = source.load()
    begin = asof - min(source.lookback, INPUT_LOOK_BACK)
    due = {
        granule.start
        for granule in module.granules(source.id, begin, asof, asof)
        if granule.end + source.latency <= asof
    }
    absent = due - {row["start"] for row in rows if row["rejected"] is None}
    if not absent:
        return []
    latest = f"the latest for {max(absent):%Y-%m-%d %H:%MZ}"
    text = f"{source.id}: {len(absent)} of {len(due)} files missing, {latest}"
    return [Remark(code="files_missing", text=text, source=source.id, time=max(absent))]


def _describe_silent_source(
    source: Source, last: datetime | None, *, asof: datetime
) -> Remark | None:
    """Say that a source gave nothing that was due lately, and its last time; None otherwise."""
    if last is None:
        text = f"{source.id}: gave nothing, and never has"
    elif last > asof - source.cadence - source.patience - timedelta(days=1):
        return None
    else:
        text = f"{source.id}: gave nothing, its last datum is of {last:%Y-%m-%d %H:%MZ}"
    return Remark(code="source_silent", text=text, source=source.id, time=last)


def _describe_no_provider(last: dict[str, datetime], *, asof: datetime) -> list[Remark]:
    """Say that no provider gave anything of the last two days; empty otherwise."""
    newest = max(last.values(), default=None)
    if newest is not None and newest > asof - timedelta(days=2):
        return []
    ends = f"the newest datum is of {newest:%Y-%m-%d %H:%MZ}" if newest else "nothing has ever come"
    text = f"providers: none gave anything of the last two days, {ends}"
    return [Remark(code="providers_silent", text=text, time=newest)]


def _describe_notes(source: Source, rows: Sequence[dict[str, Any]]) -> list[Remark]:
    """Say which cells and rows of accepted files were bad, and which files are suspect or empty."""
    out_of_range: dict[str, list[dict[str, Any]]] = {}
    suspect: dict[str, list[dict[str, Any]]] = {}
    empty: dict[str, list[dict[str, Any]]] = {}
    incomplete: dict[str, list[dict[str, Any]]] = {}
    bad = [row for row in rows if (row.get("notes") or {}).get("bad_rows")]
    for row in rows:
        notes = row.get("notes") or {}
        for variable in notes.get("out_of_range") or ():
            out_of_range.setdefault(str(variable), []).append(row)
        for variable in notes.get("empty") or ():
            empty.setdefault(str(variable), []).append(row)
        if notes.get("suspect"):
            suspect.setdefault(str(notes["suspect"]), []).append(row)
        for remark in _list_reader_remarks(row) if source.kind == "grid" else ():
            incomplete.setdefault(str(remark), []).append(row)

    def note(code: RemarkCode, text: str, of: Sequence[dict[str, Any]]) -> Remark:
        last = max(row["start"] for row in of)
        return Remark(code=code, text=f"{source.id}: {text}", source=source.id, time=last)

    remarks = []
    for variable, files in out_of_range.items():
        counts = [row["notes"]["out_of_range"][variable] for row in files]
        cells = sum(int(count["cells"]) for count in counts)
        worst = max((float(count["worst"]) for count in counts), key=abs)
        text = (
            f"{cells} cells of {variable} out of range, left out, in {_name_files(files)}, the "
            f"worst {worst:g}"
        )
        remarks.append(note("cells_out_of_range", text, files))
    for variable, files in empty.items():
        text = f"no value of {variable} in the window: {_name_files(files)}"
        remarks.append(note("file_empty", text, files))
    remarks += [note("file_incomplete", text, files) for text, files in sorted(incomplete.items())]
    if bad:
        counted = ", ".join(f"{len(row['notes']['bad_rows'])} of {row['name']}" for row in bad)
        remarks.append(note("rows_bad", f"bad rows left out: {counted}", bad))
    for reason, files in suspect.items():
        remarks.append(note("file_suspect", f"suspect, {reason}: {_name_files(files)}", files))
    return remarks


def _list_reader_remarks(row: dict[str, Any]) -> Sequence[str]:
    """List the remarks of a reader on a file."""
    remarks: Sequence[str] = (row.get("notes") or {}).get("said") or ()
    return remarks


def _name_files(rows: Sequence[dict[str, Any]]) -> str:
    last = str(rows[-1]["name"])
    return last if len(rows) == 1 else f"{len(rows)} files, the last {last}"


def find_suspect_files(
    records: Records, *, asof: datetime, start: datetime
) -> dict[str, set[np.datetime64]]:
    """Find the files that are suspect as a whole, by the last version of each.

    Parameters
    ----------
    records
        Tables with the notes.
    asof
        Only notes known by then are used.
    start
        Files that end before are left out.

    Returns
    -------
    dict
        Start times of the files by source.
    """
    last: dict[tuple[str, datetime], dict[str, Any]] = {}
    for row in records.inputs(asof=asof, start=start):
        key = row["source"], row["start"]
        if row["rejected"] is None and (
            key not in last or last[key]["available_time"] <= row["available_time"]
        ):
            last[key] = row
    begins: dict[str, set[np.datetime64]] = {}
    for (source, begin), row in last.items():
        if (row.get("notes") or {}).get("suspect"):
            begins.setdefault(source, set()).add(utc64(begin))
    return begins


def name_new_zone(zone: Zone) -> str:
    """Name a zone as the remark on new zones does."""
    return f"{zone.name} ({zone.id})"


def _describe_new_zones(snapshot: Snapshot) -> list[Remark]:
    """Say in one line which zones of the tables the models have no parameters of."""
    if "drought" not in snapshot.models or snapshot.zonal_record is None:
        return []
    zones = places.zones(snapshot.region, asof=snapshot.asof)
    parameters = snapshot.models["drought"].parameters()
    shape = put_on_zones(parameters["spi90"][["shape"]], list(zones))["shape"]
    fitted = shape.notnull().any("dayofyear").values
    new = [
        name_new_zone(zone) for zone, known in zip(zones.values(), fitted, strict=True) if not known
    ]
    if not new:
        return []
    text = (
        f"areal record: no drought and rain indices of {', '.join(new)}: the models were trained "
        "without 20 years of it; train when its years are in the record"
    )
    return [Remark(code="zone_new", text=text)]


def _describe_doubts(snapshot: Snapshot) -> list[Remark]:
    """Say which zonal daily results were impossible, or rest on suspect files."""
    midnight = day_start(snapshot.asof)
    try:
        doubts = read_zonal(
            snapshot.archive,
            "doubts",
            asof=snapshot.asof,
            region=snapshot.region,
            start=midnight - timedelta(days=DOUBTFUL_DAYS),
        ).compute()
    except NothingArchived:
        return []
    remarks = []
    for name in map(str, doubts.data_vars):
        kind, _, variable = name.partition("_")
        where = doubts[name].values > 0
        if not where.any():
            continue
        last = doubts["time"].values[where.any(axis=1)][-1]
        code, text = DOUBTS[kind]
        zones, days = where.any(axis=0).sum(), where.any(axis=1).sum()
        text = (
            f"areal record, {variable}: {text} in {zones} zones on {days} days, the last "
            f"{last.astype('M8[D]')}"
        )
        remarks.append(Remark(code=code, text=text, time=from_utc64(last)))
    return remarks
