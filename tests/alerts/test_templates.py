"""Templates: keys and slots, the serious errors that stay out, an agency's own texts."""

from __future__ import annotations

import hashlib
import json
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
        assert read.keys() == PROJECT["en"].keys()
        texts = templates.list_texts(read)
        assert texts.keys() == templates.list_texts(PROJECT["en"]).keys()
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
    assert [key for key, text in texts.items() if WRONG[error][language] in text] == []


def test_the_flood_mark_is_sourced_or_has_the_english_beside_it() -> None:
    for language in TRANSLATIONS:
        mark = PROJECT[language]["mark"]["flood"]
        assert ("flood stage" in mark) is (language != "lo"), "ລະດັບອັນຕະລາຍ is the department's word"


def test_what_may_begin_is_named() -> None:
    river = {
        "en": "High water", "km": "ទឹក", "lo": "ນ້ຳ", "th": "ระดับน้ำ", "vi": "Nước", "my": "မြစ်ရေ",
        "zh": "高水位",
    }  # fmt: skip
    for language, word in river.items():
        assert word in PROJECT[language]["flood"]["onset"]


def test_a_trend_is_a_word_and_no_sign() -> None:
    for read in PROJECT.values():
        trends = [read["flood"][f"trend_{way}"] for way in ("up", "down", "same")]
        assert len(set(trends)) == 3
        assert ["{change}" in text for text in trends] == [True, True, False]
        assert not any(sign in text for text in trends for sign in "+±")


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
        ({"flood.p": "{p} in {days}"}, "flood.p: expected {days}, {mark}, {p}, found {days}, {p}"),
        ({"flood.onset": "{date!r}"}, "flood.onset: expected {date}, found {date!r}"),
        ({"flood.onset": "{date"}, "flood.onset: expected {date}, found {date"),
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
