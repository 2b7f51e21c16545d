import os
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.base import Granule, NotPublished
from pipeline.sources.upstream import _matches, list_matching, locate

T0 = datetime(2024, 8, 1, tzinfo=UTC)


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
