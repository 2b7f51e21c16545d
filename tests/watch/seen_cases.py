"""What a watch may have seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.watch.rain import RecentRain
from pipeline.watch.readings import WatchedRiver
from pipeline.watch.sudden import SuddenChange
from pipeline.watch.watch_file import Seen
from tests.alerts.alert_cases import river

NOW = datetime(2026, 3, 1, 6, 15, tzinfo=UTC)
HEAVY = RecentRain(
    years=12.34, depth_mm=81.6, hours=3, until=NOW - timedelta(minutes=15), product="gk2a"
)
CHANGE = SuddenChange(
    station="010501", change_m=0.712, hours=1, record_m=0.2, begin=NOW - timedelta(hours=1),
    end=NOW, stage_m=2.345,
)  # fmt: skip
NOTHING = Seen(
    asof=NOW, night=NOW.replace(hour=0, minute=30), status="Exercise", origin="virtual",
    rain={"pakse": RecentRain(), "siem_reap": replace(HEAVY, years=1.2)}, rivers={}, sudden=None,
    raised=[], missing=[],
)  # fmt: skip


def watched(stage_m: float, *, read: bool = True, code: str = "011901") -> WatchedRiver:
    seen = river(issue_time=NOW, stage_m=stage_m, age_h=0.25, station=code)
    return WatchedRiver(river=seen, read_at=seen.stage_time if read else None)


def raised(city: str, level: str) -> dict[str, Any]:
    return {
        "city": city, "level": level, "watched": NOW, "facts": {"change": "raised"},
        "identifier": f"mekong-watch-20260301T0615Z-{city}-flood-r0",
    }  # fmt: skip
