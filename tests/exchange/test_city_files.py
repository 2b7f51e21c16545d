"""Files for apps, by hand, at their largest, and made again after a message was withdrawn."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.stage.names import HIGHEST, QUANTILES
from pipeline.alerts import facts
from pipeline.exchange import alert_files
from pipeline.exchange.city_files import FAN, write_city_files
from pipeline.exchange.forecast_files import write_forecasts, write_stages
from pipeline.exchange.issue import Issue
from pipeline.geography import places
from tests.alerts.alert_cases import drought, dry_spell, flood, pluvial
from tests.alerts.cap_cases import send
from tests.issuance.forecast_cases import stages

ISSUED = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
ISSUE = Issue(issue_time=ISSUED, status="Exercise", origin="virtual")
CODE = "011901"
DECISIONS = [flood(0.6, 0.6), pluvial(6.0), drought(dry_spell(now=1))]
DATES = [f"2026-08-{day}" for day in range(21, 28)]


def collect() -> list[dict[str, Any]]:
    """Facts of Vientiane, and of Siem Reap, which has no gauge and no drought here."""
    sent = send(DECISIONS[0])[0]
    assert sent is not None
    rows = facts.collect_rows(
        DECISIONS, {("vientiane", "flood"): "mekong-1"}, {("vientiane", "flood"): sent.notice},
        products={}, origin="virtual", wanted="Actual",
    )  # fmt: skip
    return [dict(row) for row in rows]


def forecast(**changed: Any) -> pd.DataFrame:
    """Seven days: quantiles 8.99 to 9.07 m and 10 cm higher every day; the highest is level + 9."""
    days = [
        {
            "station": CODE,
            "lead_days": lead,
            "valid_time": pd.Timestamp("2026-08-20") + pd.Timedelta(days=lead),
            **{name: 8.89 + 0.1 * lead + 0.01 * k for k, name in enumerate(QUANTILES)},
            "mean_m": 9.0,
            **dict.fromkeys(("p_alarm", "p_flood", "p_alarm_by", "p_flood_by"), 0.5),
            "highest_m": {name: 9.0 + level + 0.1 * lead for name, level in HIGHEST.items()},
            "tier": "full",
            "issued_as": "model",
            "extrapolated": False,
        }
        | changed
        for lead in range(1, 8)
    ]
    return pd.DataFrame(days)


def observed() -> pd.DataFrame:
    times = pd.date_range("2026-06-22", "2026-08-20")
    values = 9.0 + 0.01 * np.arange(len(times))
    return pd.DataFrame(
        {"station": CODE, "valid_time": times, "value": values, "qc": "good", "method": "manual"}
    )


def tree_of(
    rows: list[dict[str, Any]], forecasts: pd.DataFrame, issue: Issue = ISSUE
) -> dict[str, bytes]:
    return {
        "alerts.geojson": alert_files.write_geojson(
            rows, issue_time=ISSUED, status="Exercise", areas={}
        ),
        "forecasts.csv": write_forecasts(forecasts, issue),
        "stages.csv": write_stages(observed(), issue),
    }


def files_of(
    rows: list[dict[str, Any]], forecasts: pd.DataFrame, issue: Issue = ISSUE
) -> dict[str, dict[str, Any]]:
    files = write_city_files(tree_of(rows, forecasts, issue), issue)
    return {path: json.loads(content) for path, content in files.items()}


@pytest.fixture(scope="module")
def files() -> dict[str, dict[str, Any]]:
    return files_of(collect(), forecast())


def test_now_by_hand(files: dict[str, dict[str, Any]]) -> None:
    now = files["now.json"]
    cities = {city["id"]: city for city in now["cities"]}
    top = {name: value for name, value in now.items() if name != "cities"}
    assert top == {**ISSUE.members(), "unit": "m above gauge zero", "dates": DATES}
    city = cities["vientiane"]
    day, highest = city["day"], city["highest"]
    assert {name: value for name, value in city.items() if value not in (day, highest)} == {
        "id": "vientiane", "name": "Vientiane", "country": "LA", "lat": 17.931, "lon": 102.616,
        "flood": {
            "level": "warning", "in_force": "warning", "change": "new", "identifier": "mekong-1",
            "status": "Exercise", "basis": "river",
        },
        "drought": {
            "level": "watch", "in_force": "watch", "change": None, "identifier": None,
            "status": "Exercise",
        },
        "station": CODE,
        "stage": {"m": 9.0, "time": "2026-08-20T00:00:00Z", "trend": "steady"},
        "marks": {"alarm": 11.5, "flood": 12.5, "verified": True},
        "skilful_until_day": 7,
    }  # fmt: skip
    assert [*day] == [*highest] == [*FAN] == ["q05", "q25", "q50", "q75", "q95"]
    assert day["q05"] == [9.0, 9.1, 9.2, 9.3, 9.4, 9.5, 9.6]
    assert [day[name][6] for name in FAN] == [9.6, 9.62, 9.63, 9.64, 9.66]
    assert [highest[name][0] for name in FAN] == [9.15, 9.35, 9.6, 9.85, 10.05]
    assert highest["q50"] == [9.6, 9.7, 9.8, 9.9, 10.0, 10.1, 10.2]


def test_a_city_without_a_gauge_is_null_and_has_the_level_of_its_rain(
    files: dict[str, dict[str, Any]],
) -> None:
    (town,) = (city for city in files["now.json"]["cities"] if city["id"] == "siem_reap")
    assert town["flood"]["level"] == "watch", "rain of 6 years"
    of_river = ("station", "stage", "marks", "day", "highest", "skilful_until_day")
    assert {town[name] for name in ("drought", *of_river)} == {None}
    full = files["cities/siem_reap.json"]
    nothing = ("drought", "facing", "gauge", "stage", "marks", "tier", "days", "stages")
    assert {full[name] for name in nothing} == {None}
    assert (full["flood"]["rain_level"], full["flood"]["river_level"]) == ("watch", None)
    assert full["flood"]["rain_return_period_years"] == 6.0
    assert full["flood"]["missing"] == ["a river gauge with an alarm stage"]
    assert full["flood"]["drivers_cm"] is None


def test_a_city_in_full_by_hand(files: dict[str, dict[str, Any]]) -> None:
    city = files["cities/vientiane.json"]
    assert {name: city[name] for name in ISSUE.members()} == ISSUE.members()
    assert (city["iso_3166_2"], city["utc_offset_h"]) == ("LA-VT", 7.0)
    assert city["facing"] == {
        "id": "nong_khai", "name": "Nong Khai", "country": "TH", "level": None,
        "level_in_force": None,
    }  # fmt: skip
    assert city["flood"]["p_flood_5d"] == 0.6
    assert (city["flood"]["level"], city["flood"]["change"]) == ("warning", "new")
    assert city["flood"]["drivers_cm"] == {
        "height": None, "own_trend": -7.0, "upstream": 49.0, "rain": 28.0, "wetness": None,
        "season": None, "tide": None,
    }  # fmt: skip
    assert (city["drought"]["level"], city["drought"]["drought_class"]) == ("watch", "D1")
    assert [*city["drought"]["p_d1"]] == ["1w", "4w", "12w"]
    gauge = city["gauge"]
    assert (gauge["station"], gauge["name"], gauge["tidal"]) == (CODE, "Vientiane KM4", False)
    assert gauge["upstream"][:2] == [
        {"station": "011903", "name": "Chiang Khan", "travel_time_d": None},
        {"station": "011201", "name": "Luang Prabang", "travel_time_d": [1.5, 2.0]},
    ]
    first, last = city["days"][0], city["days"][-1]
    assert [row["date"] for row in city["days"]] == DATES
    assert (last["date"], last["valid_time"], last["lead_days"]) == (
        "2026-08-27", "2026-08-27T00:00:00Z", 7,
    )  # fmt: skip
    assert first["day_m"] == {name: round(8.99 + 0.01 * k, 3) for k, name in enumerate(QUANTILES)}
    assert first["highest_m"] == {name: round(9.1 + level, 3) for name, level in HIGHEST.items()}
    assert (first["p_alarm"], first["p_flood_by"], first["issued_as"]) == (0.5, 0.5, "model")
    assert (first["extrapolated"], city["tier"], city["skilful_until_day"]) == (False, "full", 7)
    assert len(city["stages"]) == 30, "of 60"
    assert city["stages"][0]["time"] == "2026-07-22T00:00:00Z", "30 days before 00:30"
    assert city["stages"][-1] == {
        "time": "2026-08-20T00:00:00Z", "stage_m": 9.59, "quality": "good", "method": "manual",
    }  # fmt: skip


def test_the_drought_of_a_city_has_its_chances_by_weeks() -> None:
    (row,) = (row for row in collect() if row["hazard"] == "drought")
    row |= {"p_d2_4w": 0.25, "p_low_flow_8w": 0.125, "drought_phase": "deepens", "cdi": "watch"}
    dry = files_of([row], forecast())["cities/vientiane.json"]["drought"]
    assert (dry["p_d2"]["4w"], dry["p_low_flow"]["8w"]) == (0.25, 0.125)
    assert (dry["drought_phase"], dry["cdi"]) == ("deepens", "watch")


def test_the_facing_city_has_its_level() -> None:
    rows = collect()
    other = dict(rows[-1], city="nong_khai", name="Nong Khai", level="unknown")
    facing = files_of([*rows, other], forecast())["cities/vientiane.json"]["facing"]
    assert (facing["level"], facing["level_in_force"]) == ("unknown", "warning")


@pytest.mark.parametrize(
    ("change_m", "trend"), [(0.11, "rising"), (-0.11, "falling"), (0.1, "steady"), (None, None)]
)
def test_the_trend_is_that_of_the_messages(change_m: float | None, trend: str | None) -> None:
    rows = [row | {"change_1d_m": change_m} for row in collect()]
    found = files_of(rows, forecast())
    assert found["cities/vientiane.json"]["stage"]["trend"] == trend
    assert found["now.json"]["cities"][-1]["stage"]["trend"] == trend


def test_a_stage_at_the_gauges_zero_is_known() -> None:
    at_zero = {"stage_m": 0.0, "change_1d_m": 0.0}
    rows = [row | at_zero if row["station"] else row for row in collect()]
    stage = files_of(rows, forecast())["now.json"]["cities"][-1]["stage"]
    assert stage == {"m": 0.0, "time": "2026-08-20T00:00:00Z", "trend": "steady"}


def test_a_level_that_is_not_assessed_is_unknown_beside_the_one_in_force() -> None:
    rows = [row | {"level": "unknown"} for row in collect()]
    city = files_of(rows, forecast())["now.json"]["cities"][-1]
    assert (city["flood"]["level"], city["flood"]["in_force"]) == ("unknown", "warning")


def test_a_gauge_without_a_model_has_its_stage_and_no_forecast() -> None:
    unknown = dict.fromkeys(
        [*QUANTILES, "mean_m", "p_alarm", "p_flood", "p_alarm_by", "p_flood_by"], np.nan
    )
    found = files_of(
        collect(), forecast(**unknown, highest_m=dict.fromkeys(HIGHEST, np.nan), tier="climatology")
    )
    city = found["now.json"]["cities"][-1]
    assert (city["day"], city["highest"]) == (None, None)
    assert (city["stage"]["m"], city["marks"]["alarm"]) == (9.0, 11.5)
    full = found["cities/vientiane.json"]
    assert full["days"] is None
    assert len(full["stages"]) == 30


def test_a_run_of_before_has_no_highest_stage() -> None:
    found = files_of(collect(), forecast().drop(columns="highest_m"))
    city = found["now.json"]["cities"][-1]
    assert city["highest"] is None
    assert city["day"]["q50"][0] == 9.03
    assert {row["highest_m"] for row in found["cities/vientiane.json"]["days"]} == {None}


def test_without_a_forecast_the_files_are_there() -> None:
    found = files_of(collect(), pd.DataFrame())
    assert {*found} == {"now.json", "cities/siem_reap.json", "cities/vientiane.json"}
    assert found["now.json"]["dates"] == []
    for city in found["now.json"]["cities"]:
        assert (city["day"], city["highest"]) == (None, None)
    assert found["cities/vientiane.json"]["days"] is None
    assert files_of([], pd.DataFrame())["now.json"]["cities"] == []


def test_a_withdrawn_message_leaves_them_when_they_are_made_again(
    files: dict[str, dict[str, Any]],
) -> None:
    rows = [
        row | alert_files.withdraw_facts(row) if row["identifier"] == "mekong-1" else row
        for row in collect()
    ]
    tree = tree_of(collect(), forecast()) | {
        "alerts.geojson": alert_files.write_geojson(
            rows, issue_time=ISSUED, status="Exercise", areas={}
        )
    }
    again = write_city_files(tree, ISSUE)
    now = json.loads(again["now.json"])
    assert now["cities"][-1]["flood"] == {
        "level": "unknown", "in_force": "unknown", "change": None, "identifier": None,
        "status": "Exercise", "basis": "river",
    }  # fmt: skip
    assert now["cities"][0] == files["now.json"]["cities"][0]
    city = json.loads(again["cities/vientiane.json"])
    assert (city["flood"]["level"], city["flood"]["reasons"]) == ("unknown", ["cancelled"])
    assert city["days"] == files["cities/vientiane.json"]["days"]
    assert "mekong-1" not in b"".join(again.values()).decode()


def test_the_same_tree_gives_the_same_bytes() -> None:
    tree = tree_of(collect(), forecast())
    assert write_city_files(tree, ISSUE) == write_city_files(tree, ISSUE)


def fill(city: places.City) -> list[dict[str, Any]]:
    """Facts of a city with everything known that it can have, in the longest words."""
    rows = []
    for facts_of in collect()[-2:]:
        row, hazard = dict(facts_of), facts_of["hazard"]
        identifier = f"urn:oid:2.49.0.1.764.0.20260820T0030Z-{city.id}-{hazard}-r12"
        row |= {
            "city": city.id, "name": city.name, "country": city.country, "lat_deg": city.lat,
            "lon_deg": city.lon, "level": "emergency", "level_in_force": "emergency",
            "change": "unassessed", "identifier": identifier, "status": "Exercise",
        }  # fmt: skip
        if hazard == "flood" and city.station:
            row |= {
                "station": city.station, "stage_m": 12.345, "change_1d_m": -1.2, "alarm_m": 11.25,
                "flood_m": 12.75, "threshold_verified": False,
            }  # fmt: skip
        elif hazard == "flood":
            river = ("station", "stage_m", "change_1d_m", "alarm_m", "flood_m", "skilful_until_day")
            row |= dict.fromkeys(river)
        rows.append(row)
    return rows


def test_now_of_all_cities_has_at_most_40_kb() -> None:
    towns = [*places.cities().values()]
    assert len(towns) == 40
    every = stages(ISSUED)
    every[[*QUANTILES]] = 12.345
    every["highest_m"] = pd.Series([dict.fromkeys(HIGHEST, 12.345)] * len(every))
    rows = [row for city in towns for row in fill(city)]
    found = write_city_files(tree_of(rows, every), ISSUE)
    cities = json.loads(found["now.json"])["cities"]
    assert sum(city["highest"] is not None for city in cities) == 25, "those with a gauge"
    assert {len(city["day"]["q95"]) for city in cities if city["day"]} == {7}
    assert 30_000 < len(found["now.json"]) <= 40_000
    assert len(found) == 41
    assert max(map(len, found.values())) <= 40_000


def test_every_file_says_that_it_is_an_exercise(files: dict[str, dict[str, Any]]) -> None:
    for content in files.values():
        assert (content["status"], content["origin"]) == ("Exercise", "virtual")
    actual = replace(ISSUE, status="Actual", origin="measured")
    assert files_of(collect(), forecast(), actual)["now.json"]["status"] == "Actual"
