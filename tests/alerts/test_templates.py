"""Templates: keys and slots, the serious errors that stay out, an agency's own texts."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from pathlib import Path

import pytest

from models.stage import design
from pipeline.alerts import templates
from pipeline.alerts.evidence import DRIVERS
from pipeline.geography.reference_tables import BadReference
from pipeline.settings import Settings

TRANSLATIONS = templates.LANGUAGES[1:]
PROJECT = {language: templates.read_with_own(language, None) for language in templates.LANGUAGES}


def test_every_language_has_the_keys_and_slots_of_english() -> None:
    for language, read in PROJECT.items():
        assert read["language"] == language
        assert read["tag"] == ("zh-CN" if language == "zh" else language)
        assert read["reviewed"] is (language == "en")
        assert len(read["months"]) == 12
        assert set(read["driver"]) == set(DRIVERS) == set(design.DRIVERS)
        english = templates.list_texts(PROJECT["en"])
        terms = {key for key in english if key.startswith("term.")}
        assert len(terms) == 5, "of English alone"
        texts = templates.list_texts(read)
        assert texts.keys() == english.keys() - (set() if language == "en" else terms)
        assert all(text == text.strip() for text in texts.values()), "a sheet takes no blanks"
        assert read["note"].keys() <= texts.keys()


def test_the_digest_of_the_templates_is_that_of_their_files() -> None:
    digests = templates.messages_digest()
    assert list(digests) == list(templates.LANGUAGES)
    for language, digest in digests.items():
        content = (templates.FOLDER / f"{language}.toml").read_bytes()
        assert digest == hashlib.sha256(content).hexdigest()
    assert len(set(digests.values())) == len(digests)


WRONG = {
    "flood mark": {
        "km": "កម្រិតទឹកជំនន់", "lo": "ລະດັບນ້ຳຖ້ວມ", "th": "ระดับน้ำท่วม", "vi": "mức lũ",
        "my": "ရေကြီးရေမှတ်", "zh": "洪水水位",
    },
    "all-clear": {
        "km": "គ្មានគ្រោះរាំងស្ងួត", "lo": "ບໍ່ມີໄພແຫ້ງແລ້ງ", "th": "ไม่มีภัยแล้ง", "vi": "không có hạn hán",
        "my": "မိုးခေါင်မှု မရှိပါ", "zh": "没有干旱",
    },
    "upper stage, district, lowest product, hope, higher level": {
        "km": "ប្រកាសអាសន្ន", "lo": "ເມືອງ", "th": "เมืองนี้", "vi": "Cảnh báo lũ", "my": "မျှော်မှန်း",
        "zh": "上一级别",
    },
}  # fmt: skip
"""Phrases that say something else than the English: the flood mark as the river's height now,
no drought where there is no class, and the worst of each language."""


@pytest.mark.parametrize("error", WRONG)
@pytest.mark.parametrize("language", TRANSLATIONS)
def test_phrases_that_mean_something_else_stay_out(language: str, error: str) -> None:
    texts = templates.list_texts(PROJECT[language])
    wrong = WRONG[error][language]
    assert [key for key, text in texts.items() if wrong in text.replace("\u200b", "")] == []


def test_the_flood_mark_is_sourced_or_has_the_english_beside_it() -> None:
    for language in TRANSLATIONS:
        mark = PROJECT[language]["mark"]["flood"]
        assert ("flood stage" in mark) is (language != "lo"), "ລະດັບອັນຕະລາຍ is the department's word"


def test_the_five_lines_begin_with_words_of_their_own() -> None:
    for read in PROJECT.values():
        words = list(read["line"].values())
        assert len(set(words)) == len(words) == 6
        assert not any(read["colon"].strip() in word for word in words)


def test_a_trend_is_a_word_and_no_sign() -> None:
    for read in PROJECT.values():
        trends = [read["flood"][way] for way in ("rising", "falling", "steady")]
        assert len(set(trends)) == 3
        assert all("{change}" in text for text in trends)
        assert not any(sign in text for text in trends for sign in "+±")


def test_the_event_is_one_short_text_per_hazard() -> None:
    """Aggregators know an event by its text; CAP's profiles take 35 characters."""
    for read in PROJECT.values():
        assert read["hazard"].keys() == {"flood", "drought"}
        assert all(len(text) <= 35 for text in read["hazard"].values())


def test_a_level_is_told_by_its_number() -> None:
    for read in PROJECT.values():
        for number, level in enumerate(("watch", "warning", "emergency"), 1):
            assert str(number) in read["level"][level]
            assert "3" in read["level"][level]


SCRIPTS = {"km": "KHMER", "lo": "LAO", "th": "THAI", "my": "MYANMAR"}
"""Scripts without blanks between words."""


def is_of(sign: str, script: str) -> bool:
    """Whether a sign is a letter or a mark of a script."""
    return unicodedata.category(sign)[0] in "LM" and unicodedata.name(sign).startswith(script)


@pytest.mark.parametrize("language", SCRIPTS)
def test_a_slot_never_fuses_with_the_word_beside_it(language: str) -> None:
    """A phone breaks the line, and a voice the word, at blanks, stops and zero-width spaces."""
    fused = [
        key
        for key, text in templates.list_texts(PROJECT[language]).items()
        if not key.startswith(("short.", "read."))
        for slot in re.finditer(r"\{\w+\}", text)
        for beside in (text[slot.start() - 1 : slot.start()], text[slot.end() : slot.end() + 1])
        if beside and (is_of(beside, SCRIPTS[language]) or beside in {"{", "}"})
    ]
    assert fused == []
    spaced = [text for text in templates.list_texts(PROJECT[language]).values() if "\u200b" in text]
    assert len(spaced) > 10, "zero-width spaces are there"
    assert not any(re.search("\u200b(\u200b| |$)|(^| )\u200b", text) for text in spaced)


def test_other_scripts_have_no_zero_width_spaces() -> None:
    for language in ("en", "vi", "zh"):
        assert not any(
            "\u200b" in text for text in templates.list_texts(PROJECT[language]).values()
        )


def write_own(agency: Path, language: str, values: dict[str, object]) -> None:
    (agency / "messages").mkdir(parents=True, exist_ok=True)
    lines = [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in values.items()]
    (agency / "messages" / f"{language}.toml").write_text("\n".join(lines), encoding="utf-8")


def test_an_agency_text_stands_in_place_of_the_project_text(tmp_path: Path) -> None:
    write_own(tmp_path, "th", {"hazard.flood": "อุทกภัย", "months.2": "ก.พ.", "sender": "กรม"})
    read = templates.read_with_own("th", tmp_path)
    assert (read["hazard"]["flood"], read["months"][1], read["sender"]) == ("อุทกภัย", "ก.พ.", "กรม")
    assert read["hazard"]["drought"] == PROJECT["th"]["hazard"]["drought"]
    assert PROJECT["th"]["hazard"]["flood"] == "น้ำท่วม"
    [effect] = templates.check_own_texts(tmp_path)
    assert str(effect).endswith("with these the language is not reviewed")
    assert not effect.wrong


def test_texts_of_the_settings_folder_are_used_and_part_of_the_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = templates.messages_digest()
    monkeypatch.setenv("MEKONG_REFERENCE_DIR", str(tmp_path))
    assert Settings().reference_dir == tmp_path
    write_own(tmp_path, "lo", {"hazard.flood": "ນ້ຳ"})
    templates.read_templates.cache_clear()
    assert templates.read_templates("lo")["hazard"]["flood"] == "ນ້ຳ"
    templates.read_templates.cache_clear()
    after = templates.messages_digest()
    assert {language for language in after if after[language] != before[language]} == {"lo"}


def test_texts_are_reviewed_while_all_are_there_and_the_english_stays(tmp_path: Path) -> None:
    texts = templates.list_texts(PROJECT["km"])
    signature = {"reviewed": True, "english": templates.digest_english(tmp_path)}

    def is_reviewed(values: dict[str, object]) -> bool:
        write_own(tmp_path, "km", values)
        return bool(templates.read_with_own("km", tmp_path)["reviewed"])

    assert is_reviewed({**texts, **signature})
    assert not is_reviewed({**texts, **signature, "reviewed": False})
    assert not is_reviewed({**texts, **signature, "reviewed": "yes"})
    assert not is_reviewed({**texts, "reviewed": True})
    fewer = {key: text for key, text in texts.items() if key != "hazard.flood"}
    assert not is_reviewed({**fewer, **signature})
    write_own(tmp_path, "en", {"hazard.flood": "High water"})
    assert not is_reviewed({**texts, **signature}), "another English text"


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"sure.p": "{p} in {days}"}, "sure.p: expected {days}, {mark}, {p}, found {days}, {p}"),
        ({"when.since": "{date!r}"}, "when.since: expected {date}, found {date!r}"),
        ({"when.since": "{date"}, "when.since: expected {date}, found {date"),
        ({"term.flood_la": "x"}, "term.flood_la: expected a key of en.toml, found another"),
        ({"flood.tidal": "{date}"}, "flood.tidal: expected no slot, found {date}"),
        ({"flood.tidal": "two\nlines"}, "flood.tidal: expected one line of text"),
        ({"flood.tidal": " "}, "flood.tidal: expected one line of text"),
        ({"flood.tidal": 3}, "flood.tidal: expected one line of text"),
        ({"flood.tides": "x"}, "flood.tides: expected a key of en.toml, found another"),
        ({"decimal": "x"}, "decimal: expected a key of en.toml, found another"),
    ],
)
def test_a_faulty_text_of_an_agency_is_refused(
    tmp_path: Path, values: dict[str, object], fault: str
) -> None:
    write_own(tmp_path, "vi", values)
    with pytest.raises(BadReference, match=r"messages/vi\.toml: ") as refused:
        templates.read_with_own("vi", tmp_path)
    assert fault in str(refused.value)
    [finding] = templates.check_own_texts(tmp_path)
    assert finding.wrong


def test_zero_width_spaces_are_part_of_a_text(tmp_path: Path) -> None:
    write_own(tmp_path, "km", {"hazard.flood": "ទឹក\u200bជំនន់"})
    assert templates.read_with_own("km", tmp_path)["hazard"]["flood"] == "ទឹក\u200bជំនន់"


def test_files_that_are_no_texts_are_named(tmp_path: Path) -> None:
    write_own(tmp_path, "fr", {})
    (tmp_path / "messages" / "vi.toml").write_bytes(b"\xff")
    (tmp_path / "messages" / "th.toml").write_text("x = ")
    (tmp_path / "messages" / ".lo.toml.part").write_text("x = ")
    findings = templates.check_own_texts(tmp_path)
    assert [(finding.file, finding.wrong) for finding in findings] == [
        ("messages/fr.toml", True), ("messages/th.toml", True), ("messages/vi.toml", True),
    ]  # fmt: skip
    assert templates.check_own_texts(tmp_path / "nowhere") == []
