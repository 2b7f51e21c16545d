"""The change of a message, told from what was stored as the message itself tells it."""

from __future__ import annotations

from pathlib import Path

from models.verification.as_issued import find_entry, level_before, reaches, read_issued
from pipeline.alerts.alert_state import AlertState
from pipeline.alerts.decision import Decision
from pipeline.alerts.levels import Level
from pipeline.storage import database
from pipeline.storage.records import Records
from tests.alerts.alert_cases import drought, dry_spell, flood, night
from tests.alerts.cap_cases import send
from tests.models.verification.issued_cases import message, moment, store_night


def as_told_and_as_found(store: Records, decisions: list[Decision]) -> tuple[list[str], list[str]]:
    """Changes that the messages of consecutive nights give, and those found in the tables."""
    told = list[str]()
    before = None
    for number, decision in enumerate(decisions):
        sent, state = send(decision)
        if sent is not None:
            told.append(sent.notice.change)
        run = {
            "issue_time": night(number), "revision": 0, "inputs_digest": "", "snapshot": "",
            "batch": 0, "model_version": "", "origin": "virtual", "settings": {},
            "follows": before and [before.isoformat(), 0],
        }  # fmt: skip
        alert = {
            "city": "vientiane", "hazard": decision.hazard, "level": decision.level.value,
            "identifier": sent.identifier if sent else None, "memory": state.to_dict(),
        }  # fmt: skip
        store.store_run(run, {database.alerts: [alert]})
        before = night(number)
    issued = read_issued(store, asof=night(len(decisions)), since=night(0))
    return told, issued.messages["change"].tolist()


def chain() -> list[Decision]:
    """Eight nights of a flood that begins, stays, rises, falls, is not assessed and ends."""
    nights: list[Decision] = []
    state: AlertState | None = None
    steps = [
        (0.3, 0.1, 0.0), (0.3, 0.1, 0.0), (0.9, 0.9, 0.9), (0.9, 0.9, 0.3), (0.9, 0.9, 0.3), None,
        (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0),
    ]  # fmt: skip
    for number, step in enumerate(steps):
        if step is None:
            decision = flood(number=number, state=state, age_h=60.0)
        else:
            decision = flood(*step, number=number, state=state)
        _, state = send(decision)
        nights.append(decision)
    return nights


def test_every_change_is_found_as_the_message_tells_it(tmp_path: Path) -> None:
    told, found = as_told_and_as_found(Records(f"sqlite:///{tmp_path}/records.db"), chain())
    assert found == told
    assert set(told) == {"new", "figures", "reissued", "raised", "lowered", "unassessed", "ended"}


def test_a_drought_that_goes_on_is_told_apart_from_one_that_changes(tmp_path: Path) -> None:
    state, nights = None, []
    for number in range(16):
        spell = dry_spell(0.7, 0.3, now=1 if number < 10 else 2)
        decision = drought(spell, number=number, state=state)
        _, state = send(decision)
        nights.append(decision)
    told, found = as_told_and_as_found(Records(f"sqlite:///{tmp_path}/records.db"), nights)
    assert found == told
    assert len(told) >= 2


def test_a_level_holds_until_its_message_expires(tmp_path: Path) -> None:
    store = Records(f"sqlite:///{tmp_path}/records.db")
    store_night(store, moment(0), "watch", chain=[message(moment(0), "watch")])
    store_night(store, moment(5), "none")
    issued = read_issued(store, asof=moment(9), since=moment(0))
    timeline = issued.timelines["pakse", "flood"]
    assert find_entry(timeline, moment(0)) is None, "not before it was sent"
    assert [level_before(timeline, moment(day)) for day in (0, 0.01, 2.25, 2.26, 5.1, 8)] == [
        Level.UNKNOWN, Level.WATCH, Level.WATCH, Level.UNKNOWN, Level.NONE, Level.UNKNOWN,
    ]  # fmt: skip


def test_a_revision_puts_its_level_in_force_when_it_is_sent(tmp_path: Path) -> None:
    store = Records(f"sqlite:///{tmp_path}/records.db")
    first = message(moment(0), "watch")
    second = message(moment(0), "warning", sent=moment(0.25), revision=1)
    store_night(store, moment(0), "watch", chain=[first])
    store_night(store, moment(0), "warning", chain=[first, second], revision=1, sent=moment(0.25))
    timeline = read_issued(store, asof=moment(1), since=moment(0)).timelines["pakse", "flood"]
    assert level_before(timeline, moment(0.2)) is Level.WATCH
    assert level_before(timeline, moment(0.3)) is Level.WARNING


def test_no_level_reaches_a_return_level() -> None:
    assert not reaches(Level.EMERGENCY, None)
    assert not reaches(Level.WATCH, Level.WARNING)
