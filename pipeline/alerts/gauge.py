"""What is known at a river gauge, and what it says of each flood level."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from pipeline.alerts.evidence import Doubt, Level, River
from pipeline.alerts.hysteresis import RAISED, Rules, Rung

if TYPE_CHECKING:
    from pipeline.geography.places import City, Station

HORIZON_D = {Level.NONE: 7, Level.UNKNOWN: 7, Level.WATCH: 7, Level.WARNING: 5, Level.EMERGENCY: 2}
"""Days ahead that each flood level looks."""
MARK: dict[Level, Literal["alarm", "flood"]] = {
    Level.WATCH: "alarm",
    Level.WARNING: "flood",
    Level.EMERGENCY: "flood",
}
"""Stage that each flood level's probability is about."""


def stable_band_m(station: str) -> float:
    """MRC's band within which a day's change of stage counts as stable, metres.

    10 cm from Chiang Saen to Savannakhet, 5 cm from Pakse to Stung Treng, 3 cm from Kratie
    (MRC flood bulletins); Khong Chiam, between the first two, takes the narrower one.

    Examples
    --------
    >>> [stable_band_m(code) for code in ("011901", "013901", "014901", "033401")]
    [0.1, 0.05, 0.03, 0.03]
    """
    return 0.10 if station < "0135" or station >= "09" else 0.05 if station < "0149" else 0.03


@dataclass(frozen=True, kw_only=True)
class Gauge:
    """What is known at a gauge with an alarm and a flood stage."""

    code: str
    alarm_m: float
    flood_m: float
    river: River | None
    age: timedelta | None
    rules: Rules

    @property
    def fresh(self) -> bool:
        """Whether the reading is recent enough to lower a level, and no newer ones disagree."""
        disagree = self.doubt is not None and self.doubt.kind == "conflict"
        return self.age is not None and self.age <= self.rules.stale and not disagree

    @property
    def doubt(self) -> Doubt | None:
        """Newest reading where it is not believed, as long as it counts."""
        doubt = self.river.doubt if self.river else None
        if doubt is None or self.river is None:
            return None
        return doubt if self.river.issue_time - doubt.time <= self.rules.stale else None

    @property
    def on_doubt(self) -> bool:
        """Whether only a reading that is not believed yet stands above the alarm stage."""
        return self.doubt is not None and self.doubt.lowest_m >= self.alarm_m > self.below_m

    @property
    def below_m(self) -> float:
        """Last reading that is believed; below everything where there is none."""
        return -math.inf if math.isnan(self.stage_m) else self.stage_m

    @property
    def stage_m(self) -> float:
        """Last reading that still counts as evidence, else NaN."""
        known = self.river is not None and self.age is not None and self.age <= self.rules.forget
        return self.river.stage_m if self.river and known else math.nan

    @property
    def rising(self) -> bool:
        """Whether the stage rises; a trend that is not known may be a rising one."""
        change_m = self.river.change_1d_m if self.river else math.nan
        return not change_m <= stable_band_m(self.code)

    def p(self, level: Level) -> float:
        """Probability that a level is about; climatology is no forecast."""
        if self.river is None or self.river.tier == "climatology":
            return math.nan
        return self.river.p_by(MARK[level], HORIZON_D[level])

    @property
    def usable(self) -> bool:
        """Whether every level has a probability."""
        return not any(math.isnan(self.p(level)) for level in RAISED)

    def rungs(self) -> dict[Level, Rung]:
        """Levels from the river alone.

        What is not believed yet puts no more than a Watch in force, and calms nothing.
        """
        rules, stage_m = self.rules, self.stage_m
        # a tenth of a millimetre of slack: 11.5 - 0.2 is not exactly 11.3
        low = self.fresh and stage_m <= self.alarm_m - rules.lower_m + 1e-4
        under = self.fresh and stage_m <= self.flood_m - rules.lower_m + 1e-4
        above = stage_m >= self.alarm_m
        if self.doubt is not None:
            low = low and self.doubt.highest_m < self.alarm_m
            under = under and self.doubt.highest_m < self.flood_m
        rows = (
            (Level.WATCH, rules.watch_p_alarm_7d, above or self.on_doubt, low),
            (Level.WARNING, rules.warning_p_flood_5d, above and self.rising, low),
            (Level.EMERGENCY, rules.emergency_p_flood_2d, stage_m >= self.flood_m, under),
        )
        return {
            level: Rung(p=self.p(level), p_up=p_up, seen=seen, quiet=quiet)
            for level, p_up, seen, quiet in rows
        }

    def first(self, level: Level) -> datetime | None:
        """Day at which the probability of a level first reaches its threshold."""
        for lead in self.river.leads if self.river else ():
            p = lead.p_alarm_by if MARK[level] == "alarm" else lead.p_flood_by
            if p >= self.rungs()[level].p_up:
                return lead.valid_time
        return None

    def missing(self) -> list[str]:
        """Keys of what is missing at the gauge."""
        found: list[str] = [] if self.fresh or self.doubt else ["stage"]
        if self.doubt:
            found.append(self.doubt.kind)
        if not self.usable:
            found.append("forecast")
        elif self.river and self.river.tier != "full":
            found.append(self.river.tier)
        if self.fresh and self.river and math.isnan(self.river.change_1d_m):
            found.append("trend")
        return found


def gauge_of(
    city: City, station: Station | None, river: River | None, issue_time: datetime, rules: Rules
) -> Gauge | None:
    """Gauge of a city, None where it has none with both thresholds.

    Raises
    ------
    ValueError
        Thresholds, stations or times contradict each other.
    """
    if station is None or station.alarm_m is None or station.flood_m is None:
        return None
    if station.alarm_m > station.flood_m:
        raise ValueError(
            f"{station.code}: expected alarm <= flood stage, found {station.alarm_m} m > "
            f"{station.flood_m} m"
        )
    if river and (river.station, river.issue_time) != (station.code, issue_time):
        raise ValueError(
            f"{city.id}: expected a forecast for {station.code} issued {issue_time}, found one for "
            f"{river.station} issued {river.issue_time}"
        )
    age = None
    if river and river.stage_time and not math.isnan(river.stage_m):
        age = issue_time - river.stage_time
        if age < timedelta(0):
            raise ValueError(
                f"{city.id}: expected a reading before {issue_time}, found one of "
                f"{river.stage_time}"
            )
    return Gauge(
        code=station.code,
        alarm_m=station.alarm_m,
        flood_m=station.flood_m,
        river=river,
        age=age,
        rules=rules,
    )
