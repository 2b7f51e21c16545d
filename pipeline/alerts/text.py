"""Text of a message: fixed templates per language with numbers, dates and places as slots."""

from __future__ import annotations

import hashlib
import math
import string
import tomllib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.alerts.decision import Decision
from pipeline.alerts.drought import DROUGHT_CLASS
from pipeline.alerts.evidence import Drought, River
from pipeline.alerts.gauge_criteria import HORIZON_D, THRESHOLD_STAGE
from pipeline.alerts.levels import RAISED, Level
from pipeline.geography.gauge_figures import vietnamese_level_2
from pipeline.geography.places import CITY_RADIUS_KM, City, Station

LANGUAGES = ("en", "km", "lo", "th", "vi", "my", "zh")
FOLDER = Path(__file__).parent / "messages"


@dataclass(frozen=True, kw_only=True)
class Text:
    """A decision in one language."""

    language: str
    event: str
    headline: str
    description: str
    instruction: str
    area: str


@lru_cache
def read_templates(language: str) -> dict[str, Any]:
    """Read the templates of one language.

    Raises
    ------
    ValueError
        The file does not have the keys and slots of the English one.
    """
    with (FOLDER / f"{language}.toml").open("rb") as stream:
        templates = tomllib.load(stream)
    if language != "en":
        expected, slots = _slots(read_templates("en")), _slots(templates)
        if slots != expected:
            wrong = sorted(key for key in expected | slots if expected.get(key) != slots.get(key))
            raise ValueError(
                f"{language}.toml: expected the slots of en.toml, they differ at {wrong}"
            )
    return templates


def _slots(templates: dict[str, Any]) -> dict[str, set[str]]:
    """Slots of each template, by its dotted key."""
    slots: dict[str, set[str]] = {}
    for key, value in templates.items():
        for sub, text in value.items() if isinstance(value, dict) else [("", value)]:
            if isinstance(text, str):
                slots[f"{key}.{sub}"] = {
                    slot for _, slot, _, _ in string.Formatter().parse(text) if slot
                }
    return slots


def messages_digest() -> dict[str, str]:
    """SHA-256 of the file of templates of each language."""
    return {
        language: hashlib.sha256((FOLDER / f"{language}.toml").read_bytes()).hexdigest()
        for language in LANGUAGES
    }


def describe_missing(keys: tuple[str, ...], language: str = "en") -> list[str]:
    """Describe the missing evidence in plain words."""
    return [str(read_templates(language)["missing"][key]) for key in keys]


def describe_unassessed(hazard: str, city: str, language: str = "en") -> str:
    """Describe a hazard that is not assessed for a city, in one line."""
    templates = read_templates(language)
    name = templates["hazard"][hazard]
    return str(templates["headline"]["unassessed"].format(hazard=name, city=city))


def compose_headline(decision: Decision, *, event: Level, language: str = "en") -> str:
    """Compose one line with the level, the city and whether the level is in force.

    Parameters
    ----------
    decision
        Subject of the line.
    event
        Level of the event that the message is about; NONE where there is no event.
    language
        One of ``LANGUAGES``.
    """
    templates = read_templates(language)
    headlines = templates["headline"]
    if event not in RAISED:
        key = "none" if decision.level is Level.NONE else "unassessed"
        key = "partly" if key != "none" and decision.river_level is Level.NONE else key
        hazard = templates["hazard"][decision.hazard]
        return str(headlines[key].format(hazard=hazard, city=decision.city.name))
    key = {Level.UNKNOWN: "unknown", Level.NONE: "over"}.get(decision.level, "active")
    name = templates["event"][f"{decision.hazard}_{event}"]
    return str(headlines[key].format(event=name, city=decision.city.name))


def compose(decision: Decision, *, event: Level, status: str, language: str) -> Text:
    """Compose the text of a decision in one language.

    Parameters
    ----------
    decision
        Subject of the message.
    event
        Level of the event that the message is about: the one in force, or the one that ends.
    status
        CAP status; all but ``Actual`` carry a banner in headline and description.
    language
        One of ``LANGUAGES``.
    """
    templates = read_templates(language)
    banner = _banner(status, templates)
    lines = [banner, "" if templates["reviewed"] else templates["banner"]["unreviewed"]]
    key = {Level.UNKNOWN: "unknown", Level.NONE: "over"}.get(
        decision.level, "held" if "held" in decision.reasons else ""
    )
    lines.append(templates["state"].get(key, ""))
    if decision.hazard == "flood":
        lines += _flood_paragraphs(decision, templates)
    elif decision.drought:
        number = DROUGHT_CLASS.get(event, 1)
        lines += _drought_paragraphs(decision.drought, number, templates)
    missing = tuple(key for key in decision.missing if key != "gauge")
    if missing:
        items = templates["missing"]["separator"].join(describe_missing(missing, language))
        lines.append(templates["missing"]["intro"].format(items=items))
    instructions = templates["instruction"]
    key = "over" if decision.level is Level.NONE else f"{decision.hazard}_{event}"
    instruction = [banner, instructions[key], instructions["authority"], instructions["issuer"]]
    headline = compose_headline(decision, event=event, language=language)
    return Text(
        language=language,
        event=templates["event"][f"{decision.hazard}_{event}"],
        headline=templates["space"].join(filter(None, [_first_sentence(banner), headline])),
        description="\n".join(filter(None, lines)),
        instruction="\n".join(filter(None, instruction)),
        area=_area(decision.city, templates),
    )


def compose_cancellation(
    city: City, hazard: str, *, event: Level, status: str, note: str, language: str
) -> Text:
    """Compose the text of a Cancel in one language: the hazard is not assessed until the next run.

    Parameters
    ----------
    city, hazard, event, status
        As in the message that is withdrawn.
    note
        Error in the message, in English.
    language
        One of ``LANGUAGES``.
    """
    templates = read_templates(language)
    banner = _banner(status, templates)
    unreviewed = "" if templates["reviewed"] else templates["banner"]["unreviewed"]
    headline = describe_unassessed(hazard, city.name, language)
    instructions = [templates["instruction"][key] for key in ("authority", "issuer")]
    return Text(
        language=language,
        event=templates["event"][f"{hazard}_{event}"],
        headline=templates["space"].join(filter(None, [_first_sentence(banner), headline])),
        description="\n".join(filter(None, [banner, unreviewed, note])),
        instruction="\n".join(filter(None, [banner, *instructions])),
        area=_area(city, templates),
    )


def _area(city: City, templates: dict[str, Any]) -> str:
    """Area of a city's messages, in words."""
    radius = f"{CITY_RADIUS_KM:.0f}"
    return str(templates["area"]["circle"].format(city=city.name, radius=radius))


def _banner(status: str, templates: dict[str, Any]) -> str:
    """Banner of a status; empty for Actual."""
    key = {"Exercise": "exercise", "Test": "test"}.get(status)
    return str(templates["banner"][key]) if key else ""


def _first_sentence(banner: str) -> str:
    """First word of a banner, with its stop: "EXERCISE."."""
    if not banner:
        return ""
    for stop in (".", "။", "។", "。"):
        if stop in banner:
            return banner.split(stop, maxsplit=1)[0] + stop
    return banner.split(" ", maxsplit=1)[0]


def format_percent(p: float) -> str:
    """Format a probability in whole percent, never 0 or 100.

    Examples
    --------
    >>> format_percent(0.004), format_percent(0.43), format_percent(0.999)
    ('<1', '43', '>99')
    """
    return "<1" if p < 0.01 else ">99" if p > 0.99 else f"{100 * p:.0f}"


def _local_date(moment: datetime, decision: Decision, templates: dict[str, Any]) -> str:
    """Date on the city's clock."""
    local = moment + timedelta(hours=decision.city.utc_offset_h)
    month = templates["months"][local.month - 1]
    return str(templates["date"].format(day=local.day, month=month, year=local.year))


def _flood_paragraphs(decision: Decision, templates: dict[str, Any]) -> list[str]:
    """Paragraphs: the river now, the probabilities, the forecast with the rain."""
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
    local = stage_time + timedelta(hours=decision.city.utc_offset_h)
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
    local = doubt.time + timedelta(hours=decision.city.utc_offset_h)
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


def _drought_paragraphs(drought: Drought, number: int, templates: dict[str, Any]) -> list[str]:
    """Paragraphs: the class now, the probabilities, the evidence."""
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
