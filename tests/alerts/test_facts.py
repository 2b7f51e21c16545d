from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.alerts import facts
from tests.alerts.alert_cases import drought, dry_spell, flood, pluvial
from tests.alerts.cap_cases import send

DECISIONS = [flood(0.6, 0.6), pluvial(float("nan")), drought(dry_spell())]
MESSAGES = {("vientiane", "flood"): "mekong-1"}
SENT = send(DECISIONS[0])[0]
NOTICES = {("vientiane", "flood"): SENT.notice} if SENT else {}


def test_a_city_and_hazard_stands_there_once() -> None:
    with pytest.raises(ValueError, match="found twice"):
        facts.collect_rows(
            [*DECISIONS, DECISIONS[0]], {}, {}, products={}, origin="virtual", wanted="Test"
        )


def test_the_facts_of_a_drought_hold_each_class_at_each_horizon() -> None:
    shares = {
        1: (0.6, 0.50, 0.30, 0.10, 0.0),
        4: (0.6, 0.51, 0.31, 0.11, 0.0),
        12: (0.6, 0.52, 0.32, 0.12, 0.0),
    }
    decision = drought(replace(dry_spell(), p=shares))
    found = facts.collect_facts(decision, notice=None, identifier=None, status="Test")
    assert {name: fact for name, fact in found.items() if name.startswith("p_d")} == {
        "p_d1_1w": 0.50, "p_d1_4w": 0.51, "p_d1_12w": 0.52, "p_d2_1w": 0.30, "p_d2_4w": 0.31,
        "p_d2_12w": 0.32, "p_d3_1w": 0.10, "p_d3_4w": 0.11, "p_d3_12w": 0.12,
    }  # fmt: skip
