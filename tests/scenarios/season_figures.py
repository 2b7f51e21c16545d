"""Checks of the figures that messages tell: anew where they moved, and only there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from pipeline.alerts.decision import Decision
from tests.scenarios.season import CityNight, by_city

CHANCES = (0.25, 0.50, 0.75)
PEAK_M = 0.30


def read_chances(decision: Decision) -> dict[str, float]:
    """Read the chances that levels are about, NaN where not known."""
    river, drought = decision.river, decision.drought
    if decision.hazard == "drought":
        classes = (1, 2, 3)
        return {f"D{k}": drought.p_class(k, 4) if drought else math.nan for k in classes}
    return {
        "alarm 7 d": river.p_by("alarm", 7) if river else math.nan,
        "flood 5 d": river.p_by("flood", 5) if river else math.nan,
        "flood 2 d": river.p_by("flood", 2) if river else math.nan,
    }


def chance_moved(before: Decision, after: Decision) -> bool:
    """Whether a chance crossed 25, 50 or 75 %, or is known in one of two decisions alone."""
    then, now = read_chances(before), read_chances(after)
    return any(
        math.isnan(then[key]) != math.isnan(now[key])
        or any((then[key] >= bound) != (now[key] >= bound) for bound in CHANCES)
        for key in then
    )


def peak_moved(before: Decision, after: Decision) -> bool:
    """Whether the highest expected stage moved by 0.3 m."""
    then, now = (each.river.peak if each.river else None for each in (before, after))
    return then is not None and now is not None and abs(now.q50_m - then.q50_m) >= PEAK_M


def date_moved(before: Decision, after: Decision) -> bool:
    """Whether the onset, the end or the peak moved by a day, or is known in one alone."""
    for then, now in zip(read_dates(before), read_dates(after), strict=True):
        if then is None or now is None:
            if then is not now:
                return True
        elif abs(now - then) >= timedelta(days=1):
            return True
    return False


def read_dates(decision: Decision) -> tuple[datetime | None, ...]:
    """Read onset, end and peak, None where there is none."""
    peak = decision.river.peak if decision.river else None
    return decision.onset, decision.ending_time, peak.valid_time if peak else None


def class_moved(before: Decision, after: Decision) -> bool:
    """Whether the drought class changed."""
    then, now = (each.drought.current_class if each.drought else None for each in (before, after))
    return then != now


def figures_that_did_not_move(season: Sequence[CityNight]) -> list[str]:
    """Messages of change ``figures`` whose figures did not move since they were told."""
    return [
        after.told.identifier
        for before, after in since_told(season)
        if after.told
        and after.told.change == "figures"
        and not any(
            moved(before.decision, after.decision)
            for moved in (chance_moved, peak_moved, date_moved, class_moved)
        )
    ]


def figures_that_moved_untold(season: Sequence[CityNight]) -> list[str]:
    """Messages of change ``reissued`` though a chance, the peak or the drought class moved."""
    return [
        after.told.identifier
        for before, after in since_told(season)
        if after.told
        and after.told.change == "reissued"
        and any(
            moved(before.decision, after.decision)
            for moved in (chance_moved, peak_moved, class_moved)
        )
    ]


def since_told(season: Sequence[CityNight]) -> Iterable[tuple[CityNight, CityNight]]:
    """Nights with a message, each after the last one of its event whose message told figures."""
    for of_city in by_city(season).values():
        last: CityNight | None = None
        for each in of_city:
            if each.told is None:
                continue
            if last is not None and each.told.references:
                yield last, each
            if each.told.change != "reissued":
                last = each
