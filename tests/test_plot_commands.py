from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from tests.command_line import run
from tests.figures.figure_cases import ISSUED
from tests.test_plots import DAY, publish


def test_a_picture_is_written_as_its_name_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(tmp_path, ISSUED)
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, tmp_path, "plot", "pakse") == 0
    png = (tmp_path / "pakse-hydrograph.png").read_bytes()
    assert png[:4] == b"\x89PNG"
    assert int.from_bytes(png[16:20], "big") == 1200
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("pakse-hydrograph.png: EXERCISE. Pakse (013901, Mekong)")
    out = tmp_path / "new" / "history.svg"
    assert run(monkeypatch, tmp_path, "plot", "pakse", "--kind", "history", "--out", str(out)) == 0
    root = etree.fromstring(out.read_bytes())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert str(root.get("aria-label")).startswith(
        "EXERCISE. Pakse (013901, Mekong): forecasts of 1"
    )
    assert [*out.parent.iterdir()] == [out]


def test_the_night_is_that_of_the_date(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for days in (1, 0):
        publish(tmp_path, ISSUED - days * DAY)
    for date, stamp in (("2026-08-19", "2026-08-19 00:30"), ("2026-08-20", "2026-08-20 00:30")):
        out = str(tmp_path / "a.svg")
        assert run(monkeypatch, tmp_path, "plot", "pakse", "--date", date, "--out", out) == 0
        assert f"Issued {stamp} UTC" in Path(out).read_text(encoding="utf-8")
    assert run(monkeypatch, tmp_path, "plot", "pakse", "--date", "2020-01-01") == 2
    assert "expected a night published in" in capsys.readouterr().err


def test_a_file_of_another_kind_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path, "plot", "pakse", "--out", "a.pdf") == 2
    assert "--out: expected .png or .svg, found 'a.pdf'" in capsys.readouterr().err
    assert run(monkeypatch, tmp_path, "plot", "pakse", "--kind", "cake") == 2
    assert not [*tmp_path.iterdir()]
