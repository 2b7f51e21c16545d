from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from pipeline.alerts.cap import Message
from pipeline.alerts.templates import LANGUAGES
from pipeline.exchange import alert_files, index
from pipeline.exchange.forecast_files import FORECAST_COLUMNS, STAGE_COLUMNS
from pipeline.exchange.messages import make_row
from pipeline.exchange.tree import make_tree
from pipeline.settings import Settings
from pipeline.storage.records import Records
from tests.alerts.alert_cases import T0, flood, night
from tests.alerts.cap_cases import CAP, send
from tests.exchange.key_cases import keys_of

SETTINGS = Settings(upstream="archive", records_url=None)


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(f"sqlite:///{tmp_path / 'records.db'}")


def run_of(when: datetime) -> dict[str, Any]:
    return {"issue_time": when, "revision": 0, "sent": when, "settings": {}}


def draft(when: datetime) -> dict[str, bytes]:
    """Files of a run of no city."""
    return {
        "alerts.geojson": alert_files.write_geojson(
            [], issue_time=when, status="Exercise", areas={}
        ),
        "alerts.csv": b"",
        "forecasts.csv": alert_files.write_csv([], FORECAST_COLUMNS),
        "stages.csv": alert_files.write_csv([], STAGE_COLUMNS),
        "index.json": index.write_index(
            [], issue_time=when, revision=0, status="Exercise", origin="virtual", inputs={},
            missing=[], archive_snapshot="ABC", records_batch=7, model_version="m1",
        ),
    }  # fmt: skip


def publish(records: Records, number: int, message: Message | None) -> dict[str, bytes]:
    """Store what a night sends, and make its tree."""
    run = run_of(night(number))
    records.put_alerts(run, [], [make_row(message, proof=b"{}")] if message else [])
    return make_tree(draft(night(number)), records, run, settings=SETTINGS)


def test_the_tree_has_tonights_messages_and_those_of_before(records: Records) -> None:
    first, state = send(flood(0.6, 0.6))
    assert first is not None
    tree = publish(records, 0, first)
    name = "mekong-20260820T0030Z-vientiane-flood-r0.xml"
    assert {path for path in tree if path.startswith("cap/")} == {
        f"cap/{name}", *(f"cap/{language}/{name}" for language in LANGUAGES)
    }  # fmt: skip
    assert tree[f"cap/{name}"] == first.content
    only = etree.fromstring(tree[f"cap/lo/{name}"]).findall("cap:info", CAP)
    assert [info.findtext("cap:language", namespaces=CAP) for info in only] == ["lo"]
    assert {*json.loads(tree["index.json"])["files"]} == {*tree} - {"index.json"}
    assert b"After 2026-08-22T06:30:00Z it says nothing" in tree["feeds/la.xml"], "54 hours on"

    second, _ = send(flood(0.6, 0.6, number=1, state=state))
    later = publish(records, 1, second)
    assert later[f"cap/{name}"] == tree[f"cap/{name}"], "replaced tonight, and still there"
    assert "cap/mekong-20260821T0030Z-vientiane-flood-r0.xml" in later
    assert later["feed.xml"].count(b"<title>[Not in force] ") == 1
    alone = publish(records, 3, None)
    assert [path for path in alone if path.startswith("cap/mekong")] == [
        "cap/mekong-20260821T0030Z-vientiane-flood-r0.xml"
    ], "it expires in six hours; the first one was replaced two days before"


def test_the_same_run_again_gives_the_same_tree_whatever_was_sent_later(records: Records) -> None:
    first, state = send(flood(0.6, 0.6))
    tree = publish(records, 0, first)
    second, _ = send(flood(0.6, 0.6, number=1, state=state))
    publish(records, 1, second)
    assert make_tree(draft(T0), records, run_of(T0), settings=SETTINGS) == tree
    again = make_tree(tree, records, run_of(T0), settings=SETTINGS)
    assert again == tree, "of the tree itself"


def test_a_city_that_is_in_no_table_any_more_stops_no_night(records: Records) -> None:
    first, _ = send(flood(0.6, 0.6))
    assert first is not None
    records.put_alerts(run_of(T0), [], [make_row(first, proof=b"{}") | {"city": "newtown"}])
    tree = make_tree(draft(T0), records, run_of(T0), settings=SETTINGS)
    assert b"vientiane-flood-r0" in tree["feed.xml"]
    assert b"vientiane-flood-r0" not in tree["feeds/la.xml"]


def test_other_keys_give_another_version_even_without_a_message(records: Records) -> None:
    made = [
        make_tree(draft(T0), records, run_of(T0), settings=SETTINGS, keys=keys)
        for keys in (None, keys_of("A"), keys_of("B"))
    ]
    versions = [json.loads(tree["index.json"])["version"] for tree in made]
    assert len(set(versions)) == 3
    assert ["index.json.sig" in tree for tree in made] == [False, True, True]
