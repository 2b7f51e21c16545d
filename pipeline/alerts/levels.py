"""From forecasts and observations to a level per city and hazard."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pipeline.alerts.decision import Decision, Memory
from pipeline.alerts.evidence import Drought, Level, Rain, River
from pipeline.alerts.gauge import HORIZON_D, Gauge, gauge_of
from pipeline.alerts.hysteresis import DEFAULT, RAISED, Rules, Rung, Step, climb, recent

if TYPE_CHECKING:
    from pipeline.geography.places import City, Station

DROUGHT_CLASS = {Level.WATCH: 1, Level.WARNING: 2, Level.EMERGENCY: 3}
"""Drought class that each level is about. SMAP begins in 2015: D4 is never told from D3."""
DROUGHT_WEEKS = 4
"""Horizon on which the drought levels rest; 1 and 12 weeks are shown beside it."""
DRY_SEASON = frozenset({12, 1, 2, 3})
"""Months in which a one-month rain deficit is the usual state of the basin."""


def decide_flood(
    city: City,
    *,
    issue_time: datetime,
    station: Station | None,
    river: River | None,
    rain: Rain,
    memory: Memory | None,
    rules: Rules = DEFAULT,
) -> Decision:
    """Decide the flood level of a city.

    | level | trigger |
    |---|---|
    | Watch | P(alarm <= 7 d) >= 0.25, or observed >= alarm, or rain return period >= 5 years |
    | Warning | P(flood <= 5 d) >= 0.40, or observed >= alarm and rising |
    | Emergency | P(flood <= 2 d) >= 0.70, or observed >= flood |

    Observed means a reading that is believed. One beyond what the gauge has shown before, that
    nothing confirms, puts no more than a Watch in force, with certainty Possible; of readings that
    disagree across a mark the lowest counts for a level, and nothing is lowered.

    Rising means by more than MRC's stable band in a day; a trend that is not known counts as
    rising. River and rain are two lines of evidence. The river's is sufficient at a gauge with a
    reading no older than 48 h and a forecast that is not climatology; the rain's if the rain is
    known and its files are free of doubt. NONE needs all lines that the city has; a trigger of
    either counts whatever else is missing. The river alone lowers Emergency and Warning, down to a
    Watch that stays in force until the rain is known too; a Watch that rests on rain does not end
    before the rain is known to be below 0.6 times its threshold. Without a gauge rain raises to
    Watch and no further.

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
        Rain over the city, NaN where it is not known; what is suspect may raise and calms nothing.
    memory
        What the run before left (see :func:`pipeline.alerts.evidence.recall`); None at first.
    rules
        Thresholds.

    Raises
    ------
    ValueError
        Times, stations or thresholds contradict each other.
    """
    gauge = gauge_of(city, station, river, issue_time, rules)
    years = rain.return_period_years
    suspect = rain.suspect and not years >= rules.watch_rain_years
    years = math.nan if suspect else years
    memory = recent(memory, issue_time, rules)
    on_rain = memory is not None and memory.on_rain
    rungs = _with_rain(gauge, years, on_rain=on_rain, rules=rules)
    step = climb(
        rungs,
        memory=memory,
        issue_time=issue_time,
        sufficient=gauge.fresh and gauge.usable if gauge else not math.isnan(years),
        rules=rules,
        whole=not math.isnan(years),
    )
    p = math.nan
    if gauge:
        p = gauge.p(step.in_force if step.in_force in RAISED else Level.WATCH)
    urgency, severity, certainty = _flood_words(step, gauge, p, years, rules)
    missing = gauge.missing() if gauge else ["gauge"]
    if math.isnan(years):
        missing.append("suspect" if suspect else "rain")
    onset = None
    if step.in_force in RAISED:
        if rungs[step.in_force].seen:
            onset = issue_time
        elif gauge:
            onset = gauge.first(step.in_force)
    ebbed = years < rules.lower_factor * rules.watch_rain_years
    rests = years >= rules.watch_rain_years or (on_rain and not ebbed)
    return Decision(
        issue_time=issue_time,
        city=city,
        hazard="flood",
        level=step.level,
        in_force=step.in_force,
        probability=p,
        urgency=urgency,
        severity=severity,
        certainty=certainty,
        reasons=_flood_reasons(step, gauge, years, rules),
        missing=tuple(missing),
        onset=onset,
        valid_to=issue_time + timedelta(days=HORIZON_D[step.in_force]),
        station=station if gauge else None,
        river=river if gauge else None,
        rain=rain,
        drought=None,
        memory=replace(step.memory, on_rain=rests and step.in_force in RAISED),
        river_level=_river_level(gauge, memory, issue_time, rules),
        rain_level=Level.UNKNOWN if math.isnan(years) else Level.WATCH if rests else Level.NONE,
    )


def _river_level(
    gauge: Gauge | None, memory: Memory | None, issue_time: datetime, rules: Rules
) -> Level | None:
    """Level that the river alone comes to; a Watch before that rested on rain is none of it."""
    if gauge is None:
        return None
    if memory is not None and memory.on_rain and memory.level is Level.WATCH:
        memory = replace(memory, level=Level.NONE)
    sufficient = gauge.fresh and gauge.usable
    return climb(
        gauge.rungs(), memory=memory, issue_time=issue_time, sufficient=sufficient, rules=rules
    ).level


def _with_rain(
    gauge: Gauge | None, years: float, *, on_rain: bool, rules: Rules
) -> dict[Level, Rung]:
    """Levels from the river, with the rain over the city added to the Watch."""
    rungs = gauge.rungs() if gauge else {}
    watch = rungs.get(Level.WATCH, Rung(p=None, p_up=1.0, seen=False, quiet=True))
    if math.isnan(years):
        quiet = gauge is not None and not on_rain
    else:
        quiet = years < rules.lower_factor * rules.watch_rain_years
    heavy = years >= rules.watch_rain_years
    first = replace(watch, seen=watch.seen or heavy, quiet=watch.quiet and quiet)
    return {Level.WATCH: first, **{key: rungs[key] for key in rungs if key is not Level.WATCH}}


def _flood_words(
    step: Step, gauge: Gauge | None, p: float, years: float, rules: Rules
) -> tuple[str, str, str]:
    """CAP urgency, severity and certainty of a flood level."""
    likely = "Likely" if p > 0.5 else "Possible"
    words = {
        Level.WATCH: ("Future", "Moderate", "Possible"),
        Level.WARNING: ("Expected", "Severe", likely),
        Level.EMERGENCY: ("Immediate", "Severe", likely),
    }
    urgency, severity, certainty = words.get(step.in_force, ("Unknown", "Unknown", "Unknown"))
    if step.in_force is Level.EMERGENCY:
        severity = "Extreme" if years >= rules.extreme_years else severity
        seen = gauge is not None and gauge.stage_m >= gauge.flood_m
        certainty = "Observed" if seen else certainty
    if step.level is Level.UNKNOWN:
        certainty = "Unknown"
    elif step.level in RAISED and gauge and (not gauge.fresh or gauge.on_doubt):
        certainty = "Possible"
    return urgency, severity, certainty


def _flood_reasons(step: Step, gauge: Gauge | None, years: float, rules: Rules) -> tuple[str, ...]:
    """Keys of what triggered or holds a flood level, the strongest first."""
    found = _hold(step)
    if gauge:
        if gauge.stage_m >= gauge.flood_m:
            found.append("seen_flood")
        elif gauge.stage_m >= gauge.alarm_m:
            found.append("seen_alarm_rising" if gauge.rising else "seen_alarm")
        elif gauge.on_doubt:
            found.append("seen_unconfirmed")
        names = {
            Level.EMERGENCY: "p_flood_2d",
            Level.WARNING: "p_flood_5d",
            Level.WATCH: "p_alarm_7d",
        }
        rungs = gauge.rungs()
        found += [name for key, name in names.items() if gauge.p(key) >= rungs[key].p_up]
    if years >= rules.watch_rain_years:
        found.append("rain")
    return tuple(found)


def _hold(step: Step) -> list[str]:
    if step.level is Level.UNKNOWN:
        return ["cannot_assess"]
    return ["held"] if step.level is not step.raised else []


def decide_drought(
    city: City,
    *,
    issue_time: datetime,
    drought: Drought | None,
    memory: Memory | None,
    rules: Rules = DEFAULT,
) -> Decision:
    """Decide the drought level of a city.

    | level | trigger |
    |---|---|
    | Watch | class >= D1 now, or P(class >= D1 in 4 weeks) >= 0.5, or CDI watch |
    | Warning | class >= D2 now, or P(class >= D2 in 4 weeks) >= 0.5, or CDI warning or alert |
    | Emergency | class >= D3 now, or P(class >= D3 in 4 weeks) >= 0.5 |

    The CDI's warning (rain and soil both in deficit) is about as rare as D2; its alert adds
    vegetation, which supports evidence and starts nothing, so it goes no higher. From December to
    March class and CDI count only as far as SPI-3 or soil moisture shows them, so that no alert
    is driven by SPI-1. A class is called observed only as far as it does not rest on what stands in
    for soil moisture. The evidence is sufficient if the class, the CDI and the probabilities
    are known and the forecast is not climatology; NONE also needs rain or soil moisture from files
    free of doubt. The hysteresis is that of floods.

    Parameters
    ----------
    city
        City that is assessed.
    issue_time
        Moment of the run, aware.
    drought
        Forecast of its zone; None where there is none.
    memory
        What the run before left; None at first.
    rules
        Thresholds.
    """
    now, cdi = _seen(drought, issue_time)
    rungs = {}
    usable = drought is not None and drought.tier != "climatology"
    for level, number in DROUGHT_CLASS.items():
        known = now is not None and cdi is not None
        by_cdi = cdi is not None and level is not Level.EMERGENCY and cdi >= number
        seen = by_cdi or (now is not None and now >= number)
        p = drought.p_class(number, DROUGHT_WEEKS) if drought and usable else math.nan
        rungs[level] = Rung(p=p, p_up=rules.drought_p, seen=seen, quiet=known and not seen)
    forecast = not any(math.isnan(rung.p or 0.0) for rung in rungs.values())
    step = climb(
        rungs,
        memory=memory,
        issue_time=issue_time,
        sufficient=now is not None and cdi is not None and forecast,
        rules=rules,
        whole=drought is None or not drought.suspect,
    )
    rung = rungs[step.in_force if step.in_force in RAISED else Level.WATCH]
    p = math.nan if rung.p is None else rung.p
    urgency, severity, certainty = {
        Level.WATCH: ("Future", "Moderate", "Possible"),
        Level.WARNING: ("Expected", "Severe", "Likely" if p > 0.5 else "Possible"),
        Level.EMERGENCY: ("Expected", "Severe", "Likely" if p > 0.5 else "Possible"),
    }.get(step.in_force, ("Unknown", "Unknown", "Unknown"))
    number, observed = DROUGHT_CLASS.get(step.in_force, 9), _observed(drought, now)
    if step.level is Level.UNKNOWN:
        certainty = "Unknown"
    elif observed is not None and observed >= number:
        certainty = "Observed"
    return Decision(
        issue_time=issue_time,
        city=city,
        hazard="drought",
        level=step.level,
        in_force=step.in_force,
        probability=p,
        urgency=urgency,
        severity=severity,
        certainty=certainty,
        reasons=_drought_reasons(step, rungs, now, cdi),
        missing=_drought_missing(drought, now, cdi, forecast=forecast),
        onset=_drought_onset(drought, step, rungs, issue_time, rules),
        valid_to=issue_time + timedelta(weeks=DROUGHT_WEEKS),
        station=None,
        river=None,
        rain=None,
        drought=drought,
        memory=step.memory,
    )


def class_of(*, spi3: float, soil_moisture_percentile: float) -> int | None:
    """Drought class that SPI-3 or soil moisture shows, the drier of both; None if none is known.

    Bounds of the US Drought Monitor: SPI −0.5, −0.8, −1.3, −1.6, −2.0; percentile 30, 20, 10, 5, 2.

    Examples
    --------
    >>> class_of(spi3=-1.4, soil_moisture_percentile=25.0)
    2
    """
    if math.isnan(spi3) and math.isnan(soil_moisture_percentile):
        return None
    by_rain = sum(spi3 <= bound for bound in (-0.5, -0.8, -1.3, -1.6, -2.0))
    by_soil = sum(soil_moisture_percentile <= bound for bound in (30.0, 20.0, 10.0, 5.0, 2.0))
    return max(by_rain, by_soil) - 1


def _seen(drought: Drought | None, issue_time: datetime) -> tuple[int | None, int | None]:
    """Class now, and the class that the CDI stands for; None where not known."""
    if drought is None:
        return None, None
    now = drought.current_class
    cdi = {"none": -1, "watch": 1, "warning": 2, "alert": 2}.get(drought.cdi)
    if issue_time.month not in DRY_SEASON:
        return now, cdi
    shown = class_of(spi3=drought.spi3, soil_moisture_percentile=drought.soil_moisture_percentile)
    if shown is None:
        return None, None
    return now if now is None else min(now, shown), cdi if cdi is None or shown >= 1 else -1


def _observed(drought: Drought | None, now: int | None) -> int | None:
    """Class now as far as it shows without what stands in for soil moisture, so by SPI-3 alone."""
    if drought is None or now is None or "smap_l3" not in drought.stands_in:
        return now
    shown = class_of(spi3=drought.spi3, soil_moisture_percentile=math.nan)
    return None if shown is None else min(now, shown)


def _drought_reasons(
    step: Step, rungs: dict[Level, Rung], now: int | None, cdi: int | None
) -> tuple[str, ...]:
    found = _hold(step)
    if now is not None and now >= 1:
        found.append(f"class_d{min(now, 3)}")
    if cdi is not None and cdi >= 1:
        found.append("cdi")
    names = {Level.EMERGENCY: "p_d3", Level.WARNING: "p_d2", Level.WATCH: "p_d1"}
    for level, name in names.items():
        p = rungs[level].p
        if p is not None and p >= rungs[level].p_up:
            found.append(name)
    return tuple(found)


def _drought_missing(
    drought: Drought | None, now: int | None, cdi: int | None, *, forecast: bool
) -> tuple[str, ...]:
    found = {
        "drought_class": now is None,
        "cdi": cdi is None,
        "drought_forecast": not forecast,
        "spi3": drought is None or math.isnan(drought.spi3),
        "soil_moisture": drought is None or math.isnan(drought.soil_moisture_percentile),
        "vegetation": drought is None or math.isnan(drought.vhi),
        "suspect": drought is not None and drought.suspect,
    }
    return tuple(key for key, absent in found.items() if absent)


def _drought_onset(
    drought: Drought | None,
    step: Step,
    rungs: dict[Level, Rung],
    issue_time: datetime,
    rules: Rules,
) -> datetime | None:
    if step.in_force not in RAISED or drought is None:
        return None
    if rungs[step.in_force].seen:
        return issue_time
    number = DROUGHT_CLASS[step.in_force]
    for weeks in sorted(drought.p):
        if drought.p_class(number, weeks) >= rules.drought_p:
            return issue_time + timedelta(weeks=weeks)
    return None
