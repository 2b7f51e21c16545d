"""Granules located in the upstream folder, and what beside them is passed over."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.base import Granule, NotPublished
from pipeline.sources.upstream import _matches, list_matching, locate
from tests.sources.stray_files import lay_beside

T0 = datetime(2024, 8, 1, tzinfo=UTC)
DAY = datetime(2026, 8, 19, tzinfo=UTC)


def test_locate_sees_only_what_was_published(tmp_path: Path) -> None:
    granule = Granule("x", "a/b", "f.V0*.h5", T0, T0 + timedelta(hours=1))
    with pytest.raises(NotPublished, match=r"a/b/f\.V0"):
        locate(granule, tmp_path, asof=T0)
    (tmp_path / "a/b").mkdir(parents=True)
    for letter, hour in (("B", 2), ("C", 5)):
        path = tmp_path / f"a/b/f.V07{letter}.h5"
        path.write_bytes(b"x")
        stamp = (T0 + timedelta(hours=hour)).timestamp()
        os.utime(path, (stamp, stamp))
    with pytest.raises(NotPublished):
        locate(granule, tmp_path, asof=T0 + timedelta(hours=1, minutes=59))
    path, known = locate(granule, tmp_path, asof=T0 + timedelta(hours=2))
    assert (path.name, known) == ("f.V07B.h5", T0 + timedelta(hours=2))
    path, known = locate(granule, tmp_path, asof=T0 + timedelta(hours=9))
    assert (path.name, known) == ("f.V07C.h5", T0 + timedelta(hours=5))


@given(st.text("ab.*", max_size=6), st.text("ab.", max_size=8))
def test_names_match_as_a_glob_says(pattern: str, name: str) -> None:
    assert _matches(name, pattern) == fnmatchcase(name, pattern)


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.b.nc").touch()
    assert list_matching(tmp_path, "a.*.nc") == [tmp_path / "a.b.nc"]
    assert list_matching(tmp_path, "a.?.nc") == [tmp_path / "a.b.nc"]
    assert list_matching(tmp_path / "absent", "a*") == []
    assert list_matching(tmp_path / "a.b.nc", "a*") == []


def test_what_lies_beside_in_the_upstream_is_not_located(tmp_path: Path) -> None:
    folder = tmp_path / "imerg"
    folder.mkdir()
    wanted = Granule("imerg_late", "imerg", "3B*.nc4*", DAY, DAY)
    beside = lay_beside(folder, tmp_path / "outside.nc4")
    for name in beside:
        if not name.startswith("."):
            (folder / name).rename(folder / f"3B{name}")
    with pytest.raises(NotPublished, match=r"passed over .*3Bpipe\.nc4: a pipe"):
        locate(wanted, tmp_path, asof=datetime(2100, 1, 1, tzinfo=UTC))
    good = folder / "3B.V07B.nc4"
    good.write_bytes(b"data")
    (folder / "3B.V07C.nc4").touch()
    path, _ = locate(wanted, tmp_path, asof=datetime(2100, 1, 1, tzinfo=UTC))
    assert path == good, "an empty file is not newer data"


def test_a_link_within_the_folder_and_a_linked_upstream_are_followed(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "3B.nc4").write_bytes(b"data")
    (disk / "3C.nc4").symlink_to("3B.nc4")
    (tmp_path / "imerg").symlink_to(disk)
    for pattern in ("3B*", "3C*"):
        wanted = Granule("imerg_late", "imerg", pattern, DAY, DAY)
        assert locate(wanted, tmp_path, asof=datetime(2100, 1, 1, tzinfo=UTC))[0].exists()


def test_a_pattern_of_xml_or_json_finds_its_own(tmp_path: Path) -> None:
    for name in ("answer.json", "answer.cmr.xml"):
        (tmp_path / name).write_text("{}")
    wanted = Granule("thaiwater", ".", "answer*.json", DAY, DAY)
    assert locate(wanted, tmp_path, asof=datetime(2100, 1, 1, tzinfo=UTC))[0].name == "answer.json"
