"""Tables of text: encodings, lines, cells and headings, and how many bad rows cost a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.sources.base import BadGranule
from pipeline.sources.formats import tables
from pipeline.sources.gauges import gauge_files
from pipeline.sources.gauges.own_table import OwnLayout
from tests.sources.gauges.table_cases import PLAIN, THREE, day, plain, values, write


def test_how_cells_and_lines_may_be_written(tmp_path: Path) -> None:
    rows = [day(18, 9.1), day(19, 9.4), day(20, 9.8)]
    whole = plain(*rows)
    for name, content in {
        "bom.CSV": b"\xef\xbb\xbf" + whole.encode(),
        "utf16be.csv": b"\xfe\xff" + whole.encode("utf-16-be"),
        "utf16le_without_mark.csv": whole.encode("utf-16-le"),
        "utf16be_without_mark.csv": whole.encode("utf-16-be"),
        "cr.txt": whole.replace("\n", "\r").encode(),
        "mixed.txt": whole.replace("\n", "\r", 2).encode(),
        "crlf.txt": whole.replace("\n", "\r\n").encode(),
        "dos_end.csv": whole.encode() + b"\x1a",
        "tabs.tsv": whole.replace(",", "\t").encode(),
        "bars.csv": whole.replace(",", " | ").encode(),
        "semicolons.csv": whole.replace(",", ";").replace(".", ",").encode(),
        "quotes.csv": "\n".join(
            ",".join(f'"{cell}"' for cell in line.split(",")) for line in whole.splitlines()
        ).encode() + b"\n",
        "trailing.csv": whole.replace("\n", ",\n").replace("unit,", "unit").encode(),
        "blank_lines.csv": whole.replace("\n", "\n\n ,,,,\n").encode(),
        "title.csv": b"Ministry of Water Resources\n# made 2026\n\n" + whole.encode(),
        "order.csv": "\n".join(
            ",".join(line.split(",")[::-1]) for line in whole.splitlines()
        ).encode() + b"\n",
        "mid_bom.csv": (plain(*rows[:1]) + "\ufeff" + plain(*rows[1:])).encode(),
        "thai.csv": plain(*[row + ",แม่น้ำโขง" for row in rows], heading=PLAIN + ",version"
                          ).encode("cp874"),
        "western.csv": plain(*[row + ",Paksé" for row in rows], heading=PLAIN + ",version"
                             ).encode("cp1252"),
        "capitals.csv": whole.replace("stage", "Stage").replace(",m\n", ",M\n").encode(),
    }.items():  # fmt: skip
        frame = gauge_files.read(write(tmp_path, name, content))
        assert values(frame) == THREE, name
        assert frame.attrs["bad_rows"] == [], name
    thai = gauge_files.read(tmp_path / "thai.csv")
    assert set(thai["version"]) == {"แม่น้ำโขง"}
    assert thai.attrs["said"] == ["text that is not UTF-8 is read as TIS-620"]
    western = gauge_files.read(tmp_path / "western.csv")
    assert set(western["version"]) == {"Paksé"}
    title = gauge_files.read(tmp_path / "title.csv")
    assert title.attrs["said"] == ["lines 1 to 3, above the heading, are passed over"]


def test_too_many_bad_rows_cost_the_file(tmp_path: Path) -> None:
    good, bad = [day(1 + at % 28) for at in range(57)], [day(20, "x")]
    frame = gauge_files.read(write(tmp_path, "some.csv", plain(*good, *(bad * 3))))
    assert len(frame.attrs["bad_rows"]) == 3, "3 of 60 are 5 %"
    message = (
        r"many\.csv: expected rows of the plain CSV \(station,variable,time,value,unit\), "
        r"found 4 bad of 61 rows: line 59: expected a number, found 'x'; line 60"
    )
    with pytest.raises(BadGranule, match=message):
        gauge_files.read(write(tmp_path, "many.csv", plain(*good, *(bad * 4))))


def test_text_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LARGEST", 10)
    with pytest.raises(BadGranule, match="at most 0 MB of text"):
        gauge_files.read(write(tmp_path, "x.csv", plain(day(18))))


def test_long_lines_and_many_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = gauge_files.read(write(tmp_path, "x.csv", plain(day(18), "," * 30_000, day(19))))
    assert frame.attrs["bad_rows"] == ["line 3: expected at most 20000 characters, found 30000"]
    monkeypatch.setattr(tables, "MOST_LINES", 2)
    with pytest.raises(BadGranule, match="at most 2 lines, found more"):
        gauge_files.read(tmp_path / "x.csv")


@pytest.mark.parametrize("again", ["Time,Level (ft)", "Time,Rainfall", "Date,Stage", "Level,Time"])
def test_another_heading_among_the_rows_costs_the_file(tmp_path: Path, again: str) -> None:
    rows = [f"2026-07-{at:02d} 07:00,9.{at}" for at in range(1, 29)]
    content = "\n".join(["Time,Level", *rows, again, "2026-08-01 07:00,13.5"]) + "\n"
    layout = OwnLayout("013901", "Time", "Level", "m", "+07:00")
    with pytest.raises(BadGranule, match="expected one heading, found another in line 30"):
        gauge_files.read(write(tmp_path, "own.csv", content), layout)
    same = write(tmp_path, "own.csv", content.replace(again, "TIME,level"))
    assert len(gauge_files.read(same, layout)) == 29


def test_columns_exchanged_within_a_plain_table_cost_it(tmp_path: Path) -> None:
    again = "station,variable,time,unit,value"
    path = write(tmp_path, "agency.csv", plain(day(18), again, day(19)))
    with pytest.raises(BadGranule, match="expected one heading, found another in line 3"):
        gauge_files.read(path)


def test_cells_between_quotes_and_quotes_that_do_not_close() -> None:
    assert tables.split_cells(" a ; b;", ";") == ["a", "b", ""]
    assert tables.split_cells('"a;b"; "c ""d"" "', ";") == ["a;b", 'c "d"']
    assert tables.split_cells('"a;b', ";") is None


def test_a_heading_is_found_by_any_delimiter_within_the_first_lines() -> None:
    def fits(names: list[str]) -> bool:
        return {"time", "gauge zero"} <= set(names)

    heading = "'TIME' ;Gauge_ Zero"
    for before in (0, 3, 39):
        found = tables.find_heading(["a title"] * before + [heading, "1;2"], fits)
        assert found == (before, ";", ["'TIME'", "Gauge_ Zero"])
    assert tables.find_heading(["a title"] * 40 + [heading], fits) is None
    assert tables.find_heading(["x" * 20_001 + heading], fits) is None


def test_lines_with_and_without_an_end(tmp_path: Path) -> None:
    assert tables.split_lines(tmp_path, "\ufeffa\r\r\nb\rc\n") == (["a", "b", "c"], True)
    assert tables.split_lines(tmp_path, "a\nb") == (["a", "b"], False)
    assert tables.split_lines(tmp_path, "a\n\x1a") == (["a"], True)


def test_a_character_that_the_end_of_a_file_cuts_is_dropped(tmp_path: Path) -> None:
    content = "station,ปากเซ".encode()
    assert tables.decode(write(tmp_path, "cut.csv", content[:-1])) == ("station,ปากเ", [])
    marked = write(tmp_path, "odd.csv", b"\xff\xfe" + b"\x00\xd8" * 2)
    with pytest.raises(BadGranule, match=r"odd\.csv: expected text in utf-16-le, found"):
        tables.decode(marked)
