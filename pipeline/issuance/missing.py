"""Missing, bad and doubtful inputs of a night, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from pipeline.areal import substitutes
from pipeline.choices import Upstream
from pipeline.issuance import silence
from pipeline.issuance.snapshot import INPUT_LOOK_BACK, Snapshot
from pipeline.quality.selection import describe_suspects
from pipeline.sources import NIGHTLY, SOURCES, select_sources
from pipeline.sources.base import Source
from pipeline.storage.archive import NothingArchived
from pipeline.storage.records import Records
from pipeline.times import day_start, utc64

DOUBTFUL_DAYS = 10
"""Days of the zonal daily series whose doubts are reported."""


@dataclass(frozen=True)
class Missing:
    """Missing, bad or doubtful inputs, in plain words.

    Parameters
    ----------
    no_provider
        Whether no provider gave anything, as a line of text; reported first.
    remarks
        All other remarks.
    degraded
        Remarks that make the night degraded: no gauges, or nothing from a source that every night
        needs.
    """

    no_provider: tuple[str, ...]
    remarks: tuple[str, ...]
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
    remarks, degraded = list[str](), list[str]()
    for source in SOURCES.values():
        rows = [row for row in inputs if row["source"] == source.id]
        silence_remark = _describe_silent_source(source, last.get(source.id), asof=snapshot.asof)
        if source.core and source.kind == "grid":
            remarks += _describe_absent_files(source, rows, asof=snapshot.asof)
        if (
            silence_remark
            and source.kind != "zones"
            and (source.id in (*select_sources(upstream), *NIGHTLY) or source.id in last)
        ):
            remarks.append(silence_remark)
            degraded += [silence_remark] if source.id in NIGHTLY else []
        remarks += [f"{source.id}: rejected {row['rejected']}" for row in rows if row["rejected"]]
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
    remarks += [*_describe_doubts(snapshot), *gauges.remarks]
    no_provider = _describe_no_provider(last, asof=snapshot.asof) if upstream == "internet" else []
    return Missing(tuple(no_provider), tuple(remarks), tuple(degraded))


def _describe_absent_files(
    source: Source, rows: Sequence[dict[str, Any]], *, asof: datetime
) -> list[str]:
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
    return [f"{source.id}: {len(absent)} of {len(due)} files missing, {latest}"]


def _describe_silent_source(source: Source, last: datetime | None, *, asof: datetime) -> str:
    """Say that a source gave nothing that was due lately, and its last time; empty otherwise."""
    if last is None:
        return f"{source.id}: gave nothing, and never has"
    if last > asof - source.cadence - source.patience - timedelta(days=1):
        return ""
    return f"{source.id}: gave nothing, its last datum is of {last:%Y-%m-%d %H:%MZ}"


def _describe_no_provider(last: dict[str, datetime], *, asof: datetime) -> list[str]:
    """Say that no provider gave anything of the last two days; empty otherwise."""
    newest = max(last.values(), default=None)
    if newest is not None and newest > asof - timedelta(days=2):
        return []
    ends = f"the newest datum is of {newest:%Y-%m-%d %H:%MZ}" if newest else "nothing has ever come"
    return [f"providers: none gave anything of the last two days, {ends}"]


def _describe_notes(source: Source, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Say which cells and rows of accepted files were bad, and which files are suspect or empty."""
    out_of_range: dict[str, list[tuple[int, float, str]]] = {}
    suspect: dict[str, list[str]] = {}
    empty: dict[str, list[str]] = {}
    bad_rows = list[str]()
    for row in rows:
        notes = row.get("notes") or {}
        if notes.get("bad_rows"):
            bad_rows.append(f"{len(notes['bad_rows'])} of {row['name']}")
        for variable, note in (notes.get("out_of_range") or {}).items():
            count = int(note["cells"]), float(note["worst"]), str(row["name"])
            out_of_range.setdefault(variable, []).append(count)
        for variable in notes.get("empty") or ():
            empty.setdefault(str(variable), []).append(str(row["name"]))
        if notes.get("suspect"):
            suspect.setdefault(str(notes["suspect"]), []).append(str(row["name"]))
    lines = []
    for variable, counts in out_of_range.items():
        cells = sum(count for count, _, _ in counts)
        files = _name_files([name for _, _, name in counts])
        worst = max((value for _, value, _ in counts), key=abs)
        lines.append(
            f"{source.id}: {cells} cells of {variable} out of range, left out, in {files}, the "
            f"worst {worst:g}"
        )
    lines += [
        f"{source.id}: no value of {variable} in the window: {_name_files(names)}"
        for variable, names in empty.items()
    ]
    if source.kind == "grid":
        remarks = {str(remark) for row in rows for remark in _list_reader_remarks(row)}
        lines += [f"{source.id}: {remark}" for remark in sorted(remarks)]
    if bad_rows:
        lines.append(f"{source.id}: bad rows left out: {', '.join(bad_rows)}")
    return lines + [
        f"{source.id}: suspect, {reason}: {_name_files(names)}" for reason, names in suspect.items()
    ]


def _list_reader_remarks(row: dict[str, Any]) -> Sequence[str]:
    """List the remarks of a reader on a file."""
    remarks: Sequence[str] = (row.get("notes") or {}).get("said") or ()
    return remarks


def _name_files(names: Sequence[str]) -> str:
    return names[-1] if len(names) == 1 else f"{len(names)} files, the last {names[-1]}"


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


def _describe_doubts(snapshot: Snapshot) -> list[str]:
    """Say which zonal daily results were impossible, or rest on suspect files."""
    midnight = day_start(snapshot.asof)
    try:
        doubts = snapshot.archive.read(
            "doubts", asof=snapshot.asof, start=midnight - timedelta(days=DOUBTFUL_DAYS)
        ).compute()
    except NothingArchived:
        return []
    lines = []
    for name in map(str, doubts.data_vars):
        kind, _, variable = name.partition("_")
        where = doubts[name].values > 0
        if not where.any():
            continue
        day = doubts["time"].values[where.any(axis=1)][-1].astype("M8[D]")
        text = {
            "impossible": "results out of range and left out",
            "suspect": "rests on suspect files",
        }[kind]
        zones, days = where.any(axis=0).sum(), where.any(axis=1).sum()
        lines.append(
            f"areal record, {variable}: {text} in {zones} zones on {days} days, the last {day}"
        )
    return lines
