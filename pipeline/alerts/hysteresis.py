"""Raise and lower alert levels with hysteresis; identical for all hazards."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.alerts.alert_state import AlertState, forget_level
from pipeline.alerts.levels import ORDER, RAISED, Level, higher
from pipeline.alerts.thresholds import Rules

_OF_RIVER = frozenset(level.value for level in RAISED[1:])
"""Levels that rain never puts in force; a Watch that was observed may have been rain's."""


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """Evidence of one run for one level.

    Parameters
    ----------
    probability, threshold
        Probability and its threshold (1); None where no probability belongs to the level, NaN
        where it is not known.
    observed
        Whether an observation alone puts the level in force.
    calm
        Whether the observations contradict the level; False when in doubt.
    far_below
        Whether an observation ends the level the same night, where one of the river has raised a
        Warning or an Emergency of the event and its criterion is not reached.
    """

    probability: float | None
    threshold: float
    observed: bool
    calm: bool
    far_below: bool = False

    @property
    def reached(self) -> bool:
        """Whether the probability is known and at or above its threshold."""
        return self.probability is not None and self.probability >= self.threshold


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """Levels after a run.

    Parameters
    ----------
    raised
        Highest level that the criteria of this run reach.
    level
        Level of this run.
    in_force
        Level in force; differs from ``level`` only where that is UNKNOWN.
    state
        For the next run.
    """

    raised: Level
    level: Level
    in_force: Level
    state: AlertState

    @property
    def held(self) -> bool:
        """Whether a level stays in force that no criterion of this run reaches."""
        return self.level in RAISED and self.level is not self.raised

    @property
    def reasons(self) -> list[str]:
        """Key of a level that no criterion of this run reaches; empty where one does."""
        if self.level is Level.UNKNOWN:
            return ["cannot_assess"]
        return ["held"] if self.held else []


def apply_hysteresis(
    criteria: Mapping[Level, Criterion],
    *,
    state: AlertState | None,
    issue_time: datetime,
    sufficient: bool,
    rules: Rules,
    unassessed: timedelta,
    complete: bool = True,
    evidence_time: datetime | None = None,
) -> Assessment:
    """Raise or lower a level by the criteria of one run and the state of the run before.

    **Raise** at once on an observation, after one run at the threshold plus the margin, or after
    ``raise_runs`` consecutive runs at the threshold. A run with no adjacent run before it (the
    first, or the first after an outage) has nothing that could confirm it and raises at the
    threshold: a missed flood costs lives, an unnecessary Watch costs a night. A run whose
    probability is not known leaves the count up as it is and restarts the count down.

    **Lower** after ``lower_runs`` consecutive runs with the probability below ``lower_factor``
    times its threshold and no observation that supports the level, to the highest level for which
    that does not hold; at once where the event was observed and an observation is far below it now
    (``Criterion.far_below``).

    **Unknown.** With insufficient evidence a criterion still raises, but nothing is lowered: a
    level that this run cannot confirm is UNKNOWN, and the last one stays in force. Where the
    evidence suffices to lower a level but is not complete, the level in force falls to the lowest
    raised level and no further: what would be NONE is UNKNOWN.

    **Too long unknown.** A level that no run could assess for ``unassessed`` ends: in force is the
    level that a criterion of this run reaches; where none does, nothing is in force or known.

    **Hourly watch.** A level that the hourly watch raised after the issue time of the run is not
    lowered by it: the run knows less.

    **Outage.** A level decided longer ago than ``rules.forget`` holds nothing.

    Parameters
    ----------
    criteria
        Levels above NONE that can be reached, lowest first.
    state
        State of the run before, None at first.
    issue_time
        Moment of the run.
    sufficient
        Whether the evidence is enough to lower a level.
    rules
        Thresholds.
    unassessed
        Time since the last run that assessed a level after which it ends.
    evidence_time
        Moment of the evidence where it is an old reading alone; default now.
    complete
        Whether no other line of evidence is missing, so that NONE may be issued.

    Raises
    ------
    ValueError
        The state is not of a run before this one.
    """
    if state and state.issue_time and state.issue_time >= issue_time:
        raise ValueError(
            f"expected memory of a run before {issue_time:%Y-%m-%d %H:%MZ}, found "
            f"{state.issue_time:%Y-%m-%d %H:%MZ}"
        )
    adjacent = state if state and _is_adjacent(state, issue_time, rules) else None
    raised, up, down = Level.NONE, {}, {}
    for level, criterion in criteria.items():
        p = math.nan if criterion.probability is None else criterion.probability
        up[level.value], down[level.value] = _count_runs(level, criterion, adjacent, rules)
        confirmed = criterion.reached and (adjacent is None or up[level.value] >= rules.raise_runs)
        margin = min(criterion.threshold + rules.raise_margin, 1.0)
        if criterion.observed or confirmed or p >= margin:
            raised = level

    state = drop_expired(state, issue_time, rules)
    observed_since = state.observed_since if state else {}
    level_before = level_kept = state.level if state and state.level in RAISED else Level.NONE
    known_later = state is not None and _is_known_later(state, issue_time)
    while (level_kept is not Level.NONE and not known_later) and (
        level_kept not in criteria
        or down[level_kept.value] >= rules.lower_runs
        or (criteria[level_kept].far_below and observed_since.keys() & _OF_RIVER)
    ):
        level_kept = ORDER[ORDER.index(level_kept) - 1]
    if sufficient:
        level = in_force = higher(raised, level_kept)
        if level is Level.NONE and not complete:
            level = Level.UNKNOWN
            in_force = RAISED[0] if level_before in RAISED else Level.UNKNOWN
    elif raised is not Level.NONE and higher(raised, level_before) is raised:
        level = in_force = raised
    else:
        level, in_force = Level.UNKNOWN, level_before if level_before in RAISED else Level.UNKNOWN
    last = state.level if state else Level.UNKNOWN
    before = state.assessed if state else None
    assessed = before if level is Level.UNKNOWN else evidence_time or issue_time
    if level is Level.UNKNOWN and (assessed is None or issue_time - assessed >= unassessed):
        in_force, last = Level.UNKNOWN, Level.UNKNOWN if last in RAISED else last
        if raised in RAISED:
            level, in_force, assessed = raised, raised, issue_time
    since = dict(observed_since) if in_force in RAISED else {}
    if in_force in criteria and criteria[in_force].observed:
        since.setdefault(in_force.value, issue_time)
    return Assessment(
        raised=raised,
        level=level,
        in_force=in_force,
        state=AlertState(
            issue_time=issue_time,
            level=last if in_force is Level.UNKNOWN else in_force,
            runs_up=up,
            runs_down=down,
            on_rain=False,
            on_river=False,
            assessed=assessed,
            observed_since=since,
            sent=state.sent if state else (),
            incident=state.incident if state else "",
            told=state.told if state else None,
            raised_at=state.raised_at if state and known_later else None,
        ),
    )


def drop_expired(state: AlertState | None, issue_time: datetime, rules: Rules) -> AlertState | None:
    """Drop a level decided longer ago than ``rules.forget``; keep the messages sent.

    The river of before such an outage is not the river of today. The warnings of then have
    expired with their messages, and the run after the outage decides alone.
    """
    if state is None or state.issue_time is None:
        return state
    decided = max(state.issue_time, state.raised_at or state.issue_time)
    return state if issue_time - decided <= rules.forget else forget_level(state)


def _is_known_later(state: AlertState, issue_time: datetime) -> bool:
    """Whether the hourly watch raised the level after the issue time."""
    return state.raised_at is not None and state.raised_at > issue_time


def _is_adjacent(state: AlertState, issue_time: datetime, rules: Rules) -> bool:
    """Whether a state is of the run before this one and that run could assess the level."""
    return (
        state.issue_time is not None
        and state.level is not Level.UNKNOWN
        and issue_time - state.issue_time <= rules.adjacent
    )


def _count_runs(
    level: Level, criterion: Criterion, adjacent: AlertState | None, rules: Rules
) -> tuple[int, int]:
    """Count consecutive runs at or above the threshold, and below the one that ends the level."""
    up = adjacent.runs_up.get(level.value, 0) if adjacent else 0
    down = adjacent.runs_down.get(level.value, 0) if adjacent else 0
    calm = criterion.calm and not criterion.observed
    if criterion.probability is not None:
        if not math.isnan(criterion.probability):
            up = up + 1 if criterion.reached else 0
        calm = calm and criterion.probability < rules.lower_factor * criterion.threshold
    return up, down + 1 if calm else 0
