from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.settings import Settings
from tests.command_line import run


def test_a_file_is_written_as_its_name_says(
    nights: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "spi.csv"
    words = ["export", "spi_3m", "--start", "2000-02", "--end", "2000-03", "--by", "basin"]
    code = run(monkeypatch, nights.data_dir, *words, "--out", str(out), MEKONG_UPSTREAM="archive")
    assert code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.endswith(
        "Exercise: spi_3m (1), 26 sub-basins, 2 months from 2000-02-01 to 2000-03-01; "
        "26 of 52 values not known, left empty"
    )
    assert len(out.read_text(encoding="utf-8").splitlines()) == 53


@pytest.mark.parametrize(
    "case",
    [
        (["spi", "--out", "a.csv"], "index of zones: expected one of rain_1d, rain_3d"),
        (["spi_3m", "--out", "a.txt"], "--out: expected one of .nc, .csv, .xlsx, .zarr, found"),
        (["spi_3m", "--out", "a.nc", "--format", "csv"], "--out: expected .csv, found 'a.nc'"),
        (["spi_3m", "--out", "a.nc", "--start", "May"], "expected a day, month or year as"),
        (["spi_3m", "--out", "a.nc", "--by", "cell"], "mekong indices --record"),
    ],
)
def test_what_is_not_offered_is_one_line(
    nights: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    case: tuple[list[str], str],
) -> None:
    words, line = case
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, nights.data_dir, "export", *words, MEKONG_UPSTREAM="archive") == 2
    assert line in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]
