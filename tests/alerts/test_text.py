from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace

import pytest
from shapely.geometry import Polygon

from pipeline.alerts.drought_paragraphs import name_class
from pipeline.alerts.headlines import compose_headline
from pipeline.alerts.levels import Level
from pipeline.alerts.notice import Ending, Notice
from pipeline.alerts.templates import LANGUAGES, list_texts, read_templates
from pipeline.alerts.text import compose, compose_cancellation
from pipeline.choices import Product
from pipeline.geography.names import city_name, station_name
from pipeline.geography.places import cities, stations
from tests.alerts.alert_cases import CITY, T0, drought, dry_spell, flood
from tests.alerts.notice_cases import decide, every_notice, note

SCRIPTS = {
    "en": "LATIN", "km": "KHMER", "lo": "LAO", "th": "THAI", "vi": "LATIN", "my": "MYANMAR",
    "zh": "CJK",
}  # fmt: skip
BRACKETED = (
    "flood stage", "alarm stage", "SPI-3", "percentile", "EXERCISE", "season", "IMERG", "GK2A",
)  # fmt: skip
"""Latin words in brackets: the English beside a word that is not certain, and proper names."""
PRODUCTS: tuple[Product, ...] = ("warning", "advisory", "vigilance")
ENDINGS: tuple[Ending, ...] = ("all_clear", "monitor", "not_known")
WARNING = note(flood(0.6, 0.6))


def lines_of(notice: Notice, language: str) -> tuple[list[str], list[str]]:
    """Lines of a description above those for hydrologists, and those below."""
    templates = read_templates(language)
    lines = compose(notice, language=language).description.splitlines()
    mark = templates["line"]["hydrologists"]
    number = next((n for n, line in enumerate(lines) if line.startswith(mark)), len(lines))
    return lines[:number], lines[number + 1 :]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_description_has_five_lines_each_with_its_own_word_first(language: str) -> None:
    templates = read_templates(language)
    words = [templates["line"][key] for key in ("what", "where", "when", "sure", "now")]
    banners = 1 + (language != "en")
    for notice in every_notice():
        above, _ = lines_of(notice, language)
        told = [line.split(templates["colon"].strip())[0] for line in above[banners:-1]]
        expected = words if notice.ending is None else [word for word in words if word in told]
        assert told == expected
        assert above[-1] in {
            templates["banner"]["automatic"],
            templates["banner"]["authority"].format(authority="DMH"),
        }


def test_the_five_lines_are_short() -> None:
    """About 700 characters of English where one reading is not in doubt."""
    record = every_notice()
    longest = max(
        sum(map(len, lines_of(notice, "en")[0][1:-1]))
        for notice in record
        if not (notice.decision.river and notice.decision.river.doubt)
        and len(notice.decision.missing) < 10
    )
    assert 500 < longest < 760


def test_seven_languages_leave_room_for_the_rest_of_a_message() -> None:
    """A message of seven languages has 48 kB, of which elements and parameters take 18.5."""
    sizes = []
    for notice in every_notice():
        if len(notice.decision.missing) > 10:
            continue
        texts = [compose(notice, language=language) for language in LANGUAGES]
        parts = [(text.headline, text.description, text.instruction, text.area) for text in texts]
        sizes.append(sum(len(part.encode()) for text in parts for part in text))
    assert 20_000 < max(sizes) < 29_500


def test_the_area_in_words_reaches_as_far_as_the_polygon() -> None:
    """0.36 degrees of latitude are 39.8 km at 18 N."""
    corners = [(102.616, 18.291), (102.5, 17.9), (102.7, 17.9), (102.616, 18.291)]
    city = replace(CITY, area=Polygon(corners))
    for language in LANGUAGES:
        text = compose_cancellation(
            city, "flood", status="Test", note="x", language=language, when=T0
        )
        assert text.area.startswith(city_name(city, language, asof=T0))
        assert "40" in text.area
    assert CITY.area != city.area


def test_a_cancellation_names_the_error_and_calms_nothing() -> None:
    for language in LANGUAGES:
        text = compose_cancellation(
            CITY,
            "flood",
            status="Actual",
            note="Issued in error: wrong gauge.",
            language=language,
            when=T0,
        )
        templates = read_templates(language)
        name = city_name(CITY, language)
        assert text.event == templates["hazard"]["flood"]
        assert text.headline == templates["headline"]["withdrawn"].format(
            hazard=templates["hazard"]["flood"], city=name
        )
        assert name in text.area
        assert text.description.splitlines()[-1] == "Issued in error: wrong gauge."
        assert text.instruction == templates["instruction"]["authority"]


def test_the_event_is_the_same_at_every_level_and_at_the_end() -> None:
    for language in LANGUAGES:
        templates = read_templates(language)
        for notice in every_notice():
            event = compose(notice, language=language).event
            assert event == templates["hazard"][notice.decision.hazard]


def test_the_name_stands_in_headline_area_and_description() -> None:
    gauges, towns = stations(), cities()
    town = towns["nakhon_phanom"]
    decision = decide(town.id, stage_m=11.0)
    names = {
        "en": "Nakhon Phanom", "km": "នគរភ្នំ", "lo": "ນະຄອນພະນົມ", "th": "นครพนม",
        "my": "Nakhon Phanom", "zh": "那空拍侬",
    }  # fmt: skip
    for language, name in names.items():
        text = compose(note(decision), language=language)
        assert name in text.headline
        assert name in text.area
        assert name in text.description
        assert station_name(gauges["013101"], language) == name


def test_every_language_names_its_sender_and_its_tag() -> None:
    texts = [compose(WARNING, language=language) for language in LANGUAGES]
    assert [text.language for text in texts] == [*LANGUAGES[:-1], "zh-CN"]
    assert len({text.sender for text in texts}) == len(LANGUAGES)
    assert texts[0].sender == "Mekong early warning pipeline"


@pytest.mark.parametrize("language", LANGUAGES)
def test_whose_word_it_is_is_said_once(language: str) -> None:
    automatic = read_templates(language)["banner"]["automatic"]
    for notice in every_notice():
        text = compose(notice, language=language)
        whole = f"{text.headline}\n{text.description}\n{text.instruction}\n{text.area}"
        assert whole.count(automatic) == (notice.authority is None)
        if notice.authority:
            assert text.sender == "DMH"
            assert whole.count("DMH") == 1


def test_the_product_has_the_word_of_the_country() -> None:
    for language in LANGUAGES:
        headlines = {
            compose(replace(WARNING, product=product), language=language).headline
            for product in PRODUCTS
        }
        assert len(headlines) == len(PRODUCTS)


def test_a_banner_stands_whole_in_the_description_and_begins_the_others() -> None:
    first = {
        "en": "EXERCISE. ", "km": "សមយុទ្ធ (EXERCISE)។ ",
        "lo": "ການຊ້ອມແຜນ (EXERCISE). ", "th": "นี่คือการฝึกซ้อม ", "vi": "DIỄN TẬP. ",
        "my": "လေ့ကျင့်မှု (EXERCISE)။ ", "zh": "【演习】",
    }  # fmt: skip
    for language, banner in first.items():
        text = compose(WARNING, language=language)
        templates = read_templates(language)
        assert text.headline.startswith(banner + templates["product"]["flood_warning"])
        assert text.description.startswith(templates["banner"]["exercise"] + "\n")
        assert text.instruction.splitlines()[0] == banner.strip()
        actual = compose(replace(WARNING, status="Actual"), language=language)
        assert banner.strip() not in actual.headline + actual.description + actual.instruction


def test_the_other_bank_and_the_other_hazard_are_named_in_one_sentence_each() -> None:
    nong_khai = cities()["nong_khai"]
    expected = {
        Level.WATCH: "On the other bank, Nong Khai: flood level 1 of 3.",
        Level.NONE: "On the other bank, Nong Khai: no flood warning.",
        Level.UNKNOWN: "On the other bank, Nong Khai: not assessed.",
    }
    for level, sentence in expected.items():
        faced = replace(WARNING, decision=replace(WARNING.decision, facing=(nong_khai, level)))
        assert lines_of(faced, "en")[0][2].endswith(sentence)
        for language in LANGUAGES:
            description = compose(faced, language=language).description
            assert city_name(nong_khai, language) in description
    assert "other bank" not in compose(WARNING, language="en").description
    dry = replace(WARNING.decision, other_hazard=Level.EMERGENCY)
    assert "Drought, level 3 of 3, is in force here too." in lines_of(note(dry), "en")[0][1]
    spell = replace(drought(dry_spell(0.7, 0.6, now=2)), other_hazard=Level.WATCH)
    assert "Flood, level 1 of 3, is in force here too." in lines_of(note(spell), "en")[0][1]
    calm = replace(WARNING.decision, other_hazard=Level.NONE)
    assert "too" not in lines_of(note(calm), "en")[0][1]


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_end_has_no_chance_and_says_what_it_rests_on(ending: Ending) -> None:
    quiet = replace(flood(), missing=("stage",))
    above, below = lines_of(note(quiet, event=Level.WARNING, ending=ending), "en")
    assert not any("Chance" in line or "Level" in line for line in above)
    is_short = ending != "all_clear"
    assert any("Missing evidence" in line for line in above) is is_short
    assert any("Missing evidence" in line for line in below) is not is_short
    told = "\n".join(above)
    assert ("no all-clear" in told) is (ending == "not_known")
    assert ("not enough for an all-clear" in told) is (ending == "monitor")


def all_texts(language: str) -> Iterator[str]:
    """All lines of all messages in a language, without the names of places."""
    for notice in every_notice():
        if notice.authority:
            continue
        decision = notice.decision
        text = compose(notice, language=language)
        headline = compose_headline(
            decision, event=decision.in_force, status="Exercise", language=language
        )
        towns = [decision.city, *([decision.facing[0]] if decision.facing else [])]
        names = [city_name(town, language) for town in towns]
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
            cleaned = re.sub(r"(?<![A-Za-z])(D[0-3]|MRC)(?![A-Za-z\d])", "", cleaned)
        scripts = {script(sign) for sign in cleaned} - {"", own}
        if scripts:
            faults.add(cleaned)
    assert faults == set()


def test_the_messages_of_that_test_use_every_template() -> None:
    """A template that no message uses would be let through."""
    unused = ("months.", "date", "day", "time", "banner.test", "banner.unreviewed",
              "headline.withdrawn", "missing.gauge", "short.", "read.")  # fmt: skip
    told = [compose(notice, language="en") for notice in every_notice()]
    lines = [f"{text.sender}\n{text.event}\n{text.headline}\n{text.description}\n"
             f"{text.instruction}\n{text.area}" for text in told]  # fmt: skip
    blind = replace(flood(), level=Level.UNKNOWN, in_force=Level.UNKNOWN)
    unwarned = (flood(), blind, replace(blind, river_level=None))
    lines += [
        compose_headline(decision, event=decision.in_force, status="Exercise")
        for decision in unwarned
    ]
    whole = "\n".join(lines)
    assert name_class(0, read_templates("en")) in whole
    for key, text in list_texts(read_templates("en")).items():
        pieces = [piece for piece in re.split(r"\{\w+\}", text) if piece.strip(" .:,;")]
        if not key.startswith(unused):
            assert all(piece in whole for piece in pieces), key
