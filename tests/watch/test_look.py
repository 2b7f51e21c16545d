"""One look: what is published of it, after a kill too, and what it says of what it cannot see."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from pipeline import hourly, review, steps, upkeep
from pipeline.alerts.cap import message_path
from pipeline.exchange.publication import folder_name
from pipeline.exchange.signatures import strip_signature
from pipeline.exchange.tree import proof_path
from pipeline.geography.places import zones
from pipeline.indices import suite
from pipeline.issuance.provenance import digest_rules
from pipeline.results import Replayed
from pipeline.steps import UserError
from pipeline.storage.archive import Archive, NotKept
from pipeline.storage.database import raises, runs
from pipeline.watch.look import raise_again
from tests.areal.uniform_grids import put
from tests.conftest import LayOver
from tests.exchange.key_cases import pem
from tests.watch.watch_cases import FIRST, NIGHT, SECOND, TOMORROW, Basin, at, params


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


SIEM_REAP = "mekong-watch-20260820T0315Z-siem_reap-flood-r0"
STAGE_HEAD = "station,kind,value,unit,source,as_of,verified"


def published(basin: Basin, path: str) -> bytes:
    return (basin.settings.published_dir / folder_name(NIGHT) / path).read_bytes()


def made_again(basin: Basin, *identifiers: str) -> bool:
    """Whether messages and their proof records are made again as they are published."""
    for identifier in identifiers:
        raised = raise_again(basin.records.alert(identifier), basin.settings)
        assert raised is not None
        assert raised.sent["proof"] == published(basin, proof_path(identifier))
        replayed = review.replay(identifier, settings=basin.settings)
        assert replayed == Replayed(published(basin, message_path(identifier)))
    return True


def test_a_chain_of_raises_is_made_again_whatever_came_after(basin: Basin) -> None:
    basin.read([(at(1, 0), 11.2), (at(2, 0), 11.7)], asof=at(2))
    basin.watch(at(2))
    assert made_again(basin, FIRST)
    basin.read([(at(3, 0), 12.1), (at(4, 0), 12.6)], asof=at(4))
    assert basin.watch(at(4)).raised == (SECOND,)
    assert made_again(basin, FIRST, SECOND)
    basin.read([(at(2, 0), 10.7), (at(4, 0), 10.6), (at(5, 0), 10.5)], asof=at(5))
    basin.watch(at(5))
    assert made_again(basin, FIRST, SECOND), "corrected later"
    basin.read([(at(12, 0), 10.2), (at(23, 0), 10.1)], asof=TOMORROW)
    basin.night(TOMORROW)
    basin.watch(TOMORROW + timedelta(hours=1))
    steps.cancel(
        "mekong-20260821T0030Z-vientiane-flood-r0",
        why="Wrong gauge", asof=TOMORROW + timedelta(hours=2), settings=basin.settings,
    )  # fmt: skip
    assert made_again(basin, FIRST, SECOND)


@pytest.mark.parametrize("moment", [NIGHT, at(2, 40)])
def test_a_cancel_counts_for_the_watches_that_saw_it(basin: Basin, moment: datetime) -> None:
    """Of an exercise it may have the moment of the night, before that of the watch."""
    basin.read([(at(1, 0), 11.2), (at(2, 0), 11.7)], asof=at(2))
    basin.watch(at(2))
    steps.cancel(FIRST, why="Wrong gauge", asof=moment, settings=basin.settings)
    basin.read([(at(3, 0), 11.8), (at(4, 0), 11.9)], asof=at(4))
    assert basin.watch(at(4)).raised == (SECOND,)
    assert made_again(basin, FIRST, SECOND)


def test_a_cancel_of_the_moment_of_a_watch_was_not_seen_by_it(basin: Basin) -> None:
    basin.read([(at(1, 0), 11.2), (at(2, 0), 11.7)], asof=at(2))
    basin.watch(at(2))
    basin.read([(at(3, 0), 12.1), (at(4, 0), 12.6)], asof=at(4))
    basin.watch(at(4))
    before = basin.records.alert(SECOND)["seen"]["since"]
    steps.cancel(SECOND, why="Wrong gauge", asof=NIGHT, settings=basin.settings)
    assert before == [FIRST]
    assert made_again(basin, FIRST, SECOND)


def test_a_revision_of_the_night_leaves_the_raises_as_they_were(basin: Basin) -> None:
    basin.read([(at(1, 0), 12.2), (at(2, 0), 12.7)], asof=at(2))
    basin.watch(at(2))
    basin.read([(NIGHT - timedelta(hours=3), 9.8)], code="013901", asof=NIGHT)
    basin.night(made=at(5))
    assert basin.records.run(NIGHT)["revision"] == 1
    assert made_again(basin, FIRST)


def test_an_edited_table_is_told_and_a_later_row_changes_nothing(
    basin: Basin, lay_over: LayOver
) -> None:
    basin.read([(at(1, 0), 11.2), (at(2, 0), 11.7)], asof=at(2))
    basin.watch(at(2))
    lay_over("thresholds.csv", STAGE_HEAD, "011901,alarm,11.9,m,the agency,2026-08-21,V")
    assert made_again(basin, FIRST)
    for stage_m in (11.6, 11.9):
        lay_over("thresholds.csv", STAGE_HEAD, f"011901,alarm,{stage_m},m,the agency,2026,V")
        again = review.replay(FIRST, settings=basin.settings)
        assert again.difference == f"{FIRST} is not what was sent: changed since: thresholds.csv"
        assert bool(again.content) == (stage_m == 11.6), "above 11.7 m nothing is raised"


def test_the_rules_of_a_message_are_those_of_its_watch(basin: Basin, lay_over: LayOver) -> None:
    lay_over("thresholds.csv", STAGE_HEAD, "011901,alarm,11.6,m,the agency,2026-08-20,V")
    basin.read([(at(1, 0), 11.2), (at(2, 0), 11.7)], asof=at(2))
    basin.watch(at(2))
    proof = json.loads(published(basin, proof_path(FIRST)))
    assert proof["rules_sha256"] == digest_rules(at(2)) != basin.records.run(NIGHT)["rules"]
    assert made_again(basin, FIRST)


def test_another_code_is_told(basin: Basin, monkeypatch: pytest.MonkeyPatch) -> None:
    basin.read([(at(1, 0), 11.2), (at(2, 0), 11.7)], asof=at(2))
    basin.watch(at(2))
    monkeypatch.setattr("pipeline.issuance.provenance.digest_code", lambda: "other")
    assert made_again(basin, FIRST), "other code that gives the same bytes"
    monkeypatch.setattr("pipeline.watch.raises.PREFIX", "look-")
    again = review.replay(FIRST, settings=basin.settings)
    assert again == Replayed(
        b"", f"{FIRST} is not what was sent: no table or text has changed since, the code has"
    )


def test_a_signed_raise_is_made_again_with_its_keys(basin: Basin) -> None:
    signed, others = (
        basin.settings.model_copy(update={"signing_keys_pem": SecretStr(pem(name))})
        for name in ("A", "B")
    )
    basin.read([(at(1, 0), 11.2), (at(2, 0), 11.7)], asof=at(2))
    hourly.watch(asof=at(2), settings=signed)
    sent = published(basin, message_path(FIRST))
    assert review.replay(FIRST, settings=signed) == Replayed(sent)
    assert review.replay(FIRST, settings=basin.settings) == Replayed(strip_signature(sent))
    difference = review.replay(FIRST, settings=others).difference
    assert difference == f"{FIRST}: signed by other keys than the published one"


def test_a_raise_without_a_note_of_what_was_seen_is_refused_in_one_line(basin: Basin) -> None:
    basin.read([(at(1, 0), 11.2), (at(2, 0), 11.7)], asof=at(2))
    basin.watch(at(2))
    with basin.records.database.engine.begin() as connection:
        connection.execute(raises.update().values(seen=sa.null()))
    with pytest.raises(UserError, match=f"^{FIRST} was sent before the hourly watch noted what"):
        review.replay(FIRST, settings=basin.settings)


@pytest.fixture
def rained(basin: Basin, monkeypatch: pytest.MonkeyPatch) -> Basin:
    """A watch that raised Siem Reap on rain, where alone the return levels are low."""
    ids = list(zones())
    levels = params(ids)
    levels["location"] = levels["location"].where(levels["zone"] == "city:siem_reap", 5000.0)
    model = SimpleNamespace(parameters=lambda: {suite.EXTREMES[0].params_in("zones"): levels})
    monkeypatch.setattr("models.registry.load", lambda *_, **__: ({"drought": model}, {}))
    with basin.records.database.engine.begin() as connection:
        connection.execute(runs.update().values(model_version="m1"))
    put(Archive(basin.settings.archive_dir), "gk2a", "rain_rate", [0.0] * 2 + [20.0] * 13,
        start=NIGHT, step=timedelta(minutes=10), known=at(3))  # fmt: skip
    assert basin.watch(at(3)).raised == (SIEM_REAP,)
    return basin


def test_a_raise_on_rain_is_made_again_after_later_files(rained: Basin) -> None:
    assert made_again(rained, SIEM_REAP)
    assert b"mm of rain fell within" in published(rained, message_path(SIEM_REAP))
    archive = Archive(rained.settings.archive_dir)
    put(archive, "imerg_early", "rain_rate", [80.0] * 5, start=NIGHT, known=at(3))
    assert made_again(rained, SIEM_REAP), "stored after the watch, known before it"


def test_a_raise_is_made_again_of_what_is_kept_and_refused_after_that(rained: Basin) -> None:
    archive = Archive(rained.settings.archive_dir)
    snapshot = rained.records.alert(SIEM_REAP)["seen"]["snapshot"]
    put(archive, "imerg_late", "rain_rate", [0.1] * 128, start=NIGHT - timedelta(days=9))
    put(archive, "gk2a", "rain_rate", [1.0], start=at(4, 0), known=at(5))
    rained.night(TOMORROW)
    kept: dict[str, Any] = {"keep_snapshot_days": 0}
    settings = rained.settings.model_copy(update=kept)
    retained = upkeep.retain(asof=TOMORROW, grace=timedelta(0), settings=settings)
    assert (retained.snapshots >= 1, retained.steps) == (True, {})
    with pytest.raises(NotKept):
        Archive(settings.archive_dir, snapshot=snapshot)
    assert made_again(rained, SIEM_REAP)
    shorter = settings.model_copy(update={"keep_grid_days": 5})
    retained = upkeep.retain(asof=TOMORROW, grace=timedelta(0), settings=shorter)
    assert retained.steps == {"imerg_late": 128}
    with pytest.raises(NotKept, match=r"^the watch of 2026-08-20 03:15Z can no longer be made"):
        review.replay(SIEM_REAP, settings=settings)
