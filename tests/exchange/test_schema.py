"""The published JSON Schema describes the published files, and refuses each fault."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from models.drought.model import _choose_tier
from models.stage.names import CLIMATOLOGY, MODEL, PERSISTENCE
from pipeline import choices
from pipeline.alerts import evidence, facts
from pipeline.alerts.decision import Decision, Hazard, Status
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.notice import Phase
from pipeline.alerts.spoken import write_say
from pipeline.alerts.templates import LANGUAGES
from pipeline.exchange import alert_files, columns
from pipeline.exchange.issue import Issue
from pipeline.exchange.schema import SCHEMA_VERSION
from pipeline.exchange.zone_files import write_zones
from pipeline.geography import places
from pipeline.ground_reports.reports import GroundReport
from pipeline.ground_reports.summary import summarise, write_reports
from pipeline.issuance.drill import MADE_UP
from pipeline.issuance.explanation import REASONS
from pipeline.issuance.proof import write_proof
from pipeline.quality.flags import FLAGS, USED
from pipeline.quality.selection import METHODS
from pipeline.sources.base import Origin
from pipeline.watch.watch_file import write_watch
from tests.alerts.alert_cases import T0, drought, dry_spell, flood, pluvial
from tests.alerts.cap_cases import send
from tests.exchange.schema_cases import KINDS, SCHEMA, find_faults
from tests.issuance.snapshot_cases import readings, snapshot_of
from tests.watch.seen_cases import CHANGE, HEAVY, NOTHING, raised, watched

VERSION = "20260820T0030Z-r0-3f2a3f2a3f2a3f2a"
DIGEST = "0" * 64
DECISIONS = [flood(0.6, 0.6), pluvial(float("nan")), drought(dry_spell())]
SENT = send(DECISIONS[0])[0]
assert SENT is not None
ALERTS = json.loads(
    alert_files.write_geojson(
        facts.collect_rows(
            DECISIONS,
            {("vientiane", "flood"): "mekong-1"},
            {("vientiane", "flood"): SENT.notice},
            products={},
            origin="virtual",
            wanted="Test",
        ),
        issue_time=T0,
        status="Exercise",
        areas={"vientiane": places.city("vientiane").area},
    )
)
RUN = {
    "schema_version": SCHEMA_VERSION, "version": VERSION, "issue_time": "2026-08-20T00:30:00Z",
    "revision": 0, "status": "Exercise", "origin": "virtual",
    "next_expected_at": "2026-08-21T00:30:00Z", "expires_at": "2026-08-21T06:30:00Z",
}  # fmt: skip
COUNTS = {level.value: 0 for level in Level}
INDEX: dict[str, Any] = RUN | {
    "archive_snapshot": "ABC",
    "records_batch": 7,
    "model_version": "m1",
    "levels": {"flood": COUNTS, "drought": {**COUNTS}}, "signed_by": [],
    "missing": [
        {
            "code": "late", "text": "gauges: no reading", "source": "gauges", "station": "011901",
            "time": "2026-08-20T00:00:00Z",
        },
        {"code": "model", "text": "a fault", "source": None, "station": None, "time": None},
    ],
    "inputs": {"gauges/a.csv": DIGEST},
    "files": {
        "cap/en/a.xml": {"media_type": "application/cap+xml", "bytes": 1, "sha256": DIGEST},
        "alerts.csv": {"media_type": "text/csv; charset=utf-8", "bytes": 0, "sha256": DIGEST},
    },
    "cancelled": {"mekong-1": "mekong-1-cancel"},
}  # fmt: skip
LATEST = RUN | {
    "path": f"versions/{VERSION}",
    "index": f"versions/{VERSION}/index.json",
    "index_sha256": DIGEST,
}
ISSUE = {
    "schema_version": 1, "issue_time": "2026-08-20T00:30:00Z", "status": "Exercise",
    "next_expected_at": "2026-08-21T00:30:00Z", "expires_at": "2026-08-21T06:30:00Z",
    "origin": "virtual",
}  # fmt: skip
CITY = {"id": "vientiane", "name": "Vientiane", "country": "LA", "lat": 17.931, "lon": 102.616}
STAGE = {"m": 9.0, "time": "2026-08-20T00:00:00Z", "trend": "steady"}
MARKS = {"alarm": 11.5, "flood": 12.5, "verified": True}
FAN = {name: [9.0, None] for name in ("q05", "q25", "q50", "q75", "q95")}
NOW: dict[str, Any] = ISSUE | {
    "unit": "m above gauge zero",
    "dates": ["2026-08-21", "2026-08-22"],
    "cities": [
        CITY | {
            "flood": {
                "level": "warning", "in_force": "warning", "change": "new",
                "identifier": "mekong-1", "status": "Exercise",
            },
            "drought": None, "station": "011901", "stage": STAGE, "marks": MARKS, "day": FAN,
            "highest": None, "skilful_until_day": 7,
        }
    ],
}  # fmt: skip
KNOWN = ALERTS["features"][2]["properties"]
OF_CITY: dict[str, Any] = ISSUE | CITY | {
    "utc_offset_h": 7.0, "iso_3166_2": "LA-VT",
    "facing": {
        "id": "nong_khai", "name": "Nong Khai", "country": "TH", "level": "unknown",
        "level_in_force": None,
    },
    "flood": {
        name: KNOWN[name]
        for name in SCHEMA["$defs"]["city"]["properties"]["flood"]["anyOf"][0]["required"]
        if name != "drivers_cm"
    } | {"drivers_cm": None},
    "drought": None,
    "gauge": {
        "station": "011901", "name": "Vientiane KM4", "river": "Mekong", "lat": 17.931,
        "lon": 102.616, "tidal": False,
        "upstream": [{"station": "011903", "name": "Chiang Khan", "travel_time_d": [1.5, 2.0]}],
    },
    "stage": STAGE, "marks": MARKS, "tier": "full", "skilful_until_day": 7,
    "days": [
        {
            "date": "2026-08-21", "valid_time": "2026-08-21T00:00:00Z", "lead_days": 1,
            "day_m": dict.fromkeys(("q025", *FAN), 9.0), "mean_m": 9.0, "highest_m": None,
            "p_alarm": 0.5, "p_flood": 0.5, "p_alarm_by": 0.5, "p_flood_by": None,
            "issued_as": "model", "extrapolated": False,
        }
    ],
    "stages": [
        {
            "time": "2026-08-20T00:00:00Z", "stage_m": 9.0, "quality": "good", "method": "manual",
        }
    ],
}  # fmt: skip
SAY = json.loads(write_say([SENT.notice], "lo"))
REPORTED = [
    GroundReport("a", city, "flooded", 60, T0, T0, "text", "", doubt)
    for city, doubt in (("pakse", ""), ("kratie", "late"))
]
REPORTS = json.loads(
    write_reports(summarise(REPORTED, asof=T0, cities=places.cities()), asof=T0, status="Exercise")
)
WATCH = json.loads(
    write_watch(
        replace(
            NOTHING,
            rain={"pakse": HEAVY},
            rivers={"011901": watched(11.6)},
            sudden=[CHANGE],
            raised=[raised("pakse", "watch")],
        )
    )
)
ZONES = json.loads(write_zones("mekong", Issue(issue_time=T0, status="Exercise", origin="virtual")))
PROOF: dict[str, Any] = {
    "schema_version": 1, "identifier": SENT.identifier, "sha256": DIGEST, "city": "vientiane",
    "hazard": "flood", "status": "Exercise", "issue_time": "2026-08-20T00:30:00Z", "revision": 0,
    "sent": "2026-08-20T00:30:00Z", "expires": "2026-08-22T06:30:00Z", "level": "warning",
    "change": "raised",
    "before": {
        "identifier": "mekong-0", "level": "watch",
        "differences": {
            "peak_m": [9.7, None], "peak_time": ["2026-08-22T00:00:00Z", None],
            "drought_class": [None, 2],
        },
    },
    "reasons": [{"code": "p_flood_5d", "text": "P(flood stage in 5 days) is enough"}],
    "criteria": [
        {
            "level": "warning", "quantity": "p_flood_5d", "value": 0.6, "threshold": 0.4,
            "unit": "1", "reached": True,
        },
    ],
    "thresholds": [
        {
            "table": "thresholds.csv", "station": "011901", "kind": "alarm", "value": "11.5",
            "unit": "m", "source": "MRC", "as_of": "2026-01-01", "verified": "V",
        },
    ],
    "missing": {"evidence": [], "share": 0.0},
    "facts": ALERTS["features"][0]["properties"],
    "neighbours": [
        {"relation": "opposite", "city": "nong_khai", "name": "Nong Khai", "level": "unknown"}
    ],
    "inputs": [
        {
            "source": "gauges", "files": 1, "sha256": DIGEST, "last": "a.csv",
            "last_sha256": DIGEST,
        },
    ],
    "readings": [
        {"valid_time": "2026-08-20T00:00:00Z", "stage_m": 9.0, "method": "manual", "qc": "good"}
    ],
    "archive_snapshot": "ABC", "records_batch": 7, "model_version": "m1", "code_sha256": DIGEST,
    "rules_sha256": {"thresholds.csv": DIGEST},
}  # fmt: skip
HEALTH: dict[str, Any] = {
    "schema_version": 1, "asof": "2026-08-20T02:00:00Z", "status": "Exercise", "state": "fine",
    "summary": "Fine.", "last_good_night": {"issue_time": "2026-08-20T00:30:00Z", "age_hours": 1.5},
    "dead_man": {"limit_hours": 26.0, "due_by": "2026-08-21T02:30:00Z", "over": False},
    "to_do": [], "sources": [], "tiers": {"full": 23}, "alerts": {"flood": {"none": 40}},
    "disk": {"free_bytes": 1, "total_bytes": 2}, "channels": ["mail"],
    "versions": {"python": "3.11.2"}, "not_known": [],
}  # fmt: skip
DOCUMENTS = {
    "": ALERTS, "index": INDEX, "latest": LATEST, "now": NOW, "city": OF_CITY, "say": SAY,
    "reports": REPORTS, "watch": WATCH, "proof": PROOF, "zones": ZONES, "health": HEALTH,
}  # fmt: skip
"""One valid document of each kind; the root is ``alerts.geojson``."""


def put(*path: str | int, to: Any) -> Callable[[Any], None]:
    """Set a value in a document."""

    def change(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = to

    return change


def drop(*path: str | int) -> Callable[[Any], None]:
    """Leave a key out of a document."""

    def change(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        del document[path[-1]]

    return change


LAST = ("features", 2, "properties")
RING = ("features", 2, "geometry", "coordinates")
FILE = ("files", "alerts.csv")
BROKEN = [
    ("", put("schema_version", to=2), "schema_version"),
    ("", put("type", to="Feature"), "type"),
    ("", drop("issue_time"), ""),
    ("", put("issue_time", to="2026-08-32T00:30:00Z"), "issue_time"),
    ("", put("issue_time", to="2026-08-20T07:30:00+07:00"), "issue_time"),
    ("", put("status", to="Draft"), "status"),
    ("", put("features", 2, "id", to="vientiane"), "features/2/id"),
    ("", put(*RING, to=[]), "features/2/geometry/coordinates"),
    ("", put(*RING, 0, 0, to=[102.6, 17.9, 170.0]), "features/2/geometry/coordinates/0/0"),
    ("", put(*RING, 0, 0, to=[17.9, 102.6]), "features/2/geometry/coordinates/0/0/1"),
    ("", put(*LAST, "level", to="orange"), "features/2/properties/level"),
    ("", put(*LAST, "level", to=None), "features/2/properties/level"),
    ("", put(*LAST, "hazard", to="storm"), "features/2/properties/hazard"),
    ("", put(*LAST, "severity", to="Unknown"), "features/2/properties/severity"),
    ("", put(*LAST, "rain_level", to="warning"), "features/2/properties/rain_level"),
    ("", put(*LAST, "probability", to=60), "features/2/properties/probability"),
    ("", put(*LAST, "station", to=11901), "features/2/properties/station"),
    ("", put(*LAST, "tier", to="best"), "features/2/properties/tier"),
    ("", put(*LAST, "change", to="same"), "features/2/properties/change"),
    ("", put(*LAST, "reasons", to=["rumour"]), "features/2/properties/reasons/0"),
    ("", put(*LAST, "valid_to", to="tomorrow"), "features/2/properties/valid_to"),
    ("", put(*LAST, "stage_ft", to=30.0), "features/2/properties"),
    ("index", put("status", to="Actual"), "status"),
    ("index", put("version", to="20260820T0030Z"), "version"),
    ("index", drop("expires_at"), ""),
    ("index", put("levels", "flood", "red", to=1), "levels/flood"),
    ("index", put("missing", 0, to="gauges: no reading"), "missing/0"),
    ("index", put(*FILE, "sha256", to="0" * 63), "files/alerts.csv/sha256"),
    ("index", put(*FILE, "bytes", to=-1), "files/alerts.csv/bytes"),
    ("index", put("files", "/etc/passwd", to=INDEX["files"]["alerts.csv"]), "files"),
    ("latest", put("path", to=f".versions/{VERSION}"), "path"),
    ("latest", put("index_sha256", to=None), "index_sha256"),
    ("latest", put("revision", to="0"), "revision"),
    ("now", put("cities", 0, "flood", "in_force", to="red"), "cities/0/flood/in_force"),
    ("now", put("cities", 0, "station", to=11901), "cities/0/station"),
    ("now", put("cities", 0, "stage", "trend", to="up"), "cities/0/stage/trend"),
    ("now", put("unit", to="ft"), "unit"),
    ("now", put("dates", 0, to="21.8."), "dates/0"),
    ("city", put("flood", "rain_level", to="warning"), "flood/rain_level"),
    ("city", put("days", 0, "p_alarm", to=50), "days/0/p_alarm"),
    ("city", put("days", 0, "day_m", "median", to=9.0), "days/0/day_m"),
    ("city", put("stages", 0, "quality", to="spike"), "stages/0/quality"),
    ("city", put("status", to="Test"), "status"),
    ("say", put("messages", 0, "level", to=0), "messages/0/level"),
    ("say", put("messages", 0, "sentences", 0, to="exercise_1"), "messages/0/sentences/0"),
    ("reports", put("cities", "pakse", "flooded", to=-1), "cities/pakse/flooded"),
    ("reports", put("cities", "pakse", "sender", to="a"), "cities/pakse"),
    ("reports", put("cities", "kratie", "last_time", to="noon"), "cities/kratie/last_time"),
    ("health", put("not_known", to=["sources: OSError"]), "not_known"),
    ("health", put("state", to="good"), "state"),
    ("reports", put("cities", "Pakse", to=REPORTS["cities"]["pakse"]), "cities"),
    ("reports", drop("status"), ""),
    ("watch", put("rain", "heavy", 0, "hours", to=2), "rain/heavy/0/hours"),
    ("watch", put("rain", "unknown", to=None), "rain/unknown"),
    ("watch", put("raised", 0, "level", to="none"), "raised/0/level"),
    ("watch", put("gauges", "over_alarm", 0, "mark", to="dam"), "gauges/over_alarm/0/mark"),
    ("watch", put("status", to="Actual"), "status"),
    ("watch", drop("sudden"), ""),
    ("proof", put("level", to="none"), "level"),
    ("proof", put("sha256", to="0" * 40), "sha256"),
    ("proof", put("before", "differences", "peak_m", to=[9.7]), "before/differences/peak_m"),
    ("proof", put("reasons", 0, "code", to="rumour"), "reasons/0/code"),
    ("proof", put("criteria", 0, "reached", to="yes"), "criteria/0/reached"),
    ("proof", put("thresholds", 0, "station", to=11901), "thresholds/0/station"),
    ("proof", put("missing", "share", to=50), "missing/share"),
    ("proof", drop("facts", "probability"), "facts"),
    ("proof", put("readings", 0, "qc", to="fine"), "readings/0/qc"),
    ("zones", put("status", to="Actual"), "status"),
    ("zones", put("features", 0, "id", to="chi"), "features/0/id"),
    ("zones", put("features", 0, "geometry", "type", to="Point"), "features/0/geometry/type"),
    ("zones", put("features", 0, "properties", "kind", to="lake"), "features/0/properties/kind"),
]
"""Single faults: the kind of the file, the change, and where the schema finds it."""


def test_it_is_a_schema_and_names_its_version() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["$id"].endswith(f":{SCHEMA_VERSION}")
    assert "date-time" in FormatChecker().checkers


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_what_is_written_is_valid(kind: str) -> None:
    assert find_faults(DOCUMENTS[kind], kind) == []


@pytest.mark.parametrize(("kind", "change", "where"), BROKEN)
def test_a_fault_is_found_where_it_is(kind: str, change: Callable[[Any], None], where: str) -> None:
    broken = copy.deepcopy(DOCUMENTS[kind])
    change(broken)
    faults = {*find_faults(broken, kind)}
    assert faults == {where}


def test_there_are_thirty_faults() -> None:
    assert len(BROKEN) >= 30
    assert {kind for kind, _, _ in BROKEN} == {*DOCUMENTS} == {*KINDS.values()}


def test_a_point_is_allowed_where_a_city_has_no_area() -> None:
    kinds = [feature["geometry"]["type"] for feature in ALERTS["features"]]
    assert kinds == ["Point", "Polygon", "Polygon"]


def test_the_properties_are_the_columns_with_their_words() -> None:
    alert = SCHEMA["$defs"]["alert"]
    assert [*alert["properties"]] == [column.name for column in columns.ALERTS]
    assert alert["required"] == [*alert["properties"]]
    for column in columns.ALERTS:
        described = alert["properties"][column.name]
        assert described["description"] == column.meaning
        values = described.get("items", described).get("enum", [])
        assert [value for value in values if value is not None] == [*column.values]
        allowed = Draft202012Validator(
            {"$defs": SCHEMA["$defs"], **described}, format_checker=FormatChecker()
        )
        assert allowed.is_valid(None) is not column.required, column.name
        if column.bounds:
            assert (described["minimum"], described["maximum"]) == column.bounds


def test_closed_values_are_those_of_the_code() -> None:
    shared, index, say = (SCHEMA["$defs"], *(SCHEMA["$defs"][kind] for kind in ("index", "say")))
    alert, message = shared["alert"]["properties"], say["properties"]["messages"]["items"]
    levels = [level.value for level in Level]
    assert shared["level"]["enum"] == alert["level"]["enum"] == levels
    for hazard in get_args(Hazard):
        assert index["properties"]["levels"]["properties"][hazard]["required"] == levels
    assert [*index["properties"]["levels"]["properties"]] == alert["hazard"]["enum"]
    assert shared["status"]["enum"] == [*get_args(Status)]
    assert shared["change"]["enum"] == [*get_args(choices.Change)]
    assert index["properties"]["origin"]["enum"] == [*get_args(Origin), MADE_UP]
    assert {*alert["drought_phase"]["enum"]} == {*get_args(Phase), None}
    assert {*say["properties"]["language"]["enum"]} == {*LANGUAGES}
    assert message["properties"]["level"]["enum"] == [1, 2, 3]
    reading = shared["city"]["properties"]["stages"]["anyOf"][0]["items"]["properties"]
    assert reading["quality"]["enum"] == [*USED]
    assert {*reading["method"]["enum"]} == {*METHODS}
    day = shared["city"]["properties"]["days"]["anyOf"][0]["items"]["properties"]
    assert {*day["issued_as"]["enum"]} == {MODEL, PERSISTENCE, CLIMATOLOGY, None}
    drought_tiers = {_choose_tier(*known) for known in itertools.product([0.5, np.nan], repeat=3)}
    assert drought_tiers == {*columns.DROUGHT_TIERS}
    assert {*alert["tier"]["enum"]} == {*evidence.TIERS, *drought_tiers, None}


def test_closed_values_of_a_proof_are_those_of_the_code() -> None:
    proof = SCHEMA["$defs"]["proof"]["properties"]
    raised = [level.value for level in RAISED]
    assert proof["level"]["enum"] == raised
    assert proof["criteria"]["items"]["properties"]["level"]["enum"] == raised
    reading = proof["readings"]["items"]["properties"]
    assert {*reading["qc"]["enum"]} == {*FLAGS}
    assert {*reading["method"]["enum"]} == {*METHODS}
    assert {*columns.REASONS} >= {*REASONS}
    zones = SCHEMA["$defs"]["zones"]["properties"]
    assert zones["origin"]["enum"] == [*get_args(Origin), MADE_UP]
    kinds = {feature["properties"]["kind"] for feature in ZONES["features"]}
    kind = zones["features"]["items"]["properties"]["properties"]["properties"]["kind"]
    assert {*kind["enum"]} == kinds


@pytest.mark.parametrize(
    "decision",
    [flood(0.6, 0.6), pluvial(6.0), drought(dry_spell(0.7, 0.6, now=2, cdi="warning"))],
)
def test_a_proof_of_each_kind_of_evidence_is_valid(decision: Decision, tmp_path: Path) -> None:
    message, state = send(decision)
    assert message is not None
    said = facts.collect_facts(
        decision, notice=message.notice, identifier=message.identifier, status="Exercise"
    )
    run = {
        "revision": 0, "snapshot": "ABC", "batch": 7, "model_version": "m1", "code": None,
        "rules": None,
    }  # fmt: skip
    stages = readings(pd.Series([9.0], [pd.Timestamp("2026-08-20")], dtype=float), "011901")
    snapshot = snapshot_of(tmp_path, stages, issued=decision.issue_time)
    levels = {("nong_khai", decision.hazard): Level.WATCH}
    for told in (decision, replace(decision, state=state)):
        proof = write_proof(message, told, said, run=run, snapshot=snapshot, levels=levels)
        assert find_faults(json.loads(proof), "proof") == []
