"""What ingests and runs leave in the tables."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.storage import database
from pipeline.storage.records import Batch, Records
from tests.storage.stages import LATENCY, add, moment, table


@pytest.fixture
def store(tmp_path: Path) -> Records:
    return Records(f"sqlite:///{tmp_path / 'records.db'}")


def test_a_failed_ingest_leaves_nothing(store: Records) -> None:
    with pytest.raises(RuntimeError), store.ingest("gauges", asof=moment(1)) as batch:
        batch.add_readings(
            table({"2026-08-01T00:00": 1.0}), asof=moment(1), latency=LATENCY, origin="measured"
        )
        raise RuntimeError
    assert store.readings.read("stage", asof=moment(9)).empty
    assert store.database.batch == 0


def test_a_pinned_batch_keeps_its_content_while_two_ingests_overlap(tmp_path: Path) -> None:
    """Batches are visible in the order of their numbers: none comes after a later one."""
    url = f"sqlite:///{tmp_path / 'records.db'}"

    def note(batch: Batch, name: str) -> None:
        batch.add_granule(
            name, start=moment(1), end=moment(2), sha256=name, available_time=moment(3),
            origin="measured",
        )  # fmt: skip

    def ingest_another() -> None:
        with Records(url).ingest("gauges", asof=moment(4)) as batch:
            note(batch, "second")

    def known(pinned: int) -> list[str]:
        rows = Records(url, batch=pinned).inputs(asof=moment(4), start=moment(1))
        return [row["name"] for row in rows]

    other = threading.Thread(target=ingest_another)
    with Records(url).ingest("smap", asof=moment(4)) as batch:
        note(batch, "first")
        other.start()
        other.join(timeout=2)
        pinned = Records(url).database.batch
        seen = known(pinned)
    other.join()
    assert known(pinned) == seen
    assert [known(number) for number in (1, 2)] == [["first"], ["second", "first"]]


def test_two_processes_replace_the_rows_of_a_run_one_after_the_other(tmp_path: Path) -> None:
    """The second finds those of the first, instead of writing them a second time."""
    url = f"sqlite:///{tmp_path / 'records.db'}"
    row: dict[str, object] = {
        "city": "pakse", "hazard": "flood", "level": "none", "identifier": None, "memory": {},
    }  # fmt: skip
    stores, started = [Records(url) for _ in range(2)], threading.Barrier(2)

    def put(store: Records) -> None:
        started.wait()
        for _ in range(40):
            store.put(database.alerts, moment(5), 0, [row])

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(put, store) for store in stores]:
            done.result()
    assert len(Records(url).get(database.alerts, moment(5), 0)) == 1


def test_no_reading_is_minus_zero(store: Records) -> None:
    """A published number would be another on another database."""
    add(store, {"2026-08-01T00:00": -0.0}, moment(1))
    [value] = store.readings.read("stage", asof=moment(9))["value"]
    assert math.copysign(1.0, value) == 1.0


def test_granules_are_known_by_name_and_checksum(store: Records) -> None:
    with store.ingest("smap", asof=moment(4)) as batch:
        batch.add_granule(
            "a1.h5",
            start=moment(1, 0, 0),
            end=moment(1, 3, 0),
            sha256="00",
            available_time=moment(3),
            origin="measured",
            rejected="x",
        )
    assert store.known_granules("smap") == {"a1.h5": {(None, "00")}}  # rejected: no time
    [row] = store.inputs(asof=moment(4), start=moment(1, 1, 0))
    assert (row["name"], row["available_time"], row["rejected"]) == ("a1.h5", moment(3), "x")
    assert store.inputs(asof=moment(2), start=moment(1)) == []


def test_inputs_are_in_the_order_of_code_points(store: Records) -> None:
    """A digest of them is the same whatever the locale of the database."""
    names = ["B-1", "B_1", "B_1-a", "a", "b", "c"]
    with store.ingest("smap", asof=moment(4)) as batch:
        for name in reversed(names):
            batch.add_granule(
                name, start=moment(1), end=moment(2), sha256="0", available_time=moment(3),
                origin="measured",
            )  # fmt: skip
    assert [row["name"] for row in store.inputs(asof=moment(4), start=moment(1))] == names


def test_the_same_run_keeps_its_revision(store: Records) -> None:
    row = {
        "issue_time": moment(5),
        "inputs_digest": "a",
        "snapshot": "S",
        "batch": 3,
        "model_version": "m",
        "origin": "virtual",
        "settings": {"alert_status": "Test"},
        "follows": None,
        "rules": {"thresholds.csv": "1"},
        "code": "x",
        "sent": None,
        "late": None,
    }
    first = store.draft_run(row)
    assert first == row | {"revision": 0}
    with pytest.raises(LookupError, match="2026-08-05 00:30Z"):
        store.run(moment(5))
    store.store_run(first, {})
    assert store.draft_run(row | {"snapshot": "T", "batch": 4}) == first
    assert store.draft_run(row | {"code": "y"})["revision"] == 1, "the code was changed"
    edited = store.draft_run(row | {"rules": {"thresholds.csv": "2"}})
    assert edited["revision"] == 1, "a table was edited"
    second = store.draft_run(row | {"inputs_digest": "b"})
    assert second["revision"] == 1
    store.store_run(second, {})
    store.store_run(second, {})
    assert store.run(moment(5))["inputs_digest"] == "b"
    again = store.draft_run(row)
    assert again["revision"] == 2, "as it was before, but not what was issued last"
    with pytest.raises(RuntimeError, match="found one with revision 1; forecast again"):
        store.store_run(second | {"inputs_digest": "c"}, {})
    with pytest.raises(LookupError, match="2026-08-06 00:30Z"):
        store.run(moment(6))


def test_a_run_is_stored_with_its_forecasts_or_not_at_all(store: Records) -> None:
    run = store.draft_run(
        {
            "issue_time": moment(5), "inputs_digest": "a", "snapshot": "S", "batch": 3,
            "model_version": "m", "origin": "virtual", "settings": {}, "follows": None,
            "rules": {}, "code": "", "sent": None, "late": None,
        }
    )  # fmt: skip
    stage = {
        "station": "013901", "lead_days": 1, "valid_time": moment(6), "tier": "full", "row": {},
    }  # fmt: skip
    with pytest.raises(sa.exc.IntegrityError):
        store.store_run(run, {database.stage_forecasts: [stage, stage]})
    with pytest.raises(LookupError):
        store.run(moment(5))
    store.store_run(run, {database.stage_forecasts: [stage]})
    assert store.run(moment(5)) == run
    assert len(store.get(database.stage_forecasts, moment(5), 0)) == 1


def test_put_replaces_and_the_last_issue_is_found(store: Records) -> None:
    row = {"city": "pakse", "hazard": "flood", "level": "watch", "identifier": "i", "memory": {}}
    store.put(database.alerts, moment(5), 0, [row])
    store.put(database.alerts, moment(5), 0, [row | {"level": "warning"}])
    store.put(database.alerts, moment(6), 0, [row | {"identifier": "j"}])
    assert store.last_issued(before=moment(6)) == (moment(5), 0)
    assert store.last_issued(before=moment(5)) is None
    [last] = store.get(database.alerts, moment(5), 0)
    assert last["level"] == "warning"
    assert store.alert("j")["issue_time"] == moment(6)
    with pytest.raises(LookupError, match="'k'"):
        store.alert("k")


def test_a_naive_moment_is_refused(store: Records) -> None:
    with pytest.raises(Exception, match="without a time zone"):
        store.run(datetime(2026, 8, 1))  # noqa: DTZ001
