"""Texts to read aloud and their clips: all that can be said spells out from the list."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace

import pytest

from pipeline.alerts.levels import Level
from pipeline.alerts.notice import Notice
from pipeline.alerts.spoken import (
    compose_phrases,
    list_clips,
    say_stage,
    write_clips,
    write_read,
    write_say,
)
from pipeline.alerts.templates import LANGUAGES, list_texts, read_templates
from pipeline.geography.names import city_name
from pipeline.geography.places import cities
from tests.alerts.alert_cases import CITY, TOWN
from tests.alerts.short_cases import all_notices, drought_at, ended, flood_at, tell

AUTHORITY = "Department of Meteorology"
SIGNS = "%‰>/<+=()[]{}（）【】&@#*|\\~^_–—…\"'"
"""Signs that a reader would stumble over."""


def spell(clips: tuple[str, ...], language: str) -> str:
    """Say some clips as they would be recorded."""
    words = {clip.id: clip.words for clip in list_clips(language)}
    words |= {id_: AUTHORITY for id_ in words if id_.startswith("authority_of_")}
    return spoken("".join(words[clip] for clip in clips))


def spoken(text: str) -> str:
    """Letters, marks and digits of a text."""
    return "".join(sign for sign in text if unicodedata.category(sign)[0] in "LMN")


@pytest.mark.parametrize("authority", [AUTHORITY, pytest.param(None, marks=pytest.mark.slow)])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_spells_out_from_the_list(language: str, authority: str | None) -> None:
    seen = {
        phrase for notice in all_notices(authority) for phrase in compose_phrases(notice, language)
    }
    words = {clip.id: clip.words for clip in list_clips(language)}
    words |= {id_: AUTHORITY for id_ in words if id_.startswith("authority_of_")}
    for phrase in seen:
        assert spoken("".join(words[clip] for clip in phrase.clips)) == spoken(phrase.text)
        assert phrase.clips
        assert not set(SIGNS) & set(phrase.text), phrase.text
    texts = "\n".join(phrase.text for phrase in seen)
    for city in cities().values():
        assert city_name(city, language) in texts


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_stage_from_0_to_30_99_m_spells_out(language: str) -> None:
    templates = read_templates(language)
    words = {clip.id: clip.words for clip in list_clips(language)}
    said = set()
    for centimetres in range(3100):
        phrase = say_stage(centimetres / 100, templates)
        assert spoken("".join(words[clip] for clip in phrase.clips)) == spoken(phrase.text)
        numbers = [int(words[clip]) for clip in phrase.clips if clip.startswith("number_")]
        assert numbers == [*divmod(centimetres, 100)][: 2 if centimetres % 100 else 1]
        said.add(phrase.clips)
    assert len(said) == 3100, "no two stages sound alike"


def test_stages_are_said_in_metres_and_centimetres() -> None:
    texts = {
        "en": ("13 metres 5 centimetres", "12 metres"),
        "th": ("13 เมตร 5 เซนติเมตร", "12 เมตร"),
        "zh": ("13米5厘米", "12米"),
    }
    for language, expected in texts.items():
        templates = read_templates(language)
        stages = say_stage(13.05, templates), say_stage(11.999, templates)
        assert tuple(stage.text for stage in stages) == expected
    clips = ("number_13", "centimetres_2", "number_5", "centimetres_3")
    assert say_stage(13.05, read_templates("en")).clips == clips


def test_a_stage_out_of_range_is_refused() -> None:
    for stage_m in (100.0, -0.5):
        with pytest.raises(ValueError, match="expected a number from 0 to 99"):
            say_stage(stage_m, read_templates("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_list_has_every_clip_once_and_at_most_250(language: str) -> None:
    clips = list_clips(language)
    ids = [clip.id for clip in clips]
    assert 190 <= len(ids) <= 250
    assert len(set(ids)) == len(ids)
    assert all(id_.isascii() and id_.replace("_", "").isalnum() for id_ in ids)
    assert all(clip.words for clip in clips)
    assert {f"number_{number}" for number in range(100)} <= {*ids}
    assert {f"month_{month}" for month in range(1, 13)} <= {*ids}
    assert {f"city_{city}" for city in cities()} <= {*ids}


def test_every_clip_of_the_list_is_used_by_some_message() -> None:
    """Numbers and months apart; a clip that no message says is recorded for nothing."""
    notices = [*all_notices(), *all_notices(AUTHORITY)]
    falling = flood_at(CITY, Level.WARNING)
    assert falling.river is not None
    falling = replace(falling, river=replace(falling.river, stage_m=29.0))
    whole = flood_at(CITY, Level.WARNING, stage_m=12.3)
    notices += [tell(falling), tell(whole)]
    used = {
        clip for notice in notices for phrase in compose_phrases(notice, "en")
        for clip in phrase.clips
    }  # fmt: skip
    listed = {clip.id for clip in list_clips("en")}
    assert used <= listed
    assert {id_ for id_ in listed - used if not id_.startswith(("number_", "month_"))} == set()


def test_texts_use_every_template() -> None:
    """A template that no message uses would be let through."""
    keys = {clip.id.rpartition("_")[0] for clip in list_clips("en")}
    texts = list_texts(read_templates("en"))
    assert {key.removeprefix("read.") for key in texts if key.startswith("read.")} - keys == {
        "date"
    }, "a date in English has no words beside its number and month"


def lines(notice: Notice) -> list[str]:
    return write_read([notice], "en").splitlines()


def test_messages_in_english_word_for_word() -> None:
    pakse = cities()["pakse"]
    emergency = flood_at(pakse, Level.EMERGENCY, stage_m=12.93)
    assert lines(tell(emergency, status="Exercise")) == [
        "pakse-flood",
        "Exercise. This message is made from synthetic data. Do not act on it.",
        "Flood, level 3 of 3, Emergency: Pakse.",
        "The highest stage of the river is expected on 27 October: 13 metres 63 centimetres.",
        "Go to high ground now and stay there. Do not walk or drive through water.",
        "This is an automatic forecast. It is not an official warning.",
    ]
    drought = replace(drought_at(pakse, Level.WATCH), other_hazard=Level.WARNING)
    assert lines(tell(drought, status="Test", phase="worsening", authority=AUTHORITY)) == [
        "pakse-drought",
        "Test. This is not an official warning.",
        "Drought, level 1 of 3, Watch: Pakse.",
        "The drought is getting worse.",
        "Check stores of water. There may be less water in the coming weeks.",
        "A flood warning is in force here too, level 2 of 3.",
        "This message comes from Department of Meteorology.",
    ]


def test_what_is_not_known_is_no_all_clear() -> None:
    unknown = replace(flood_at(CITY, Level.WARNING), level=Level.UNKNOWN)
    level, state, action = lines(tell(unknown, change="unassessed"))[1:4]
    assert level == "Flood, level 2 of 3, Warning: Vientiane."
    assert state.startswith("The evidence is too short for an assessment. The last level stays in")
    assert action.startswith("Prepare to leave.")
    assert action.endswith("People who need more time go first.")
    unsure = ended(unknown, "not_known")
    gone = tell(unsure, event=Level.WARNING, change="ended", ending="not_known")
    assert "This is no all-clear." in lines(gone)[2]
    assert "ended" not in " ".join(lines(gone)[1:])
    clear = ended(unknown, "all_clear")
    over = tell(clear, event=Level.WARNING, change="ended", ending="all_clear")
    assert lines(over)[2:4] == [
        "This warning has ended.",
        "Water may still stand in low ground. Return only when your authorities say so.",
    ]


def test_an_event_that_ends_names_no_other_hazard() -> None:
    both = replace(flood_at(CITY, Level.WATCH), other_hazard=Level.WARNING)
    assert "A drought warning is in force here too, level 2 of 3." in lines(tell(both))
    over = ended(both, "monitor")
    text = lines(tell(over, event=Level.WATCH, change="ended", ending="monitor"))
    assert not [line for line in text if "drought" in line]


def test_the_order_of_clips_is_a_list_of_sentences_per_event() -> None:
    flood = tell(flood_at(CITY, Level.EMERGENCY), status="Exercise", change="raised")
    content = write_say([flood, tell(drought_at(TOWN, Level.WATCH), authority=AUTHORITY)], "lo")
    say = json.loads(content)
    assert (say["schema_version"], say["language"], say["reviewed"]) == (1, "lo", False)
    first, second = say["messages"]
    assert {key: first[key] for key in ("event", "status", "level", "change")} == {
        "event": "vientiane-flood", "status": "Exercise", "level": 3, "change": "raised",
    }  # fmt: skip
    assert first["sentences"][:3] == [
        ["exercise_1"],
        ["flood_emergency_1", "city_vientiane"],
        ["highest_1", "number_27", "month_10",
         "number_19", "centimetres_2", "number_99", "centimetres_3"],
    ]  # fmt: skip
    assert second["sentences"][-1] == ["authority_1", "authority_of_kh"]
    assert spell(("flood_emergency_1", "city_vientiane"), "lo") in spoken(write_read([flood], "lo"))


def test_a_file_to_read_says_that_it_is_not_reviewed() -> None:
    notices = [tell(flood_at(CITY, Level.WATCH)), tell(drought_at(TOWN, Level.WATCH))]
    assert write_read(notices, "my").startswith("# unreviewed translation; ")
    blocks = write_read(notices, "en").split("\n\n")
    assert [block.partition("\n")[0] for block in blocks] == [
        "vientiane-flood",
        "siem_reap-drought",
    ]


def test_the_list_is_a_table_of_ids_and_words() -> None:
    rows = write_clips("vi").splitlines()
    assert rows[0] == "id,words"
    assert "number_0,0" in rows
    assert "month_8,tháng 8" in rows
    assert "city_ho_chi_minh_city,Thành phố Hồ Chí Minh" in rows
    assert len(rows) == 1 + len(list_clips("vi"))
    with pytest.raises(LookupError, match="expected one of en, km"):
        list_clips("fr")


def test_the_cities_of_the_region_have_a_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "city_makassar" not in {clip.id for clip in list_clips("en")}
    monkeypatch.setenv("MEKONG_REGION", "asean")
    assert "city_makassar" in {clip.id for clip in list_clips("en")}
