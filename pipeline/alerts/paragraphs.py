"""Paragraphs of a message's description: river, probabilities, forecast, rain and drought."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

from pipeline.alerts.decision import Decision
from pipeline.alerts.evidence import Drought, River
from pipeline.alerts.gauge_criteria import HORIZON_D, THRESHOLD_STAGE
from pipeline.alerts.levels import RAISED
from pipeline.geography.gauge_figures import vietnamese_level_2
from pipeline.geography.names import station_name
from pipeline.geography.places import Station


def format_percent(p: float, templates: dict[str, Any]) -> str:
    """Format a probability in whole percent, never 0 or 100.

    Examples
    --------
    >>> words = {"percent": {"exact": "{p} %", "above": "over {p} %", "below": "under {p} %"}}
    >>> [format_percent(p, words) for p in (0.004, 0.43, 0.999)]
    ['under 1 %', '43 %', 'over 99 %']
    """
    key, percent = (
        ("below", 1.0) if p < 0.01 else ("above", 99.0) if p > 0.99 else ("exact", 100 * p)
    )
    return str(templates["percent"][key].format(p=f"{percent:.0f}"))


def _format_number(value: float, form: str, templates: dict[str, Any]) -> str:
    """Format a number with the decimal sign of the language."""
    return format(value, form).replace(".", templates["decimal"])


def _format_metres(stage_m: float, templates: dict[str, Any]) -> str:
    """Format a stage to the centimetre."""
    return _format_number(stage_m, ".2f", templates)


def _local_time(moment: datetime, decision: Decision) -> datetime:
    """Convert a moment to the city's clock."""
    return moment + timedelta(hours=decision.city.utc_offset_h)


def _local_date(moment: datetime, decision: Decision, templates: dict[str, Any]) -> str:
    """Format the date of a moment on the city's clock."""
    local = _local_time(moment, decision)
    month = templates["months"][local.month - 1]
    year = local.year + templates["year_offset"]
    return str(templates["date"].format(day=local.day, month=month, year=year))


def _local_hour(moment: datetime, decision: Decision, templates: dict[str, Any]) -> str:
    """Format the time of day of a moment on the city's clock."""
    local = _local_time(moment, decision)
    return str(templates["time"].format(hour=f"{local:%H}", minute=f"{local:%M}"))


def _name_marks(station: Station, templates: dict[str, Any], *, asof: datetime) -> dict[str, str]:
    """Words for alarm and flood stage at a gauge, as its country's service calls them.

    At the MRC's Thai gauges flood stage is the height of the bank. Where the Vietnamese level II
    is on record, alarm and flood stage are the levels I and III.
    """
    marks = templates["mark"]
    country = station.country.lower()
    if country == "vn" and station.code not in vietnamese_level_2(asof=asof):
        country = ""
    return {mark: marks.get(f"{mark}_{country}", marks[mark]) for mark in ("alarm", "flood")}


def flood_paragraphs(decision: Decision, templates: dict[str, Any]) -> list[str]:
    """Compose paragraphs on the river now, the probabilities, the forecast with the rain."""
    phrases, station, river = templates["flood"], decision.station, decision.river
    now: list[str] = []
    chances: list[str] = []
    ahead: list[str] = []
    if station:
        now += _stage_now(decision, station, river, templates)
        now += _doubt(decision, station, river, templates)
        now += _thresholds(decision, station, river, templates)
    else:
        now.append(phrases["gauge"])
    if station and river and river.tier != "climatology":
        marks = _name_marks(station, templates, asof=decision.issue_time)
        for level in RAISED:
            days, stage = HORIZON_D[level], THRESHOLD_STAGE[level]
            p = river.p_by(stage, days)
            if not math.isnan(p):
                percent = format_percent(p, templates)
                chances.append(phrases["p"].format(mark=marks[stage], days=days, p=percent))
        if decision.onset and decision.onset > decision.issue_time:
            date = _local_date(decision.onset, decision, templates)
            chances.append(phrases["onset"].format(date=date))
        chances += _track_record(decision, marks, templates)
        chances += _mrc_term(station, river, templates)
        ahead += _stage_ahead(decision, river, templates)
    years = decision.rain.return_period_years if decision.rain else math.nan
    if years >= 2.0:
        ahead.append(phrases["rain"].format(years=f"{years:.0f}"))
    return [templates["sentence"].join(sentences) for sentences in (now, chances, ahead)]


def _stage_now(
    decision: Decision, station: Station, river: River | None, templates: dict[str, Any]
) -> list[str]:
    """Last reading, the threshold stage that it reaches, and its trend."""
    if river is None or river.stage_time is None or math.isnan(river.stage_m):
        return []
    phrases = templates["flood"]
    marks = _name_marks(station, templates, asof=decision.issue_time)
    sentences = [
        phrases["stage"].format(
            station=_name(station, decision, templates),
            stage=_format_metres(river.stage_m, templates),
            date=_local_date(river.stage_time, decision, templates),
            time=_local_hour(river.stage_time, decision, templates),
        )
    ]
    for mark, threshold_m in (("flood", station.flood_m), ("alarm", station.alarm_m)):
        if threshold_m is not None and river.stage_m >= threshold_m:
            sentences.append(phrases["above"].format(mark=marks[mark]))
            break
    if not math.isnan(river.change_1d_m):
        change_cm = round(100 * river.change_1d_m)
        trend = "trend_up" if change_cm > 0 else "trend_down" if change_cm < 0 else "trend_same"
        sentences.append(phrases[trend].format(change=abs(change_cm)))
    return sentences


def _name(station: Station, decision: Decision, templates: dict[str, Any]) -> str:
    """Name of a gauge in the language of the templates."""
    return station_name(station, templates["language"], asof=decision.issue_time)


def _doubt(
    decision: Decision, station: Station, river: River | None, templates: dict[str, Any]
) -> list[str]:
    """Newest reading where it is not trusted."""
    doubt = river.doubt if river else None
    if doubt is None:
        return []
    kind = "unconfirmed" if doubt.kind == "unconfirmed" else "conflict"
    low, high = (_format_metres(m, templates) for m in (doubt.lowest_m, doubt.highest_m))
    stages = {"stage": high} if kind == "unconfirmed" else {"low": low, "high": high}
    return [
        templates["flood"][kind].format(
            station=_name(station, decision, templates),
            date=_local_date(doubt.time, decision, templates),
            time=_local_hour(doubt.time, decision, templates),
            **stages,
        )
    ]


def _thresholds(
    decision: Decision, station: Station, river: River | None, templates: dict[str, Any]
) -> list[str]:
    """Alarm and flood stage, how the country's service tells the stage, and cautions."""
    phrases, asof = templates["flood"], decision.issue_time
    if station.alarm_m is None or station.flood_m is None:
        return []
    marks = _name_marks(station, templates, asof=asof)
    words = {f"{mark}_mark": word for mark, word in marks.items()}
    alarm, flood = (_format_metres(m, templates) for m in (station.alarm_m, station.flood_m))
    level_2_m = vietnamese_level_2(asof=asof).get(station.code)
    if level_2_m is None:
        sentences = [phrases["thresholds"].format(alarm=alarm, flood=flood, **words)]
    else:
        two = _format_metres(level_2_m, templates)
        sentences = [phrases["vietnamese"].format(one=alarm, two=two, three=flood, **words)]
    margin_m = station.flood_m - river.stage_m if river else math.nan
    if station.country == "LA":
        sentences.append(phrases["lao"])
    elif station.country == "TH" and not math.isnan(margin_m):
        key = "thai_below" if margin_m >= 0.0 else "thai_above"
        sentences.append(phrases[key].format(margin=_format_metres(abs(margin_m), templates)))
    sentences += [phrases["tidal"]] if station.tidal else []
    sentences += [] if station.threshold_verified else [phrases["unverified"].format(**words)]
    return sentences


def _track_record(
    decision: Decision, marks: dict[str, str], templates: dict[str, Any]
) -> list[str]:
    """Outcome of earlier warnings of this level, or that they are too few."""
    record, phrases = decision.track_record, templates["track"]
    if record is None:
        return []
    if not record.enough:
        return [phrases["few"]]
    phrase = phrases["city" if record.of_city else "all"]
    mark = marks[THRESHOLD_STAGE[decision.in_force]]
    since = _local_date(record.since, decision, templates)
    return [phrase.format(since=since, mark=mark, true=record.hits, issued=record.issued)]


def _mrc_term(station: Station, river: River, templates: dict[str, Any]) -> list[str]:
    """MRC's term: flood stage exceeded, or forecast (more likely than not) within three days."""
    phrases, mark = templates["flood"], templates["mark"]["flood"]
    if station.flood_m is not None and river.stage_m >= station.flood_m:
        return [phrases["mrc_flood"].format(mark=mark)]
    return [phrases["mrc_alarm"].format(mark=mark)] if river.p_by("flood", 3) >= 0.5 else []


def _stage_ahead(decision: Decision, river: River, templates: dict[str, Any]) -> list[str]:
    """Highest stage, its drivers, and whether it is beyond the training data."""
    phrases, peak = templates["flood"], river.peak
    if peak is None:
        return []
    sentences = [
        phrases["peak"].format(
            days=river.leads[-1].days,
            stage=_format_metres(peak.q50_m, templates),
            date=_local_date(peak.valid_time, decision, templates),
            low=_format_metres(peak.q05_m, templates),
            high=_format_metres(peak.q95_m, templates),
        )
    ]
    drivers = sorted(peak.drivers_cm.items(), key=lambda driver: (-abs(driver[1]), driver[0]))
    parts = [
        f"{templates['driver'][name]} {change_cm:+.0f}"
        for name, change_cm in drivers
        if abs(change_cm) >= 0.5
    ]
    if parts:
        sentences.append(phrases["drivers"].format(parts=templates["comma"].join(parts)))
    if any(lead.extrapolated for lead in river.leads):
        sentences.append(phrases["extrapolated"])
    return sentences


def drought_paragraphs(drought: Drought, number: int, templates: dict[str, Any]) -> list[str]:
    """Compose paragraphs on the class now, the probabilities, the evidence."""
    phrases = templates["drought"]
    class_now = drought.current_class
    state = ""
    if class_now is not None:
        key = "class_none" if class_now < 0 else "class_d3" if class_now >= 3 else "class"
        state = phrases[key].format(**{"class": f"D{class_now}"})
    p = {f"p{weeks}": drought.p_class(number, weeks) for weeks in (1, 4, 12)}
    chance = ""
    if drought.tier != "climatology" and not any(math.isnan(value) for value in p.values()):
        percents = {key: format_percent(value, templates) for key, value in p.items()}
        chance = phrases["p"].format(**{"class": f"D{number}"}, **percents)
    values = (
        ("spi3", _format_number(drought.spi3, "+.1f", templates), drought.spi3),
        ("soil", f"{drought.soil_moisture_percentile:.0f}", drought.soil_moisture_percentile),
        ("vhi", f"{drought.vhi:.0f}", drought.vhi),
    )
    evidence = [
        phrases[key].format(value=text) for key, text, value in values if not math.isnan(value)
    ]
    return [state, chance, templates["sentence"].join(evidence)]
