"""The commands ``mekong cities`` and ``mekong gauges``."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest

from pipeline.geography import reference_tables
from pipeline.geography.reference_tables import ReferenceTables
from pipeline.settings import REFERENCE
from tests.command_line import run

GAUGE = ("gauges", "add", "LA-9001", "--name", "Ban Tha", "--river", "Nam Khan", "--country", "LA",
         "--lat", "19.75", "--lon", "102.3", "--source", "made up")  # fmt: skip
CITY = ("cities", "add", "Ban Tha", "--country", "LA", "--lat", "19.75", "--lon", "102.3",
        "--source", "made up")  # fmt: skip
STAGES = "station,kind,value,unit,source,as_of,verified"


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of an agency's own rows, which each command reads as a process of its own would."""
    folder = tmp_path / "places"
    folder.mkdir()
    monkeypatch.setenv("MEKONG_REFERENCE_DIR", str(folder))
    read = lru_cache(lambda _content: ReferenceTables(REFERENCE, folder))

    def tables() -> ReferenceTables:
        return read(tuple((path.name, path.read_bytes()) for path in sorted(folder.glob("*.csv"))))

    monkeypatch.setattr(reference_tables, "tables", tables)
    return folder


def test_a_gauge_and_its_city_are_added_and_checked(
    places: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = tmp_path / "data"
    assert run(monkeypatch, data, *GAUGE, "--alarm", "5.5", "--flood", "6.5") == 0
    said = capsys.readouterr().out
    assert f"{places / 'stations.csv'} line 2: LA-9001" in said
    assert "Ban Tha (LA-9001) lies in the sub-basin nam_ou" in said
    assert "what flows to Ban Tha: 010501, 092600\n" in said
    assert run(monkeypatch, data, "cities", "check") == 0
    assert capsys.readouterr().out.startswith("no city of your own: mekong cities add NAME")
    assert run(monkeypatch, data, *CITY, "--gauge", "LA-9001") == 0
    assert capsys.readouterr().out.endswith("next: mekong cities check ban_tha\n")
    assert run(monkeypatch, data, "cities", "check") == 0
    assert capsys.readouterr().out == (
        "cities.csv line 2: ban_tha: new, seen in mekong and asean\n"
        "report_numbers.csv line 2: 99: new\n"
        "Ban Tha (ban_tha), LA, in the sub-basin nam_ou; regions mekong, asean\n"
        "hazards: river pluvial drought; clocks UTC+7 h\n"
        "area of its messages: the disc of 25 km, across borders too (areas.geojson)\n"
        "number in texts from the ground: 99\n"
        "gauge: Ban Tha (LA-9001), alarm 5.5 m, flood 6.5 m\n"
        "next: mekong gauges check LA-9001\n"
    )
    assert run(monkeypatch, data, "gauges", "check", "--date", "2026-08-20") == 0
    said = capsys.readouterr().out
    assert "thresholds.csv line 3: LA-9001, flood: new\nBan Tha (LA-9001), Nam Khan, LA" in said
    assert "cities.csv" not in said
    assert "city: Ban Tha (ban_tha)\nnext: bring in the readings" in said
    told = said[said.index("Ban Tha (LA-9001)") :]
    assert run(monkeypatch, data, "gauges", "check", "Ban Tha", "--date", "2026-08-20") == 0
    assert capsys.readouterr().out == told


def test_a_city_without_a_gauge_says_what_it_rests_on(
    places: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, tmp_path / "data", *CITY) == 0
    assert (places / "cities.csv").is_file()
    capsys.readouterr()
    assert run(monkeypatch, tmp_path / "data", "cities", "check", "Ban Tha") == 0
    said = capsys.readouterr().out
    assert "gauge: none; its flood level rests on rain alone" in said
    assert "cities.csv" not in said


def test_latitude_and_longitude_that_are_swapped_are_refused(
    places: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    swapped = [{"19.75": "102.3", "102.3": "19.75"}.get(word, word) for word in CITY]
    assert run(monkeypatch, tmp_path / "data", *swapped) == 2
    assert "degrees of latitude and longitude, found 102.3, 19.75" in capsys.readouterr().err
    assert not list(places.iterdir())


@pytest.mark.parametrize("words", [GAUGE, CITY])
def test_rows_need_a_folder_of_ones_own(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
) -> None:
    monkeypatch.delenv("MEKONG_REFERENCE_DIR", raising=False)
    assert run(monkeypatch, tmp_path, *words) == 2
    assert "expected MEKONG_REFERENCE_DIR to name a folder" in capsys.readouterr().err


def test_what_a_row_does_is_said_and_what_is_wrong_is_an_exit_code(
    places: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = places / "thresholds.csv"
    table.write_text(f"{STAGES}\n013901,flood,12.1,m,the agency,2026-06-01,V\n")
    assert run(monkeypatch, tmp_path, "gauges", "check") == 0
    assert capsys.readouterr().out == (
        "thresholds.csv line 2: 013901, flood: in place of the project's row from 2026-06-01 on\n"
        "no gauge of your own: mekong gauges add CODE (mekong gauges add --help)\n"
    )
    table.write_text(f"{STAGES}\n013901,flood,9,m,the agency,2026-06-01,V\n")
    for words in (["gauges", "check"], ["cities", "check"], ["gauges", "check", "013901"]):
        assert run(monkeypatch, tmp_path, *words) == 2
        assert "expected flood above alarm, found 9 m and" in capsys.readouterr().out


def test_texts_are_checked_with_the_cities(
    places: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (places / "messages").mkdir()
    (places / "messages" / "vi.toml").write_text('"when.since" = "x"\n')
    assert run(monkeypatch, tmp_path, "cities", "check") == 2
    assert capsys.readouterr().out == "messages/vi.toml: when.since: expected {date}, found none\n"
