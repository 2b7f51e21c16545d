"""A task that goes on after its worker died, beside its second try: the tree is right."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline import steps
from pipeline.exchange import publication
from pipeline.settings import Settings
from pipeline.storage import records
from pipeline.storage.archive import Archive
from pipeline.storage.records import Records
from tests.scenarios import nights
from tests.scenarios.compare_published import differences
from tests.scenarios.nights import FLOOD, Night, check_tree

pytestmark = pytest.mark.slow
LONGEST_S = 300
WAITS_S = 2
"""Time after which a second try that has not ended is taken to wait for the orphan's lock."""


@dataclass(frozen=True)
class Point:
    """Where an orphan stands still: before the call of a step that begins to change a store."""

    owner: object
    attribute: str
    step: str
    source: str = ""

    def run(self, settings: Settings) -> Any:
        named = {"source": self.source} if self.source else {}
        return getattr(steps, self.step)(**named, asof=FLOOD, settings=settings)


OUTSIDE = (
    Point(Records, "ingest", "ingest", "smap"),  # the grids are stored, the tables know nothing
    Point(Records, "ingest", "ingest", "gauges"),
    Point(Archive, "append", "assess"),
    Point(Records, "store_run", "forecast"),
    Point(publication, "publishing", "publish"),
)
"""Points at which no lock is held: the second try passes the orphan."""
INSIDE = (
    Point(Archive, "_append", "ingest", "smap"),
    Point(records.Batch, "add_granule", "ingest", "gauges"),
    Point(Archive, "_append", "assess"),
    Point(records, "_replace_rows", "forecast"),
    Point(Records, "put_alerts", "publish"),
)
"""Points at which a lock is held: the second try waits."""


class Orphan:
    """A step in a thread of its own that stands still at a point until it is released."""

    def __init__(self, point: Point, settings: Settings, pool: ThreadPoolExecutor) -> None:
        self.reached, self.released = threading.Event(), threading.Event()
        call: Callable[..., Any] = getattr(point.owner, point.attribute)
        mine = threading.local()

        def stand_still(*arguments: Any, **options: Any) -> Any:
            if getattr(mine, "is_orphan", False) and not self.reached.is_set():
                self.reached.set()
                assert self.released.wait(LONGEST_S)
            return call(*arguments, **options)

        def run() -> Any:
            mine.is_orphan = True
            return point.run(settings)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(point.owner, point.attribute, stand_still)
            self.ran: Future[Any] = pool.submit(run)
            assert self.reached.wait(LONGEST_S), point

    def release(self) -> None:
        self.released.set()
        self.ran.result(LONGEST_S)


def differences_but_for_tries(flood: Night, settings: Settings) -> list[str]:
    """Differences to the undisturbed night but for the number of ingests until then."""
    return differences(flood.settings.published_dir, settings.published_dir, batch=True)


@pytest.mark.parametrize("points", [OUTSIDE, INSIDE], ids=["passed", "waited for"])
def test_the_orphan_of_every_step_ends_after_the_second_try(
    points: tuple[Point, ...], without_soil: Settings, flood: Night, tmp_path: Path
) -> None:
    settings = nights.fork(without_soil, tmp_path / "data")
    with ThreadPoolExecutor(2) as pool:
        for point in points:
            orphan = Orphan(point, settings, pool)
            second = pool.submit(point.run, settings)
            with suppress(TimeoutError):
                second.result(LONGEST_S if points is OUTSIDE else WAITS_S)
            assert second.done() == (points is OUTSIDE), point
            orphan.release()
            second.result(LONGEST_S)
    check_tree(Night(settings, FLOOD))
    assert differences_but_for_tries(flood, settings) == []


def test_orphans_that_end_after_the_night_change_nothing(
    without_soil: Settings, flood: Night, tmp_path: Path
) -> None:
    settings = nights.fork(without_soil, tmp_path / "data")
    with ThreadPoolExecutor(len(OUTSIDE)) as pool:
        orphans = []
        for point in OUTSIDE:
            orphans.append(Orphan(point, settings, pool))
            point.run(settings)
        night = Night(settings, FLOOD)
        before = night.state()
        for orphan in orphans:
            orphan.release()
    after = night.state()
    assert {key: after[key] for key in before if key != "batch"} == {
        key: before[key] for key in before if key != "batch"
    }
    assert steps.forecast(asof=FLOOD, settings=settings).revision == 0
    assert differences_but_for_tries(flood, settings) == []
