"""Cases that each check of a season had, so that none holds because there was nothing to check."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from tests.scenarios.season import by_city, list_events
from tests.scenarios.season_checks import (
    CHANGES,
    CHECKS,
    Season,
    gauge_of,
    pairs,
    rests_on_river,
    step_up,
)
from tests.scenarios.season_figures import since_told


def count_cases(season: Season) -> Counter[str]:
    """Count what each check of ``CHECKS`` looks at, 0 where there was nothing.

    Keys are names of checks; of a check with several kinds of cases, such as the lifetimes of
    messages, ``name: kind``.
    """
    cases = Counter(dict.fromkeys(KINDS, 0))
    for before, after in pairs(season):
        if step_up(before, after):
            cases["raises_not_told"] += 1
            cases["raises_without_a_crossing"] += after.decision.hazard == "flood"
    for each in season:
        gauge = gauge_of(each)
        if gauge is not None and gauge.fresh and gauge.stage_m >= gauge.alarm_m:
            kind = "flood stage" if gauge.stage_m >= gauge.flood_m else "alarm stage"
            cases[f"observed_not_told: {kind}"] += 1
    for (_, hazard), of_city in by_city(season).items():
        for event in list_events(of_city):
            cases["incidents_of_several_events"] += 1
            cases["not_covered"] += len(event) > 1
            changed = sum(a.level is not b.level for a, b in pairwise(event))
            cases["changes_within_a_day"] += changed > 1
            for number, told in enumerate(event, start=1):
                of_river = rests_on_river(event[:number])
                cases["white_space"] += 1
                cases["changes_not_stated"] += bool(told.other_facts)
                cases["broken_references"] += bool(told.references)
                cases[f"changes_against_the_levels: {told.change}"] += 1
                cases["short_lived"] += of_river and not told.ends
                if told.ends:
                    cases["ends_that_did_not_last"] += 1
                    cases["false_all_clears"] += (hazard, told.response) == ("flood", "AllClear")
                elif hazard == "drought":
                    cases["lifetimes: drought"] += 1
                    cases["droughts_told_too_often"] += told.change not in {"new", "raised"}
                else:
                    cases["lifetimes: river" if of_river else "lifetimes: rain alone"] += 1
    for _, after in since_told(season):
        cases["figures_that_did_not_move"] += bool(after.told and after.told.change == "figures")
        cases["figures_that_moved_untold"] += bool(after.told and after.told.change == "reissued")
    return cases


_SEVERAL = {
    "observed_not_told": ("alarm stage", "flood stage"),
    "changes_against_the_levels": CHANGES,
    "lifetimes": ("river", "rain alone", "drought"),
}
KINDS = tuple(
    name
    for check in CHECKS
    for name in (
        [f"{check.__name__}: {kind}" for kind in _SEVERAL[check.__name__]]
        if check.__name__ in _SEVERAL
        else [check.__name__]
    )
)
"""Keys of :func:`count_cases`."""
