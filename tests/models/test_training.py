"""Training of all models of a night, and their storage with their card."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.linear_model import LinearRegression

from models import registry
from models.low_flow import LowFlowModel
from models.stage.features import StageInputs, TooFewStages
from models.stage.model import StageModel
from models.training import (
    UnknownRegressor,
    find_regressor,
    fit_droughts,
    fit_models,
    list_forecast_gauges,
    save_models,
)
from pipeline.geography import places
from pipeline.storage.archive import Archive
from tests.models.conftest import END, TOWN, UPSTREAM

NO_DISCHARGE = pd.DataFrame({"station": [], "valid_time": [], "value": [], "qc": []})


def test_gauges_of_the_table_are_forecast_in_its_order(made_up: StageInputs) -> None:
    codes = [TOWN, "450101", UPSTREAM]
    stage = pd.DataFrame(1.0, index=made_up.stage.index, columns=codes)
    assert list_forecast_gauges(replace(made_up, stage=stage)) == [UPSTREAM, TOWN]
    assert "450101" not in places.stations()


def test_models_that_there_is_too_little_for_are_left_out(
    made_up: StageInputs, tmp_path: Path
) -> None:
    models = fit_droughts(
        made_up, None, archive=Archive(tmp_path), discharge=NO_DISCHARGE, asof=END, region="mekong"
    )
    assert models == {}, "eight years are too few for low flow, and there are no series"


def test_a_short_record_of_rain_costs_the_drought_alone(
    made_up: StageInputs, tmp_path: Path
) -> None:
    time = pd.date_range("2003-01-01", END.replace(tzinfo=None), inclusive="left", name="time")
    units = {"rain": "mm", "soil_moisture": "m3 m-3", "ndvi": "1", "lst": "K"}
    values = np.ones((len(time), 1), dtype="f4")
    series = xr.Dataset(
        {name: (("time", "zone"), values, {"units": unit}) for name, unit in units.items()},
        {"time": time, "zone": ["city:pakse"]},
        {"origin": "virtual"},
    )
    models = fit_droughts(
        made_up, series, archive=Archive(tmp_path), discharge=NO_DISCHARGE, asof=END,
        region="mekong",
    )  # fmt: skip
    assert set(models) == {"monthly"}


def test_all_models_are_fitted_together(made_up: StageInputs, tmp_path: Path) -> None:
    models = fit_models(
        made_up,
        None,
        archive=Archive(tmp_path),
        discharge=NO_DISCHARGE,
        asof=END,
        region="mekong",
        regressor=LinearRegression(),
    )
    assert set(models) == {"stage"}
    assert set(models["stage"].stations) == {UPSTREAM, TOWN}
    town = models["stage"].stations[TOWN]
    assert isinstance(town.regressor, LinearRegression)
    short = made_up.until(made_up.stage.index[400])
    with pytest.raises(TooFewStages, match="2 years"):
        fit_models(
            short, None, archive=Archive(tmp_path), discharge=NO_DISCHARGE, asof=END,
            region="mekong",
        )  # fmt: skip


def test_low_flow_is_trained_on_stages_alone(tmp_path: Path) -> None:
    days = pd.date_range("1980-01-01", "2005-12-31", name="date")
    season = 4.0 - 3.0 * np.cos(2 * np.pi * (days.day_of_year.to_numpy() - 60) / 365.25)
    noise = np.convolve(np.random.default_rng(0).normal(0, 0.3, len(days) + 59), np.ones(60) / 8)
    stage = pd.DataFrame({UPSTREAM: season + noise[: len(days)], "450101": season}, index=days)
    inputs = StageInputs(stage, stage * np.nan, pd.DataFrame(index=days), None, "measured")
    models = fit_droughts(
        inputs, None, archive=Archive(tmp_path), discharge=NO_DISCHARGE,
        asof=datetime(2006, 1, 1, tzinfo=UTC), region="mekong",
    )  # fmt: skip
    assert list(models) == ["low_flow"]
    assert isinstance(models["low_flow"], LowFlowModel)
    assert list(models["low_flow"].seasonal_quantiles) == [UPSTREAM]


def test_models_are_the_latest_with_their_card_beside_them(
    trained: StageModel, tmp_path: Path
) -> None:
    version = save_models({"stage": trained}, asof=END, origin="virtual", folder=tmp_path)
    models, metadata = registry.load(tmp_path)
    assert (metadata["version"], metadata["asof"]) == (version, END.isoformat())
    assert metadata["origin"] == "virtual"
    assert models["stage"].stations.keys() == trained.stations.keys()
    card = (tmp_path / version / "card.md").read_text(encoding="utf-8")
    assert "SYNTHETIC" in card
    assert END.isoformat() in card


def test_a_regressor_is_found_by_the_name_of_its_class() -> None:
    assert find_regressor("ridge") is None
    trees = find_regressor("HistGradientBoostingRegressor")
    assert trees is not None
    assert trees.get_params()["random_state"] == 0, "trained again, it is the same"
    assert find_regressor("LinearRegression") is not None
    with pytest.raises(UnknownRegressor, match="did you mean Ridge"):
        find_regressor("Rigde")
    with pytest.raises(UnknownRegressor, match="such as HistGradientBoostingRegressor"):
        find_regressor("logit!")


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("StackingRegressor", "missing 1 required positional argument"),
        ("IsotonicRegression", "input X should be"),
        ("PoissonRegressor", "out of the valid range"),
        ("GaussianProcessRegressor", r"models are saved without sklearn\.gaussian_process"),
    ],
)
def test_a_regressor_that_would_fail_later_is_refused_at_once(name: str, fault: str) -> None:
    with pytest.raises(UnknownRegressor, match=f"the ridge's place, found '{name}': .*{fault}"):
        find_regressor(name)
