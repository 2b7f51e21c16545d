"""Newest readings of the gauges beside the forecast of the last night."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pandas as pd

from pipeline.alerts.evidence import River
from pipeline.geography import places
from pipeline.issuance import observed
from pipeline.issuance.snapshot import Snapshot

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class WatchedRiver:
    """River of a city as the watch sees it.

    Parameters
    ----------
    river
        Forecast of the last night with the newest reading.
    read_at
        Time of a reading that the night did not have; None where there is none.
    """

    river: River
    read_at: datetime | None


def watch_rivers(snapshot: Snapshot, stages: pd.DataFrame) -> dict[str, WatchedRiver]:
    """Put the newest readings beside the forecasts of the last night, by gauge.

    Parameters
    ----------
    snapshot
        Stores as of the watch.
    stages
        Stage forecasts of the last night.
    """
    last, changes = observed.find_last_readings(snapshot), observed.find_daily_changes(snapshot)
    cities = places.cities(snapshot.region, asof=snapshot.asof).values()
    rows = {} if stages.empty else dict(iter(stages.groupby("station")))
    rivers = {}
    for code in sorted({city.station for city in cities if city.station}):
        change_m = changes.get(code, math.nan)
        if code in rows:
            of_night = River.from_rows(rows[code], change_1d_m=change_m)
        else:
            of_night = _without_forecast(code, snapshot, change_m)
        river = replace(of_night, issue_time=snapshot.asof)
        if code in last:
            river = observed.add_last_readings(river, last[code])
        times = [river.stage_time, river.doubt.time if river.doubt else None]
        newest = max((time for time in times if time), default=None)
        known = of_night.stage_time or _NEVER
        read_at = newest if newest is not None and newest > known else None
        rivers[code] = WatchedRiver(river=river, read_at=read_at)
    return rivers


def _without_forecast(code: str, snapshot: Snapshot, change_m: float) -> River:
    """River of a gauge that had not reported when the night was forecast."""
    return River(
        station=code,
        issue_time=snapshot.asof,
        leads=(),
        tier="climatology",
        stage_m=math.nan,
        stage_time=None,
        change_1d_m=change_m,
        model_version=snapshot.version,
        skilful_until_day=None,
        drivers_method="",
    )
