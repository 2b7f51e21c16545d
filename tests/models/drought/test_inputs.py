"""Inputs of the drought regressions by hand, with exponential rain."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
import xarray as xr
from scipy.special import logit, ndtr

from models.drought import inputs
from models.drought.inputs import HORIZONS_WEEKS
from pipeline.indices.drought import SPI_BOUNDS

DAYS = np.arange("2020-01-01", "2021-01-01", dtype="M8[D]").astype("M8[ns]")
SCALE_MM, USUAL_MM = 300.0, 40.0
"""Mean of exponential rain over 90 days, and over each horizon."""


def zonal(rain: float = 2.0) -> xr.Dataset:
    """A year of constant series in two zones, each day known at its end."""
    shape = len(DAYS), 2
    values = {"rain": rain, "soil_moisture": 0.25, "ndvi": 0.4, "lst": 300.0}
    units = {"rain": "mm", "soil_moisture": "m3 m-3", "ndvi": "1", "lst": "K"}
    fields = {
        name: (("time", "zone"), np.full(shape, value), {"units": units[name]})
        for name, value in values.items()
    }
    known = ("time", DAYS + np.timedelta64(24, "h"))
    return xr.Dataset(fields, {"time": DAYS, "zone": ["a", "b"], "available_time": known})


def exponential(scale: float, p_zero: float = 0.0) -> xr.Dataset:
    """Parameters of a gamma distribution of shape 1 on every day of the year."""
    values = {"shape": 1.0, "scale": scale, "p_zero": p_zero}
    return xr.Dataset(
        {name: (("dayofyear", "zone"), np.full((365, 2), of)) for name, of in values.items()},
        {"dayofyear": np.arange(1, 366), "zone": ["a", "b"]},
    )


def state() -> xr.Dataset:
    """Indices of the year: a score that counts the days, and no soil in the second zone."""
    number = np.broadcast_to(np.arange(len(DAYS), dtype=float)[:, None], (len(DAYS), 2))
    soil = np.where([True, False], 50.0, np.nan) + 0 * number
    fields = {
        "spi90": 0 * number - 1.0, "spi30": 0 * number + 0.5, "drought_score": number,
        "soil_moisture_percentile": soil,
    }  # fmt: skip
    return xr.Dataset({name: (("time", "zone"), of) for name, of in fields.items()})


def gather(record: xr.Dataset, *days: int, p_zero: float = 0.0) -> inputs.Evidence:
    usual = {f"usual{weeks}": exponential(USUAL_MM, p_zero) for weeks in HORIZONS_WEEKS}
    parameters = {"spi90": exponential(SCALE_MM), **usual}
    return inputs.gather_evidence(record, state(), parameters, np.array(days))


def test_what_was_not_over_or_not_known_is_left_out_and_gaps_are_kept() -> None:
    series = zonal().isel(time=[0, 1, 4, 5, 6, 7])
    late = series["available_time"].copy()
    late[3] = np.datetime64("2021-01-01")
    record = inputs.select_known(
        series.assign_coords(available_time=late), asof=datetime(2020, 1, 8, 12, tzinfo=UTC)
    )
    # Day 5 (from 0) is known late only; day 7, 8 January, is not over at noon.
    assert record["time"].values.astype("M8[D]").tolist() == DAYS[:7].astype("M8[D]").tolist()
    known = np.isfinite(record["rain"].values[:, 0])
    assert known.tolist() == [True, True, False, False, True, False, True]
    assert "available_time" not in record.coords
    undated = series.drop_vars("available_time")
    record = inputs.select_known(undated, asof=datetime(2020, 1, 7, 23, tzinfo=UTC))
    assert record["time"].values[-1] == DAYS[5], "the 7th of January is not over"
    early = datetime(2019, 12, 31, tzinfo=UTC)
    assert inputs.select_known(series, asof=early).sizes["time"] == 0


@pytest.mark.parametrize("rain", [0.5, 2.0])
def test_the_outlook_is_the_chance_that_what_is_lacking_does_not_fall(rain: float) -> None:
    evidence = gather(inputs.select_known(zonal(rain), asof=datetime(2021, 1, 1, tzinfo=UTC)), 200)
    limits_mm = -SCALE_MM * np.log1p(-ndtr(np.array(SPI_BOUNDS)))
    for weeks in HORIZONS_WEEKS:
        lacking_mm = limits_mm - rain * (90 - 7 * weeks)
        p = np.where(lacking_mm < 0, 0.0, 1 - np.exp(-lacking_mm / USUAL_MM))
        assert evidence.outlook[weeks][0, 0] == pytest.approx(p)
    if rain == 2.0:
        assert evidence.outlook[1][0, 0].tolist() == [0.0] * 5, "166 mm fell, more than D0 allows"
    else:
        assert evidence.outlook[12][0, 0, 0] > 0.9
        assert 0.0 < evidence.outlook[12][0, 0, 4] < 0.1


def test_days_without_rain_add_to_the_outlook_and_lost_rain_leaves_none() -> None:
    record = inputs.select_known(zonal(0.0), asof=datetime(2021, 1, 1, tzinfo=UTC))
    wet, dry = (gather(record, 200, p_zero=p).outlook[4][0, 0] for p in (0.0, 0.3))
    assert dry == pytest.approx(0.3 + 0.7 * wet)
    record["rain"][140:160, 1] = np.nan
    outlook = gather(record, 200).outlook[4]
    assert np.isfinite(outlook[0, 0]).all()
    assert np.isnan(outlook[0, 1]).all(), "20 of 62 days are lost"


def test_a_row_needs_soil_only_where_its_regression_has_it() -> None:
    record = inputs.select_known(zonal(), asof=datetime(2021, 1, 1, tzinfo=UTC))
    evidence = gather(record, 200, 214)
    known = inputs.mark_known(evidence, 12, "with_soil")
    with_soil = inputs.design_matrix(evidence, 12, "with_soil", known)
    assert known.tolist() == [[True, False], [True, False]]
    known = inputs.mark_known(evidence, 12, "without_soil")
    without = inputs.design_matrix(evidence, 12, "without_soil", known)
    assert known.all()
    assert (with_soil.shape, without.shape) == ((2, 5, 14), (4, 5, 11))
    # 19 July and twelve weeks: 11 October, day 284 of a year of 365.
    angle = 2 * np.pi * 284 / 365
    row = without[0, 2]
    p = np.clip(evidence.outlook[12][0, 0, 2], 0.005, 0.995)
    assert row == pytest.approx(
        [
            logit(p), logit(p) * np.cos(angle), -1.0, 0.5, np.sin(angle), np.cos(angle),
            0, 0, 1, 0, 0,
        ]
    )  # fmt: skip
    assert inputs.target_month(evidence.time, 12).tolist() == [9, 9]


def test_the_outcome_is_the_score_on_the_day_of_the_target() -> None:
    record = inputs.select_known(zonal(), asof=datetime(2021, 1, 1, tzinfo=UTC))
    usual = {f"usual{weeks}": exponential(USUAL_MM) for weeks in HORIZONS_WEEKS}
    rows = inputs.training_rows(record, state(), {"spi90": exponential(SCALE_MM), **usual})
    assert sorted(rows) == [1, 4, 8, 12]
    for weeks, (evidence, outcome) in rows.items():
        assert np.diff(evidence.days).tolist() == [14] * (len(evidence.days) - 1)
        later = evidence.days + 7 * weeks
        known = later < len(DAYS)
        assert outcome[known, 1].tolist() == later[known].tolist(), "the score counts the days"
        assert np.isnan(outcome[~known]).all()
