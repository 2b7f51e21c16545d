from __future__ import annotations

import csv
import io
import json

from shapely.geometry import Polygon

from pipeline.alerts import facts
from pipeline.exchange import alert_files
from tests.alerts.alert_cases import T0, drought, dry_spell, flood, pluvial
from tests.alerts.cap_cases import send

DECISIONS = [flood(0.6, 0.6), pluvial(float("nan")), drought(dry_spell())]
MESSAGES = {("vientiane", "flood"): "mekong-1"}
SENT = send(DECISIONS[0])[0]
NOTICES = {("vientiane", "flood"): SENT.notice} if SENT else {}


def rows() -> list[dict[str, facts.Fact]]:
    return facts.collect_rows(
        DECISIONS, MESSAGES, NOTICES, products={}, origin="virtual", wanted="Actual"
    )


def test_geojson() -> None:
    area = Polygon([(102.4, 18.00004), (102.8, 18.0), (102.7, 17.8), (102.4, 18.00004)])
    content = alert_files.write_geojson(
        rows(), issue_time=T0, status="Exercise", areas={"vientiane": area}
    )
    collection = json.loads(content)
    features = collection.pop("features")
    assert collection == {
        "type": "FeatureCollection", "schema_version": 3, "issue_time": "2026-08-20T00:30:00Z",
        "status": "Exercise", "expires_at": "2026-08-22T06:30:00Z",
    }  # fmt: skip
    collection["features"] = features
    assert content.count(b"\n") == 5, "a feature to a line"
    assert [feature["id"] for feature in collection["features"]] == [
        "siem_reap-flood",
        "vientiane-drought",
        "vientiane-flood",
    ]
    last = collection["features"][-1]
    ring = [[102.4, 18.0], [102.7, 17.8], [102.8, 18.0], [102.4, 18.0]]
    assert last["geometry"] == {"type": "Polygon", "coordinates": [ring]}, "counterclockwise"
    assert collection["features"][0]["geometry"] == {
        "type": "Point", "coordinates": [102.616, 17.931],
    }, "a city without an area"  # fmt: skip
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
    for row, words in (
        (town, [None] * 3),
        (dry, [None] * 3),
        (known, ["Expected", "Severe", "Likely"]),
    ):
        assert [row[key] for key in ("urgency", "severity", "certainty")] == words
    assert [row["change"] for row in (town, dry, known)] == [None, None, "new"]


def test_csv() -> None:
    table = list(csv.DictReader(io.StringIO(alert_files.write_csv(rows()).decode())))
    assert [(row["city"], row["hazard"], row["level"]) for row in table] == [
        ("siem_reap", "flood", "unknown"),
        ("vientiane", "drought", "none"),
        ("vientiane", "flood", "warning"),
    ]
    assert (table[2]["stage_m"], table[2]["driver_rain_cm"]) == ("9.0", "28.0")
    assert [*table[0]][-4:] == ["change", "incident", "ending_time", "drought_phase"]
    assert all(row["headline"].startswith("EXERCISE. ") for row in table)
    assert [table[row]["severity"] for row in (0, 1, 2)] == ["", "", "Severe"]
    assert table[2]["skilful_until_day"] == "7"
    assert table[0]["rain_return_period_years"] == ""
    assert table[0]["missing"].startswith("a river gauge with an alarm stage; rain over the city")


def test_a_table_without_rows_has_the_columns_that_it_is_given() -> None:
    assert alert_files.write_csv([], ("a", "b")) == b"a,b\n"
    assert alert_files.write_csv([]) == b""
    assert alert_files.write_csv([{"a": 1, "b": None}], ("b", "a")) == b"b,a\n,1\n"
