from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from pipeline.exchange import index
from tests.alerts.alert_cases import T0, drought, dry_spell, flood, pluvial
from tests.alerts.cap_cases import send

DECISIONS = [flood(0.6, 0.6), pluvial(float("nan")), drought(dry_spell())]
MESSAGES = {("vientiane", "flood"): "mekong-1"}
SENT = send(DECISIONS[0])[0]
NOTICES = {("vientiane", "flood"): SENT.notice} if SENT else {}


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
    written = json.loads(
        index.write_index(DECISIONS, {"alerts.csv": b"x"}, status="Exercise", **options)
    )
    assert written["schema_version"] == 2
    assert written["levels"]["flood"] == {
        "unknown": 1, "none": 0, "watch": 0, "warning": 1, "emergency": 0,
    }  # fmt: skip
    assert written["files"] == {
        "alerts.csv": {"sha256": hashlib.sha256(b"x").hexdigest(), "bytes": 1}
    }
    with pytest.raises(ValueError, match="Exercise"):
        index.write_index(DECISIONS, {}, status="Test", **options)
