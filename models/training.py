"""Training of all models of a night on what was known at a moment, and their storage."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from models import low_flow, registry
from models.card import render_card
from models.drought import model as drought_model
from models.drought.inputs import select_known
from models.stage import training as stage_training
from models.stage.features import StageInputs
from models.stage.model import StageModel
from pipeline.areal import daily_series, monthly
from pipeline.choices import Region
from pipeline.geography import places
from pipeline.quality.selection import select_used
from pipeline.storage.archive import Archive


def list_forecast_gauges(inputs: StageInputs) -> list[str]:
    """Gauges of the table that report or have a successor; the others only help to predict."""
    return [code for code in places.stations() if code in inputs.stage]


def fit_stages(inputs: StageInputs, *, asof: datetime) -> StageModel:
    """Fit the stage model of the gauges to forecast.

    Raises
    ------
    ValueError
        No gauge has enough readings.
    """
    return stage_training.fit(inputs, end=asof, stations=list_forecast_gauges(inputs))


def fit_droughts(
    inputs: StageInputs,
    series: xr.Dataset | None,
    *,
    archive: Archive,
    discharge: pd.DataFrame,
    asof: datetime,
    region: Region,
) -> dict[str, Any]:
    """Fit the models of low flow, of drought, and of the monthly bulletin.

    Parameters
    ----------
    inputs
        Stages of the gauges.
    series
        Zonal daily series known at ``asof``; None where there are none.
    archive
        Has CHIRPS and the land surface for longer reference periods.
    discharge
        Flagged readings of discharge.
    asof
        Nothing known later is used.
    region
        Region of the zones.

    Returns
    -------
    dict
        Models by name; those that there is too little for are left out.
    """
    models: dict[str, Any] = {}
    lows = low_flow.fit(inputs.stage, end=asof, stations=list_forecast_gauges(inputs))
    if lows is not None:
        models["low_flow"] = lows
    if series is not None:
        longer = daily_series.prepend_chirps(series, archive, asof=asof, region=region)
        models["drought"] = drought_model.fit(longer, end=asof)
        months = monthly.collect_months(
            select_known(longer, asof=asof),
            land=monthly.read_land_months(archive, asof=asof, region=region),
            discharge=select_used(discharge),
        )
        models["monthly"] = monthly.fit_params(months, end=asof)
    return models


def save_models(models: dict[str, Any], *, asof: datetime, origin: str, folder: Path) -> str:
    """Make models the latest, with their card beside them, and return their version."""
    metadata = {"asof": asof.isoformat(), "origin": origin}
    version = registry.save(models, metadata, folder)
    card = render_card(
        models["stage"],
        metadata,
        low_flow=models.get("low_flow"),
        drought=models.get("drought"),
    )
    (folder / version / "card.md").write_text(card, encoding="utf-8")
    return version
