from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from shapely.geometry import Polygon

from pipeline.alerts import text as alert_text
from pipeline.alerts.decision import Decision
from pipeline.alerts.evidence import Doubt
from pipeline.alerts.flood import decide_flood
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.templates import LANGUAGES, list_texts, read_templates
from pipeline.alerts.track_record import TrackRecord
from pipeline.geography.names import city_name, station_name
from pipeline.geography.places import cities, stations
from tests.alerts.alert_cases import CITY, RULES, T0, UNKNOWN_RAIN, ramp, river
from tests.alerts.cap_cases import every_decision

SCRIPTS = {
    "en": "LATIN", "km": "KHMER", "lo": "LAO", "th": "THAI", "vi": "LATIN", "my": "MYANMAR",
    "zh": "CJK",
}  # fmt: skip
BRACKETED = (
    "flood stage", "alarm stage", "MRC", "SPI-3", "percentile", "EXERCISE", "season", "IMERG",
    "GK2A",
)  # fmt: skip
"""Latin words in brackets: the English beside a word that is not certain, and proper names."""


def test_the_area_in_words_reaches_as_far_as_the_polygon() -> None:
    """0.36 degrees of latitude are 39.8 km at 18 N."""
    corners = [(102.616, 18.291), (102.5, 17.9), (102.7, 17.9), (102.616, 18.291)]
    city = replace(CITY, area=Polygon(corners))
    for language in LANGUAGES:
        text = alert_text.compose_cancellation(
            city, "flood", event=Level.WATCH, status="Test", note="x", language=language, when=T0
        )
        assert text.area.startswith(city_name(city, language, asof=T0))
        assert "40" in text.area
    assert CITY.area != city.area


def test_a_cancellation_names_the_error_and_calms_nothing() -> None:
    for language in LANGUAGES:
        text = alert_text.compose_cancellation(
            CITY,
            "flood",
            event=Level.WARNING,
            status="Actual",
            note="Issued in error: wrong gauge.",
            language=language,
            when=T0,
        )
        templates = read_templates(language)
        name = city_name(CITY, language)
        assert text.event == templates["event"]["flood_warning"]
        assert text.headline == alert_text.describe_unassessed("flood", name, language)
        assert name in text.area
        assert text.description.splitlines()[-1] == "Issued in error: wrong gauge."
        assert templates["instruction"]["over"] not in text.instruction


def test_the_name_stands_in_headline_area_and_description() -> None:
    gauges, towns = stations(), cities()
    town = towns["nakhon_phanom"]
    decision = decide(town.id, stage_m=11.0)
    names = {
        "en": "Nakhon Phanom", "km": "នគរភ្នំ", "lo": "ນະຄອນພະນົມ", "th": "นครพนม",
        "my": "Nakhon Phanom", "zh": "那空拍侬",
    }  # fmt: skip
    for language, name in names.items():
        text = alert_text.compose(decision, event=Level.WARNING, status="Test", language=language)
        assert name in text.headline
        assert name in text.area
        assert name in text.description
        assert station_name(gauges["013101"], language) == name


def test_every_language_names_its_sender_and_its_tag() -> None:
    texts = [
        alert_text.compose(decide("pakse"), event=Level.WATCH, status="Test", language=language)
        for language in LANGUAGES
    ]
    assert [text.language for text in texts] == [*LANGUAGES[:-1], "zh-CN"]
    assert len({text.sender for text in texts}) == len(LANGUAGES)
    assert texts[0].sender == "Mekong early warning pipeline"


def test_a_headline_begins_with_the_first_sentence_of_the_banner() -> None:
    first = {
        "en": "EXERCISE. ", "km": "ការធ្វើសមយុទ្ធ (EXERCISE)។ ",
        "lo": "ການຊ້ອມແຜນ (EXERCISE). ", "th": "นี่คือการฝึกซ้อม ", "vi": "DIỄN TẬP. ",
        "my": "ဇာတ်တိုက်လေ့ကျင့်ခြင်း (EXERCISE)။ ", "zh": "【演习】",
    }  # fmt: skip
    for language, banner in first.items():
        text = alert_text.compose(
            decide("pakse"), event=Level.WATCH, status="Exercise", language=language
        )
        event = read_templates(language)["event"]["flood_watch"]
        assert text.headline.startswith(f"{banner}{event}")


def decide(
    city: str, *, stage_m: float = 9.0, change_1d_m: float = 0.13, doubt: Doubt | None = None,
    tier: str = "full", verified: bool = True, extrapolated: bool = True,
) -> Decision:  # fmt: skip
    """Decide the flood level of a city at its gauge, with all that a message can tell."""
    town = cities()[city]
    station = replace(stations()[town.station or ""], threshold_verified=verified)
    alarm, high = ramp(0.995, 0.6, 0.004)
    forecast = river(
        station=station.code, stage_m=stage_m, change_1d_m=change_1d_m, p_alarm=alarm,
        p_flood=high, tier=tier, extrapolated=extrapolated,
    )  # fmt: skip
    drivers = dict.fromkeys(read_templates("en")["driver"], 3.0)
    leads = tuple(replace(lead, drivers_cm=drivers) for lead in forecast.leads)
    return decide_flood(
        town, issue_time=T0, station=station, river=replace(forecast, leads=leads, doubt=doubt),
        rain=UNKNOWN_RAIN, state=None, rules=RULES,
    )  # fmt: skip


def all_decisions() -> Iterator[Decision]:
    """Decisions whose messages use every template that no night need have."""
    yield from every_decision()
    record = TrackRecord(since=datetime(2026, 6, 1, tzinfo=UTC), issued=10, hits=7, of_city=True)
    doubts = [
        None,
        Doubt(kind="unconfirmed", lowest_m=14.0, highest_m=14.0, time=T0),
        Doubt(kind="conflict", lowest_m=9.0, highest_m=14.0, time=T0),
    ]
    for city, town in cities().items():
        if town.station:
            for doubt, change_m, stage_m in zip(
                doubts, (0.13, -0.2, 0.0), (9.0, 14.6, 30.0), strict=True
            ):
                decision = decide(
                    city, stage_m=stage_m, change_1d_m=change_m, doubt=doubt, verified=False
                )
                yield replace(decision, track_record=record)
                yield replace(decision, track_record=replace(record, of_city=False))
                yield replace(decision, track_record=replace(record, issued=3))
    missing = tuple(read_templates("en")["missing"].keys() - {"intro", "separator", "gauge"})
    yield replace(decide("pakse"), missing=missing, reasons=("held",))
    yield replace(decide("pakse"), river_level=Level.NONE, in_force=Level.UNKNOWN)


def all_texts(language: str) -> Iterator[str]:
    """All lines of all messages in a language, without what is Latin by right."""
    for decision in all_decisions():
        event = decision.in_force if decision.in_force in RAISED else Level.WATCH
        text = alert_text.compose(decision, event=event, status="Exercise", language=language)
        headline = alert_text.compose_headline(decision, event=decision.in_force, language=language)
        names = [city_name(decision.city, language)]
        names += [station_name(decision.station, language)] if decision.station else []
        parts = (text.sender, text.event, text.headline, headline, text.description,
                 text.instruction, text.area)  # fmt: skip
        for line in "\n".join(parts).splitlines():
            cleaned = line
            for name in sorted(names, key=len, reverse=True):
                cleaned = cleaned.replace(name, "")
            yield cleaned


def script(sign: str) -> str:
    """First word of a letter's or mark's name, as LATIN or KHMER; empty for other signs."""
    if unicodedata.category(sign)[0] not in "LM":
        return ""
    return unicodedata.name(sign).split()[0]


@pytest.mark.parametrize("language", LANGUAGES)
def test_messages_have_one_script_and_no_latin_but_the_safe_forms(language: str) -> None:
    own = SCRIPTS[language]
    lines = set(all_texts(language))
    assert len(lines) > 100, "the messages were made"
    faults = set()
    for line in lines:
        cleaned = line
        if own != "LATIN":
            for words in BRACKETED:
                cleaned = re.sub(rf"[(（]{re.escape(words)}[)）]", "", cleaned)
            cleaned = re.sub(r"(?<![A-Za-z])D[0-4](?!\d)", "", cleaned)
        scripts = {script(sign) for sign in cleaned} - {"", own}
        if scripts:
            faults.add(cleaned)
    assert faults == set()


def test_the_messages_of_that_test_use_every_template() -> None:
    """A template that no message uses would be let through."""
    unused = ("months.", "date", "time", "banner.test", "banner.unreviewed", "missing.gauge",
              "hazard.drought", "short.", "read.")  # fmt: skip
    lines = "\n".join(line for decision in all_decisions() for line in compose_everything(decision))
    for key, text in list_texts(read_templates("en")).items():
        pieces = [piece for piece in re.split(r"\{\w+\}", text) if piece.strip(" .:,;")]
        if not key.startswith(unused):
            assert all(piece in lines for piece in pieces), key


def compose_everything(decision: Decision) -> list[str]:
    """English lines of a decision."""
    event = decision.in_force if decision.in_force in RAISED else Level.WATCH
    text = alert_text.compose(decision, event=event, status="Exercise", language="en")
    headline = alert_text.compose_headline(decision, event=decision.in_force)
    return [text.sender, text.event, text.headline, headline, text.description, text.instruction,
            text.area]  # fmt: skip
