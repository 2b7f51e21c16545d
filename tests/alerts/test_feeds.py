from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import replace
from typing import Any

import pytest

from pipeline.alerts import feeds
from tests.alerts.alert_cases import T0, drought, dry_spell, flood, pluvial
from tests.alerts.cap_cases import send

DECISIONS = [flood(0.6, 0.6), pluvial(float("nan")), drought(dry_spell())]
MESSAGES = {("vientiane", "flood"): "mekong-1"}
SENT = send(DECISIONS[0])[0]
NOTICES = {("vientiane", "flood"): SENT.notice} if SENT else {}


def rows() -> list[dict[str, feeds.Fact]]:
    return feeds.collect_rows(
        DECISIONS, MESSAGES, NOTICES, products={}, origin="virtual", wanted="Actual"
    )


def test_geojson() -> None:
    collection = json.loads(feeds.write_geojson(rows()))
    assert collection["type"] == "FeatureCollection"
    assert [feature["id"] for feature in collection["features"]] == [
        "siem_reap-flood",
        "vientiane-drought",
        "vientiane-flood",
    ]
    last = collection["features"][-1]
    assert last["geometry"] == {"type": "Point", "coordinates": [102.616, 17.931]}
    known = last["properties"]
    assert (known["level"], known["p_flood_5d"], known["status"]) == ("warning", 0.6, "Exercise")
    assert (known["identifier"], known["stage_time"]) == ("mekong-1", "2026-08-20T00:00:00Z")
    assert (known["skilful_until_day"], known["drivers_method"]) == (7, "exact")
    town = collection["features"][0]["properties"]
    assert (town["skilful_until_day"], town["drivers_method"]) == (None, None)
    assert (town["level"], town["rain_return_period_years"]) == ("unknown", None)
    assert town["headline"] == "EXERCISE. Flood: not assessed for Siem Reap"
    dry = collection["features"][1]["properties"]
    assert dry["headline"] == "EXERCISE. Drought: no warning for Vientiane"
    assert [row["change"] for row in (town, dry, known)] == [None, None, "new"]


def test_csv() -> None:
    table = list(csv.DictReader(io.StringIO(feeds.write_csv(rows()).decode())))
    assert [(row["city"], row["hazard"], row["level"]) for row in table] == [
        ("siem_reap", "flood", "unknown"),
        ("vientiane", "drought", "none"),
        ("vientiane", "flood", "warning"),
    ]
    assert (table[2]["stage_m"], table[2]["driver_rain_cm"]) == ("9.0", "28.0")
    assert [*table[0]][-4:] == ["change", "incident", "ending_time", "drought_phase"]
    assert all(row["headline"].startswith("EXERCISE. ") for row in table)
    assert table[2]["skilful_until_day"] == "7"
    assert table[0]["rain_return_period_years"] == ""
    assert table[0]["missing"].startswith("a river gauge with an alarm stage; rain over the city")


def test_a_city_and_hazard_stands_there_once() -> None:
    with pytest.raises(ValueError, match="found twice"):
        feeds.collect_rows(
            [*DECISIONS, DECISIONS[0]], {}, {}, products={}, origin="virtual", wanted="Test"
        )


def test_index() -> None:
    options: dict[str, Any] = {
        "issue_time": T0,
        "revision": 0,
        "origin": "virtual",
        "inputs": {"b": "2", "a": "1"},
        "missing": ["imerg_late 2026-08-19"],
        "archive_snapshot": "ABC",
        "records_batch": 7,
        "model_version": "m1",
    }
    index = json.loads(
        feeds.write_index(DECISIONS, {"alerts.csv": b"x"}, status="Exercise", **options)
    )
    assert index["schema_version"] == 2
    assert index["levels"]["flood"] == {
        "unknown": 1, "none": 0, "watch": 0, "warning": 1, "emergency": 0,
    }  # fmt: skip
    assert index["files"] == {
        "alerts.csv": {"sha256": hashlib.sha256(b"x").hexdigest(), "bytes": 1}
    }
    with pytest.raises(ValueError, match="Exercise"):
        feeds.write_index(DECISIONS, {}, status="Test", **options)


def test_the_facts_of_a_drought_hold_each_class_at_each_horizon() -> None:
    shares = {
        1: (0.6, 0.50, 0.30, 0.10, 0.0),
        4: (0.6, 0.51, 0.31, 0.11, 0.0),
        12: (0.6, 0.52, 0.32, 0.12, 0.0),
    }
    decision = drought(replace(dry_spell(), p=shares))
    facts = feeds.collect_facts(decision, notice=None, identifier=None, status="Test")
    assert {name: fact for name, fact in facts.items() if name.startswith("p_d")} == {
        "p_d1_1w": 0.50, "p_d1_4w": 0.51, "p_d1_12w": 0.52, "p_d2_1w": 0.30, "p_d2_4w": 0.31,
        "p_d2_12w": 0.32, "p_d3_1w": 0.10, "p_d3_4w": 0.11, "p_d3_12w": 0.12,
    }  # fmt: skip
