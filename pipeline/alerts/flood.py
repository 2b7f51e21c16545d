"""Decide the flood level of a city from its river gauge and the rain over it."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pipeline.alerts.alert_state import AlertState
from pipeline.alerts.decision import Decision
from pipeline.alerts.evidence import Rain, River
from pipeline.alerts.gauge_criteria import HORIZON_D, GaugeEvidence
from pipeline.alerts.hysteresis import Assessment, Criterion, apply_hysteresis, drop_expired
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.thresholds import Rules

if TYPE_CHECKING:
    from pipeline.geography.places import City, Station


def decide_flood(
    city: City,
    *,
    issue_time: datetime,
    station: Station | None,
    river: River | None,
    rain: Rain,
    state: AlertState | None,
    rules: Rules,
) -> Decision:
    """Decide the flood level of a city.

    =========  =============================================================================
    level      criterion
    =========  =============================================================================
    Watch      P(alarm stage within 7 d), or observed >= alarm stage, or rain's return period
    Warning    P(flood stage within 5 d), or observed >= alarm stage and rising
    Emergency  P(flood stage within 2 d), or observed >= flood stage
    =========  =============================================================================

    Each has its threshold in ``rules``. Observed means a trusted reading. A reading beyond the
    range of the gauge's record that nothing confirms puts no more than a Watch in force, with
    certainty Possible; of readings that disagree across a threshold stage the lowest counts for a
    level, and nothing is lowered.

    Rising means by more than MRC's stable band in a day; a trend that is not known counts as
    rising. River and rain are two lines of evidence. The river's is sufficient at a gauge with a
    reading no older than ``rules.stale`` and a forecast that is not climatology; the rain's if the
    rain is known and no file it rests on is suspect. NONE needs all lines that the city has; a
    criterion of either raises whatever else is missing. The river alone lowers Emergency and
    Warning, down to a Watch that stays in force until the rain is known too; a Watch that rests on
    rain does not end before the rain is known to be below ``rules.lower_factor`` times its
    threshold. Without a gauge rain raises to Watch and no further.

    Parameters
    ----------
    city
        City that is assessed.
    issue_time
        Moment of the run, aware.
    station
        Its gauge. None, or one without an alarm and a flood stage: only rain is assessed.
    river
        Forecast and last reading of the gauge; None where there is none.
    rain
        Rain over the city, NaN where it is not known; suspect rain may raise and lowers nothing.
    state
        State of the run before (see :func:`pipeline.alerts.alert_state.restore_state`); None at
        first.
    rules
        Thresholds.

    Raises
    ------
    ValueError
        Times, stations or thresholds contradict each other.
    """
    gauge = GaugeEvidence.of_city(city, station, river, issue_time, rules)
    years = rain.return_period_years
    suspect = rain.suspect and not years >= rules.watch_rain_years
    years = math.nan if suspect else years
    state = drop_expired(state, issue_time, rules)
    on_rain = state is not None and state.on_rain
    on_river = state is not None and state.on_river
    criteria = _add_rain(gauge, years, on_rain=on_rain, rules=rules)
    heavy = years >= rules.watch_rain_years
    assessment = apply_hysteresis(
        criteria,
        state=state,
        issue_time=issue_time,
        sufficient=gauge.fresh and gauge.usable if gauge else not math.isnan(years),
        rules=rules,
        unassessed=rules.forget if on_river else rules.stale,
        complete=not math.isnan(years),
        evidence_time=gauge.reading_alone if gauge and not heavy else None,
    )
    in_force = assessment.in_force
    p = gauge.probability(in_force if in_force in RAISED else Level.WATCH) if gauge else math.nan
    urgency, severity, certainty = _cap_values(assessment, gauge, p, years, rules)
    missing = gauge.missing() if gauge else ["gauge"]
    if math.isnan(years):
        missing.append("suspect" if suspect else "rain")
    onset = assessment.state.observed_since.get(in_force.value)
    if onset is None and gauge and in_force in RAISED:
        onset = gauge.first_reached(in_force)
    ebbed = years < rules.lower_factor * rules.watch_rain_years
    rests_on_rain = heavy or (on_rain and not ebbed)
    rain_level = Level.WATCH if rests_on_rain else Level.NONE
    by_river = None if gauge is None else _assess_river(gauge, state, issue_time, rules)
    raised = in_force in RAISED
    river_raised = by_river is not None and by_river.in_force in RAISED
    above_rain = in_force in RAISED[1:]
    rests_on_river = raised and (river_raised or above_rain or (on_river and not rests_on_rain))
    return Decision(
        issue_time=issue_time,
        city=city,
        hazard="flood",
        level=assessment.level,
        in_force=in_force,
        probability=p if rests_on_river or not raised else math.nan,
        urgency=urgency,
        severity=severity,
        certainty=certainty,
        reasons=_reasons(assessment, gauge, years, rules),
        missing=tuple(missing),
        onset=onset,
        valid_to=issue_time + timedelta(days=HORIZON_D[in_force]),
        station=station if gauge else None,
        river=river if gauge else None,
        rain=rain,
        drought=None,
        state=replace(
            assessment.state,
            on_rain=rests_on_rain and raised,
            on_river=rests_on_river,
        ),
        river_level=by_river.level if by_river else None,
        rain_level=Level.UNKNOWN if math.isnan(years) else rain_level,
        held=assessment.held,
        ending_time=gauge.below_again(in_force) if gauge and raised else None,
        clear=gauge is not None and gauge.clear,
    )


def _assess_river(
    gauge: GaugeEvidence, state: AlertState | None, issue_time: datetime, rules: Rules
) -> Assessment:
    """Level from the river alone; an earlier Watch that rested on rain alone does not count."""
    if state is not None and not state.on_river and state.level is Level.WATCH:
        state = replace(state, level=Level.NONE)
    return apply_hysteresis(
        gauge.criteria(),
        state=state,
        issue_time=issue_time,
        sufficient=gauge.fresh and gauge.usable,
        rules=rules,
        unassessed=rules.forget,
    )


def _add_rain(
    gauge: GaugeEvidence | None, years: float, *, on_rain: bool, rules: Rules
) -> dict[Level, Criterion]:
    """Criteria of the river, with the rain over the city added to the Watch."""
    criteria = gauge.criteria() if gauge else {}
    watch = criteria.get(
        Level.WATCH, Criterion(probability=None, threshold=1.0, observed=False, calm=True)
    )
    if math.isnan(years):
        calm = gauge is not None and not on_rain
    else:
        calm = years < rules.lower_factor * rules.watch_rain_years
    heavy = years >= rules.watch_rain_years
    watch = replace(watch, observed=watch.observed or heavy, calm=watch.calm and calm)
    return {Level.WATCH: watch} | {
        level: criterion for level, criterion in criteria.items() if level is not Level.WATCH
    }


def _cap_values(
    assessment: Assessment, gauge: GaugeEvidence | None, p: float, years: float, rules: Rules
) -> tuple[str, str, str]:
    """CAP urgency, severity and certainty of a flood level."""
    in_force = assessment.in_force
    if in_force not in RAISED:
        return "Unknown", "Unknown", "Unknown"
    urgency, severity = {
        Level.WATCH: ("Future", "Moderate"),
        Level.WARNING: ("Expected", "Severe"),
        Level.EMERGENCY: ("Immediate", "Severe"),
    }[in_force]
    if in_force is Level.EMERGENCY and years >= rules.extreme_years:
        severity = "Extreme"
    by_rain = in_force is Level.WATCH and years >= rules.watch_rain_years
    observed = by_rain or (gauge is not None and gauge.observes(in_force))
    doubtful = gauge is not None and not by_rain and (not gauge.fresh or gauge.on_doubt)
    if assessment.level is Level.UNKNOWN or doubtful:
        return urgency, severity, "Possible"
    return urgency, severity, "Observed" if observed else "Likely" if p > 0.5 else "Possible"


def _reasons(
    assessment: Assessment, gauge: GaugeEvidence | None, years: float, rules: Rules
) -> tuple[str, ...]:
    """Keys of the criteria that reach or hold a flood level, the strongest first."""
    reasons = assessment.reasons
    if gauge:
        if gauge.stage_m >= gauge.flood_m:
            reasons.append("seen_flood")
        elif gauge.stage_m >= gauge.alarm_m:
            reasons.append("seen_alarm_rising" if gauge.rising else "seen_alarm")
        elif gauge.on_doubt:
            reasons.append("seen_unconfirmed")
        keys = {
            Level.EMERGENCY: "p_flood_2d",
            Level.WARNING: "p_flood_5d",
            Level.WATCH: "p_alarm_7d",
        }
        criteria = gauge.criteria()
        reasons += [key for level, key in keys.items() if criteria[level].reached]
    if years >= rules.watch_rain_years:
        reasons.append("rain")
    return tuple(reasons)
