"""A small night, published by the code of the real ones, and the next one, not published yet.

Its stores hold 26 years of zonal daily series (one zone's, repeated for all), two months of morning
stages at every city's gauge, and the parameters of the indices of zones.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from models import registry
from models.drought import model as drought_model
from pipeline.areal import monthly
from pipeline.exchange.publication import publish_tree
from pipeline.exchange.tree import make_tree
from pipeline.geography import places
from pipeline.issuance.forecast_tables import store_forecasts
from pipeline.issuance.runs import bundle_run
from pipeline.settings import Settings
from pipeline.storage.archive import Archive
from pipeline.storage.database import alerts
from pipeline.storage.records import Records
from tests.issuance.forecast_cases import droughts, stages

ISSUED = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
DAY = timedelta(days=1)
PAKSE = "013901"
RIVER = {-1: 9.8, 0: 9.9, 1: 10.25, 2: 10.5}
"""Stage at Pakse, m, by days from the first night."""


def record(zones: list[str]) -> xr.Dataset:
    """Made-up zonal daily series of one zone, repeated for all."""
    time = np.arange("2000-01-01", "2026-08-20", dtype="M8[D]").astype("M8[ns]")
    rng = np.random.default_rng(4)
    season = 1.1 - np.cos(2.0 * np.pi * (np.arange(time.size) - 30) / 365.25)
    rain = rng.gamma(0.4, 12.0 * season)
    wet = np.cumsum(rain - rain.mean()) % 100.0 / 300.0
    fields = {"rain": (rain, "mm"), "coverage": (np.ones(time.size), "1"),
              "soil_moisture": (0.1 + wet, "m3 m-3"), "ndvi": (0.3 + wet, "1"),
              "lst": (305.0 - 10.0 * wet, "K")}  # fmt: skip
    ds = xr.Dataset(
        {
            name: (("time", "zone"), np.tile(of[:, None], len(zones)).astype("f4"), {"units": unit})
            for name, (of, unit) in fields.items()
        },
        {"time": time, "zone": zones},
        {"origin": "virtual"},
    )
    return ds.assign_coords(available_time=("time", time + np.timedelta64(1, "D")))


def save_models(folder: Path) -> str:
    """Save the models of drought, fitted for one zone, as those of all; return their version."""
    end = datetime(2021, 1, 1, tzinfo=UTC)
    lone, zones = record(["basin:chi"]), list(places.zones())

    def repeat(plain: dict[str, Any]) -> dict[str, Any]:
        params = xr.Dataset.from_dict(plain)
        repeated = params.isel(zone=np.zeros(len(zones), int)).assign_coords(zone=zones)
        return repeated.to_dict(data="array")

    fitted = drought_model.fit(lone, end=end)
    index_params = {name: repeat(plain) for name, plain in fitted.index_params.items()}
    months = monthly.collect_months(lone, land=None, discharge=pd.DataFrame({"value": np.empty(0)}))
    models = {
        "drought": replace(fitted, zones=zones, index_params=index_params),
        "monthly": {
            name: repeat(plain) for name, plain in monthly.fit_params(months, end=end).items()
        },
    }
    return registry.save(models, {"asof": end.isoformat(), "origin": "virtual"}, folder)


def add_readings(records: Records, *, asof: datetime, last: pd.Timestamp) -> None:
    """Store the morning stages up to a day, 5 m below the alarm stage but at Pakse."""
    days = pd.date_range("2026-06-21", last)
    codes = sorted({city.station for city in places.cities().values() if city.station})
    from_first = (days - pd.Timestamp("2026-08-20")).days
    table = pd.concat(
        pd.DataFrame(
            {
                "station": code, "variable": "stage", "method": "manual", "valid_time": days,
                "value": [RIVER.get(day, 9.7 + 0.01 * (day % 3)) for day in from_first]
                if code == PAKSE
                else (places.station(code).alarm_m or 8.0) - 5.0 + 0.01 * (from_first % 5),
                "unit": "m", "raw": "", "qc": "good",
            }
        )
        for code in codes
    )  # fmt: skip
    with records.ingest("gauges", asof=asof) as batch:
        batch.add_readings(table, asof=asof, latency=timedelta(minutes=20), origin="virtual")


def draft(settings: Settings, version: str, issued: datetime) -> dict[str, Any]:
    """Store the forecasts of a night made from the stores as they are; return its run."""
    archive, records = Archive(settings.archive_dir), Records(settings.database)
    run = records.draft_run(
        {
            "issue_time": issued, "inputs_digest": "0", "snapshot": archive.snapshot,
            "batch": records.database.batch, "model_version": version, "origin": "virtual",
            "settings": {"alert_status": "Test"}, "follows": None,
            "rules": {}, "code": "", "sent": issued, "late": False,
        }
    )  # fmt: skip
    made_up = stages(issued)
    at_pakse = made_up["station"] == PAKSE
    made_up.loc[at_pakse, "q50"] = 10.0 + 0.2 * made_up.loc[at_pakse, "lead_days"]
    store_forecasts(records, run, stages=made_up, droughts=droughts(issued))
    return run


def publish(settings: Settings, run: dict[str, Any]) -> None:
    """Publish a night."""
    records = Records(settings.database)
    bundle = bundle_run(run, settings)
    records.put_alerts(run, bundle.alerts, bundle.messages)
    tree = make_tree(bundle.files, records, run, settings=settings)
    publish_tree(tree, folder=settings.published_dir, issue_time=run["issue_time"])


def make_nights(folder: Path) -> Settings:
    """Publish a night; store the next one's forecasts and levels, and a reading that came later."""
    settings = Settings(data_dir=folder, upstream="archive", records_url=None)
    archive, records = Archive(settings.archive_dir), Records(settings.database)
    archive.append("zones", record(list(places.zones())), message="test")
    version = save_models(settings.models_dir)
    add_readings(records, asof=ISSUED, last=pd.Timestamp("2026-08-20"))
    first = draft(settings, version, ISSUED)
    publish(settings, first)
    add_readings(records, asof=ISSUED + DAY, last=pd.Timestamp("2026-08-21"))
    draft(settings, version, ISSUED + DAY)
    rows = records.get(alerts, ISSUED, first["revision"])
    keys = {"issue_time", "revision", "identifier"}
    levels = [
        {k: v for k, v in row.items() if k not in keys} | {"identifier": None} for row in rows
    ]
    records.put(alerts, ISSUED + DAY, 0, levels)
    add_readings(records, asof=ISSUED + 2 * DAY, last=pd.Timestamp("2026-08-22"))
    return settings
