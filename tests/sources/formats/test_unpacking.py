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
