"""Files of several parts: members of archives and sheets of workbooks."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pipeline.sources.base import BadGranule, Skipped
from pipeline.sources.gauges import gauge_files, parts
from pipeline.sources.gauges.series import make_series, merge_series
from pipeline.sources.gauges.table_rows import VIRTUAL_GRADE
from tests.sources.gauges.table_cases import day, export, notes, plain
from tests.sources.portal_exports import NAME


def test_a_zip_of_exports(tmp_path: Path) -> None:
    path, inner = tmp_path / "portal.zip", io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("agency.csv", plain(day(18, 9.1)))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            f"exports/{NAME}", export(("2026-08-18T00:00Z", 9.1), ("2026-08-19T00:00Z", "x"))
        )
        archive.writestr("../../agency.csv", plain(day(18, 9.3), day(20, 9.8)))
        archive.writestr("/etc/bad.csv", "hello\n")
        archive.writestr(NAME.replace(".csv", "__metadata.txt"), "# generated for this test\n")
        archive.writestr("more.csv.gz", gzip.compress(plain(day(21, 9.9)).encode()))
        archive.writestr("Thumbs.db", b"\xd0\xcf\x11\xe0")
        archive.writestr("inner.zip", inner.getvalue())
        archive.writestr("__MACOSX/._x.csv", "\0\1")
        archive.writestr("folder/", "")
    before = sorted(tmp_path.rglob("*"))
    frame = gauge_files.read(path)
    assert frame[["value", "qc"]].to_numpy().tolist() == [
        [9.1, "conflict"], [9.3, "conflict"], [9.8, "good"], [9.9, "good"]
    ]  # fmt: skip
    assert frame["part"].tolist() == [NAME, "agency.csv", "agency.csv", "more.csv.gz"]
    bad, remarks = notes(frame)
    assert bad[2] == "inner.zip: expected a file of readings, found an archive in the archive"
    assert any(line.startswith("Thumbs.db: not a file of readings (.csv, ") for line in remarks)
    assert bad[0] == f"{NAME}: line 3: expected a number, found 'x'"
    assert bad[1].startswith("bad.csv: expected the header Country Code")
    assert any(
        "__metadata.txt: the description of an export is not used" in line for line in remarks
    )
    assert sorted(tmp_path.rglob("*")) == before, "nothing is left beside the archive"
    assert not Path("/etc/bad.csv").exists()


def test_measured_and_virtual_readings_of_one_archive(tmp_path: Path) -> None:
    measured = export(("2026-08-18T00:00Z", 9.1))
    path = tmp_path / "mixed.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(NAME, measured)
        archive.writestr("v/" + NAME, measured.replace("Unverified data", f'"{VIRTUAL_GRADE}"'))
    with pytest.raises(BadGranule, match="files of one origin, found measured and virtual"):
        gauge_files.read(path)


def part(*values: float, origin: str = "measured") -> pd.DataFrame:
    """Read a part with stages of Pakse, a reading a day."""
    series = make_series(
        Path("a.csv"), station="13901", variable="stage", unit="m",
        time=pd.Series(pd.date_range("2026-08-18", periods=len(values))), value=pd.Series(values),
    )  # fmt: skip
    frame = merge_series(Path("a.csv"), [series], bad_rows=["line 3: expected a number"])
    frame.attrs["origin"] = origin
    return frame


def skipped() -> pd.DataFrame:
    raise Skipped("b.csv: water temperature is not used")


def refused() -> pd.DataFrame:
    raise BadGranule(Path("c.csv"), expected="one heading", found="two")


def read(*readers: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    named = list(zip("abcdefgh", readers, strict=False))
    return parts.read_parts(Path("all.zip"), named, expected="readings inside", remarks=["two"])


def test_parts_that_are_not_read_are_named_beside_those_that_are() -> None:
    frame = read(lambda: part(9.1), skipped, refused, lambda: part(9.1, 9.4))
    assert frame[["part", "value", "qc"]].to_numpy().tolist() == [
        ["a", 9.1, "good"], ["d", 9.4, "good"]
    ]  # fmt: skip
    assert frame.attrs["bad_rows"] == [
        "a: line 3: expected a number", "c: expected one heading, found two",
        "d: line 3: expected a number",
    ]  # fmt: skip
    assert frame.attrs["said"] == [
        "two", "a: 13901 is read as 013901 (Pakse)", "d: 13901 is read as 013901 (Pakse)",
        "b.csv: water temperature is not used",
    ]  # fmt: skip


def test_a_file_without_a_part_that_can_be_read() -> None:
    with pytest.raises(Skipped, match=r"all\.zip: b\.csv: water temperature is not used"):
        read(skipped, skipped)
    with pytest.raises(BadGranule, match="readings inside, found b: expected one heading, found"):
        read(skipped, refused)
    with pytest.raises(BadGranule, match=r"all\.zip: expected readings inside, found none"):
        read()
    with pytest.raises(BadGranule, match="files of one origin, found measured and virtual"):
        read(lambda: part(9.1), lambda: part(9.1, origin="virtual"))


def test_names_of_files_that_may_hold_readings() -> None:
    for name in ("A.CSV", "b.tsv.GZ", "c.xlsx", "d.wml"):
        assert parts.explain_passed_over(name) is None, name
    for name in ("a.csv.md5", "b.gz", "c.xls", "csv", "d.pdf"):
        why = parts.explain_passed_over(name)
        assert why is not None
        assert why.startswith("not a file of readings (.csv, .txt"), name
