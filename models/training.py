"""Training of all models of a night on what was known at a moment, and their storage."""

from __future__ import annotations

import contextlib
import difflib
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.base import BaseEstimator

from models import low_flow, registry
from models.card import render_card
from models.drought import model as drought_model
from models.drought.inputs import select_known
from models.stage import training as stage_training
from models.stage.features import StageInputs
from models.stage.regressions import LeadRegressors
from pipeline.areal import daily_series, monthly
from pipeline.choices import Region
from pipeline.geography import places
from pipeline.quality.selection import select_used
from pipeline.storage.archive import Archive


def list_forecast_gauges(inputs: StageInputs) -> list[str]:
    """Gauges of the table that report or have a successor; the others only help to predict."""
    return [code for code in places.stations() if code in inputs.stage]


class UnknownRegressor(LookupError):  # noqa: N818
    """Scikit-learn has no regressor of that name that can take the ridge's place."""


def find_regressor(name: str) -> BaseEstimator | None:
    """Find a regressor of scikit-learn by the name of its class; None for ``ridge``.

    Raises
    ------
    UnknownRegressor
        There is none of that name, or it cannot take the ridge's place.
    """
    if name == "ridge":
        return None
    from sklearn.utils import all_estimators  # noqa: PLC0415  (imports all of scikit-learn)

    regressors = dict(all_estimators(type_filter="regressor"))
    if name not in regressors:
        near = difflib.get_close_matches(name, ["ridge", *regressors], n=1)
        hint = f"did you mean {near[0]}?" if near else "such as HistGradientBoostingRegressor"
        raise UnknownRegressor(
            f"expected ridge or a regressor of scikit-learn, found {name!r}; {hint}"
        )
    try:
        regressor = regressors[name]()
        if "random_state" in regressor.get_params():
            regressor.set_params(random_state=0)
        _try_out(regressor)
    except (TypeError, ValueError) as error:
        raise UnknownRegressor(
            f"expected a regressor that can take the ridge's place, found {name!r}: {error}"
        ) from error
    return regressor


def _try_out(regressor: BaseEstimator) -> None:
    """Fit a regressor on made-up changes, and check that it can be saved.

    Raises
    ------
    TypeError, ValueError
        As in a training, after its hours.
    """
    matrix = np.random.default_rng(0).standard_normal((80, 20))
    columns, changes = np.arange(20), matrix[:, :1] + matrix[:, 1:2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = LeadRegressors.fit(regressor, columns, matrix, changes, np.ones(80))
    fitted.predict(matrix)
    registry.check_types(fitted)


def fit_models(
    inputs: StageInputs,
    series: xr.Dataset | None,
    *,
    archive: Archive,
    discharge: pd.DataFrame,
    asof: datetime,
    region: Region,
    regressor: BaseEstimator | None = None,
) -> dict[str, Any]:
    """Fit all models of a night, those of drought while other processes fit the gauges.

    Parameters
    ----------
    inputs, series, archive, discharge, asof, region
        As of :func:`fit_droughts`.
    regressor
        Takes the ridge's place, one per gauge, tier and lead.

    Returns
    -------
    dict
        Models by name: ``stage``, and those of :func:`fit_droughts`.

    Raises
    ------
    TooFewStages
        No gauge has enough readings.
    """
    droughts: dict[str, Any] = {}

    def fit_beside() -> None:
        droughts.update(
            fit_droughts(
                inputs, series, archive=archive, discharge=discharge, asof=asof, region=region
            )
        )

    stages = stage_training.fit(
        inputs,
        end=asof,
        stations=list_forecast_gauges(inputs),
        regressor=regressor,
        beside=fit_beside,
    )
    return {"stage": stages, **droughts}


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
        with contextlib.suppress(drought_model.RecordTooShort):
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
