"""Last readings of the gauges as a run sees them: what is believed, and what is not yet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pandas as pd

from pipeline.alerts.evidence import Doubt, River
from pipeline.issuance.snapshot import Snapshot
from pipeline.quality import flags as quality_flags
from pipeline.quality import mornings
from pipeline.times import from_utc64

SPAN = timedelta(days=4)
"""How far back the last readings are looked for."""
FRESH = timedelta(hours=48)
"""An older reading says nothing of today."""


@dataclass(frozen=True)
class Last:
    """Last readings of one gauge.

    Parameters
    ----------
    stage_m, time
        Last reading that is believed; NaN and None where there is none.
    doubt
        Newer reading that is not believed.
    """

    stage_m: float
    time: datetime | None
    doubt: Doubt | None


def last_readings(snapshot: Snapshot) -> dict[str, Last]:
    """Collect the last readings of every gauge."""
    rows = snapshot.every_reading("stage", start=snapshot.asof - SPAN)
    rows = rows[rows["value"].notna()]
    used = quality_flags.used(quality_flags.best(rows))
    best = {code: (time, value) for code, time, value, _ in mornings.by_station(used)}
    doubted = rows[rows["qc"].isin([*quality_flags.HELD, "conflict"])]
    found = {}
    for code in sorted({*best, *doubted["station"]}):
        stage_m, when = math.nan, None
        if code in best:
            time, value = best[code]
            stage_m, when = float(value[-1]), from_utc64(time[-1])
        own = doubted[doubted["station"] == code]
        found[code] = Last(stage_m, when, _doubt(own, when))
    return found


def _doubt(rows: pd.DataFrame, since: datetime | None) -> Doubt | None:
    """Newest readings that are not believed, where they are newer than what is."""
    if rows.empty:
        return None
    when = from_utc64(rows["valid_time"].to_numpy().max())
    if since is not None and when <= since:
        return None
    values = rows.loc[rows["valid_time"] == rows["valid_time"].max(), "value"]
    low, high = float(values.min()), float(values.max())
    kind = rows.loc[rows["valid_time"] == rows["valid_time"].max(), "qc"]
    disagree = len(values) > 1 and (kind == "conflict").all()
    return Doubt(
        kind="conflict" if disagree else "unconfirmed", lowest_m=low, highest_m=high, time=when
    )


def foreseen(last: Mapping[str, Last], forecasts: pd.DataFrame) -> dict[str, Doubt]:
    """Unconfirmed readings that the forecast from the readings before them leads to expect.

    Parameters
    ----------
    last
        Last readings by gauge.
    forecasts
        Forecasts that rest on none of the readings in doubt.
    """
    first = forecasts[forecasts["lead_days"] == 1]
    bands = {
        str(code): (float(low), float(high))
        for code, low, high in zip(first["station"], first["q05"], first["q95"], strict=True)
    }
    found = {}
    for code, one in last.items():
        low, high = bands.get(code, (math.nan, math.nan))
        doubt = one.doubt
        if doubt and doubt.kind == "unconfirmed" and low <= doubt.highest_m <= high:
            found[code] = doubt
    return found


def with_last(river: River, last: Last) -> River:
    """Add a gauge's last readings to its forecast.

    Parameters
    ----------
    river
        Forecast, with the stage that it rests on.
    last
        Last readings; what is newer than the stage of the forecast stands in its place.
    """
    doubt = last.doubt
    if doubt is not None and river.stage_m == doubt.highest_m:  # the forecast agreed
        return replace(river, stage_time=doubt.time, change_1d_m=river.stage_m - last.stage_m)
    fresh = last.time is not None and river.issue_time - last.time <= FRESH
    if last.time is not None and fresh and (river.stage_time or last.time) <= last.time:
        river = replace(river, stage_m=last.stage_m, stage_time=last.time)
    return replace(river, doubt=doubt)
