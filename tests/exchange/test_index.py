from __future__ import annotations

import hashlib
import json
import re
from datetime import timedelta, timezone
from typing import Any

import pytest

from pipeline.exchange import index
from pipeline.remarks import Remark
from tests.alerts.alert_cases import T0, drought, dry_spell, flood, pluvial
from tests.alerts.cap_cases import send

HOUR = timedelta(hours=1)
DECISIONS = [flood(0.6, 0.6), pluvial(float("nan")), drought(dry_spell())]
MESSAGES = {("vientiane", "flood"): "mekong-1"}
SENT = send(DECISIONS[0])[0]
NOTICES = {("vientiane", "flood"): SENT.notice} if SENT else {}
GAUGE = Remark(
    code="gauge_late",
    text="gauges: Pakse",
    station="013901",
    time=T0.astimezone(timezone(7 * HOUR)),
)
NO_MODELS = Remark(code="models_none", text="models: none")


def test_index() -> None:
    options: dict[str, Any] = {
        "issue_time": T0,
        "revision": 0,
        "origin": "virtual",
        "inputs": {"b": "2", "a": "1"},
        "missing": [GAUGE, NO_MODELS],
        "archive_snapshot": "ABC",
        "records_batch": 7,
        "model_version": "m1",
    }
    draft = index.write_index(DECISIONS, status="Exercise", **options)
    complete = index.complete_index(draft, {"alerts.csv": b"x"})
    written = json.loads(complete)
    assert written["schema_version"] == 3
    assert re.fullmatch(r"20260820T0030Z-r0-[0-9a-f]{16}", written["version"])
    assert (written["next_expected_at"], written["expires_at"]) == (
        "2026-08-21T06:30:00Z", "2026-08-22T06:30:00Z",
    )  # fmt: skip
    assert written["missing"] == [
        {"code": "gauge_late", "text": "gauges: Pakse", "source": None, "station": "013901",
         "time": "2026-08-20T00:30:00Z"},
        {"code": "models_none", "text": "models: none", "source": None, "station": None,
         "time": None},
    ]  # fmt: skip
    assert written["levels"]["flood"] == {
        "unknown": 1, "none": 0, "watch": 0, "warning": 1, "emergency": 0,
    }  # fmt: skip
    assert written["files"] == {
        "alerts.csv": {
            "media_type": "text/csv", "bytes": 1, "sha256": hashlib.sha256(b"x").hexdigest(),
        }
    }  # fmt: skip
    assert index.complete_index(complete, {"alerts.csv": b"x"}) == complete, "again"
    other = json.loads(index.complete_index(complete, {"alerts.csv": b"y"}))
    assert other["version"] != written["version"], "other content is another version"
    with pytest.raises(ValueError, match="Exercise"):
        index.write_index(DECISIONS, status="Test", **options)


def test_latest_names_the_index_by_its_digest() -> None:
    complete = index.complete_index(
        b'{"schema_version": 3, "version": null, "issue_time": "2026-08-20T00:30:00Z", '
        b'"revision": 2, "status": "Exercise", "origin": "virtual", "next_expected_at": "a", '
        b'"expires_at": "b"}',
        {},
    )
    version = json.loads(complete)["version"]
    assert version.startswith("20260820T0030Z-r2-")
    assert json.loads(index.write_latest(complete)) == {
        "schema_version": 3, "issue_time": "2026-08-20T00:30:00Z", "revision": 2,
        "status": "Exercise", "origin": "virtual", "next_expected_at": "a", "expires_at": "b",
        "version": version, "path": f"versions/{version}",
        "index": f"versions/{version}/index.json",
        "index_sha256": hashlib.sha256(complete).hexdigest(),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("now.json", "application/json"),
        ("alerts.schema.json", "application/schema+json"),
        ("cap/km/a.b.xml", "application/cap+xml"),
        ("feed.xml", "application/atom+xml"),
        ("risk.nc", "application/netcdf"),
    ],
)
def test_media_types(path: str, expected: str) -> None:
    assert index.media_type(path) == expected
    with pytest.raises(KeyError):
        index.media_type("a.exe")
