"""The command ``mekong feedback``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.geography.places import cities
from pipeline.ground_reports.reports import GroundReport, GroundReports
from pipeline.settings import Settings
from pipeline.storage.database import Database
from tests.command_line import run

AT = ("--received", "2026-08-20T14:20+07:00")

ONE_OF = "expected one of a city, --text, --from or 'card' and a city, found "


def stored(data: Path) -> list[GroundReport]:
    database = Database(Settings(data_dir=data).database)
    return GroundReports(database).read(asof=datetime(2026, 8, 21, tzinfo=UTC))


def test_a_text_is_read_and_answered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("feedback", "--text", "FL 17 30 1405", "--by", "+66812345678", *AT)
    assert run(monkeypatch, tmp_path, *words) == 0
    assert capsys.readouterr().out == (
        "Not counted yet: flooded, Bueng Kan, 30 cm, 20 Aug 14:05. If this is right, send FL 17U "
        "30 1405\nground reports: 1 added, 0 known already, 1 not confirmed, 0 rows not read\n"
    )
    assert run(monkeypatch, tmp_path, "feedback", "--text", "hello", *AT) == 1
    said = capsys.readouterr()
    assert said.out.startswith("Not read. This number takes reports alone, as FL 17U 30 1405.")
    assert said.err == "mekong: text: expected FL or DR, code, depth in cm and time alone\n"


@pytest.mark.parametrize(
    ("at", "valid_time"),
    [
        ("14:05", "2026-08-20 07:05"),
        ("23:10", "2026-08-19 16:10"),
        ("2026-08-18T14:05", "2026-08-18 07:05"),
        ("2026-08-18T07:05Z", "2026-08-18 07:05"),
    ],
)
def test_an_operator_reports_a_city(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, at: str, valid_time: str
) -> None:
    words = ("feedback", "pakse", "--flooded", "--at", at, "--depth-cm", "30", "--by", "A", *AT)
    assert run(monkeypatch, tmp_path, *words) == 0
    (report,) = stored(tmp_path)
    assert (report.city, report.observation, report.depth_cm) == ("pakse", "flooded", 30)
    assert f"{report.valid_time:%Y-%m-%d %H:%M}" == valid_time
    assert (report.channel, report.doubt) == ("command", "")


def test_a_drop_names_its_bad_rows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "drop.csv"
    file.write_text(
        "received_at,sender,text\n2026-08-20T07:20Z,A,FL 17U 30 1405\n2026-08-20T07:20Z,A,DR 17X\n"
    )
    assert run(monkeypatch, tmp_path, "feedback", "--from", str(file)) == 0
    bad, answer, summary = capsys.readouterr().out.splitlines()
    assert bad.startswith("drop.csv, line 3: expected ")
    assert answer.startswith("  answer: Not read. The code 17X is unknown.")
    assert summary == "ground reports: 1 added, 0 known already, 0 not confirmed, 1 rows not read"
    file.write_text("received_at,sender,text\n2026-08-20T07:20Z,A,hello\n")
    assert run(monkeypatch, tmp_path, "feedback", "--from", str(file)) == 1, "nothing was read"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], f"{ONE_OF}none"),
        (["pakse", "--text", "x"], f"{ONE_OF}several"),
        (["pakse", "kratie", "--dry"], f"{ONE_OF}several"),
        (["pakse", "--at", "14:05"], "expected one of --flooded and --dry, found none"),
        (["pakse", "--dry", "--flooded"], "expected one of --flooded and --dry, found both"),
        (["pakse", "--dry"], "expected the time with --at, found none"),
        (["pakse", "--dry", "--at", "noon"],
         "--at: expected a time as 2026-08-20T14:05+07:00, found 'noon'"),
        (["pakse", "--dry", "--at", "14:05", "--depth-cm", "3"],
         "depth_cm: expected none of dry ground, found '3'"),
        (["card"], "expected one city after 'card', found none"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    words: list[str], line: str,
) -> None:  # fmt: skip
    assert run(monkeypatch, tmp_path, "feedback", *words, *AT) == 2
    assert capsys.readouterr().err == f"mekong: {line}\n"


def test_a_card_in_the_words_of_the_country(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number = {"MEKONG_REPORT_NUMBER": "+66812345678"}
    assert run(monkeypatch, tmp_path, "feedback", "card", "bueng_kan", **number) == 0
    card = capsys.readouterr().out
    assert "บึงกาฬ (Bueng Kan)\nYour code: 17U\n" in card
    assert "Send a text to: +66812345678" in card
    assert "Flooded (น้ำท่วม), 30 cm, at 14:05:\n  FL 17U 30 1405\n" in card
    asean = {"MEKONG_REGION": "asean"}
    assert run(monkeypatch, tmp_path, "feedback", "card", "singapore", **asean) == 0
    assert capsys.readouterr().out.isascii(), "no language of its own is on record"


def test_a_card_is_of_a_city_of_the_region(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("nowhere", "singapore"):
        assert run(monkeypatch, tmp_path, "feedback", "card", name) != 0
        said = capsys.readouterr().err
        assert f"city: expected one of {', '.join(cities())}, found '{name}'" in said
    assert "singapore" not in cities()
