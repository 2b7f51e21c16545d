"""Features of the stage model by hand, without look-ahead."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from models.stage.features import build_inputs, build_library, fill_stage, window_mean
from tests.models.conftest import TOWN, river

ASOF = datetime(2018, 8, 4, 0, 30, tzinfo=UTC)


def readings(station: str, rows: list[tuple[str, float]], variable: str = "stage") -> pd.DataFrame:
    times, values = zip(*rows, strict=True)
    return pd.DataFrame(
        {
            "station": station,
            "variable": variable,
            "valid_time": pd.to_datetime(list(times)),
            "value": list(values),
            "qc": "good",
        }
    )


STAGES = readings(
    TOWN,
    [
        ("2018-08-01 00:00", 9.0), ("2018-08-01 12:00", 9.4), ("2018-08-02 00:00", 9.8),
        ("2018-08-03 12:00", 11.0), ("2018-08-04 00:00", 11.5), ("2018-08-04 12:00", 12.5),
    ],
)  # fmt: skip


def test_the_evening_is_yesterdays_and_the_coming_one_is_not_known() -> None:
    inputs = build_inputs(stage=STAGES, asof=ASOF)
    assert inputs.stage.index.tolist() == list(pd.date_range("2018-08-01", "2018-08-04"))
    assert inputs.stage[TOWN].tolist() == pytest.approx([9.0, 9.8, np.nan, 11.5], nan_ok=True)
    assert inputs.evening[TOWN].tolist() == pytest.approx([np.nan, 9.4, np.nan, 11.0], nan_ok=True)
    assert inputs.origin == "measured"


def test_a_missing_morning_falls_back_and_is_dated() -> None:
    late = STAGES[STAGES.valid_time != "2018-08-04 00:00"]
    level, age = fill_stage(build_inputs(stage=late, asof=ASOF))
    assert level[TOWN].tolist() == [9.0, 9.8, 9.8, 11.0]
    assert age[TOWN].tolist() == [0.0, 0.0, 24.0, 12.0]


def test_a_reading_older_than_48_hours_says_nothing() -> None:
    old = readings(TOWN, [("2018-08-01 00:00", 9.0)])
    level, age = fill_stage(build_inputs(stage=old, asof=ASOF))
    # At 00:30 of the third day the reading is 48 1/2 hours old.
    assert level[TOWN].tolist() == pytest.approx([9.0, 9.0, np.nan, np.nan], nan_ok=True)
    assert age[TOWN].tolist() == pytest.approx([0.0, 24.0, np.nan, np.nan], nan_ok=True)


def test_rain_of_the_day_pairs_with_the_next_morning() -> None:
    # Six-hourly sums end at their stamp: those from 06Z of the 2nd to 00Z of the 3rd are one day.
    six_hourly = readings(
        "140703",
        [("2018-08-02 00:00", 9.0), ("2018-08-02 06:00", 1.0), ("2018-08-02 12:00", 2.0),
         ("2018-08-02 18:00", 0.0), ("2018-08-03 00:00", 4.0), ("2018-08-04 06:00", 99.0)],
        "rain",
    )  # fmt: skip
    areal = xr.Dataset(
        {
            "rain": (("time", "zone"), [[1.0, 7.0], [2.0, 8.0], [np.nan, 9.0]]),
            "soil_moisture": (("time", "zone"), [[0.3, 0.1], [0.4, 0.1], [0.5, 0.1]]),
        },
        coords={
            "time": pd.date_range("2018-08-01", periods=3),
            "zone": ["basin:nam_ou", "city:pakse"],
        },
        attrs={"origin": "virtual"},
    )
    inputs = build_inputs(stage=STAGES, asof=ASOF, rain=six_hourly, zonal=areal)
    assert list(inputs.rain) == ["140703", "basin:nam_ou"]
    assert inputs.rain["140703"].tolist() == pytest.approx([np.nan, 9.0, 7.0, np.nan], nan_ok=True)
    rain = inputs.rain["basin:nam_ou"].tolist()
    assert rain == pytest.approx([np.nan, 1.0, 2.0, np.nan], nan_ok=True)
    assert inputs.soil_moisture is not None
    assert inputs.soil_moisture["basin:nam_ou"].iloc[-1] == 0.5
    assert inputs.origin == "virtual"


def test_out_of_range_is_dropped_but_an_absolute_gauge_stays() -> None:
    spike = STAGES.assign(qc=["good", "good", "range", "good", "good", "good"])
    absolute = readings("092600", [("2018-08-03 00:00", 536.1), ("2018-08-04 00:00", 536.4)])
    inputs = build_inputs(stage=pd.concat([spike, absolute.assign(qc="absolute")]), asof=ASOF)
    assert np.isnan(inputs.stage[TOWN].loc["2018-08-02"])
    assert inputs.stage.loc["2018-08-04", "092600"] == 536.4


def test_negative_and_zero_stages_are_readings() -> None:
    tidal = readings("019803", [("2018-08-03 00:00", -0.2), ("2018-08-04 00:00", 0.0)])
    level, age = fill_stage(build_inputs(stage=tidal, asof=ASOF))
    assert level["019803"].tolist() == [-0.2, 0.0]
    assert age["019803"].tolist() == [0.0, 0.0]


def test_deleting_the_future_leaves_the_past_bit_identical() -> None:
    inputs = river(years=2)
    date = inputs.stage.index[400]
    whole, past = build_library(inputs), build_library(inputs.until(date))
    short = build_library(inputs.until(date).last(70))
    assert whole.columns.keys() == past.columns.keys()
    for name, values in past.columns.items():
        assert np.array_equal(whole.columns[name][:401], values, equal_nan=True), name
        assert np.array_equal(short.columns[name][-1:], values[-1:], equal_nan=True), name


def test_features_by_hand() -> None:
    inputs = build_inputs(stage=STAGES, asof=ASOF, rain=readings("150504", [
        ("2018-08-03 00:00", 16.0), ("2018-08-04 00:00", 4.0)], "rain"))  # fmt: skip
    columns = build_library(inputs).columns
    # Levels of the four mornings, the third from the evening of the 1st: 9.0, 9.8, 9.8, 11.5.
    assert columns[f"change:{TOWN}:0"][-1] == pytest.approx(1.7)
    assert columns[f"change:{TOWN}:1"][-1] == pytest.approx(0.0)
    assert columns[f"rise:{TOWN}"][-1] == pytest.approx(0.5)
    # Four mornings do not reach back four days.
    assert columns[f"rose:{TOWN}:1"].tolist() == pytest.approx([np.nan, 0.8, 0.0, 1.7], nan_ok=True)
    assert np.isnan(columns[f"since:{TOWN}:4"][-1])
    assert np.isnan(columns[f"above:{TOWN}:10"][-1])
    assert columns["rain:150504:0"][-1] == 2.0
    assert columns["root:150504:0:1"][-1] == 2.0
    assert columns["rain:150504:1"][-1] == 4.0


def test_window_mean_wants_half_its_days() -> None:
    values = np.array([2.0, np.nan, np.nan, 4.0])
    assert window_mean(values, 0, 3).tolist() == pytest.approx([np.nan] * 4, nan_ok=True)
    assert window_mean(values, 1, 3)[3:].tolist() == pytest.approx([np.nan], nan_ok=True)
    assert window_mean(np.arange(10.0), 3, 7)[-1] == 4.5


def test_leap_day_and_new_year_have_a_season() -> None:
    inputs = river(years=2)
    assert pd.Timestamp("2004-02-29") in inputs.stage.index
    season = build_library(inputs).columns["season:0"]
    assert np.isfinite(season).all()
    assert np.abs(np.diff(season)).max() < 0.02


def test_errors() -> None:
    with pytest.raises(ValueError, match="time zone"):
        build_inputs(stage=STAGES, asof=datetime(2018, 8, 4))  # noqa: DTZ001
    with pytest.raises(ValueError, match="found none"):
        build_inputs(stage=STAGES, asof=datetime(2018, 7, 1, tzinfo=UTC))


def test_memory_of_weeks_by_hand() -> None:
    days = pd.date_range("2018-07-01", periods=60)
    rows = [(f"{day:%Y-%m-%d} 00:00", 10.0 - 0.1 * k) for k, day in enumerate(days)]
    inputs = build_inputs(
        stage=readings(TOWN, rows), asof=datetime(2018, 8, 29, 0, 30, tzinfo=UTC),
        rain=readings("150504", [("2018-08-28 00:00", 16.0), ("2018-08-29 00:00", 4.0)], "rain"),
    )  # fmt: skip
    columns = build_library(inputs).columns
    assert columns[f"since:{TOWN}:7"][-1] == pytest.approx(-0.7)
    # The mean of ten falling days lies 4.5 days back.
    assert columns[f"above:{TOWN}:10"][-1] == pytest.approx(-0.45)
    assert columns[f"rose:{TOWN}:4"][-1] == 0.0
    assert np.isnan(columns["root:150504:3:5"][-1])
    assert columns["root:150504:1:2"][-1] == 4.0
