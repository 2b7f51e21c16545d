"""Layouts told by how a file begins."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pipeline.sources.base import BadGranule
from pipeline.sources.gauges import file_layouts, gauge_files
from pipeline.sources.gauges.answers import read_json
from pipeline.sources.gauges.file_layouts import LAYOUTS, Layout


@pytest.mark.parametrize(
    ("head", "place"),
    [
        (b'{"a": 1}', 0),
        (b"[1]", 0),
        ('\ufeff{"a": 1}'.encode("utf-16-le"), 0),
        (b"<?xml version='1.0'?>", 1),
        (b'<Series xmlns="http://www.opengis.net/waterml/2.0">', 1),
        (b'<TimeSeries xmlns="http://www.wldelft.nl/fews/PI">', 1),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", 2),
    ],
)
def test_the_begin_shows_the_layout(head: bytes, place: int) -> None:
    assert [at for at, layout in enumerate(LAYOUTS) if layout.fits(head)] == [place]


def test_a_table_has_none_of_them() -> None:
    assert not any(layout.fits(b"station,variable,time,value,unit") for layout in LAYOUTS)
    assert LAYOUTS[0].read is read_json


def test_an_old_workbook_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "stage.csv"
    path.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(100))
    with pytest.raises(BadGranule, match=r"saved as \.xlsx, or CSV, found an old \.xls"):
        gauge_files.read(path)


def test_the_first_row_that_fits_reads_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = pd.DataFrame({"value": [1.0]})
    own = Layout(lambda head: head.startswith(b"station"), lambda _: readings)
    monkeypatch.setattr(gauge_files, "LAYOUTS", (*file_layouts.LAYOUTS, own))
    path = tmp_path / "stage.csv"
    path.write_text("\ufeff station,variable,time,value,unit\n", encoding="utf-8")
    assert gauge_files.read(path) is readings
