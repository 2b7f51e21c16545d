"""Compressed files: unpacked within a limit, or refused."""

from __future__ import annotations

import gzip
import io
import shutil
import zipfile
from pathlib import Path

import pytest

from pipeline.sources.base import BadGranule, Skipped
from pipeline.sources.formats import unpacking
from pipeline.sources.gauges import gauge_files
from tests.sources.gauges.table_cases import THREE, day, plain, values, write


def test_compressed_files(tmp_path: Path) -> None:
    content = plain(day(18, 9.1), day(19, 9.4), day(20, 9.8)).encode()
    packed = write(tmp_path, "agency.csv.gz", gzip.compress(content))
    assert values(gauge_files.read(packed)) == THREE
    with pytest.raises(BadGranule, match=r"agency\.csv\.gz: expected a whole gzip file"):
        gauge_files.read(write(tmp_path, "agency.csv.gz", gzip.compress(content)[:-12]))
    with pytest.raises(BadGranule, match=r"^a\.csv\.gz: expected readings inside, found a\.csv: "):
        gauge_files.read(write(tmp_path, "a.csv.gz", gzip.compress(b"hello\n")))


def test_zip_archives_that_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"0" * 2_000_000)
    monkeypatch.setattr(unpacking, "UNPACKED", 1_000_000)
    with pytest.raises(BadGranule, match=r"^x\.zip: expected at most 0 MB unpacked, found more"):
        gauge_files.read(path)
    bomb = write(tmp_path, "b.csv.gz", gzip.compress(b"0" * 2_000_000))
    with pytest.raises(
        BadGranule, match=r"^b\.csv\.gz: expected at most 0 MB unpacked, found more"
    ):
        gauge_files.read(bomb)
    monkeypatch.setattr(unpacking, "MEMBERS", 0)
    with pytest.raises(BadGranule, match="at most 0 files inside, found 1"):
        gauge_files.read(path)
    shutil.copy(path, tmp_path / "cut.zip")
    (tmp_path / "cut.zip").write_bytes(path.read_bytes()[:-30])
    with pytest.raises(BadGranule, match="a whole zip archive"):
        gauge_files.read(tmp_path / "cut.zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x__metadata.txt", "# generated for this test\n")
    with pytest.raises(BadGranule, match="at most 0 files"):
        gauge_files.read(path)
    monkeypatch.setattr(unpacking, "MEMBERS", 10)
    with pytest.raises(Skipped, match="the description of an export is not used"):
        gauge_files.read(path)


def test_an_archive_that_ends_within_an_archive_in_it_is_refused(tmp_path: Path) -> None:
    """The list of files that is found at the end is that of the last member."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.csv", plain(day(18, 9.1)))
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("b.csv", plain(day(19, 9.2)))
        archive.writestr("inner.zip", inner.getvalue())
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(inner.getvalue()) + len(inner.getvalue())])
    with pytest.raises(BadGranule, match="a whole zip archive, found its list of files leaves"):
        gauge_files.read(path)


def test_members_lose_their_folders_and_stay_in_the_scratch_folder(tmp_path: Path) -> None:
    path, scratch = tmp_path / "all.zip", tmp_path / "scratch"
    scratch.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("../../a.csv", "b/a.csv", "c\\d.csv", "b/.hidden.csv", "__MACOSX/a.csv", "e/"):
            archive.writestr(name, name)
    contents = []
    for member in unpacking.unzip(path, scratch):
        assert member.resolve().is_relative_to(scratch.resolve())
        contents.append((member.name, member.read_text(encoding="utf-8")))
    assert contents == [("a.csv", "../../a.csv"), ("a.csv", "b/a.csv"), ("d.csv", "c\\d.csv")]
    assert not [left for left in scratch.rglob("*") if left.is_file()]
    assert {entry.name for entry in tmp_path.iterdir()} == {"all.zip", "scratch"}


def test_the_limit_is_of_all_members_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a.csv", "b.csv"):
            archive.writestr(name, b"0" * 600)
    monkeypatch.setattr(unpacking, "UNPACKED", 1200)
    assert len(list(unpacking.unzip(path, tmp_path))) == 2
    monkeypatch.setattr(unpacking, "UNPACKED", 1199)
    (tmp_path / "again").mkdir()
    with pytest.raises(BadGranule, match="MB unpacked, found more"):
        list(unpacking.unzip(path, tmp_path / "again"))


def test_a_member_is_read_within_its_size(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", b"x" * 2**20)
    assert unpacking.is_workbook(path)
    with zipfile.ZipFile(path) as archive:
        whole = unpacking.read_member(archive, "xl/workbook.xml", path=path, largest=2**20)
        assert len(whole) == 2**20
        with pytest.raises(BadGranule, match=r"at most 0 MB inside, found more: xl/workbook\.xml"):
            unpacking.read_member(archive, "xl/workbook.xml", path=path, largest=2**20 - 1)
        with pytest.raises(BadGranule, match=r"book\.xlsx: expected xl/styles\.xml inside"):
            unpacking.read_member(archive, "xl/styles.xml", path=path, largest=2**20)


def test_what_a_gzip_file_is_called_when_it_is_unpacked(tmp_path: Path) -> None:
    for name, inner in (("a.csv.gz", "a.csv"), ("b.CSV.GZ", "b.CSV"), ("c.csv", "c.csv")):
        path = write(tmp_path, name, gzip.compress(b"station\n"))
        (tmp_path / name.partition(".")[0]).mkdir()
        made = unpacking.gunzip(path, tmp_path / name.partition(".")[0])
        assert (made.name, made.read_bytes()) == (inner, b"station\n")
