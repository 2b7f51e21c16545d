"""The harness sees what is wrong: kills, changes left half-way, processes and damages."""

from __future__ import annotations

import hashlib
import json
import os
import time
import zlib
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from pipeline.exchange.publication import folder_name
from pipeline.settings import Settings
from pipeline.storage.database import alerts, messages, runs
from pipeline.storage.records import Records
from tests.alerts.alert_cases import night
from tests.faults import processes, state
from tests.faults.__main__ import KINDS, Done, describe, list_tasks
from tests.faults.chain import count_uncovered_minutes, find_faults, incidents_of_other_events
from tests.faults.disks import damage
from tests.faults.kills import TURNS
from tests.faults.nights import check_runs
from tests.faults.prepared import STEPS
from tests.faults.processes import Failed, in_child
from tests.faults.soak import Soak
from tests.faults.trials import Kind, Trial, draw
from tests.scenarios.season import list_events
from tests.scenarios.season_checks import DAY
from tests.scenarios.test_season import FLOOD_NIGHTS, altered, play, river_flood


def write_two(folder: Path) -> int:
    (folder / "a").write_text("first")
    (folder / "b").write_text("second")
    (folder / "b").replace(folder / "c")
    return 7


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_child_is_killed_before_each_of_its_changes(tmp_path: Path) -> None:
    for point, left in enumerate(([], ["a"], ["a", "b"])):
        folder = tmp_path / str(point)
        folder.mkdir()
        ended = in_child(partial(write_two, folder), at_point=point, under=folder)
        assert (ended.killed, names(folder)) == (True, left)
        with pytest.raises(Failed):
            ended.value()
    (tmp_path / "whole").mkdir()
    ended = in_child(
        lambda: write_two(tmp_path / "whole"), count_points=True, under=tmp_path / "whole"
    )
    assert (ended.value(), ended.points, ended.killed) == (7, 3, False)


def test_a_child_is_killed_in_time_and_an_error_is_told() -> None:
    ended = in_child(lambda: time.sleep(30), after_s=0.1)
    assert ended.killed
    assert ended.seconds < 10
    failed = in_child(lambda: 1 // 0)
    assert "ZeroDivisionError" in failed.error
    assert not failed.killed


def test_a_process_that_outlives_its_parent_is_counted_and_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "GRACE_S", 0.3)

    def leave_one() -> None:
        if os.fork() == 0:
            for handle in range(3, 64):
                try:
                    os.close(handle)
                except OSError:
                    continue
            time.sleep(60)
            os._exit(0)
        time.sleep(60)

    assert in_child(leave_one, after_s=0.5).left == 1


def test_what_differs_is_shown_and_counted() -> None:
    found = {f"table {number}": "2 rows" for number in range(9)}
    expected = found | {"table 0": "3 rows", "file a": "00"}
    assert state.compare(expected, found) == [
        "file a: expected 00, found none", "table 0: expected 3 rows, found 2 rows",
    ]  # fmt: skip
    assert state.compare({}, found)[-1] == f"and {9 - state.MOST_SHOWN} more"


def test_a_page_is_damaged_and_a_trial_repeats(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    how = set()
    for number in range(12):
        path.write_bytes(bytes(range(256)) * 64)
        how.add(damage(path, draw("broken-page", number)).partition(": ")[2])
        assert path.stat().st_size == 256 * 64
        assert path.read_bytes() != bytes(range(256)) * 64
    assert how == {"zeros", "random bytes", "half of it zeros"}
    one, same, other = (draw("kill", number).random() for number in (3, 3, 4))
    assert one == same != other
    assert np.isfinite(one)


def test_minutes_without_a_message_are_counted_apart_while_the_machine_was_off() -> None:
    season = play(river_flood, range(FLOOD_NIGHTS + 3))
    late = altered(season, 4, expires=night(4) + 6 * DAY / 24)
    until = night(FLOOD_NIGHTS + 3)
    assert count_uncovered_minutes(season, until=until, off=[]) == {"running": 0, "off": 0}
    slept = [(night(4) + DAY / 2, night(4) + 2 * DAY)]
    minutes = count_uncovered_minutes(late, until=until, off=slept)
    assert minutes == {"running": 6 * 60, "off": 12 * 60}


def test_an_event_keeps_its_name_over_an_outage_alone() -> None:
    season = play(river_flood, [0, 1, 2, 6, 7])  # sent 2 has expired 1.75 days before 6
    first, second = list_events(season)
    assert {told.incidents for told in [*first, *second]} == {first[0].incidents}
    assert find_faults(season) == []
    early = altered(season, 2, expires=night(6) - timedelta(days=8))
    still = altered(season, 2, expires=night(7))
    for wrong in (early, still, altered(season, 2, facts={"change": "ended"})):
        assert incidents_of_other_events(wrong) == [second[0].identifier]
    nameless = altered(season, 4, incidents="")
    assert incidents_of_other_events(nameless) == [second[0].identifier]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_fault_of_the_harness_is_counted_in_the_table_of_its_kind(kind: Kind) -> None:
    broken = Done(kind.name, 0, Trial("harness", faults=["expected room, found none"]), 90.0, 60.0)
    assert f"1 of {kind.whole} trials, in 1 minutes of processor time, 1 with a fault" in describe(
        kind, [broken]
    )
    assert f"0 of {kind.whole} trials" in describe(kind, [])


def test_a_folder_of_trees_without_the_newest_is_broken(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert state.find_broken_tree(settings) == []
    (settings.published_dir / "versions").mkdir(parents=True)
    assert state.find_broken_tree(settings) == ["the published tree has no latest.json"]


def test_a_night_that_hangs_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LONGEST_S", 0.1)
    soak = Soak(Settings(data_dir=tmp_path), tmp_path, draw("soak", 0))

    def hang() -> int:
        time.sleep(30)
        return 0

    soak._note(night(0), in_child(hang))
    assert [fault.rpartition(": ")[2] for fault in soak.faults] == ["killed, as it hung"]


def test_the_whole_run_kills_every_step_and_at_least_five_hundred_times() -> None:
    assert {step.name for step in TURNS} == {step.name for step in STEPS}
    assert KINDS["kill"].whole >= 500
    tasks = list_tasks(list(KINDS.values()))
    assert tasks[0] == ("soak", 0)
    assert len(set(tasks)) == len(tasks) == sum(kind.whole for kind in KINDS.values())


@pytest.mark.sqlite  # the harness checks its pages
def test_digests_of_messages_that_name_other_snapshots_do_not_differ(tmp_path: Path) -> None:
    described = []
    for snapshot, text in (("A" * 20, "rise"), ("B" * 20, "rise"), ("B" * 20, "fall")):
        settings = Settings(data_dir=tmp_path / f"{snapshot}-{text}")
        message = f"{text}, archive {snapshot}".encode()
        (settings.published_dir / "cap").mkdir(parents=True)
        (settings.published_dir / "cap" / "a.xml").write_bytes(message)
        row = {
            "city": "vientiane", "hazard": "flood", "level": "watch", "identifier": "a",
            "sha256": hashlib.sha256(message).hexdigest(), "memory": {},
        }  # fmt: skip
        Records(settings.database).put(alerts, night(0), 0, [row])
        marks = {snapshot: "<snapshot 0>"}
        published = state._describe_published(settings.published_dir, marks)
        tables = state._describe_tables(settings, marks, batches=True)
        described.append((published, tables["table alerts"]))
    assert described[0] == described[1]
    assert described[0][0] != described[2][0]
    assert described[0][1] != described[2][1]


def store_night(settings: Settings, asof: datetime, *, late: bool = False) -> None:
    """Store a run, the message of a city, and a tree that holds nothing but its index."""
    run = {
        "issue_time": asof, "revision": 0, "inputs_digest": "", "snapshot": "", "batch": 0,
        "model_version": "", "origin": "virtual", "settings": {}, "sent": asof, "late": late,
    }  # fmt: skip
    name = f"mekong-{folder_name(asof)}-vientiane-flood-r0"
    message = {
        "identifier": name, "city": "vientiane", "hazard": "flood", "change": "new", "sent": asof,
        "expires": asof + DAY, "content": zlib.compress(b""), "issue_time": asof, "revision": 0,
    }  # fmt: skip
    alert = {
        "issue_time": asof, "revision": 0, "city": "vientiane", "hazard": "flood",
        "level": "watch", "identifier": name, "memory": {},
    }  # fmt: skip
    with Records(settings.database).database.writing() as connection:
        for table, row in ((runs, run), (messages, message), (alerts, alert)):
            connection.execute(table.insert().values(row))
    version = f"{folder_name(asof)}-r0-{'0' * 16}"
    tree = settings.published_dir / "versions" / version
    tree.mkdir(parents=True)
    index = json.dumps({"version": version, "files": {}}).encode()
    (tree / "index.json").write_bytes(index)
    (settings.published_dir / folder_name(asof)).symlink_to(f"versions/{version}")
    latest = {"version": version, "index": hashlib.sha256(index).hexdigest()}
    (settings.published_dir / "latest.json").write_text(json.dumps(latest))


def test_a_night_is_checked_by_its_tables_where_its_tree_is_kept_no_longer(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    for number in (0, 10, 100):
        store_night(settings, night(number))
    assert check_runs(settings) == []
    (settings.published_dir / folder_name(night(0))).unlink()
    assert check_runs(settings) == []
    (settings.published_dir / folder_name(night(10))).unlink()
    with pytest.raises(FileNotFoundError):
        check_runs(settings)


def test_a_message_of_a_late_night_is_a_fault(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    store_night(settings, night(1))
    store_night(settings, night(0), late=True)
    stamp = folder_name(night(0))
    assert check_runs(settings) == [
        f"{stamp} is late and sent ['mekong-{stamp}-vientiane-flood-r0']",
        f"the newest night is {night(1)}, and latest.json names {stamp}-r0-{'0' * 16}",
    ]
