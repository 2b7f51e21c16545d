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
from pipeline.geography.places import Station


def format_percent(p: float) -> str:
    """Format a probability in whole percent, never 0 or 100.

    Examples
    --------
    >>> format_percent(0.004), format_percent(0.43), format_percent(0.999)
    ('<1', '43', '>99')
    """
    return "<1" if p < 0.01 else ">99" if p > 0.99 else f"{100 * p:.0f}"


def _local_time(moment: datetime, decision: Decision) -> datetime:
    """Convert a moment to the city's clock."""
    return moment + timedelta(hours=decision.city.utc_offset_h)


def _local_date(moment: datetime, decision: Decision, templates: dict[str, Any]) -> str:
    """Format the date of a moment on the city's clock."""
    local = _local_time(moment, decision)
    month = templates["months"][local.month - 1]
    return str(templates["date"].format(day=local.day, month=month, year=local.year))


def flood_paragraphs(decision: Decision, templates: dict[str, Any]) -> list[str]:
    """Compose paragraphs on the river now, the probabilities, the forecast with the rain."""
    phrases, station, river = templates["flood"], decision.station, decision.river
    now, chances, ahead = [], [], []
    if station:
        if river and river.stage_time and not math.isnan(river.stage_m):
            now += _stage_now(decision, station, river, river.stage_time, templates)
        now += _doubt(decision, station, river, templates)
        now.append(phrases["thresholds"].format(alarm=station.alarm_m, flood=station.flood_m))
        stage_m = river.stage_m if river else math.nan
        now += _local_terms(station, stage_m, phrases, asof=decision.issue_time)
        now += [phrases["tidal"]] if station.tidal else []
        now += [] if station.threshold_verified else [phrases["unverified"]]
    else:
        now.append(phrases["gauge"])
    if river and river.tier != "climatology":
        for level in RAISED:
            days, stage = HORIZON_D[level], THRESHOLD_STAGE[level]
            p = river.p_by(stage, days)
            if not math.isnan(p):
                chances.append(phrases[f"p_{stage}"].format(days=days, p=format_percent(p)))
        if decision.onset and decision.onset > decision.issue_time:
            date = _local_date(decision.onset, decision, templates)
            chances.append(phrases["onset"].format(date=date))
        chances += _track_record(decision, templates)
        chances += _mrc_term(station, river, phrases)
        ahead += _stage_ahead(decision, river, templates)
    years = decision.rain.return_period_years if decision.rain else math.nan
    if years >= 2.0:
        ahead.append(phrases["rain"].format(years=f"{years:.0f}"))
    return [templates["space"].join(sentences) for sentences in (now, chances, ahead)]


def _stage_now(
    decision: Decision,
    station: Station,
    river: River,
    stage_time: datetime,
    templates: dict[str, Any],
) -> list[str]:
    """Last reading, the threshold stage that it reaches, and its trend."""
    phrases = templates["flood"]
    local = _local_time(stage_time, decision)
    sentences = [
        phrases["stage"].format(
            station=station.name,
            stage=f"{river.stage_m:.2f}",
            date=_local_date(stage_time, decision, templates),
            time=f"{local:%H:%M}",
        )
    ]
    for threshold_m, key in ((station.flood_m, "above_flood"), (station.alarm_m, "above_alarm")):
        if threshold_m is not None and river.stage_m >= threshold_m:
            sentences.append(phrases[key])
            break
    if not math.isnan(river.change_1d_m):
        sentences.append(phrases["trend"].format(change=f"{100 * river.change_1d_m:+.0f}"))
    return sentences


def _doubt(
    decision: Decision, station: Station, river: River | None, templates: dict[str, Any]
) -> list[str]:
    """Newest reading where it is not trusted."""
    doubt = river.doubt if river else None
    if doubt is None:
        return []
    phrases = templates["flood"]
    local = _local_time(doubt.time, decision)
    when = {"date": _local_date(doubt.time, decision, templates), "time": f"{local:%H:%M}"}
    low, high = f"{doubt.lowest_m:.2f}", f"{doubt.highest_m:.2f}"
    if doubt.kind == "unconfirmed":
        return [phrases["unconfirmed"].format(station=station.name, stage=high, **when)]
    return [phrases["conflict"].format(station=station.name, low=low, high=high, **when)]


def _track_record(decision: Decision, templates: dict[str, Any]) -> list[str]:
    """Outcome of earlier warnings of this level, or that they are too few."""
    record, phrases = decision.track_record, templates["track"]
    if record is None:
        return []
    if not record.enough:
        return [phrases["few"]]
    key = f"{THRESHOLD_STAGE[decision.in_force]}_{'city' if record.of_city else 'all'}"
    since = _local_date(record.since, decision, templates)
    return [phrases[key].format(since=since, true=record.hits, issued=record.issued)]


def _mrc_term(station: Station | None, river: River, phrases: dict[str, str]) -> list[str]:
    """MRC's term: flood stage exceeded, or forecast (more likely than not) within three days."""
    if station and station.flood_m is not None and river.stage_m >= station.flood_m:
        return [phrases["mrc_flood"]]
    return [phrases["mrc_alarm"]] if river.p_by("flood", 3) >= 0.5 else []


def _stage_ahead(decision: Decision, river: River, templates: dict[str, Any]) -> list[str]:
    """Highest stage, its drivers, and whether it is beyond the training data."""
    phrases, peak = templates["flood"], river.peak
    if peak is None:
        return []
    sentences = [
        phrases["peak"].format(
            days=river.leads[-1].days,
            stage=f"{peak.q50_m:.2f}",
            date=_local_date(peak.valid_time, decision, templates),
            low=f"{peak.q05_m:.2f}",
            high=f"{peak.q95_m:.2f}",
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


def _local_terms(
    station: Station, stage_m: float, phrases: dict[str, str], *, asof: datetime
) -> list[str]:
    """Terms of the country's own service for the same stages.

    At MRC's Thai gauges flood stage is the height of the bank. Where level II is on record,
    alarm and flood stage are the Vietnamese levels I and III.
    """
    if station.country == "LA":
        return [phrases["lao"]]
    if station.country == "TH" and station.flood_m is not None and not math.isnan(stage_m):
        margin_m = station.flood_m - stage_m
        key = "thai_below" if margin_m >= 0.0 else "thai_above"
        return [phrases[key].format(margin=f"{abs(margin_m):.2f}")]
    level_2_m = vietnamese_level_2(asof=asof).get(station.code)
    if level_2_m is not None:
        return [
            phrases["vietnamese"].format(one=station.alarm_m, two=level_2_m, three=station.flood_m)
        ]
    return []


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
        percents = {key: format_percent(value) for key, value in p.items()}
        chance = phrases["p"].format(**{"class": f"D{number}"}, **percents)
    values = (
        ("spi3", f"{drought.spi3:+.1f}", drought.spi3),
        ("soil", f"{drought.soil_moisture_percentile:.0f}", drought.soil_moisture_percentile),
        ("vhi", f"{drought.vhi:.0f}", drought.vhi),
    )
    evidence = [
        phrases[key].format(value=text) for key, text, value in values if not math.isnan(value)
    ]
    return [state, chance, templates["space"].join(evidence)]
