"""Counts of two sides on the same cases: days and events at each stage, and peaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from models.verification.alarms import count_crossings
from models.verification.paired_scores import DECLARED_P, Array
from models.verification.pairing import SIDES, THRESHOLDS, Cases
from models.verification.peaks import find_peaks, pool_peaks

COUNT = "count"
"""Verdict of counts, which are set beside each other without one."""
POOLED = ""
"""Station of the rows over all gauges."""
_KINDS = ("hit", "miss", "false")


def count_sides(
    cases: Cases, statistics: Mapping[str, Mapping[str, Array]]
) -> Iterator[dict[str, object]]:
    """Count crossings of the stages, events and peaks of both sides, per gauge and in all."""
    rows = cases.rows.assign(row=np.arange(len(cases.rows)))
    rival = cases.sides["rival"]
    scopes = [(POOLED, rows), *((str(code), part) for code, part in rows.groupby("station"))]
    for station, part in scopes:
        for name in THRESHOLDS:
            known = part[np.isfinite(rival.p[name][part["row"]]) & part[f"{name}_m"].notna()]
            for days_ahead, of_lead in known.groupby("lead_days"):
                for row in _count_crossings(name, of_lead, cases, statistics):
                    yield _as_row(station, days_ahead, row)
        if np.isfinite(rival.median).any() and np.isfinite(rival.p["alarm"]).any():
            with_median = part[np.isfinite(rival.median[part["row"]])]
            for lead, row in _count_peaks(with_median, cases):
                yield _as_row(station, lead, row)


def _as_row(station: str, lead: object, row: dict[str, object]) -> dict[str, object]:
    empty = dict.fromkeys(("best", "verdict"), "") | dict.fromkeys(
        ("persistence", "climatology", "difference", "low", "high"), float("nan")
    )
    return {"station": station, "lead_days": lead} | empty | row | {"verdict": COUNT}


def _count_crossings(
    name: str, rows: pd.DataFrame, cases: Cases, statistics: Mapping[str, Mapping[str, Array]]
) -> Iterator[dict[str, object]]:
    at = rows["row"].to_numpy()
    sums = {
        side: {kind: int(statistics[side][f"{kind}_{name}"][at].sum()) for kind in _KINDS}
        for side in SIDES[:2]
    }
    came = sums["ours"]["hit"] + sums["ours"]["miss"]
    hits, false = ({side: sums[side][kind] for side in sums} for kind in ("hit", "false"))
    yield {"score": f"{name}_days_hit", "cases": came, **hits}
    yield {"score": f"{name}_days_false", "cases": came, **false}
    events = {}
    for side in SIDES[:2]:
        declared = (cases.sides[side].p[name][at] >= DECLARED_P).astype("float64")
        of_side = rows.assign(p_alarm=declared, alarm_m=rows[f"{name}_m"])
        events[side] = count_crossings(of_side).iloc[0]
    observed = int(events["ours"]["observed"])
    hits = {side: int(event["hits"]) for side, event in events.items()}
    false = {side: int(event["forecast"] - event["hits"]) for side, event in events.items()}
    yield {"score": f"{name}_events_hit", "cases": observed, **hits}
    yield {"score": f"{name}_events_false", "cases": observed, **false}


def _count_peaks(rows: pd.DataFrame, cases: Cases) -> Iterator[tuple[object, dict[str, object]]]:
    """Count the peaks of wet seasons that were missed, and tell how late they were forecast."""
    at = rows["row"].to_numpy()
    reached = (rows["observed_m"] >= rows["alarm_m"]).astype("float64")
    pooled = {}
    for side in SIDES[:2]:
        own = cases.sides[side]
        of_side = rows.assign(
            q50=own.median[at],
            reached=reached.where(rows["alarm_m"].notna()),
            p_alarm=(own.p["alarm"][at] >= DECLARED_P).astype("float64"),
        )
        peaks = find_peaks(of_side)
        if peaks.empty:
            return
        pooled[side] = pool_peaks(peaks)
    for lead in pooled["ours"].index:
        peaks_of_lead = {side: table.loc[lead] for side, table in pooled.items()}
        of_ours = peaks_of_lead["ours"]
        late = {side: float(peak["late_d"]) for side, peak in peaks_of_lead.items()}
        missed = {side: int(peak["missed"]) for side, peak in peaks_of_lead.items()}
        yield lead, {"score": "peak_late_d", "cases": int(of_ours["peaks"]), **late}
        yield lead, {"score": "peaks_missed", "cases": int(of_ours["alarm_peaks"]), **missed}
