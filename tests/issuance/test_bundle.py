"""A run's files from stored forecasts are those from fresh ones, and each input is read once."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from frictionless import system, validate

from pipeline.alerts.alert_state import AlertState, SentMessage
from pipeline.alerts.cap import message_path
from pipeline.alerts.levels import Level
from pipeline.alerts.templates import LANGUAGES
from pipeline.areal import monthly
from pipeline.areal import rain as areal_rain
from pipeline.exchange.forecast_files import read_table
from pipeline.exchange.schema import read_schema
from pipeline.exchange.tree import make_tree
from pipeline.geography import places
from pipeline.indices import daily
from pipeline.indices.extremes import return_period
from pipeline.issuance import products
from pipeline.issuance.bundle import Bundle, make_bundle
from pipeline.issuance.decide import relate_decisions
from pipeline.issuance.forecast_tables import read_forecasts, store_forecasts
from pipeline.issuance.snapshot import Snapshot
from pipeline.quality import flags as quality_flags
from pipeline.settings import Settings
from pipeline.storage import database
from pipeline.storage.archive import Archive
from pipeline.storage.readings import Readings
from pipeline.storage.records import Records
from tests.alerts.alert_cases import drought, dry_spell, flood
from tests.exchange.schema_cases import find_faults_of_tree
from tests.issuance.forecast_cases import droughts, stages

ISSUED = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
TODAY = np.datetime64("2026-08-20", "ns")
DAY = np.timedelta64(1, "D")
START, END = (datetime(year, 1, 1, tzinfo=UTC) for year in (2001, 2021))
UNITS = {"rain": "mm", "soil_moisture": "m3 m-3", "ndvi": "1", "lst": "K"}


def series(time: np.ndarray, zones: list[str]) -> xr.Dataset:
    """Made-up zonal daily series."""
    rng = np.random.default_rng(len(zones))
    phase = 2.0 * np.pi * np.arange(time.size)[:, None] / 365.25
    rain = rng.gamma(0.4, 12.0 * (1.1 - np.cos(phase)), (time.size, len(zones)))
    wet = np.cumsum(rain - rain.mean(), axis=0) % 100.0 / 300.0
    values = {"rain": rain, "soil_moisture": 0.1 + wet, "ndvi": 0.3 + wet, "lst": 305 - 10 * wet}
    return xr.Dataset(
        {
            name: (("time", "zone"), of.astype("f4"), {"units": UNITS[name]})
            for name, of in values.items()
        },
        {"time": time, "zone": zones},
        {"origin": "virtual"},
    )


@pytest.fixture(scope="module")
def drought_model() -> SimpleNamespace:
    """Parameters of the indices, fitted for one zone and taken for all."""
    time = np.arange("2001-01-01", "2021-01-01", dtype="M8[D]").astype("M8[ns]")
    fitted = daily.fit_reference(series(time, ["basin:chi"]), start=START, end=END)
    zones = list(places.zones())
    every = {
        name: params.isel(zone=np.zeros(len(zones), int)).assign_coords(zone=zones)
        for name, params in fitted.items()
    }
    return SimpleNamespace(parameters=lambda: every)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Archive, Records]:
    """Zonal daily series of 440 days, and two months of morning stages at every city's gauge."""
    folder = tmp_path_factory.mktemp("stores")
    archive, records = Archive(folder / "archive"), Records(f"sqlite:///{folder / 'records.db'}")
    record = series(TODAY - np.arange(440, 0, -1) * DAY, list(places.zones()))
    known = record["time"].values + DAY
    archive.append("zones", record.assign_coords(available_time=("time", known)), message="test")
    days = pd.date_range("2026-06-21", "2026-08-20")
    codes = sorted({city.station for city in places.cities().values() if city.station})
    rng = np.random.default_rng(1)
    table = pd.concat(
        pd.DataFrame(
            {
                "station": code, "variable": "stage", "method": "manual", "valid_time": days,
                "value": (places.station(code).alarm_m or 5.0) - 1.0 + rng.random(days.size),
                "unit": "m", "raw": "", "qc": "good",
            }
        )
        for code in codes
    )  # fmt: skip
    with records.ingest("gauges", asof=ISSUED) as batch:
        batch.add_readings(table, asof=ISSUED, latency=timedelta(minutes=20), origin="virtual")
    return archive, records


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """Half-hourly rain over the cities, and the bulletin of the months, need grids and years."""
    cities = [zone for zone in places.zones() if zone.startswith("city:")]
    times = TODAY - np.arange(144, 0, -1) * np.timedelta64(30, "m")
    rain = xr.DataArray(
        np.full((144, len(cities)), 2.0, "f4"), {"time": times, "zone": cities}, ("time", "zone"),
        attrs={"units": "mm"},
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(areal_rain, "read_city_rain", lambda *_, **__: rain)
        patch.setattr(monthly, "make_bulletin", lambda *_, **__: rain.to_dataset(name="rain"))
        yield


def run_of(records: Records, archive: Archive) -> dict[str, Any]:
    return records.draft_run(
        {
            "issue_time": ISSUED, "inputs_digest": "0", "snapshot": archive.snapshot,
            "batch": records.database.batch, "model_version": "m", "origin": "virtual",
            "settings": {"alert_status": "Test"}, "follows": None,
            "rules": {}, "code": "c0de" * 16, "sent": ISSUED, "late": False,
        }
    )  # fmt: skip


def bundle(
    stores: tuple[Archive, Records],
    drought_model: SimpleNamespace,
    run: dict[str, Any],
    forecasts: tuple[pd.DataFrame, pd.DataFrame],
) -> Bundle:
    models = {"drought": drought_model, "monthly": None}
    snapshot = Snapshot(*stores, ISSUED, models, "m")
    settings = Settings(upstream="archive", records_url=None)
    return make_bundle(snapshot, run, stages=forecasts[0], droughts=forecasts[1], settings=settings)


@pytest.fixture(scope="module")
def made(stores: tuple[Archive, Records], drought_model: SimpleNamespace) -> Bundle:
    """Bundle of fresh forecasts, for all tests to read."""
    run = run_of(stores[1], stores[0])
    return bundle(stores, drought_model, run, (stages(ISSUED), droughts(ISSUED)))


def test_stored_forecasts_publish_the_same_bytes_as_fresh_ones(
    stores: tuple[Archive, Records], drought_model: SimpleNamespace, made: Bundle
) -> None:
    archive, records = stores
    run = run_of(records, archive)
    store_forecasts(records, run, stages=stages(ISSUED), droughts=droughts(ISSUED))
    before = made
    after = bundle(stores, drought_model, run, read_forecasts(records, run))
    assert after.files == before.files
    assert after.alerts == before.alerts
    assert after.degraded == before.degraded
    assert {"alerts.csv", "alerts.geojson", "risk.nc", "monthly.nc", "index.json"} < {*after.files}
    assert {"forecasts.csv", "stages.csv", "zones.geojson"} < {*after.files}
    cities = {path for path in complete(stores, after) if path.startswith("cities/")}
    assert cities == {f"cities/{city}.json" for city in places.cities()}
    levels = Counter(row["level"] for row in after.alerts)
    assert len(levels) >= 4, "the forecasts are of all kinds"
    named = [row["identifier"] for row in after.alerts if row["identifier"]]
    assert len(named) > 5
    for identifier in named:
        assert message_path(identifier) in after.files
    assert [row["identifier"] for row in after.messages] == named


def complete(stores: tuple[Archive, Records], made: Bundle) -> dict[str, bytes]:
    """Published tree of a bundle."""
    settings = Settings(upstream="archive", records_url=None)
    run = run_of(stores[1], stores[0])
    stores[1].put_alerts(run, made.alerts, made.messages)
    return make_tree(made.files, stores[1], run, settings=settings)


def test_files_of_stages_are_those_of_the_forecast_and_of_what_it_used(
    stores: tuple[Archive, Records], made: Bundle
) -> None:
    forecasts = stages(ISSUED)
    table = read_table(made.files["forecasts.csv"])
    assert len(table) == len(forecasts)
    assert {*table["status"]} == {"Exercise"}
    first = table.iloc[0]
    assert first["q50_m"] == round(forecasts["q50"][0], 3)
    assert first["highest_q50_m"] == forecasts["highest_m"][0]["q50"]
    observed = read_table(made.files["stages.csv"])
    assert observed["valid_time"].min() == "2026-06-22T00:00:00Z", "60 days before 00:30"
    assert observed["valid_time"].max() == "2026-08-20T00:00:00Z"
    now = json.loads(complete(stores, made)["now.json"])
    assert (now["status"], now["origin"]) == ("Exercise", "virtual")
    assert [city["id"] for city in now["cities"]] == sorted(places.cities())
    levels = {(row["city"], row["hazard"]): row["level"] for row in made.alerts}
    for city in now["cities"]:
        assert city["flood"]["level"] == levels[city["id"], "flood"]


def test_every_json_file_and_table_is_as_the_schemas_say(
    stores: tuple[Archive, Records], made: Bundle, tmp_path: Path
) -> None:
    tree = complete(stores, made)
    assert find_faults_of_tree(tree) == {}
    alerts = json.loads(made.files["alerts.geojson"])
    levels = {feature["properties"]["level"] for feature in alerts["features"]}
    assert len(levels) >= 4, "the forecasts are of all kinds"
    assert {feature["geometry"]["type"] for feature in alerts["features"]} == {"Polygon"}
    tables = [path for path in tree if path.endswith(".csv")]
    for name in ("datapackage.json", *tables):
        (tmp_path / name).write_bytes(tree[name])
    described = json.loads(tree["datapackage.json"])["resources"]
    assert {table["path"] for table in described} == {*tables}
    with system.use_context(trusted=True):
        report = validate(tmp_path / "datapackage.json")
    assert report.valid, report.flatten(["title", "message"])
    assert tree["alerts.schema.json"] == read_schema()


def test_a_night_made_up_late_has_a_tree_and_no_message(
    stores: tuple[Archive, Records], drought_model: SimpleNamespace, made: Bundle
) -> None:
    run = run_of(stores[1], stores[0])
    forecasts = stages(ISSUED), droughts(ISSUED)
    in_time = made
    late = bundle(stores, drought_model, run | {"late": True}, forecasts)
    assert [row["level"] for row in late.alerts] == [row["level"] for row in in_time.alerts]
    assert {row["identifier"] for row in late.alerts} == {None}
    folders = {"cap", "sms", "cb", "read", "say"}
    assert {name.partition("/")[0] for name in in_time.files} > folders
    assert {*late.files} == {
        name for name in in_time.files if name.partition("/")[0] not in folders
    }


def test_a_night_made_up_late_names_no_message_that_has_expired(
    stores: tuple[Archive, Records], drought_model: SimpleNamespace
) -> None:
    before, rows = ISSUED - timedelta(days=3), []
    for city, lifetime in (("vientiane", 73), ("pakse", 72)):
        message = SentMessage(
            identifier=f"mekong-{city}", sender="a@example.org", sent=before, level=Level.WARNING,
            expires=before + timedelta(hours=lifetime), over=False, issue_time=before,
        )  # fmt: skip
        state = AlertState(
            issue_time=before, level=Level.WARNING, runs_up={}, runs_down={}, on_rain=False,
            on_river=True, assessed=before, sent=(message,),
        )  # fmt: skip
        rows.append(
            {
                "city": city, "hazard": "flood", "level": "warning",
                "identifier": message.identifier, "sha256": None, "memory": state.to_dict(),
            }
        )  # fmt: skip
    stores[1].put(database.alerts, before, 0, rows)
    run = run_of(stores[1], stores[0]) | {"late": True, "follows": [before.isoformat(), 0]}
    late = bundle(stores, drought_model, run, (stages(ISSUED), droughts(ISSUED)))
    features = json.loads(late.files["alerts.geojson"])["features"]
    named = {each["id"]: each["properties"]["identifier"] for each in features}
    assert named["vientiane-flood"] == "mekong-vientiane"
    assert named["pakse-flood"] is None


def blocks(files: dict[str, bytes], path: str) -> list[str]:
    """Names of the events that a file of short texts tells."""
    lines = [line for line in files[path].decode().splitlines() if not line.startswith("#")]
    names = [line for line, before in zip(lines, ["", *lines], strict=False) if not before]
    return [name for name in names if name]


def test_short_texts_of_every_open_event_and_those_that_are_due(
    stores: tuple[Archive, Records], drought_model: SimpleNamespace, made: Bundle
) -> None:
    run = run_of(stores[1], stores[0])
    named = [f"{row['city']}-{row['hazard']}" for row in made.alerts if row["identifier"]]
    for language in LANGUAGES:
        for kind in ("sms", "cb", "read"):
            assert blocks(made.files, f"{kind}/{language}.txt") == named
        assert blocks(made.files, f"sms/due/{language}.txt") == named, "all are new"
        assert blocks(made.files, f"cb/due/{language}.txt") == named
        told = json.loads(made.files[f"say/{language}.json"])
        assert [message["event"] for message in told["messages"]] == named
    only_raised = run | {"settings": run["settings"] | {"alert_changes_sent": ["raised"]}}
    made = bundle(stores, drought_model, only_raised, (stages(ISSUED), droughts(ISSUED)))
    assert blocks(made.files, "sms/due/lo.txt") == []
    assert blocks(made.files, "sms/lo.txt") == named


def test_cities_name_the_level_of_the_other_bank(made: Bundle) -> None:
    levels = {(row["city"], row["hazard"]): row["level"] for row in made.alerts}
    decisions = relate_decisions([flood(0.6, 0.6), drought(dry_spell(now=1))])
    assert [decision.other_hazard for decision in decisions] == [Level.WATCH, Level.WARNING]
    bank = decisions[0].facing
    assert bank is not None
    assert (bank[0].id, bank[1]) == ("nong_khai", Level.UNKNOWN), "it is not among them"
    assert decisions[1].facing is None
    assert ("nong_khai", "flood") in levels


def test_each_input_is_read_and_checked_once(
    stores: tuple[Archive, Records],
    drought_model: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened, intervals, checked = list[str](), list[tuple[str, int]](), list[int]()
    read, read_all, flag = Archive.read, Readings.read_all, quality_flags.flag

    def count_grids(self: Archive, product: str, **of: Any) -> xr.Dataset:
        opened.append(product)
        return read(self, product, **of)

    def count_readings(self: Readings, variable: str, **of: Any) -> pd.DataFrame:
        intervals.append((variable, (ISSUED - of["start"]).days))
        return read_all(self, variable, **of)

    def count_checks(readings: pd.DataFrame, *of: Any) -> pd.DataFrame:
        checked.append(len(readings))
        return flag(readings, *of)

    monkeypatch.setattr(Archive, "read", count_grids)
    monkeypatch.setattr(Readings, "read_all", count_readings)
    monkeypatch.setattr(quality_flags, "flag", count_checks)
    run = run_of(stores[1], stores[0])
    bundle(stores, drought_model, run, (stages(ISSUED), droughts(ISSUED)))
    assert Counter(opened)["zones"] == 1
    assert max(Counter(intervals).values()) == 1
    stage = sorted(days for variable, days in intervals if variable == "stage")
    assert stage[:3] == [4, 7, 30], "last readings, what is suspect, who is silent"
    assert stage[3] == 200, "what the forecast uses, of which the last 60 days are published"
    assert len(stage) == 5, "and seasons, for the track record of warnings"
    assert Counter(variable for variable, _ in intervals) == {"stage": 5, "rain": 1, "discharge": 1}
    assert len(checked) == len(intervals)


def test_rain_has_the_amount_and_the_days_of_its_return_period(
    stores: tuple[Archive, Records], drought_model: SimpleNamespace
) -> None:
    snapshot = Snapshot(*stores, ISSUED, {"drought": drought_model, "monthly": None}, "m")
    risk = products.compute_risk_indices(snapshot)
    assert risk is not None
    rain = products.assess_city_rain(snapshot, risk)
    durations = set()
    for city, of_city in rain.items():
        zone = f"city:{city}"
        totals = {days: risk[f"rain_{days}d"].sel(zone=zone).isel(time=[-1]) for days in (1, 3)}
        assert of_city.depth_mm == totals[of_city.duration_days].item()
        periods = {
            days: return_period(
                total=total, parameters=drought_model.parameters()[f"rain_{days}d"].sel(zone=zone)
            ).item()
            for days, total in totals.items()
        }
        assert periods[of_city.duration_days] == max(periods.values())
        assert of_city.return_period_years == pytest.approx(max(periods.values()))
        durations.add(of_city.duration_days)
    assert durations == {1, 3}, "the made-up rain has both"
    gone = risk.isel(zone=[-1]).assign_coords(zone=["city:gone"])
    left = products.assess_city_rain(snapshot, xr.concat([risk, gone], "zone"))
    assert math.isnan(left.pop("gone").pluvial_index), "it has left the tables: not known"
    assert {city: str(of_city) for city, of_city in left.items()} == {
        city: str(of_city) for city, of_city in rain.items()
    }, "as text: what is not known equals nothing"
