from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.alerts.decision import Decision, Hazard
from pipeline.alerts.facts import collect_facts
from pipeline.alerts.levels import Level
from pipeline.geography import places
from pipeline.issuance.proof import explain_proof, write_proof
from tests.alerts.alert_cases import T0, drought, dry_spell, flood, pluvial
from tests.alerts.cap_cases import send
from tests.issuance.snapshot_cases import readings, snapshot_of

RUN = {
    "revision": 0, "snapshot": "ABC", "batch": 7, "model_version": "m1", "code": "c0de" * 16,
    "rules": {"thresholds.csv": "f" * 64},
}  # fmt: skip
LEVELS: dict[tuple[str, Hazard], Level] = {
    ("vientiane", "flood"): Level.WARNING,
    ("nong_khai", "flood"): Level.WATCH,
    ("chiang_khan", "flood"): Level.UNKNOWN,
    ("pakse", "flood"): Level.EMERGENCY,
}


def prove(tmp_path: Path, decision: Decision) -> dict[str, Any]:
    message, _ = send(decision)
    assert message is not None
    facts = collect_facts(
        decision, notice=message.notice, identifier=message.identifier, status="Exercise"
    )
    hours = pd.date_range(T0.replace(tzinfo=None) - timedelta(days=5), periods=6, freq="D")
    stages = readings(pd.Series([8.0, 8.2, 8.4, 8.6, 8.8, 9.0], hours, dtype=float), "011901")
    snapshot = snapshot_of(tmp_path, stages, issued=decision.issue_time)
    proof = write_proof(message, decision, facts, run=RUN, snapshot=snapshot, levels=LEVELS)
    again = write_proof(message, decision, facts, run=RUN, snapshot=snapshot, levels=LEVELS)
    assert again == proof
    record: dict[str, Any] = json.loads(proof)
    assert record["sha256"] == hashlib.sha256(message.content).hexdigest()
    lines = explain_proof(proof)
    assert len(lines) == 10
    assert all(line.endswith(".") and len(line) < 600 for line in lines)
    return record | {"lines": lines}


def test_a_flood_names_the_rule_that_fired_with_its_numbers(tmp_path: Path) -> None:
    record = prove(tmp_path, flood(0.6, 0.6))
    reached = {
        (row["level"], row["quantity"]): (row["value"], row["threshold"])
        for row in record["criteria"] if row["reached"]
    }  # fmt: skip
    assert reached == {("watch", "p_alarm_7d"): (0.6, 0.25), ("warning", "p_flood_5d"): (0.6, 0.4)}
    others = {
        (row["level"], row["quantity"], row["value"]): row["threshold"]
        for row in record["criteria"] if row["reached"] is False
    }  # fmt: skip
    assert others["emergency", "p_flood_2d", 0.0] == 0.7
    assert ("watch", "stage_m", 9.0) in others
    assert [reason["code"] for reason in record["reasons"]] == ["p_flood_5d", "p_alarm_7d"]
    kinds = {
        (row["table"], row.get("kind") or row.get("rule")): row for row in record["thresholds"]
    }
    assert kinds["thresholds.csv", "alarm"]["source"].startswith("MRC station page")
    assert kinds["alert_rules.csv", "watch_rain_years"]["value"] == "5"
    assert record["lines"][3] == (
        "Rule: P(flood stage in 5 days) is enough; P(alarm stage in 7 days) is enough: "
        "p_alarm_7d 0.6 ≥ 0.25, p_flood_5d 0.6 ≥ 0.4."
    )
    assert (
        record["lines"][6] == "Drivers of the peak: upstream +49 cm, rain +28 cm, own trend -7 cm."
    )


def test_it_names_the_neighbours_with_their_levels(tmp_path: Path) -> None:
    station = places.station("011901", asof=T0)
    record = prove(tmp_path, replace(flood(0.6, 0.6), station=station))
    assert {(row["relation"], row["city"], row["level"]) for row in record["neighbours"]} == {
        ("upstream", "chiang_khan", "unknown"),
        ("downstream", "nong_khai", "watch"),
        ("opposite", "nong_khai", "watch"),
    }


def test_the_first_message_has_none_before_it_and_the_next_says_what_differs(
    tmp_path: Path,
) -> None:
    first = prove(tmp_path / "a", flood(0.6, 0.6))
    assert (first["before"], first["change"]) == (None, "new")
    assert first["lines"][1] == "Change: new; no message of the event stood before it."
    _, state = send(flood(0.6, 0.6))
    record = prove(tmp_path / "b", flood(0.95, 0.95, 0.9, number=1, state=state, stage_m=9.5))
    assert record["change"] == "raised"
    assert record["before"]["identifier"] == "mekong-20260820T0030Z-vientiane-flood-r0"
    assert record["before"]["differences"]["peak_m"] == [9.7, 10.2]
    assert record["lines"][1].startswith(
        "Change: raised since mekong-20260820T0030Z-vientiane-flood-r0: warning → emergency, "
        "peak_m 9.7 → 10.2, "
    )


def test_the_readings_are_those_of_the_last_three_days(tmp_path: Path) -> None:
    record = prove(tmp_path, flood(0.6, 0.6))
    assert [row["stage_m"] for row in record["readings"]] == [8.4, 8.6, 8.8, 9.0]
    assert {row["method"] for row in record["readings"]} == {"manual"}


def test_what_is_missing_is_named_with_its_share(tmp_path: Path) -> None:
    _, state = send(flood(0.6, 0.6))
    record = prove(tmp_path, flood(number=1, state=state, age_h=None))
    assert record["missing"]["evidence"]
    assert 0 < record["missing"]["share"] <= 1
    assert "not known" in record["lines"][2]
    gauged = prove(tmp_path / "d", flood(0.6, 0.6, change_1d_m=math.nan, tier="no_rain"))
    assert gauged["missing"]["share"] == 0.667, "of stage, forecast and rain"
    town = prove(tmp_path / "e", pluvial(6.0))
    assert town["lines"][8] == (
        "Missing: a river gauge with an alarm stage (50 % of the kinds of evidence)."
    ), "its rain is known"
    dark = replace(pluvial(6.0), station=places.station("092600"), missing=("gauge", "rain"))
    assert prove(tmp_path / "g", dark)["missing"]["share"] == 1.0, "a gauge without alarm stage"
    dry = prove(tmp_path / "f", drought(dry_spell(0.7, 0.6, now=2, cdi="warning", soil=math.nan)))
    assert dry["missing"] == {"evidence": ["soil moisture"], "share": 0.167}
    complete = prove(tmp_path / "c", flood(0.6, 0.6))
    assert complete["missing"] == {"evidence": [], "share": 0.0}
    assert complete["lines"][8] == "Missing: nothing (0 % of the kinds of evidence)."


def test_a_drought_is_explained_by_class_and_chances(tmp_path: Path) -> None:
    record = prove(tmp_path, drought(dry_spell(0.7, 0.6, now=2, cdi="warning", spi3=-1.4, soil=8)))
    reached = {row["quantity"]: row["value"] for row in record["criteria"] if row["reached"]}
    assert reached == {"drought_class": 2, "p_d1_4w": 0.7, "p_d2_4w": 0.6, "cdi": 2}
    assert {row["table"] for row in record["thresholds"]} == {"alert_rules.csv"}
    assert record["lines"][2] == (
        "Evidence: class D2, SPI-3 -1.4, soil moisture at percentile 8, CDI warning, inputs full."
    )
    assert record["neighbours"] == []
    assert record["lines"][6] == "Phase: onset."


def test_rain_alone_is_proved_without_a_gauge(tmp_path: Path) -> None:
    record = prove(tmp_path, pluvial(6.0))
    assert [(row["quantity"], row["value"]) for row in record["criteria"]] == [
        ("rain_return_period_years", 6.0)
    ]
    assert record["readings"] == []
    assert record["lines"][2] == (
        "Evidence: no gauge with an alarm stage; the rain over the city alone."
    )


def test_files_are_summarised_by_one_digest_that_sha256sum_lines_give(tmp_path: Path) -> None:
    record = prove(tmp_path, flood(0.6, 0.6))
    assert record["inputs"] == [], "readings were given without a file"


@pytest.mark.parametrize("key", ["archive_snapshot", "records_batch", "model_version"])
def test_versions_are_those_of_the_run(tmp_path: Path, key: str) -> None:
    names = {"archive_snapshot": "snapshot", "records_batch": "batch"}
    assert prove(tmp_path, flood(0.6, 0.6))[key] == RUN[names.get(key, key)]
