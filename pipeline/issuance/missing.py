"""What a night should have had and had not, what was bad, and what of the rest is doubtful."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipeline.areal import substitutes
from pipeline.geography import places
from pipeline.issuance import observed
from pipeline.quality import flags as quality_flags
from pipeline.quality import mornings
from pipeline.settings import Upstream
from pipeline.sources import NIGHTLY, SOURCES, asked
from pipeline.sources.base import Source
from pipeline.storage.archive import NothingArchived, utc64

if TYPE_CHECKING:
    from pipeline.issuance.snapshot import View
    from pipeline.storage.database import Records

INPUTS = timedelta(days=120)
"""Inputs that end before this are the history's, named by the model, not by the night."""
PATIENCE = 1.25
"""Multiple of its usual delay after which a source that has said nothing gave nothing."""
RECENTLY = timedelta(days=30)
"""Gauges that have said something since are silent this morning, the others for longer."""
DOUBTFUL_DAYS = 10
"""Days of the areal record whose doubts are named."""
DOUBTS = {
    "unconfirmed": "reading is not confirmed yet at",
    "conflict": "readings are in conflict at",
}
"""What is said of a reading of this morning that is there and not believed."""
FIRST = datetime(1900, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Absences:
    """What is missing, bad or doubtful.

    Parameters
    ----------
    nobody
        That no provider gave anything, if so: said before all else.
    said
        All the rest in plain words.
    degraded
        What of it makes the night another than a good one: no gauges, a source that every night
        counts on and that gave nothing.
    """

    nobody: tuple[str, ...]
    said: tuple[str, ...]
    degraded: tuple[str, ...]


def absences(view: View, *, upstream: Upstream = "archive") -> Absences:
    """Say in plain words what a night should have had, what was bad, and what is doubtful.

    Parameters
    ----------
    view
        What the run sees.
    upstream
        Where files come from: the providers have more sources than a night counts on.
    """
    inputs = view.records.inputs(asof=view.asof, start=view.asof - INPUTS)
    readings = view.records.last_readings(by="source", asof=view.asof)
    last = view.records.last_files(asof=view.asof)
    grids = [row.id for row in SOURCES.values() if row.kind != "readings"]
    last = {name: end for name, end in last.items() if name in grids} | readings
    said, silent = [], []
    for source in SOURCES.values():
        rows = [row for row in inputs if row["source"] == source.id]
        nothing = _nothing(source, last.get(source.id), view.asof)
        if source.core and source.kind == "grid":
            said += _lacking(source, rows, asof=view.asof)
        if (
            nothing
            and source.kind != "zones"
            and (source.id in (*asked(upstream), *NIGHTLY) or source.id in last)
        ):
            said.append(nothing)
            silent += [nothing] if source.id in NIGHTLY else []
        said += [f"{source.id}: rejected {row['rejected']}" for row in rows if row["rejected"]]
        said += _notes(source, [row for row in rows if not row["rejected"]])
    gauges = silent_gauges(view)
    if not any(_morning(view) <= one for one in _last_readings(view).values()):
        believed = " that is believed" if _doubted(view) else ""
        silent.append(f"gauges: no gauge has a reading of this morning{believed}")
    week = view.asof - timedelta(days=7)
    for variable in ("stage", "rain"):
        every = view.records.every_reading(variable, asof=view.asof, start=week)
        said += quality_flags.suspects(every)
    record = view.filled_record()
    if record is not None:
        stands = substitutes.standing(record, asof=view.asof)
        said += substitutes.said(view.archive, stands, asof=view.asof)
    nobody = _nobody(last, view.asof) if upstream == "internet" else []
    return Absences(tuple(nobody), (*said, *_doubts(view), *gauges), tuple(silent))


def _lacking(source: Source, rows: Sequence[dict[str, Any]], *, asof: datetime) -> list[str]:
    """Say how many files of a source that every night counts on are not there."""
    module = importlib.import_module(source.module)
    begin = asof - min(source.lookback, INPUTS)
    due = {
        granule.start
        for granule in module.granules(source.id, begin, asof, asof)
        if granule.end + source.latency <= asof
    }
    lacking = due - {row["start"] for row in rows if row["rejected"] is None}
    if not lacking:
        return []
    latest = f"the latest for {max(lacking):%Y-%m-%d %H:%MZ}"
    return [f"{source.id}: {len(lacking)} of {len(due)} files missing, {latest}"]


def _nothing(source: Source, last: datetime | None, asof: datetime) -> str:
    """Say that a source gave nothing of what was due lately, and when it last did; else nothing."""
    if last is None:
        return f"{source.id}: gave nothing, and never has"
    if last > asof - source.cadence - PATIENCE * source.latency - timedelta(days=1):
        return ""
    return f"{source.id}: gave nothing, its last datum is of {last:%Y-%m-%d %H:%MZ}"


def _nobody(last: dict[str, datetime], asof: datetime) -> list[str]:
    """Say that no provider gave anything of the last two days, if so."""
    newest = max(last.values(), default=None)
    if newest is not None and newest > asof - timedelta(days=2):
        return []
    ends = f"the newest datum is of {newest:%Y-%m-%d %H:%MZ}" if newest else "nothing has ever come"
    return [f"providers: none gave anything of the last two days, {ends}"]


def _notes(source: Source, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Say of sound files which cells and rows were bad, and which are suspect or empty."""
    counted: dict[str, list[tuple[int, float, str]]] = {}
    suspects: dict[str, list[str]] = {}
    empty: dict[str, list[str]] = {}
    bad_rows = list[str]()
    for row in rows:
        notes = row.get("notes") or {}
        if notes.get("bad_rows"):
            bad_rows.append(f"{len(notes['bad_rows'])} of {row['name']}")
        for variable, found in (notes.get("out_of_range") or {}).items():
            one = int(found["cells"]), float(found["worst"]), str(row["name"])
            counted.setdefault(variable, []).append(one)
        for variable in notes.get("empty") or ():
            empty.setdefault(str(variable), []).append(str(row["name"]))
        if notes.get("suspect"):
            suspects.setdefault(str(notes["suspect"]), []).append(str(row["name"]))
    said = [
        f"{source.id}: {sum(cells for cells, _, _ in of)} cells of {variable} out of range, left "
        f"out, in {_files([name for _, _, name in of])}, the worst {max(of, key=_size)[1]:g}"
        for variable, of in counted.items()
    ]
    said += [
        f"{source.id}: no value of {variable} in the window: {_files(names)}"
        for variable, names in empty.items()
    ]
    if source.kind == "grid":
        said += [
            f"{source.id}: {remark}"
            for remark in sorted({str(one) for row in rows for one in _remarks(row)})
        ]
    if bad_rows:
        said.append(f"{source.id}: bad rows left out: {', '.join(bad_rows)}")
    return said + [
        f"{source.id}: suspect, {reason}: {_files(names)}" for reason, names in suspects.items()
    ]


def _remarks(row: dict[str, Any]) -> Sequence[str]:
    """List what a reader said of a file."""
    said: Sequence[str] = (row.get("notes") or {}).get("said") or ()
    return said


def _size(found: tuple[int, float, str]) -> float:
    return abs(found[1])


def _files(names: Sequence[str]) -> str:
    return names[-1] if len(names) == 1 else f"{len(names)} files, the last {names[-1]}"


def suspects(records: Records, *, asof: datetime, start: datetime) -> dict[str, set[np.datetime64]]:
    """By source the begins of the files that are suspect as a whole, of several versions the last.

    Parameters
    ----------
    records
        Where the notes are.
    asof
        Only what was known by then.
    start
        Files that end before are left out.
    """
    last: dict[tuple[str, datetime], dict[str, Any]] = {}
    for row in records.inputs(asof=asof, start=start):
        key = row["source"], row["start"]
        if row["rejected"] is None and (
            key not in last or last[key]["available_time"] <= row["available_time"]
        ):
            last[key] = row
    found: dict[str, set[np.datetime64]] = {}
    for (source, begin), row in last.items():
        if (row.get("notes") or {}).get("suspect"):
            found.setdefault(source, set()).add(utc64(begin))
    return found


def _doubts(view: View) -> list[str]:
    """Say which results of the areal record were impossible, or rest on suspect files."""
    midnight = view.asof.replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        found = view.archive.read(
            "doubts", asof=view.asof, start=midnight - timedelta(days=DOUBTFUL_DAYS)
        ).compute()
    except NothingArchived:
        return []
    said = []
    for name in map(str, found.data_vars):
        kind, _, variable = name.partition("_")
        where = found[name].values > 0
        if not where.any():
            continue
        day = found["time"].values[where.any(axis=1)][-1].astype("M8[D]")
        words = {
            "impossible": "results out of range and left out",
            "suspect": "rests on suspect files",
        }[kind]
        zones, days = where.any(axis=0).sum(), where.any(axis=1).sum()
        said.append(
            f"areal record, {variable}: {words} in {zones} zones on {days} days, the last {day}"
        )
    return said


def _morning(view: View) -> pd.Timestamp:
    return pd.Timestamp(utc64(view.asof)).normalize() - pd.Timedelta(mornings.NEAR)


def _last_readings(view: View) -> dict[str, pd.Timestamp]:
    """Last usable reading of the stage of each gauge of the table in the last days."""
    rows = view.readings("stage", start=view.asof - RECENTLY)
    known = rows[rows["value"].notna() & rows["qc"].isin([*quality_flags.USED, "absolute"])]
    last = known.groupby("station")["valid_time"].max()
    return {str(code): one for code, one in last.items() if code in places.stations()}


def _doubted(view: View) -> dict[str, str]:
    """Why this morning's reading is not believed, by gauge of the table that has sent one."""
    morning = _morning(view)
    return {
        code: one.doubt.kind
        for code, one in observed.last_readings(view).items()
        if one.doubt and code in places.stations() and utc64(one.doubt.time) >= morning
    }


def silent_gauges(view: View) -> list[str]:
    """Say which gauges of the table have no believed reading of this morning, and since when.

    A reading that is there and not believed yet is not missing.
    """
    last, morning = _last_readings(view), _morning(view)
    ever = view.records.last_readings(by="station", asof=view.asof, variable="stage")
    said, doubted = [], _doubted(view)
    for kind, words in DOUBTS.items():
        if names := ", ".join(_name(code) for code, found in doubted.items() if found == kind):
            said.append(f"gauges: this morning's {words} {names}")
    silent = [
        code
        for code in places.stations()
        if (code in last or code in ever)
        and not last.get(code, pd.NaT) >= morning
        and code not in doubted
    ]
    lately = [code for code in silent if code in last or ever[code] > view.asof - RECENTLY]
    if lately:
        names = ", ".join(_name(code) for code in lately)
        said.append(f"gauges: this morning's reading is missing from {names}")
    longer = [_name(code, f"last {ever[code]:%Y-%m-%d}") for code in silent if code not in lately]
    if longer:
        names = ", ".join(longer)
        said.append(f"gauges: nothing for {RECENTLY.days} days and more from {names}")
    heard = {*last, *ever, *doubted}
    never = [_name(code) for code in places.stations() if code not in heard]
    if never:
        said.append(f"gauges: nothing has ever come from {', '.join(never)}")
    return said


def _name(code: str, *more: str) -> str:
    return f"{places.station(code).name} ({', '.join((code, *more))})"
