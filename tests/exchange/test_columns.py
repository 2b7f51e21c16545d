from __future__ import annotations

from pipeline.alerts import facts
from pipeline.exchange.columns import ALERTS
from tests.alerts.alert_cases import drought, dry_spell, flood, pluvial

DECISIONS = [flood(0.6, 0.6), pluvial(float("nan")), drought(dry_spell())]
TYPES = {
    "string": str, "number": float | int, "integer": int, "boolean": bool, "datetime": str,
    "list": list,
}  # fmt: skip


def test_facts_are_as_their_columns_say() -> None:
    for row in facts.collect_rows(DECISIONS, {}, {}, products={}, origin="virtual", wanted="Test"):
        for column, value in zip(ALERTS, row.values(), strict=True):
            assert value is not None or not column.required, column.name
            if value is not None:
                assert isinstance(value, TYPES[column.kind]), column.name
                items = value if isinstance(value, list) else [value]
                assert not column.values or {*items} <= {*column.values}, column.name


def test_a_meaning_has_its_unit() -> None:
    meaning = {column.name: column.meaning for column in ALERTS}
    assert meaning["alarm_m"] == "alarm stage above gauge zero (m)"
    assert meaning["hazard"] == "flood or drought"
