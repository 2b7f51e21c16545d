"""The step between two nights: when it does nothing, with others at once, with a dead source."""

from __future__ import annotations

import multiprocessing
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline import hourly, steps
from pipeline.exchange.publication import publishing
from pipeline.sources import SOURCES
from tests.watch.watch_cases import FIRST, NIGHT, Basin, at, make_calm_night, refers


@pytest.fixture(scope="module")
def calm_night(tmp_path_factory: pytest.TempPathFactory) -> Basin:
    return make_calm_night(tmp_path_factory.mktemp("calm"))


@pytest.fixture
def basin(calm_night: Basin, tmp_path: Path) -> Basin:
    return calm_night.fork(tmp_path / "data")


def test_a_watch_on_older_data_than_the_night_does_nothing(basin: Basin) -> None:
    basin.read([(at(22, 0, day=19), 13.0)], asof=NIGHT - timedelta(hours=1))
    tree = basin.tree()
    done = basin.watch(NIGHT - timedelta(hours=1))
    assert (done.follows, done.raised) == ("", ())
    assert done.missing == ("the night of 2026-08-20 00:30Z is newer",)
    assert basin.watch(NIGHT).follows == ""
    assert basin.tree() == tree
    assert not (basin.settings.published_dir / "watch.json").exists()


def test_before_the_first_night_there_is_nothing_to_follow(tmp_path: Path) -> None:
    basin = Basin(tmp_path)
    basin.calm()
    assert basin.watch(at(2)).missing == ("no night has been issued",)


def _watch(folder: Path) -> tuple[str, ...]:
    return Basin(folder).watch(at(2)).raised


@pytest.mark.sqlite  # the file is opened by another process
def test_two_watches_at_once_send_one_message(basin: Basin) -> None:
    basin.read([(at(1, 0), 11.2), (at(2, 0), 11.7)], asof=at(2))
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        raised = pool.map(_watch, [basin.folder] * 2)
    assert sorted(raised) == [(), (FIRST,)]
    assert refers(basin.chain()) == [[]]


@pytest.mark.sqlite  # the file is opened by another process
def test_a_watch_waits_for_who_publishes(basin: Basin) -> None:
    with publishing(basin.settings.published_dir):
        process = multiprocessing.get_context("spawn").Process(target=_watch, args=(basin.folder,))
        process.start()
        process.join(8)
        assert process.is_alive()
    process.join(60)
    assert process.exitcode == 0


def test_a_source_that_fails_is_named_and_the_others_count(
    basin: Basin, monkeypatch: pytest.MonkeyPatch
) -> None:
    basin.read([(at(1, 0), 11.2), (at(2, 0), 11.7)], asof=at(2))
    ingest = steps.ingest

    def fail(source: str, **options: object) -> object:
        if source == "gk2a":
            raise OSError("no route to host")
        return ingest(source, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(steps, "ingest", fail)
    done = basin.watch(at(2))
    assert done.raised == (FIRST,)
    assert done.missing == ("gk2a: no route to host",)
    assert basin.seen()["missing"] == ["gk2a: no route to host"]


def test_the_sources_of_a_watch_are_known_and_looked_back_for_less_than_a_night() -> None:
    for name, span in hourly.FETCHED.items():
        assert timedelta(0) < span <= SOURCES[name].lookback
