"""Gauges without a believed reading of this morning: silent, and since when, or in doubt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pandas as pd

from pipeline.geography import places
from pipeline.issuance import observed
from pipeline.issuance.snapshot import Snapshot
from pipeline.quality import flags as quality_flags
from pipeline.quality import mornings
from pipeline.times import utc64

RECENTLY = timedelta(days=30)
"""Gauges with a reading in this time are silent since this morning, the others for longer."""
DOUBTS = {
    "unconfirmed": "reading is not confirmed yet at",
    "conflict": "readings are in conflict at",
}
"""Text for a reading of this morning that is not believed, by kind of doubt."""


@dataclass(frozen=True)
class SilentGauges:
    """Missing readings of this morning, in plain words.

    Parameters
    ----------
    remarks
        One line per kind of silence.
    degraded
        Whether no gauge has a believed reading of this morning, as a line of text.
    """

    remarks: tuple[str, ...]
    degraded: tuple[str, ...]


def describe_silent_gauges(snapshot: Snapshot) -> SilentGauges:
    """Say which gauges of the table have no believed reading of this morning, and since when.

    The table is that as of the issue time: a gauge is not silent before its row is valid. A
    reading that is not believed yet is not missing.
    """
    gauges = places.stations(asof=snapshot.asof)
    last, morning = _find_last_believed(snapshot), _morning(snapshot)
    ever = snapshot.records.readings.last_times(by="station", asof=snapshot.asof, variable="stage")
    doubted = _find_doubted(snapshot)
    remarks = []
    for kind, text in DOUBTS.items():
        if names := ", ".join(
            _name(gauges[code]) for code, doubt in doubted.items() if doubt == kind
        ):
            remarks.append(f"gauges: this morning's {text} {names}")
    silent = [
        code
        for code in gauges
        if (code in last or code in ever)
        and not last.get(code, pd.NaT) >= morning
        and code not in doubted
    ]
    lately = [code for code in silent if code in last or ever[code] > snapshot.asof - RECENTLY]
    if lately:
        names = ", ".join(_name(gauges[code]) for code in lately)
        remarks.append(f"gauges: this morning's reading is missing from {names}")
    longer = [
        _name(gauges[code], f"last {ever[code]:%Y-%m-%d}") for code in silent if code not in lately
    ]
    if longer:
        names = ", ".join(longer)
        remarks.append(f"gauges: nothing for {RECENTLY.days} days and more from {names}")
    reported = {*last, *ever, *doubted}
    never = [_name(gauge) for code, gauge in gauges.items() if code not in reported]
    if never:
        remarks.append(f"gauges: nothing has ever come from {', '.join(never)}")
    degraded = []
    if not any(morning <= time for time in last.values()):
        believed = " that is believed" if doubted else ""
        degraded.append(f"gauges: no gauge has a reading of this morning{believed}")
    return SilentGauges(tuple(remarks), tuple(degraded))


def _morning(snapshot: Snapshot) -> pd.Timestamp:
    return pd.Timestamp(utc64(snapshot.asof)).normalize() - pd.Timedelta(mornings.NEAR)


def _find_last_believed(snapshot: Snapshot) -> dict[str, pd.Timestamp]:
    """Find the time of the last usable stage of each gauge of the table within ``RECENTLY``."""
    rows = snapshot.readings("stage", start=snapshot.asof - RECENTLY)
    known = rows[rows["value"].notna() & rows["qc"].isin([*quality_flags.USED, "absolute"])]
    last, gauges = known.groupby("station")["valid_time"].max(), places.stations(asof=snapshot.asof)
    return {str(code): time for code, time in last.items() if code in gauges}


def _find_doubted(snapshot: Snapshot) -> dict[str, str]:
    """Find gauges of the table with a doubted reading of this morning, and the kind of doubt."""
    gauges, morning = places.stations(asof=snapshot.asof), _morning(snapshot)
    return {
        code: last.doubt.kind
        for code, last in observed.find_last_readings(snapshot).items()
        if last.doubt and code in gauges and utc64(last.doubt.time) >= morning
    }


def _name(gauge: places.Station, *more: str) -> str:
    return f"{gauge.name} ({', '.join((gauge.code, *more))})"
