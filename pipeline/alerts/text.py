"""The words of a message: fixed templates per language, with numbers, dates and places as slots."""

from __future__ import annotations

import csv
import math
import string
import tomllib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.alerts.decision import Decision
from pipeline.alerts.evidence import Drought, Level, River
from pipeline.alerts.gauge import HORIZON_D, MARK
from pipeline.alerts.hysteresis import RAISED
from pipeline.alerts.levels import DROUGHT_CLASS
from pipeline.geography.places import CITY_RADIUS_KM, Station
from pipeline.settings import REFERENCE

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
def messages(language: str) -> dict[str, Any]:
    """Templates of one language.

    Raises
    ------
    ValueError
        The file does not have the keys and slots of the English one.
    """
    with (FOLDER / f"{language}.toml").open("rb") as stream:
        found = tomllib.load(stream)
    if language != "en":
        expected, slots = _slots(messages("en")), _slots(found)
        if slots != expected:
            wrong = sorted(key for key in expected | slots if expected.get(key) != slots.get(key))
            raise ValueError(
                f"{language}.toml: expected the slots of en.toml, they differ at {wrong}"
            )
    return found


def _slots(templates: dict[str, Any]) -> dict[str, set[str]]:
    """Slots of each template, by its dotted key."""
    found: dict[str, set[str]] = {}
    for key, value in templates.items():
        for sub, text in value.items() if isinstance(value, dict) else [("", value)]:
            if isinstance(text, str):
                found[f"{key}.{sub}"] = {
                    slot for _, slot, _, _ in string.Formatter().parse(text) if slot
                }
    return found


def missing_words(keys: tuple[str, ...], language: str = "en") -> list[str]:
    """Plain words for what was missing."""
    return [str(messages(language)["missing"][key]) for key in keys]


def headline(decision: Decision, *, event: Level, language: str = "en") -> str:
    """One line that says what, where and whether it stands.

    Parameters
    ----------
    event
        Level of the event that the message is about; NONE where there is no event.
    """
    words = messages(language)
    lines = words["headline"]
    if event not in RAISED:
        key = "none" if decision.level is Level.NONE else "unassessed"
        key = "partly" if key != "none" and decision.river_level is Level.NONE else key
        hazard = words["hazard"][decision.hazard]
        return str(lines[key].format(hazard=hazard, city=decision.city.name))
    key = {Level.UNKNOWN: "unknown", Level.NONE: "over"}.get(decision.level, "active")
    name = words["event"][f"{decision.hazard}_{event}"]
    return str(lines[key].format(event=name, city=decision.city.name))


def compose(decision: Decision, *, event: Level, status: str, language: str) -> Text:
    """Say a decision in one language.

    Parameters
    ----------
    decision
        What to say.
    event
        Level of the event that the message is about: the one in force, or the one that ends.
    status
        CAP status; all but ``Actual`` carry a banner in headline and description.
    language
        One of ``LANGUAGES``.
    """
    words = messages(language)
    banner = {"Exercise": words["banner"]["exercise"], "Test": words["banner"]["test"]}.get(status)
    lines = [banner or "", "" if words["reviewed"] else words["banner"]["unreviewed"]]
    state = {Level.UNKNOWN: "unknown", Level.NONE: "over"}.get(
        decision.level, "held" if "held" in decision.reasons else ""
    )
    lines.append(words["state"].get(state, ""))
    if decision.hazard == "flood":
        lines += _flood(decision, words)
    elif decision.drought:
        number = DROUGHT_CLASS.get(event, 1)
        lines += _drought(decision.drought, number, words)
    gaps = [key for key in decision.missing if key != "gauge"]
    if gaps:
        items = words["missing"]["separator"].join(missing_words(tuple(gaps), language))
        lines.append(words["missing"]["intro"].format(items=items))
    do = words["instruction"]
    first = do["over"] if decision.level is Level.NONE else do[f"{decision.hazard}_{event}"]
    title = headline(decision, event=event, language=language)
    return Text(
        language=language,
        event=words["event"][f"{decision.hazard}_{event}"],
        headline=words["space"].join(filter(None, [_first_sentence(banner), title])),
        description="\n".join(filter(None, lines)),
        instruction="\n".join(filter(None, [banner or "", first, do["authority"], do["issuer"]])),
        area=words["area"]["circle"].format(
            city=decision.city.name, radius=f"{CITY_RADIUS_KM:.0f}"
        ),
    )


def _first_sentence(banner: str | None) -> str:
    """Word that opens a banner, with its stop: "EXERCISE."."""
    if not banner:
        return ""
    for stop in (".", "။", "។", "。"):
        if stop in banner:
            return banner.split(stop)[0] + stop
    return banner.split(" ")[0]


def percent(p: float) -> str:
    """Probability in whole percent, never 0 or 100.

    Examples
    --------
    >>> percent(0.004), percent(0.43), percent(0.999)
    ('<1', '43', '>99')
    """
    return "<1" if p < 0.01 else ">99" if p > 0.99 else f"{100 * p:.0f}"


def _date(moment: datetime, decision: Decision, words: dict[str, Any]) -> str:
    local = moment + timedelta(hours=decision.city.utc_offset_h)
    return str(
        words["date"].format(day=local.day, month=words["months"][local.month - 1], year=local.year)
    )


def _flood(decision: Decision, words: dict[str, Any]) -> list[str]:
    """Paragraphs: the river now, the chances, the forecast, the rain."""
    say, station, river = words["flood"], decision.station, decision.river
    now, chances, ahead = [], [], []
    if station:
        if river and river.stage_time and not math.isnan(river.stage_m):
            now += _now(decision, station, river, river.stage_time, words)
        now += _doubt(decision, station, river, words)
        now.append(say["thresholds"].format(alarm=station.alarm_m, flood=station.flood_m))
        now += _local_terms(station, river.stage_m if river else math.nan, say)
        now += [say["tidal"]] if station.tidal else []
        now += [] if station.threshold_verified else [say["unverified"]]
    else:
        now.append(say["gauge"])
    if river and river.tier != "climatology":
        marks = (("alarm", Level.WATCH), ("flood", Level.WARNING), ("flood", Level.EMERGENCY))
        for mark, level in marks:
            days = HORIZON_D[level]
            p = river.p_by("alarm" if mark == "alarm" else "flood", days)
            if not math.isnan(p):
                chances.append(say[f"p_{mark}"].format(days=days, p=percent(p)))
        if decision.onset and decision.onset > decision.issue_time:
            chances.append(say["onset"].format(date=_date(decision.onset, decision, words)))
        chances += _record(decision, words)
        chances += _mrc(station, river, say)
        ahead += _ahead(decision, river, words)
    years = decision.rain.return_period_years if decision.rain else math.nan
    if years >= 2.0:
        ahead.append(say["rain"].format(years=f"{years:.0f}"))
    return [words["space"].join(part) for part in (now, chances, ahead)]


def _now(
    decision: Decision, station: Station, river: River, when: datetime, words: dict[str, Any]
) -> list[str]:
    say = words["flood"]
    local = when + timedelta(hours=decision.city.utc_offset_h)
    found = [
        say["stage"].format(
            station=station.name,
            stage=f"{river.stage_m:.2f}",
            date=_date(when, decision, words),
            time=f"{local:%H:%M}",
        )
    ]
    for mark, name in ((station.flood_m, "above_flood"), (station.alarm_m, "above_alarm")):
        if mark is not None and river.stage_m >= mark:
            found.append(say[name])
            break
    if not math.isnan(river.change_1d_m):
        found.append(say["trend"].format(change=f"{100 * river.change_1d_m:+.0f}"))
    return found


def _doubt(
    decision: Decision, station: Station, river: River | None, words: dict[str, Any]
) -> list[str]:
    """Say what the newest reading was where it is not believed."""
    doubt = river.doubt if river else None
    if doubt is None:
        return []
    local = doubt.time + timedelta(hours=decision.city.utc_offset_h)
    when = {"date": _date(doubt.time, decision, words), "time": f"{local:%H:%M}"}
    low, high = f"{doubt.lowest_m:.2f}", f"{doubt.highest_m:.2f}"
    if doubt.kind == "unconfirmed":
        return [words["flood"]["unconfirmed"].format(station=station.name, stage=high, **when)]
    return [words["flood"]["conflict"].format(station=station.name, low=low, high=high, **when)]


def _record(decision: Decision, words: dict[str, Any]) -> list[str]:
    """Say what became of earlier warnings of this level, or that they are too few to tell."""
    track, say = decision.track, words["track"]
    if track is None:
        return []
    if not track.enough:
        return [say["few"]]
    key = f"{MARK[decision.in_force]}_{'city' if track.of_city else 'all'}"
    since = _date(track.since, decision, words)
    return [say[key].format(since=since, true=track.came_true, issued=track.issued)]


def _mrc(station: Station | None, river: River, say: dict[str, str]) -> list[str]:
    """MRC's term: flood stage exceeded, or forecast (more likely than not) within three days."""
    if station and station.flood_m is not None and river.stage_m >= station.flood_m:
        return [say["mrc_flood"]]
    return [say["mrc_alarm"]] if river.p_by("flood", 3) >= 0.5 else []


def _ahead(decision: Decision, river: River, words: dict[str, Any]) -> list[str]:
    """Highest stage, what drives it, and whether it was ever seen."""
    say, peak = words["flood"], river.peak
    if peak is None:
        return []
    found = [
        say["peak"].format(
            days=river.leads[-1].days,
            stage=f"{peak.q50_m:.2f}",
            date=_date(peak.valid_time, decision, words),
            low=f"{peak.q05_m:.2f}",
            high=f"{peak.q95_m:.2f}",
        )
    ]
    parts = [
        f"{words['driver'][name]} {change:+.0f}"
        for name, change in sorted(peak.drivers_cm.items(), key=lambda one: (-abs(one[1]), one[0]))
        if abs(change) >= 0.5
    ]
    if parts:
        found.append(say["drivers"].format(parts=words["comma"].join(parts)))
    if any(lead.extrapolated for lead in river.leads):
        found.append(say["extrapolated"])
    return found


@lru_cache
def _bao_dong_2() -> dict[str, float]:
    """Vietnamese level II by station, metres, from the reference table."""
    with (REFERENCE / "thresholds.csv").open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["kind"] == "bao_dong_2"]
    return {row["station"]: float(row["value"]) for row in rows if row["verified"] == "V"}


def _local_terms(station: Station, stage_m: float, say: dict[str, str]) -> list[str]:
    """Words that the country's own service uses for the same marks.

    At MRC's Thai gauges flood stage is the height of the bank. Where level II is on record,
    alarm and flood stage are the Vietnamese levels I and III.
    """
    if station.country == "LA":
        return [say["lao"]]
    if station.country == "TH" and station.flood_m is not None and not math.isnan(stage_m):
        margin_m = station.flood_m - stage_m
        key = "thai_below" if margin_m >= 0.0 else "thai_above"
        return [say[key].format(margin=f"{abs(margin_m):.2f}")]
    if station.code in _bao_dong_2():
        two = _bao_dong_2()[station.code]
        return [say["vietnamese"].format(one=station.alarm_m, two=two, three=station.flood_m)]
    return []


def _drought(drought: Drought, number: int, words: dict[str, Any]) -> list[str]:
    """Paragraphs: the state now, the chances, the evidence."""
    say = words["drought"]
    now = drought.current_class
    state = ""
    if now is not None:
        key = "class_none" if now < 0 else "class_d3" if now >= 3 else "class"
        state = say[key].format(**{"class": f"D{now}"})
    p = {f"p{weeks}": drought.p_class(number, weeks) for weeks in (1, 4, 12)}
    chance = ""
    if drought.tier != "climatology" and not any(math.isnan(one) for one in p.values()):
        shown = {key: percent(one) for key, one in p.items()}
        chance = say["p"].format(**{"class": f"D{number}"}, **shown)
    values = (
        ("spi3", f"{drought.spi3:+.1f}", drought.spi3),
        ("soil", f"{drought.soil_moisture_percentile:.0f}", drought.soil_moisture_percentile),
        ("vhi", f"{drought.vhi:.0f}", drought.vhi),
    )
    evidence = [say[key].format(value=text) for key, text, value in values if not math.isnan(value)]
    return [state, chance, words["space"].join(evidence)]
