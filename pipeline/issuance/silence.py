"""Gauges without a believed reading of this morning: silent, and since when, or in doubt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.alerts.evidence import Doubt
from pipeline.geography import places
from pipeline.issuance import observed
from pipeline.issuance.snapshot import Snapshot
from pipeline.quality import flags as quality_flags
from pipeline.quality import mornings
from pipeline.remarks import Remark, RemarkCode
from pipeline.times import day_start, from_utc64

RECENTLY = timedelta(days=30)
"""Gauges with a reading in this time are silent since this morning, the others for longer."""
DOUBTS: dict[str, tuple[RemarkCode, str]] = {
    "unconfirmed": ("gauge_unconfirmed", "reading is not confirmed yet at"),
    "conflict": ("gauge_conflict", "readings are in conflict at"),
}
"""Code and text for a reading of this morning that is not believed, by kind of doubt."""


@dataclass(frozen=True)
class SilentGauges:
    """Missing readings of this morning.

    Parameters
    ----------
    remarks
        One per gauge, with the time of its last reading; those of one kind of silence have one
        text.
    degraded
        Whether no gauge has a believed reading of this morning, as a line of text.
    """

    remarks: tuple[Remark, ...]
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
    remarks = list[Remark]()
    for kind, (code, text) in DOUBTS.items():
        names = {
            station: (_name(gauges[station]), doubt.time)
            for station, doubt in doubted.items()
            if doubt.kind == kind
        }
        remarks += _describe(code, f"this morning's {text}", names)
    times = {
        station: last.get(station, ever.get(station))
        for station in gauges
        if station not in doubted
    }
    late = dict[str, tuple[str, datetime | None]]()
    longer, never = late.copy(), late.copy()
    for station, time in times.items():
        gauge = gauges[station]
        if time is None:
            never[station] = _name(gauge), None
        elif station not in last and ever[station] <= snapshot.asof - RECENTLY:
            longer[station] = _name(gauge, f"last {time:%Y-%m-%d}"), time
        elif station not in last or time < morning:
            late[station] = _name(gauge), time
    remarks += [
        *_describe("gauge_late", "this morning's reading is missing from", late),
        *_describe("gauge_silent", f"nothing for {RECENTLY.days} days and more from", longer),
        *_describe("gauge_never", "nothing has ever come from", never),
    ]
    degraded = []
    if not any(morning <= time for time in last.values()):
        believed = " that is believed" if doubted else ""
        degraded.append(f"gauges: no gauge has a reading of this morning{believed}")
    return SilentGauges(tuple(remarks), tuple(degraded))


def _describe(
    code: RemarkCode, text: str, gauges: Mapping[str, tuple[str, datetime | None]]
) -> list[Remark]:
    """Remark on each gauge, with its last time, in one text with the names of all."""
    text = f"gauges: {text} {', '.join(name for name, _ in gauges.values())}"
    return [
        Remark(code=code, text=text, station=station, time=time)
        for station, (_, time) in gauges.items()
    ]


def _morning(snapshot: Snapshot) -> datetime:
    return day_start(snapshot.asof) - mornings.NEAR.item()


def _find_last_believed(snapshot: Snapshot) -> dict[str, datetime]:
    """Find the time of the last usable stage of each gauge of the table within ``RECENTLY``."""
    rows = snapshot.readings("stage", start=snapshot.asof - RECENTLY)
    known = rows[rows["value"].notna() & rows["qc"].isin([*quality_flags.USED, "absolute"])]
    last, gauges = known.groupby("station")["valid_time"].max(), places.stations(asof=snapshot.asof)
    return {
        str(code): from_utc64(time.to_datetime64()) for code, time in last.items() if code in gauges
    }


def _find_doubted(snapshot: Snapshot) -> dict[str, Doubt]:
    """Find the doubted readings of this morning of gauges of the table."""
    gauges, morning = places.stations(asof=snapshot.asof), _morning(snapshot)
    return {
        code: last.doubt
        for code, last in observed.find_last_readings(snapshot).items()
        if last.doubt and code in gauges and last.doubt.time >= morning
    }


def _name(gauge: places.Station, *more: str) -> str:
    return f"{gauge.name} ({', '.join((gauge.code, *more))})"
