"""The ladder of levels and its hysteresis, the same for every hazard."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.alerts.decision import Memory
from pipeline.alerts.evidence import Level

LADDER = (Level.NONE, Level.WATCH, Level.WARNING, Level.EMERGENCY)
RAISED = LADDER[1:]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Thresholds of the levels; an agency may give its own per city.

    Parameters
    ----------
    watch_p_alarm_7d, warning_p_flood_5d, emergency_p_flood_2d
        Probabilities at which a level is reached (project table of triggers).
    watch_rain_years
        Return period of the rain over the city that is enough for a Watch (same table).
    extreme_years
        Return period from which an Emergency is Extreme instead of Severe (same table).
    drought_p
        Probability of class D1, D2 or D3 in four weeks for Watch, Warning and Emergency: more
        likely than not, the bound of "Likely" in CAP 1.2.
    raise_margin, raise_runs
        One run at the threshold plus the margin raises, or so many runs in a row at the
        threshold (project rule of hysteresis).
    lower_factor, lower_runs, lower_m
        A level ends after so many runs in a row below the factor times the threshold with the
        stage so far below its mark (same rule).
    adjacent
        A run before counts as the run before up to this age: nightly runs, one night lost.
    stale
        A reading older than this caps the certainty and cannot lower a level (project rule).
    forget
        A reading older than this is no evidence at all, and a level decided longer ago holds
        nothing: the longest lead of the forecasts.
    """

    watch_p_alarm_7d: float = 0.25
    warning_p_flood_5d: float = 0.40
    emergency_p_flood_2d: float = 0.70
    watch_rain_years: float = 5.0
    extreme_years: float = 20.0
    drought_p: float = 0.50
    raise_margin: float = 0.15
    raise_runs: int = 2
    lower_factor: float = 0.6
    lower_runs: int = 2
    lower_m: float = 0.20
    adjacent: timedelta = timedelta(hours=48)
    stale: timedelta = timedelta(hours=48)
    forget: timedelta = timedelta(days=7)


DEFAULT = Rules()


@dataclass(frozen=True, kw_only=True)
class Rung:
    """What one run says of one level.

    Parameters
    ----------
    p, p_up
        Probability and its threshold; None where no probability belongs to the level, NaN where
        it is not known.
    seen
        Whether an observation alone puts the level in force.
    quiet
        Whether what is observed speaks against the level; False when in doubt.
    """

    p: float | None
    p_up: float
    seen: bool
    quiet: bool


@dataclass(frozen=True, kw_only=True)
class Step:
    """Where the ladder stands after a run.

    Parameters
    ----------
    raised
        Highest level that this run's triggers reach.
    level
        Level of this run.
    in_force
        Level that stands; differs only where ``level`` is UNKNOWN.
    memory
        For the next run.
    """

    raised: Level
    level: Level
    in_force: Level
    memory: Memory


def higher(one: Level, other: Level) -> Level:
    """Return the higher of two assessed levels.

    Examples
    --------
    >>> higher(Level.WATCH, Level.NONE).value
    'watch'
    """
    return LADDER[max(LADDER.index(one), LADDER.index(other))]


def climb(
    rungs: Mapping[Level, Rung],
    *,
    memory: Memory | None,
    issue_time: datetime,
    sufficient: bool,
    rules: Rules,
    whole: bool = True,
) -> Step:
    """Apply the hysteresis to what one run says.

    **Raise** at once on what is seen, after one run at the threshold plus the margin, or after
    ``raise_runs`` runs in a row at the threshold. A run with no adjacent run before it (the
    first, or the first after an outage) has nothing that could confirm it and raises at the
    threshold: a missed flood costs lives, a Watch too many costs a night. A run whose
    probability is not known leaves the count up as it is and starts the count down again.

    **Lower** after ``lower_runs`` runs in a row with the probability below ``lower_factor`` times
    its threshold and nothing observed that speaks for the level, to the highest level for which
    that does not hold.

    **Unknown.** With evidence that is not sufficient a trigger still raises, but nothing is
    lowered: a level that this run cannot confirm is UNKNOWN, and the last one stays in force.
    Where the evidence suffices to lower a level but is not whole, a level comes down as far as the
    lowest of the ladder, which then stays in force, and no further: what would be NONE is UNKNOWN.

    **Outage.** A level decided longer ago than ``rules.forget`` holds nothing.

    Parameters
    ----------
    rungs
        Levels above NONE that can be reached, lowest first.
    memory
        What the run before left, None at first.
    issue_time
        Moment of the run.
    sufficient
        Whether the evidence is enough to lower a level.
    rules
        Thresholds.
    whole
        Whether no other line of evidence is missing, so that NONE may be said.

    Raises
    ------
    ValueError
        The memory is not of a run before this one.
    """
    if memory and memory.issue_time and memory.issue_time >= issue_time:
        raise ValueError(
            f"expected memory of a run before {issue_time:%Y-%m-%d %H:%MZ}, found "
            f"{memory.issue_time:%Y-%m-%d %H:%MZ}"
        )
    before = memory if memory and _adjacent(memory, issue_time, rules) else None
    raised, up, down = Level.NONE, {}, {}
    for level, rung in rungs.items():
        p = math.nan if rung.p is None else rung.p
        up[level.value], down[level.value] = _count(level, rung, before, rules)
        confirmed = p >= rung.p_up and (before is None or up[level.value] >= rules.raise_runs)
        if rung.seen or confirmed or p >= min(rung.p_up + rules.raise_margin, 1.0):
            raised = level

    memory = recent(memory, issue_time, rules)
    held = kept = memory.level if memory and memory.level in RAISED else Level.NONE
    while kept is not Level.NONE and (kept not in rungs or down[kept.value] >= rules.lower_runs):
        kept = LADDER[LADDER.index(kept) - 1]
    if sufficient:
        level = in_force = higher(raised, kept)
        if level is Level.NONE and not whole:
            level = Level.UNKNOWN
            in_force = RAISED[0] if held in RAISED else Level.UNKNOWN
    elif raised is not Level.NONE and higher(raised, held) is raised:
        level = in_force = raised
    else:
        level, in_force = Level.UNKNOWN, held if held in RAISED else Level.UNKNOWN
    last = memory.level if memory else Level.UNKNOWN
    return Step(
        raised=raised,
        level=level,
        in_force=in_force,
        memory=Memory(
            issue_time=issue_time,
            level=last if in_force is Level.UNKNOWN else in_force,
            runs_up=up,
            runs_down=down,
            on_rain=False,
            sent=memory.sent if memory else (),
        ),
    )


def recent(memory: Memory | None, issue_time: datetime, rules: Rules) -> Memory | None:
    """Memory as far as it still counts: after a longer outage only of the messages sent.

    A level decided before the outage speaks of another river than today's. What it warned of has
    expired with its messages, and the run after the outage decides alone.
    """
    if memory is None or memory.issue_time is None:
        return memory
    if issue_time - memory.issue_time <= rules.forget:
        return memory
    return Memory(
        issue_time=memory.issue_time,
        level=Level.UNKNOWN,
        runs_up={},
        runs_down={},
        on_rain=False,
        sent=memory.sent,
    )


def _adjacent(memory: Memory, issue_time: datetime, rules: Rules) -> bool:
    """Whether a memory is of the run before and that run could assess anything yet."""
    return (
        memory.issue_time is not None
        and memory.level is not Level.UNKNOWN
        and issue_time - memory.issue_time <= rules.adjacent
    )


def _count(level: Level, rung: Rung, before: Memory | None, rules: Rules) -> tuple[int, int]:
    """Count runs in a row at or above the threshold, and below where the level ends."""
    up = before.runs_up.get(level.value, 0) if before else 0
    down = before.runs_down.get(level.value, 0) if before else 0
    calm = rung.quiet and not rung.seen
    if rung.p is not None:
        if not math.isnan(rung.p):
            up = up + 1 if rung.p >= rung.p_up else 0
        calm = calm and rung.p < rules.lower_factor * rung.p_up
    return up, down + 1 if calm else 0
