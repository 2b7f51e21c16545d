"""Lines of a flood message's description: what, when, how sure, now, and for hydrologists."""

from __future__ import annotations

import math
from datetime import timedelta

from pipeline.alerts.decision import Decision
from pipeline.alerts.evidence import Lead, River
from pipeline.alerts.formats import (
    Mark,
    Templates,
    format_date,
    format_hour,
    format_metres,
    format_percent,
    name_marks,
    name_term,
    stage_of_mark,
    tell_position,
)
from pipeline.alerts.gauge_criteria import HORIZON_D, THRESHOLD_STAGE
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.thresholds import name_trend
from pipeline.geography.gauge_figures import vietnamese_level_2
from pipeline.geography.names import station_name
from pipeline.geography.places import Station

RAIN_YEARS = 2.0
"""Return period from which the rain is told."""
MOST_DRIVERS = 3
"""Drivers that are told."""


def find_reading(decision: Decision) -> float:
    """Last reading of a city's gauge where it is recent enough to stand for now, m; else NaN."""
    river = decision.river
    if river is None or river.stage_time is None or "stage" in decision.missing:
        return math.nan
    return river.stage_m


def find_peak(decision: Decision) -> Lead | None:
    """Day with the highest median stage; None without a forecast."""
    river = decision.river
    return river.peak if river and river.tier != "climatology" else None


def find_standing(decision: Decision) -> Mark | None:
    """Return the highest mark that a reading which still counts reaches; None where it is below."""
    if "seen_flood" in decision.reasons:
        return "flood"
    return "alarm" if {"seen_alarm", "seen_alarm_rising"} & set(decision.reasons) else None


def is_on_rain(decision: Decision) -> bool:
    """Whether heavy rain is the only criterion that this run reaches."""
    river = [key for key in decision.reasons if key.startswith(("seen_", "p_"))]
    return "rain" in decision.reasons and not river


def tell_what(decision: Decision, event: Level, templates: Templates) -> list[str]:
    """Tell what an open event is and means here.

    Parameters
    ----------
    decision
        Flood decision.
    event
        Level in force.
    templates
        Templates of the language.
    """
    phrases, station, standing = templates["what"], decision.station, find_standing(decision)
    sentences = []
    if decision.level is Level.UNKNOWN:
        sentences.append(phrases["unknown"])
    elif decision.eases:
        sentences.append(phrases["held"])
    if standing and station and decision.river:
        position = tell_position(
            station, decision.river.stage_m, standing, templates, asof=decision.issue_time
        )
        sentences.append(phrases[standing].format(position=position))
        if standing == "alarm" and {"p_flood_5d", "p_flood_2d"} & set(decision.reasons):
            name = name_marks(station, templates, asof=decision.issue_time)["flood"]
            sentences.append(phrases["may_flood"].format(mark=name))
    elif "seen_unconfirmed" in decision.reasons:
        sentences.append(phrases["unconfirmed"])
    elif is_on_rain(decision):
        sentences.append(phrases["rain"])
    elif station and not sentences:
        mark = THRESHOLD_STAGE[event]
        name = name_marks(station, templates, asof=decision.issue_time)[mark]
        sentences.append(phrases[f"may_{mark}"].format(mark=name))
    return sentences


def tell_when(decision: Decision, event: Level, templates: Templates) -> list[str]:
    """Tell since or from when, the highest stage with its day, and when it falls below the mark.

    Parameters
    ----------
    decision, event, templates
        As for :func:`tell_what`.
    """
    phrases, city, onset = templates["when"], decision.city, decision.onset
    sentences = []
    peak, station, mark = find_peak(decision), decision.station, THRESHOLD_STAGE[event]
    name = name_marks(station, templates, asof=decision.issue_time)[mark] if station else ""
    if onset and onset != decision.issue_time:
        key = "onset" if onset > decision.issue_time else "since"
        date = format_date(onset, city, templates)
        sentences.append(phrases[key].format(date=date, mark=name))
    if is_on_rain(decision):
        sentences.append(tell_rain(decision, templates))
    if station is None or decision.level is Level.UNKNOWN:
        return sentences
    if peak is None or decision.river is None:
        return [*sentences, phrases["no_forecast"]]
    last = decision.river.leads[-1]
    if is_rise_expected(decision, peak):
        stage = format_metres(peak.q50_m, templates)
        date = format_date(peak.valid_time, city, templates)
        sentences.append(phrases["highest"].format(stage=stage, date=date))
        sentences += [phrases["further"]] if peak is last else []
    if stage_of_mark(station, mark) <= max(peak.q50_m, decision.river.stage_m):
        if decision.ending_time:
            date = format_date(decision.ending_time, city, templates)
            sentences.append(phrases["ending"].format(mark=name, date=date))
        else:
            sentences.append(phrases["no_ending"].format(mark=name, days=last.days))
    return sentences


def is_rise_expected(decision: Decision, peak: Lead) -> bool:
    """Whether the highest median stage is above the last reading; also where none is recent."""
    return not find_reading(decision) >= peak.q50_m


def tell_rain(decision: Decision, templates: Templates) -> str:
    """Tell the rain with its amount, its day and how rare it is; empty where it is not heavy."""
    phrases, rain = templates["when"], decision.rain
    if rain is None or not rain.return_period_years >= RAIN_YEARS:
        return ""
    years = f"{rain.return_period_years:.0f}"
    if math.isnan(rain.depth_mm):
        return str(phrases["rain"].format(years=years))
    depth = f"{rain.depth_mm:.0f}"
    if rain.duration_h is not None:
        return str(phrases["rain_h"].format(depth=depth, hours=rain.duration_h, years=years))
    yesterday = decision.issue_time - timedelta(days=1)
    return str(
        phrases[f"rain_{rain.duration_days}d"].format(
            depth=depth, date=format_date(yesterday, decision.city, templates), years=years
        )
    )


def tell_how_sure(decision: Decision, event: Level, templates: Templates) -> list[str]:
    """Tell one chance for one event that is not true yet, and the record of such warnings.

    Parameters
    ----------
    decision, event, templates
        As for :func:`tell_what`.
    """
    phrases = templates["sure"]
    if decision.level is Level.UNKNOWN:
        return [phrases["none"]]
    if "seen_unconfirmed" in decision.reasons and find_standing(decision) is None:
        return [phrases["unconfirmed"]]
    if is_on_rain(decision):
        return [phrases["rain"]]
    sentences = []
    if find_standing(decision) == "flood":
        sentences.append(phrases["observed"])
        if (peak := find_peak(decision)) and is_rise_expected(decision, peak):
            sentences.append(_tell_range(decision, peak, templates))
    else:
        mark, days = _chosen_chance(decision, event)
        chance = _tell_chance(decision, mark, days, templates, phrase=phrases["p"])
        sentences.append(chance or phrases["none"])
    return [*sentences, _tell_track_record(decision, templates)]


def _chosen_chance(decision: Decision, event: Level) -> tuple[Mark, int]:
    """Mark and days of the chance that is told: the level's, or the next mark above the river."""
    level = Level.WARNING if find_standing(decision) and event is Level.WATCH else event
    return THRESHOLD_STAGE[level], HORIZON_D[level]


def _tell_chance(
    decision: Decision, mark: Mark, days: int, templates: Templates, *, phrase: str
) -> str:
    """Chance of reaching a mark in the words of a phrase; empty where it is not known."""
    river, station = decision.river, decision.station
    if station is None or river is None or river.tier == "climatology":
        return ""
    p = river.p_by(mark, days)
    if math.isnan(p):
        return ""
    name = name_marks(station, templates, asof=decision.issue_time)[mark]
    return str(phrase.format(mark=name, days=days, p=format_percent(p, templates)))


def _tell_range(decision: Decision, peak: Lead, templates: Templates) -> str:
    """Range of the stage on the day with the highest median; empty where it is not known."""
    if math.isnan(peak.q05_m) or math.isnan(peak.q95_m):
        return ""
    low, high = (format_metres(m, templates) for m in (peak.q05_m, peak.q95_m))
    date = format_date(peak.valid_time, decision.city, templates)
    return str(templates["sure"]["range"].format(date=date, low=low, high=high))


def _tell_track_record(decision: Decision, templates: Templates) -> str:
    """Outcome of earlier warnings of this level, or that they are too few; empty without any."""
    record, phrases, station = decision.track_record, templates["track"], decision.station
    if record is None or station is None:
        return ""
    if not record.enough:
        return str(phrases["few"])
    phrase = phrases["city" if record.of_city else "all"]
    marks = name_marks(station, templates, asof=decision.issue_time)
    since = format_date(record.since, decision.city, templates, year=True)
    mark = marks[THRESHOLD_STAGE[decision.in_force]]
    return str(phrase.format(since=since, mark=mark, true=record.hits, issued=record.issued))


def tell_now(decision: Decision, event: Level, templates: Templates) -> list[str]:
    """Tell the last reading against a mark, with the country's own term, and its trend.

    Parameters
    ----------
    decision, event, templates
        As for :func:`tell_what`.
    """
    phrases, station, river = templates["flood"], decision.station, decision.river
    if station is None:
        return [phrases["gauge"]]
    sentences = []
    if river and river.stage_time and not math.isnan(river.stage_m):
        mark = find_standing(decision) or THRESHOLD_STAGE[event]
        position = tell_position(station, river.stage_m, mark, templates, asof=decision.issue_time)
        term = name_term(station, mark, templates, asof=decision.issue_time)
        above = river.stage_m >= stage_of_mark(station, mark)
        sentences.append(
            phrases["stage"].format(
                station=_name(station, decision, templates),
                stage=format_metres(river.stage_m, templates),
                date=format_date(river.stage_time, decision.city, templates, year=True),
                time=format_hour(river.stage_time, decision.city, templates),
                position=f"{position} ({term})" if term and above else position,
            )
        )
        if decision.level is not Level.UNKNOWN:
            sentences.append(_tell_trend(river, templates))
    sentences.append(_tell_doubt(decision, river, templates))
    if not any(sentences):
        sentences.append(phrases["none"])
    return [*sentences, phrases["tidal"] if station.tidal else ""]


def _tell_trend(river: River, templates: Templates) -> str:
    """Rising, falling or steady, in the MRC's bands; empty where the change is not known."""
    change_m = river.change_1d_m
    trend = name_trend(river.station, change_m)
    if trend is None:
        return ""
    return str(templates["flood"][trend].format(change=f"{100 * abs(change_m):.0f}"))


def _name(station: Station, decision: Decision, templates: Templates) -> str:
    """Name of a gauge in the language of the templates."""
    return station_name(station, templates["language"], asof=decision.issue_time)


def _tell_doubt(decision: Decision, river: River | None, templates: Templates) -> str:
    """Newest reading where it is not trusted; empty where it is."""
    doubt = river.doubt if river else None
    if doubt is None:
        return ""
    low, high = (format_metres(m, templates) for m in (doubt.lowest_m, doubt.highest_m))
    stages = {"stage": high} if doubt.kind == "unconfirmed" else {"low": low, "high": high}
    return str(
        templates["flood"][doubt.kind].format(
            date=format_date(doubt.time, decision.city, templates),
            time=format_hour(doubt.time, decision.city, templates),
            **stages,
        )
    )


def tell_hydrologists(decision: Decision, event: Level, templates: Templates) -> list[list[str]]:
    """Tell the marks, the other chances, the range and drivers of the highest stage, the rain.

    Parameters
    ----------
    decision, event, templates
        As for :func:`tell_what`.

    Returns
    -------
    list of list of str
        Sentences of each paragraph.
    """
    station, river, peak = decision.station, decision.river, find_peak(decision)
    marks, chances, ahead = [], [], []
    if station:
        marks = _tell_marks(decision, station, templates)
    is_open = decision.in_force in RAISED and decision.level is not Level.UNKNOWN
    if station and river and peak and is_open:
        chances = [
            _tell_other_chances(decision, event, templates),
            *_tell_mrc_term(station, river, templates),
        ]
        if is_rise_expected(decision, peak):
            if find_standing(decision) != "flood":
                ahead.append(_tell_range(decision, peak, templates))
            ahead.append(_tell_drivers(peak, templates))
            ahead += [templates["flood"]["extrapolated"]] if peak.median_extrapolated else []
    if not is_on_rain(decision):
        ahead.append(tell_rain(decision, templates))
    return [marks, chances, ahead]


def _tell_marks(decision: Decision, station: Station, templates: Templates) -> list[str]:
    """Alarm and flood stage, or the Vietnamese levels, and whether they are verified."""
    phrases, asof = templates["flood"], decision.issue_time
    names = name_marks(station, templates, asof=asof)
    words = {f"{mark}_mark": name for mark, name in names.items()}
    alarm, flood = (format_metres(stage_of_mark(station, mark), templates) for mark in names)
    level_2_m = vietnamese_level_2(asof=asof).get(station.code)
    if level_2_m is None:
        sentences = [phrases["thresholds"].format(alarm=alarm, flood=flood, **words)]
    else:
        two = format_metres(level_2_m, templates)
        sentences = [phrases["vietnamese"].format(one=alarm, two=two, three=flood, **words)]
    if not station.threshold_verified:
        sentences.append(phrases["unverified"])
    return sentences


def _tell_other_chances(decision: Decision, event: Level, templates: Templates) -> str:
    """Chances of the levels beside the one that is told, of marks that are not reached yet."""
    phrases, standing = templates["flood"], find_standing(decision)
    is_told = decision.level in RAISED and standing != "flood" and not is_on_rain(decision)
    told = _chosen_chance(decision, event) if is_told else None
    chances = [
        _tell_chance(decision, mark, days, templates, phrase=phrases["chance"])
        for mark, days in ((THRESHOLD_STAGE[level], HORIZON_D[level]) for level in RAISED)
        if standing not in {"flood", mark} and (mark, days) != told
    ]
    items = templates["missing"]["separator"].join(filter(None, chances))
    return str(phrases["chances"].format(items=items)) if items else ""


def _tell_mrc_term(station: Station, river: River, templates: Templates) -> list[str]:
    """MRC's term: flood stage exceeded, or forecast (more likely than not) within three days."""
    phrases, mark = templates["flood"], templates["mark"]["flood"]
    if river.stage_m >= stage_of_mark(station, "flood"):
        return [phrases["mrc_flood"].format(mark=mark)]
    return [phrases["mrc_alarm"].format(mark=mark)] if river.p_by("flood", 3) >= 0.5 else []


def _tell_drivers(peak: Lead, templates: Templates) -> str:
    """Largest components of the median's change until the highest stage, the largest first."""
    drivers = sorted(peak.drivers_cm.items(), key=lambda driver: (-abs(driver[1]), driver[0]))
    parts = [
        f"{templates['driver'][name]} {change_cm:+.0f}"
        for name, change_cm in drivers[:MOST_DRIVERS]
        if abs(change_cm) >= 0.5
    ]
    phrase = templates["flood"]["drivers"]
    return str(phrase.format(parts=templates["comma"].join(parts))) if parts else ""
