"""Nights that follow each other, are run again, out of order, or are killed on the way."""

from __future__ import annotations

import os
from collections.abc import Callable

import icechunk
import pytest

from pipeline import review, steps
from pipeline.results import Replayed
from pipeline.settings import Settings
from pipeline.sources import NIGHTLY
from pipeline.storage import records
from pipeline.storage.archive import Archive
from pipeline.storage.database import Database
from pipeline.storage.records import Records
from tests.scenarios.nights import FLOOD, NEXT_MORNING, Night, check_tree, ingest, text

pytestmark = pytest.mark.slow


def test_the_next_morning_updates_the_event(flood: Night, next_morning: Night) -> None:
    check_tree(next_morning)
    first, second = flood.message("nakhon_phanom"), next_morning.message("nakhon_phanom")
    assert (text(first, "msgType"), text(second, "msgType")) == ("Alert", "Update")
    sender = text(first, "sender")
    assert text(second, "references") == (
        f"{sender},mekong-20260820T0030Z-nakhon_phanom-flood-r0,2026-08-20T07:30:00+07:00"
    )
    assert "at 07:00 local time" in text(second, "info/description")
    assert "21 August 2026" in text(second, "info/description")
    assert (next_morning.settings.published_dir / "latest").resolve() == (
        next_morning.folder.resolve()
    )
    sent = {row["city"] for row in flood.alert_table() if row["identifier"]}
    for identifier, alert in next_morning.messages().items():
        city = identifier.split("-")[2]
        assert text(alert, "msgType") == ("Update" if city in sent else "Alert"), city


def test_the_forecasts_that_came_due_are_scored(next_morning: Night) -> None:
    done = steps.verify(asof=NEXT_MORNING, settings=next_morning.settings)
    store = Records(next_morning.settings.database)
    scores = store.all_scores()
    scores = scores[scores["issue_time"] == FLOOD]
    assert set(scores["lead_days"]) == {1}
    assert done.forecasts == len(scores) >= 20
    assert done.rmse_m == pytest.approx(float((scores["error_m"] ** 2).mean() ** 0.5))
    assert done.rmse_m is not None
    assert done.rmse_m < 0.5
    assert done.cover80 == pytest.approx(float(scores["inside_80"].mean()))
    row = scores.set_index("station").loc["013101"]
    assert row["observed_m"] == float(next_morning.row("nakhon_phanom")["stage_m"])
    assert steps.verify(asof=NEXT_MORNING, settings=next_morning.settings) == done
    early = steps.verify(asof=FLOOD, settings=next_morning.settings)
    assert early.forecasts == 0, "nothing of the flood night had come due that morning"


def test_a_rerun_of_every_step_changes_nothing(quiet: Night) -> None:
    """Also after a later night and an earlier one that was made up late."""
    flood = Night(quiet.settings, FLOOD)
    before = flood.state()
    assert steps.simulate(asof=FLOOD, settings=flood.settings).files == 0
    for done in ingest(flood.settings, FLOOD, ("zones", *NIGHTLY)):
        assert (done.read, done.added, done.rejected) == (0, 0, ())
        assert done.known > 0
    assert steps.assess(asof=FLOOD, settings=flood.settings).changed == 0
    assert steps.forecast(asof=FLOOD, settings=flood.settings).revision == 0
    assert steps.publish(asof=FLOOD, settings=flood.settings).folder == str(flood.folder)
    assert flood.state() == before
    check_tree(flood)


def test_messages_are_replayed_byte_for_byte(quiet: Night, drought: Night) -> None:
    """Of a night with a later one and an earlier one after it, and of a drought."""
    for night, hazard in ((Night(quiet.settings, FLOOD), "flood"), (drought, "drought")):
        path = next(night.folder.glob(f"cap/*-nakhon_phanom-{hazard}-r0.xml"))
        replayed = review.replay(path.stem, settings=night.settings)
        assert replayed == Replayed(path.read_bytes())


class Killed(KeyboardInterrupt):
    """The process is killed here."""


def kill(*_: object, **__: object) -> None:
    raise Killed


def kill_at(count: int, call: Callable[..., object]) -> Callable[..., object]:
    """Let some calls pass, then kill."""
    left = [count]

    def counted(*args: object, **options: object) -> object:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return call(*args, **options)

    return counted


def test_killed_steps_leave_the_last_tree_and_are_completed(
    next_copy: Settings, next_morning: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = next_copy
    published = Night(settings, FLOOD)
    latest = settings.published_dir / "latest"
    before = published.state()

    def still_there() -> None:
        assert latest.resolve() == published.folder.resolve()
        check_tree(published)

    for name, (owner, attribute) in {
        "before the commit": (icechunk.Session, "commit"),
        "before the tables": (Records, "ingest"),
    }.items():
        with monkeypatch.context() as patch:
            patch.setattr(owner, attribute, kill)
            with pytest.raises(Killed):
                steps.ingest("imerg_early", asof=NEXT_MORNING, settings=settings)
        still_there()
        assert Database(settings.database).batch == before["batch"], name
    assert Archive(settings.archive_dir).snapshot != before["snapshot"], "the grids were committed"
    for done in ingest(settings, NEXT_MORNING, NIGHTLY):
        assert done.rejected == ()
    with monkeypatch.context() as patch:
        patch.setattr(Archive, "append", kill)
        with pytest.raises(Killed):
            steps.assess(asof=NEXT_MORNING, settings=settings)
    steps.assess(asof=NEXT_MORNING, settings=settings)
    with monkeypatch.context() as patch:
        patch.setattr(records, "_replace_rows", kill_at(1, records._replace_rows))
        with pytest.raises(Killed):
            steps.forecast(asof=NEXT_MORNING, settings=settings)
    assert steps.forecast(asof=NEXT_MORNING, settings=settings).revision == 0
    still_there()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", kill_at(7, os.fsync))
        with pytest.raises(Killed):
            steps.publish(asof=NEXT_MORNING, settings=settings)
    still_there()
    assert not (settings.published_dir / "20260821T0030Z").exists()
    with monkeypatch.context() as patch:
        patch.setattr(Records, "put_alerts", kill)
        with pytest.raises(Killed):
            steps.publish(asof=NEXT_MORNING, settings=settings)
    last = steps.publish(asof=NEXT_MORNING, settings=settings)
    completed = Night(settings, NEXT_MORNING)
    check_tree(completed)
    assert latest.resolve() == completed.folder.resolve()
    assert last.messages == len(completed.messages())
    assert completed.rows() == next_morning.rows(), "as if nothing had happened"
    assert not list(settings.published_dir.rglob(".draft-*"))
    assert len(list(settings.published_dir.glob("versions/*"))) == 2
