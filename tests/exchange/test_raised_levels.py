"""Levels of the watch laid over a run's files: feeds, counts and texts, once and again."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from pipeline.alerts.facts import collect_facts
from pipeline.alerts.levels import Level
from pipeline.alerts.short_texts import UNREVIEWED, write_sms
from pipeline.alerts.spoken import write_say
from pipeline.exchange import alert_files
from pipeline.exchange.alert_files import dump_json
from pipeline.exchange.raised_levels import add_raises
from tests.alerts.alert_cases import T0, flood, pluvial
from tests.alerts.cap_cases import send


def facts(decision: Any, identifier: str) -> dict[str, Any]:
    message, _ = send(decision)
    assert message is not None
    return collect_facts(
        decision, notice=message.notice, identifier=identifier, status="Exercise", product=None
    )


def tree() -> dict[str, bytes]:
    """A Watch at Vientiane, and rain over Siem Reap."""
    night, rain = flood(0.3), pluvial(6.0)
    notices = [message.notice for one in (night, rain) if (message := send(one)[0])]
    rows = [facts(night, "a"), facts(rain, "b")]
    counts = dict.fromkeys(map(str, Level), 0) | {"watch": 2}
    return {
        "alerts.geojson": alert_files.write_geojson(rows, issue_time=T0, status="Test", areas={}),
        "alerts.csv": alert_files.write_csv(rows),
        "index.json": dump_json({"levels": {"flood": counts}}),
        "sms/lo.txt": write_sms(notices, "lo").encode(),
        "say/lo.json": write_say(notices, "lo").encode(),
        "zones.geojson": b"{}",
    }


def raised() -> dict[str, Any]:
    decision = flood(stage_m=12.6)
    message, _ = send(decision)
    assert message is not None
    return {
        "city": "vientiane",
        "hazard": "flood",
        "facts": facts(decision, "c"),
        "texts": {
            "sms/lo.txt": write_sms([message.notice], "lo"),
            "say/lo.json": write_say([message.notice], "lo"),
        },
    }


def test_feeds_counts_and_texts_have_the_raised_level() -> None:
    before, after = tree(), dict(add_raises(tree(), [raised()]))
    features = {one["id"]: one for one in json.loads(after["alerts.geojson"])["features"]}
    assert features["vientiane-flood"]["properties"] == raised()["facts"]
    (old,) = (
        one
        for one in json.loads(before["alerts.geojson"])["features"]
        if one["id"] == "siem_reap-flood"
    )
    assert features["siem_reap-flood"] == old
    rows = list(csv.DictReader(io.StringIO(after["alerts.csv"].decode())))
    assert [row["level"] for row in rows] == ["emergency", "watch"]
    counts = json.loads(after["index.json"])["levels"]["flood"]
    assert (counts["emergency"], counts["watch"]) == (1, 1)
    blocks = after["sms/lo.txt"].decode().removeprefix(UNREVIEWED).split("\n\n")
    assert [block.partition("\n")[0] for block in blocks] == ["siem_reap-flood", "vientiane-flood"]
    assert after["sms/lo.txt"].decode().count(UNREVIEWED) == 1
    said = json.loads(after["say/lo.json"])["messages"]
    assert [(one["event"], one["level"]) for one in said] == [
        ("siem_reap-flood", 1),
        ("vientiane-flood", 3),
    ]
    assert after["zones.geojson"] == before["zones.geojson"]


def test_the_same_rows_again_change_nothing() -> None:
    once = add_raises(tree(), [raised()])
    assert dict(add_raises(once, [raised()])) == dict(once)
    assert add_raises(tree(), []) == tree()


def test_a_city_that_has_left_the_tree_is_left_out() -> None:
    gone = add_raises(tree(), [raised() | {"city": "atlantis"}])
    assert json.loads(gone["index.json"]) == json.loads(tree()["index.json"])
    assert gone["sms/lo.txt"] == tree()["sms/lo.txt"]
