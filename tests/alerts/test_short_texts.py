"""SMS and cell broadcasts: they fit as a phone counts, and say what matters in order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.alerts import short_texts
from pipeline.alerts.levels import Level
from pipeline.alerts.notice import Notice
from pipeline.alerts.short_texts import (
    compose_broadcast,
    compose_sms,
    count_sms_parts,
    count_sms_units,
    summarise,
    write_broadcasts,
    write_sms,
)
from pipeline.alerts.templates import LANGUAGES, read_templates
from pipeline.geography.names import city_name
from pipeline.geography.places import cities
from tests.alerts.alert_cases import CITY, TOWN, hold
from tests.alerts.short_cases import PHASES, all_notices, drought_at, ended, flood_at, tell

SHORT_NAME, NAME = "MOWRAM DHRW", "Hydrology and Meteorology"
"""Names of authorities: the longest that every broadcast of an Emergency holds, 11 letters, and one
of 25."""
LINKS = ("http", "://", "www", ".org", ".com", ".int")


def units(text: str) -> int:
    """UTF-16 units, counted by the encoder of Python."""
    return len(text.encode("utf-16-le")) // 2


def cut(text: str, language: str) -> list[str]:
    """Parts in which a phone sends a text of these languages.

    Plain ASCII without the signs of the extension table takes one septet a letter; nothing here
    lies beyond the basic plane, where a character takes two units.
    """
    if language == "en":
        assert text.isascii()
        assert not set("[]{}\\^~|") & set(text)
        single, part = 160, 153
    else:
        assert all(ord(sign) < 0x10000 for sign in text)
        single, part = 70, 67
    if len(text) <= single:
        return [text]
    return [text[start : start + part] for start in range(0, len(text), part)]


def phrase(key: str, language: str) -> str:
    return str(read_templates(language)["short"][key])


def expected_pieces(notice: Notice, language: str) -> list[str]:
    """Pieces that no short text may leave out, in their order, but for who says it."""
    gist, phrases = summarise(notice), read_templates(language)["short"]
    city = city_name(notice.decision.city, language)
    what = phrases[notice.decision.hazard].format(number=gist.number, city=city)
    final = gist.state in {"ended", "not_known", "unknown"}
    return [
        *([phrases[gist.status]] if gist.status else []),
        what,
        *([phrases[gist.state]] if final else []),
        phrases[f"do_{gist.action}"],
    ]


def stand_in_order(pieces: list[str], text: str) -> bool:
    position = 0
    for piece in pieces:
        found = text.find(piece, position)
        if found < 0:
            return False
        position = found + len(piece)
    return True


@pytest.mark.parametrize("authority", [None, pytest.param(NAME, marks=pytest.mark.slow)])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sms_fits_two_parts_and_its_first_line_is_complete(
    language: str, authority: str | None
) -> None:
    count = 0
    for notice in all_notices(authority):
        text = compose_sms(notice, language)
        first, *rest = text.split("\n")
        parts = cut(text, language)
        assert len(parts) <= 2, text
        assert count_sms_parts(text) == len(parts)
        assert parts[0].startswith(first), (first, parts[0])
        assert len(rest) <= 1
        assert stand_in_order(expected_pieces(notice, language), first), text
        assert (authority or phrase("automatic", language)) in text
        assert not any(link in text.lower() for link in LINKS)
        count += 1
    assert count == 3 * (25 * 32 + 15 * 12 + 40 * 28), "25 cities with a gauge, 15 without"


@pytest.mark.parametrize(
    "authority",
    [
        SHORT_NAME,
        pytest.param(None, marks=pytest.mark.slow),
        pytest.param(NAME, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_broadcast_fits_the_phones_of_its_level(language: str, authority: str | None) -> None:
    for notice in all_notices(authority):
        text = compose_broadcast(notice, language)
        assert units(text) <= (90 if notice.event is Level.EMERGENCY else 157), text
        assert "\n" not in text
        assert stand_in_order(expected_pieces(notice, language), text), text
        emergency = notice.event is Level.EMERGENCY
        automatic = "unofficial" if emergency else "automatic"
        if not emergency or (notice.status == "Actual" and authority != NAME):
            assert (authority or phrase(automatic, language)) in text, text
        assert not any(link in text.lower() for link in LINKS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_highest_stage_and_its_day_are_told_before_what_to_do(language: str) -> None:
    """In the first line of an SMS that is no exercise, but for Burmese, whose words are longer."""
    templates = read_templates(language)
    for city in cities().values():
        for level in (Level.WARNING, Level.EMERGENCY) if city.station else ():
            date = {"en": "27 Oct", "zh": "10月27日"}.get(language, "27/10")
            stage = "19,99" if language == "vi" else "19.99"
            highest = templates["short"]["highest"].format(stage=stage, date=date)
            action = templates["short"][f"do_flood_{level}"]
            notice = tell(flood_at(city, level))
            sms, broadcast = compose_sms(notice, language), compose_broadcast(notice, language)
            assert highest in sms
            if language != "my":
                assert stand_in_order([highest, action], sms.split("\n")[0]), sms
            assert stand_in_order([highest, action], broadcast), broadcast


def test_messages_in_english_word_for_word() -> None:
    vientiane, pakse = cities()["vientiane"], cities()["pakse"]
    emergency = flood_at(pakse, Level.EMERGENCY, stage_m=12.93)
    assert compose_sms(tell(emergency, status="Exercise"), "en") == (
        "EXERCISE. Flood level 3 of 3: Pakse. Peak 13.63 m 27 Oct. Go to high ground now. "
        "Automatic forecast, not official\n"
        "Stay there. Do not walk or drive through water"
    )
    assert compose_broadcast(tell(emergency), "en") == (
        "Flood level 3 of 3: Pakse. Peak 13.63 m 27 Oct. Go to high ground now. Unofficial"
    )
    drought = drought_at(vientiane, Level.WARNING)
    assert compose_broadcast(tell(drought, authority="DMH", phase="worsening"), "en") == (
        "Drought level 2 of 3: Vientiane. Worsening. Save water. Drinking water first. DMH"
    )
    over = ended(flood_at(vientiane, Level.WARNING), "all_clear")
    assert compose_sms(
        tell(over, event=Level.WARNING, ending="all_clear", change="ended"), "en"
    ) == (
        "Flood level 2 of 3: Vientiane. Ended. Return when authorities say so. "
        "Automatic forecast, not official\nWater may still stand in low ground"
    )


def test_a_warning_says_who_goes_first() -> None:
    for language in LANGUAGES:
        first = read_templates(language)["short"]["more_flood_warning"]
        for city in cities().values():
            if city.station:
                notice = tell(flood_at(city, Level.WARNING))
                assert first in compose_broadcast(notice, language)
                if language != "my":
                    assert first in compose_sms(notice, language), city.id


def test_a_level_that_is_not_assessed_stays_and_is_no_all_clear() -> None:
    decision = replace(flood_at(CITY, Level.EMERGENCY), level=Level.UNKNOWN)
    text = compose_sms(tell(decision, change="unassessed"), "en")
    assert text.startswith("Flood level 3 of 3: Vientiane. Not assessed. Go to high ground now.")
    assert "Peak" not in text
    gone = ended(decision, "not_known")
    text = compose_sms(tell(gone, event=Level.EMERGENCY, ending="not_known", change="ended"), "en")
    assert "Not known. No all-clear, stay alert" in text
    assert "Not known any more; this is no all-clear" in text
    assert "Ended" not in text


def test_a_held_level_tells_to_stay_away() -> None:
    held = hold(flood_at(CITY, Level.EMERGENCY))
    assert "Stay away from the water" in compose_sms(tell(held), "en")
    assert "Go to high ground" not in compose_sms(tell(held), "en")
    drought = hold(drought_at(CITY, Level.WATCH))
    assert "Check water stores" in compose_sms(tell(drought), "en")
    unknown = replace(held, level=Level.UNKNOWN)
    assert summarise(tell(unknown)).action == "flood_emergency"


def test_a_watch_of_rain_tells_the_rain_and_no_stage() -> None:
    for decision in (
        flood_at(TOWN, Level.WATCH),
        replace(flood_at(CITY, Level.WATCH), river_level=Level.NONE, rain_level=Level.WATCH),
        replace(flood_at(CITY, Level.WATCH), river_level=Level.UNKNOWN, rain_level=Level.WATCH),
    ):
        text = compose_broadcast(tell(decision), "en")
        assert ". Heavy rain. " in text
        assert "Peak" not in text
    river = replace(flood_at(CITY, Level.WATCH), rain_level=Level.WATCH)
    assert "Peak 19.99 m" in compose_broadcast(tell(river), "en")
    held = replace(flood_at(CITY, Level.WARNING), river_level=Level.NONE, rain_level=Level.WATCH)
    assert "Heavy rain" not in compose_sms(tell(held), "en")


def test_a_stage_is_told_as_the_last_reading_where_none_is_higher() -> None:
    decision = flood_at(CITY, Level.WARNING, stage_m=11.0)
    assert decision.river is not None
    falling = replace(decision, river=replace(decision.river, stage_m=12.01))
    assert "River 12.01 m 20 Oct" in compose_sms(tell(falling), "en")
    assert "Peak 11.70 m 27 Oct" in compose_sms(tell(decision), "en")


def test_the_day_is_that_of_the_city() -> None:
    """18:00 UTC is 1 in the morning of the next day at UTC+7."""
    decision = flood_at(CITY, Level.WARNING)
    assert decision.river is not None
    leads = tuple(
        replace(lead, valid_time=lead.valid_time.replace(hour=18)) for lead in decision.river.leads
    )
    late = replace(decision, river=replace(decision.river, leads=leads))
    assert "Peak 19.99 m 28 Oct" in compose_sms(tell(late), "en")


def test_a_drought_tells_its_phase() -> None:
    decision = drought_at(CITY, Level.WATCH)
    states = {phase: summarise(tell(decision, phase=phase)).state for phase in PHASES}
    assert states == {
        "onset": "",
        "worsening": "worsening",
        "partial_recovery": "easing",
        "full_recovery": "easing",
    }


def test_no_stage_is_told_without_a_forecast_or_below_gauge_zero() -> None:
    decision = flood_at(CITY, Level.WARNING)
    assert decision.river is not None
    climatology = replace(decision.river, tier="climatology")
    for river in (None, climatology, replace(decision.river, leads=())):
        assert summarise(tell(replace(decision, river=river))).cause == ""
    for stage_m, cause in ((-0.71, ""), (-0.70, "highest"), (98.0, "highest"), (99.0, "")):
        gist = summarise(tell(flood_at(CITY, Level.WARNING, stage_m=stage_m)))
        assert gist.cause == cause, stage_m


def test_what_does_not_fit_gives_way_in_order() -> None:
    """The stage moves to the second line, then what else to do is left out; never the level."""
    decision = flood_at(replace(CITY, name="Krung Thep " * 4), Level.EMERGENCY)
    city = replace(decision.city, id="nowhere")
    decision = replace(decision, city=city)
    first, second = compose_sms(tell(decision), "lo").split("\n")
    phrases = read_templates("lo")["short"]
    assert phrases["do_flood_emergency"] in first
    assert second.startswith(phrases["highest"].partition(" ")[0])
    assert phrases["more_flood_emergency"] not in second
    assert phrases["automatic"] in second
    text = compose_broadcast(tell(decision), "lo")
    assert phrases["unofficial"] in text
    assert "19.99" not in text


def test_the_name_of_an_authority_that_does_not_fit_is_left_out() -> None:
    name = "National Centre of Hydrology and of Meteorology of the Ministry, Department 4"
    notice = tell(flood_at(CITY, Level.EMERGENCY), authority=name)
    for language in LANGUAGES:
        assert count_sms_parts(compose_sms(notice, language)) <= 2
        assert units(compose_broadcast(notice, language)) <= 90
        assert name not in compose_broadcast(notice, language)
        unofficial = read_templates(language)["short"]["unofficial"]
        assert unofficial not in compose_broadcast(notice, language)


def test_an_english_sms_stays_in_the_alphabet_of_phones() -> None:
    notice = tell(flood_at(CITY, Level.WATCH), authority="Đài Khí tượng Thủy văn")
    text = compose_sms(notice, "en")
    assert "Dài Khi tuong Thuy van" in text
    assert count_sms_units(text)[0] == "gsm7"


@pytest.mark.parametrize(
    ("text", "alphabet", "units", "parts"),
    [
        ("", "gsm7", 0, 1),
        ("a" * 160, "gsm7", 160, 1),
        ("a" * 161, "gsm7", 161, 2),
        ("a" * 159 + "€", "gsm7", 161, 2),
        ("a" * 306, "gsm7", 306, 2),
        ("a" * 152 + "€" + "a" * 151, "gsm7", 305, 2),
        ("a" * 152 + "€" + "a" * 152, "gsm7", 306, 3),
        ("{}[]~^|\\", "gsm7", 16, 1),
        ("à\n", "gsm7", 2, 1),
        ("ạ" * 70, "ucs2", 70, 1),
        ("ạ" * 71, "ucs2", 71, 2),
        ("ạ" * 134, "ucs2", 134, 2),
        ("ạ" * 135, "ucs2", 135, 3),
        ("🌊" * 35, "ucs2", 70, 1),
        ("ạ" * 66 + "🌊" + "ạ" * 65, "ucs2", 133, 2),
        ("ạ" * 66 + "🌊" + "ạ" * 66, "ucs2", 134, 3),
    ],
)
def test_units_and_parts_are_those_of_a_phone(
    text: str, alphabet: str, units: int, parts: int
) -> None:
    """3GPP TS 23.038 and 23.040: no character is torn between two parts."""
    assert count_sms_units(text) == (alphabet, units)
    assert count_sms_parts(text) == parts


def test_the_alphabet_is_that_of_the_standard() -> None:
    """128 places less the escape; ten characters of the extension table."""
    assert len(short_texts.GSM_7) == 127
    assert len(short_texts.GSM_7_EXTENSION) == 10


def test_a_file_has_a_block_per_event_and_says_that_it_is_not_reviewed() -> None:
    notices = [tell(flood_at(CITY, Level.WATCH)), tell(drought_at(TOWN, Level.WATCH))]
    for write in (write_sms, write_broadcasts):
        english = write(notices, "en")
        names, blocks = [], english.removesuffix("\n").split("\n\n")
        for block in blocks:
            name, text = block.split("\n", 1)
            names.append(name)
            assert text
        assert names == ["vientiane-flood", "siem_reap-drought"]
        assert write([], "en") == ""
        mark, rest = write(notices, "lo").split("\n", 1)
        assert mark == "# unreviewed translation; the English file counts"
        assert rest.startswith("vientiane-flood\n")
        assert "# " not in rest
        assert write([], "lo") == f"{mark}\n"
