"""One look: what is published of it, after a kill too, and what it says of what it cannot see."""

from __future__ import annotations

import pytest

from pipeline import steps
from pipeline.storage.archive import Archive
from tests.areal.uniform_grids import put
from tests.watch.watch_cases import FIRST, NIGHT, Basin, at


def test_the_night_published_again_keeps_the_watch(basin: Basin) -> None:
    basin.read([(at(1, 0), 12.2), (at(2, 0), 12.7)], asof=at(2))
    basin.watch(at(2))
    tree = basin.tree()
    steps.publish(asof=NIGHT, settings=basin.settings)
    assert basin.tree() == tree


def test_what_a_killed_watch_stored_is_published_by_the_next(
    basin: Basin, monkeypatch: pytest.MonkeyPatch
) -> None:
    basin.read([(at(1, 0), 12.2), (at(2, 0), 12.7)], asof=at(2))
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.watch.look.publish_tree", _killed)
        with pytest.raises(SystemExit):
            basin.watch(at(2))
    assert basin.chain() == []
    assert basin.watch(at(3)).raised == ()
    assert [row["identifier"] for row in basin.chain()] == [FIRST]
    assert basin.facts()["level"] == "emergency"


def _killed(*_args: object, **_options: object) -> None:
    raise SystemExit


def test_missing_data_is_no_statement(basin: Basin) -> None:
    done, facts = basin.watch(at(3)), basin.facts()
    assert (done.raised, done.heavy_rain, done.over_mark) == ((), (), ())
    assert facts["level"] == "unknown"
    seen = basin.seen()
    assert seen["rain"]["until"] is None
    assert {"vientiane", "siem_reap"} <= set(seen["rain"]["unknown"])
    assert {"011901", "013901"} <= set(seen["gauges"]["unknown"])


def test_stores_are_read_as_they_were(basin: Basin) -> None:
    archive = Archive(basin.settings.archive_dir)
    put(archive, "gk2a", "rain_rate", [400.0] * 12, start=NIGHT, known=at(3))
    done = basin.watch(at(2))
    assert basin.seen()["rain"]["until"] is None, "known an hour later"
    assert done.heavy_rain == ()
