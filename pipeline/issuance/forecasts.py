"""Forecast stages, drought and low flow from a snapshot."""

from __future__ import annotations

import math
from collections.abc import Collection
from datetime import timedelta

import numpy as np
import pandas as pd

from models import low_flow
from models.drought import model as drought_model
from models.stage import features
from models.stage import model as stage_model
from models.stage.names import HIGHEST, INTERVALS, QUANTILES
from pipeline.alerts.evidence import DRIVERS
from pipeline.alerts.gauge_criteria import HORIZON_D
from pipeline.alerts.levels import Level
from pipeline.alerts.thresholds import rules_for
from pipeline.areal import daily_series, substitutes
from pipeline.areal.zonal_record import read_zonal
from pipeline.geography import places
from pipeline.geography.reference_schema import EVERY_CITY
from pipeline.indices import suite
from pipeline.issuance import observed
from pipeline.issuance.observed import HISTORY
from pipeline.issuance.snapshot import Snapshot, read_stage_inputs
from pipeline.quality.selection import select_used
from pipeline.storage.archive import NothingArchived
from pipeline.times import utc64

LOW_FLOW_HISTORY = timedelta(days=low_flow.MEMORY_D + 45)
"""Look-back of a forecast of low flow for readings."""


def forecast_stages(snapshot: Snapshot) -> pd.DataFrame:
    """Forecast every gauge, one row per station and lead; none where no gauge has reported."""
    readings = snapshot.readings("stage", start=snapshot.asof - HISTORY)
    if readings["value"].notna().sum() == 0:
        return pd.DataFrame(columns=["station", "lead_days", "tier", "valid_time"])
    if "stage" not in snapshot.models:
        return list_unmodelled_gauges(snapshot, readings, modelled=())
    model = snapshot.models["stage"]
    inputs = read_stage_inputs(snapshot, start=snapshot.asof - HISTORY)
    # A gauge silent for so long has no column, but it has a forecast: climatology.
    inputs = inputs.with_gauges(model.stations)
    forecasts = stage_model.predict(
        model, inputs, issue_time=snapshot.asof, model_version=snapshot.version, highest=True
    )
    believed = observed.confirm_by_forecast(observed.find_last_readings(snapshot), forecasts)
    if believed:
        inputs = read_stage_inputs(snapshot, start=snapshot.asof - HISTORY, believed=believed)
        inputs = inputs.with_gauges(model.stations)
        forecasts = stage_model.predict(
            model, inputs, issue_time=snapshot.asof, model_version=snapshot.version, highest=True
        )
    shares = daily_series.read_rain_sources(snapshot.archive, asof=snapshot.asof)
    if shares is not None:
        basins = [zone.startswith("basin:") for zone in shares["zone"].values.tolist()]
        if float(shares["gk2a"][basins].median()) > 0.5:
            forecasts["tier"] = forecasts["tier"].replace("full", "gk2a_rain")
    unmodelled = list_unmodelled_gauges(snapshot, readings, modelled=model.stations)
    if len(unmodelled):
        return pd.concat([forecasts, unmodelled], ignore_index=True)
    return forecasts


def list_unmodelled_gauges(
    snapshot: Snapshot, readings: pd.DataFrame, *, modelled: Collection[str]
) -> pd.DataFrame:
    """List the last readings of the table's gauges without a model, as rows without a forecast.

    A river above its alarm stage is an alarm whether or not it can be forecast.

    Parameters
    ----------
    snapshot
        Snapshot of the run.
    readings
        Stages of the last days.
    modelled
        Gauges that a model forecasts.
    """
    rows = select_used(readings)
    forget = rules_for(EVERY_CITY, asof=snapshot.asof).forget
    rows = rows[rows["valid_time"] > pd.Timestamp(utc64(snapshot.asof - forget))]
    last = rows.sort_values("valid_time").drop_duplicates("station", keep="last")
    unmodelled = places.stations(asof=snapshot.asof).keys() - set(modelled)
    last = last[last["station"].isin(unmodelled)]
    leads = pd.DataFrame({"lead_days": np.arange(1, HORIZON_D[Level.WATCH] + 1)})
    gauges = last[["station", "valid_time", "value"]].merge(leads, how="cross")
    gauges = gauges.rename(columns={"valid_time": "stage_time", "value": "stage_m"})
    morning = pd.Timestamp(utc64(snapshot.asof)).normalize()
    blank = [
        *QUANTILES,
        "mean_m",
        "p_alarm",
        "p_flood",
        "p_alarm_by",
        "p_flood_by",
        "own_m",
        "own_p_alarm",
        *(f"own_{name}" for name in INTERVALS),
    ]
    return gauges.assign(
        issue_time=pd.Timestamp(utc64(snapshot.asof)),
        valid_time=morning + pd.to_timedelta(gauges["lead_days"], unit="D"),
        tier="climatology",
        issued_as="climatology",
        skilful_until_day=0,
        drivers_method="",
        drivers_cm=pd.Series([dict.fromkeys(DRIVERS, math.nan)] * len(gauges), gauges.index),
        highest_m=pd.Series([dict.fromkeys(HIGHEST, math.nan)] * len(gauges), gauges.index),
        extrapolated=False,
        median_extrapolated=False,
        model_version=snapshot.version,
        **dict.fromkeys(blank, math.nan),
    )


def forecast_droughts(snapshot: Snapshot) -> pd.DataFrame:
    """Forecast drought, one row per zone and horizon.

    Zones are sub-basins and cities (class of rain and soil, where there are zonal daily series) and
    gauges (``gauge:<code>``, class of the stage). ``stands_in`` names the substitute products;
    ``suspect`` marks zones whose rain and soil moisture are known from suspect files only.
    """
    parts = []
    record = snapshot.filled_record
    if record is not None and "drought" in snapshot.models:
        droughts = drought_model.predict(snapshot.models["drought"], record, asof=snapshot.asof)
        products = substitutes.list_in_use(record, asof=snapshot.asof)
        droughts = droughts.assign(stands_in=droughts["zone"].map(products))
        parts.append(droughts.assign(suspect=_flag_suspect(snapshot, droughts)))
    if "low_flow" in snapshot.models:
        start = snapshot.asof - LOW_FLOW_HISTORY
        readings = snapshot.readings("stage", start=start)
        if readings["value"].notna().any():
            inputs = features.build_inputs(stage=readings, asof=snapshot.asof, start=start)
            model = snapshot.models["low_flow"]
            parts.append(low_flow.predict(model, inputs.stage, issue_time=snapshot.asof))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _flag_suspect(snapshot: Snapshot, droughts: pd.DataFrame) -> pd.Series:
    """Flag rows of zones whose known rain and soil moisture are all suspect."""
    try:
        doubts = read_zonal(
            snapshot.archive, "doubts", asof=snapshot.asof, region=snapshot.region
        ).compute()
    except NothingArchived:
        return pd.Series([False] * len(droughts), droughts.index)
    windows = np.array([suite.INDICES["rain_90d"].window, suite.SOIL_DAYS])
    ends = utc64(snapshot.asof) - windows * np.timedelta64(1, "D")
    rain = doubts["suspect_rain"].sel(time=slice(ends[0], None)).sum("time") / windows[0]
    soil = doubts["suspect_soil_moisture"].sel(time=slice(ends[1], None)).max("time")
    zones, flags = doubts["zone"].values.tolist(), []
    for zone, spi3, percentile in zip(
        droughts["zone"], droughts["spi3"], droughts["soil_moisture_percentile"], strict=True
    ):
        at = zones.index(zone)
        suspect = float(rain[at]) > 1 - suite.MIN_SHARE, float(soil[at]) > 0
        unknown = math.isnan(spi3), math.isnan(percentile)
        flags.append(any(suspect) and all(a or b for a, b in zip(suspect, unknown, strict=True)))
    return pd.Series(flags, droughts.index)
