import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.sources.base import Granule, NotPublished
from pipeline.sources.upstream import locate

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
