"""Evidence at a river gauge and the criteria that it gives for each flood level."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, Self

from pipeline.alerts.evidence import Doubt, River
from pipeline.alerts.hysteresis import Criterion
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.thresholds import Rules, stable_band_m

if TYPE_CHECKING:
    from pipeline.geography.places import City, Station

HORIZON_D = {Level.NONE: 7, Level.UNKNOWN: 7, Level.WATCH: 7, Level.WARNING: 5, Level.EMERGENCY: 2}
"""Days ahead that each flood level looks."""
THRESHOLD_STAGE: dict[Level, Literal["alarm", "flood"]] = {
    Level.WATCH: "alarm",
    Level.WARNING: "flood",
    Level.EMERGENCY: "flood",
}
"""Threshold stage that the probability of each flood level is about."""
STAGE_SLACK_M = 1e-4
"""Slack of comparisons below a threshold stage: 11.5 - 0.2 is not exactly 11.3."""


@dataclass(frozen=True, kw_only=True)
class GaugeEvidence:
    """Last reading and forecast of a gauge with an alarm and a flood stage."""

    code: str
    alarm_m: float
    flood_m: float
    river: River | None
    age: timedelta | None
    rules: Rules

    @classmethod
    def of_city(
        cls,
        city: City,
        station: Station | None,
        river: River | None,
        issue_time: datetime,
        rules: Rules,
    ) -> Self | None:
        """Check and take the evidence of a city's gauge; None without both threshold stages.

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
                f"{city.id}: expected a forecast for {station.code} issued {issue_time}, found "
                f"one for {river.station} issued {river.issue_time}"
            )
        age = None
        if river and river.stage_time and not math.isnan(river.stage_m):
            age = issue_time - river.stage_time
            if age < timedelta(0):
                raise ValueError(
                    f"{city.id}: expected a reading before {issue_time}, found one of "
                    f"{river.stage_time}"
                )
        return cls(
            code=station.code,
            alarm_m=station.alarm_m,
            flood_m=station.flood_m,
            river=river,
            age=age,
            rules=rules,
        )

    @property
    def fresh(self) -> bool:
        """Whether the reading is recent enough to lower a level, and no newer ones disagree."""
        disagree = self.doubt is not None and self.doubt.kind == "conflict"
        return self.age is not None and self.age <= self.rules.stale and not disagree

    @property
    def reading_alone(self) -> datetime | None:
        """Time of the last reading where it is old and there is no forecast; else None."""
        old = self.age is not None and self.age > self.rules.stale and not self.usable
        return self.river.stage_time if self.river and old else None

    @property
    def doubt(self) -> Doubt | None:
        """Newest reading where it is not trusted, while it is recent enough to count."""
        river = self.river
        if river is None or river.doubt is None:
            return None
        return river.doubt if river.issue_time - river.doubt.time <= self.rules.stale else None

    @property
    def on_doubt(self) -> bool:
        """Whether only a reading that is not trusted yet lies above the alarm stage."""
        if self.doubt is None:
            return False
        trusted_m = -math.inf if math.isnan(self.stage_m) else self.stage_m
        return self.doubt.lowest_m >= self.alarm_m > trusted_m

    @property
    def stage_m(self) -> float:
        """Last trusted reading that still counts as evidence, else NaN."""
        known = self.river is not None and self.age is not None and self.age <= self.rules.forget
        return self.river.stage_m if self.river and known else math.nan

    @property
    def rising(self) -> bool:
        """Whether the stage rises; a trend that is not known counts as rising."""
        change_m = self.river.change_1d_m if self.river else math.nan
        return not change_m <= stable_band_m(self.code)

    def probability(self, level: Level) -> float:
        """Probability that a level is about; climatology is no forecast."""
        if self.river is None or self.river.tier == "climatology":
            return math.nan
        return self.river.p_by(THRESHOLD_STAGE[level], HORIZON_D[level])

    @property
    def usable(self) -> bool:
        """Whether every level has a probability."""
        return not any(math.isnan(self.probability(level)) for level in RAISED)

    def criteria(self) -> dict[Level, Criterion]:
        """Criteria of the levels, lowest first, from the river alone.

        A reading that is not trusted yet puts no more than a Watch in force, and lowers nothing.
        """
        rules, stage_m = self.rules, self.stage_m
        below_alarm = self.fresh and stage_m <= self.alarm_m - rules.lower_m + STAGE_SLACK_M
        below_flood = self.fresh and stage_m <= self.flood_m - rules.lower_m + STAGE_SLACK_M
        far_below = below_alarm and stage_m <= self.alarm_m - rules.step_down_m + STAGE_SLACK_M
        above_alarm = stage_m >= self.alarm_m
        if self.doubt is not None:
            below_alarm = below_alarm and self.doubt.highest_m < self.alarm_m
            below_flood = below_flood and self.doubt.highest_m < self.flood_m
            far_below = far_below and self.doubt.highest_m < self.alarm_m
        rows = (
            (Level.WATCH, rules.watch_p_alarm_7d, above_alarm or self.on_doubt, below_alarm),
            (Level.WARNING, rules.warning_p_flood_5d, above_alarm and self.rising, below_alarm),
            (Level.EMERGENCY, rules.emergency_p_flood_2d, stage_m >= self.flood_m, below_flood),
        )
        return {
            level: Criterion(
                probability=self.probability(level),
                threshold=threshold,
                observed=observed,
                calm=calm,
                far_below=far_below and level is not Level.WATCH,
            )
            for level, threshold, observed, calm in rows
        }

    def first_reached(self, level: Level) -> datetime | None:
        """First day on which a level's probability reaches its threshold or the median its mark.

        None where no day does; climatology is no forecast.
        """
        if self.river is None or self.river.tier == "climatology":
            return None
        threshold, threshold_m = self.criteria()[level].threshold, self.threshold_m(level)
        for lead in self.river.leads:
            p = lead.p_alarm_by if THRESHOLD_STAGE[level] == "alarm" else lead.p_flood_by
            if p >= threshold or lead.q50_m >= threshold_m:
                return lead.valid_time
        return None

    def observes(self, level: Level) -> bool:
        """Whether a trusted reading is at or above the threshold stage that a level is about."""
        return self.stage_m >= self.threshold_m(level)

    def threshold_m(self, level: Level) -> float:
        """Threshold stage that a level is about, m."""
        return self.alarm_m if THRESHOLD_STAGE[level] == "alarm" else self.flood_m

    def below_again(self, level: Level) -> datetime | None:
        """First day on which the median is below a level's threshold stage after it was reached.

        None where the threshold stage is not expected to be reached, or no day of the forecast is
        below it again.
        """
        threshold_m, above = self.threshold_m(level), self.observes(level)
        first_below: datetime | None = None
        for lead in self.river.leads if self.river and self.usable else ():
            if lead.q50_m >= threshold_m:
                above, first_below = True, None
            elif above and first_below is None:
                first_below = lead.valid_time
        return first_below

    @property
    def clear(self) -> bool:
        """Whether the last reading is recent, well below alarm stage, and falling or steady."""
        recent = self.fresh and self.age is not None and self.age <= self.rules.clear
        low = self.stage_m <= self.alarm_m - self.rules.lower_m + STAGE_SLACK_M
        return recent and low and self.doubt is None and not self.rising

    def missing(self) -> list[str]:
        """Keys of the evidence that is missing at the gauge."""
        keys: list[str] = [] if self.fresh or self.doubt else ["stage"]
        if self.doubt:
            keys.append(self.doubt.kind)
        if not self.usable:
            keys.append("forecast")
        elif self.river and self.river.tier != "full":
            keys.append(self.river.tier)
        skilful = self.river.skilful_until_day if self.river and self.usable else None
        if skilful is not None and skilful < HORIZON_D[Level.WATCH]:
            keys.append("skill")
        if self.fresh and self.river and math.isnan(self.river.change_1d_m):
            keys.append("trend")
        return keys
