"""Readings and forecasts of a gauge as labelled arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.stage.names import QUANTILES
from pipeline.geography.places import station
from pipeline.nights.stage_arrays import find_gauge_rows, label_forecast, read_stages
from tests.issuance.forecast_cases import stages
from tests.issuance.snapshot_cases import ISSUED, readings, snapshot_of

PAKSE = station("013901")


def mornings(*stages_m: float, last: str = "2026-09-20") -> pd.Series[float]:
    return pd.Series(stages_m, pd.date_range(end=last, periods=len(stages_m)))


def test_readings_have_units_flags_and_the_gauges_stages(tmp_path: Path) -> None:
    calm = [9.0 + 0.01 * (day % 3) for day in range(60)]
    calm[-20] = 25.0
    snapshot = snapshot_of(tmp_path, readings(mornings(*calm), "013901"))
    ds = read_stages(snapshot, PAKSE)
    assert ds.sizes["time"] == 60
    assert ds["stage"].attrs["units"] == "m"
    assert ds["stage"].attrs["standard_name"] == "water_surface_height_above_reference_datum"
    assert (ds.attrs["alarm_stage_m"], ds.attrs["flood_stage_m"]) == (11.0, 12.0)
    spike = ds.isel(time=-20)
    assert spike["stage"] == 25.0
    assert str(spike["quality"].values) not in {"good", "missing"}
    assert ds["used"].values.sum() == 59
    assert not spike["used"]
    ds.to_netcdf(tmp_path / "stages.nc")


def test_flags_are_those_of_the_night_whatever_interval_is_asked_for(tmp_path: Path) -> None:
    calm = [9.0 + 0.01 * (day % 3) for day in range(190)]
    calm[-3] = 12.9
    snapshot = snapshot_of(tmp_path, readings(mornings(*calm), "013901"))
    whole = read_stages(snapshot, PAKSE, start=pd.Timestamp("2026-01-01", tz="UTC").to_pydatetime())
    recent = read_stages(
        snapshot, PAKSE, start=pd.Timestamp("2026-09-15", tz="UTC").to_pydatetime()
    )
    assert recent.sizes["time"] == 6
    assert recent["quality"].values.tolist() == whole["quality"].values[-6:].tolist()


def test_a_retired_gauge_is_continued_by_its_successor(tmp_path: Path) -> None:
    snapshot = snapshot_of(
        tmp_path,
        readings(mornings(5.0, 5.1, last="2026-09-10"), "012001"),
        readings(mornings(5.2, 5.3, last="2026-09-12"), "012002"),
    )
    assert read_stages(snapshot, station("012001"))["stage"].values.tolist() == [
        5.0, 5.1, 5.2, 5.3,
    ]  # fmt: skip


def test_a_forecast_is_labelled_by_lead_and_quantile(tmp_path: Path) -> None:
    rows = find_gauge_rows(stages(ISSUED), PAKSE)
    ds = label_forecast(rows.sample(frac=1.0, random_state=1), PAKSE)
    assert ds["lead"].values.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert ds["quantile"].values.tolist() == list(QUANTILES.values())
    assert ds["valid_time"].values[2] == np.datetime64("2026-09-23")
    assert ds["issue_time"].values == np.datetime64("2026-09-20T00:30")
    row = rows[rows["lead_days"] == 3].iloc[0]
    third = ds.sel(lead=3)
    assert float(third["stage"].sel(quantile=0.05)) == row["q05"]
    assert float(third["highest_stage"].sel(quantile=0.975)) == row["highest_m"]["q975"]
    assert float(third["mean_stage"]) == row["mean_m"]
    assert float(third["p_alarm_by"]) == row["p_alarm_by"]
    assert float(third["drivers"].sel(driver="rain")) == row["drivers_cm"]["rain"]
    assert ds["extrapolated"].values.tolist() == [False] * 5 + [True] * 2
    assert ds.attrs["tier"] == "full"
    assert ds.attrs["last_stage_m"] == row["stage_m"]
    assert ds.attrs["last_stage_time"] == "2026-09-20T00:00:00Z"
    ds.to_netcdf(tmp_path / "forecast.nc")


def test_what_an_earlier_version_did_not_store_is_not_known() -> None:
    rows = find_gauge_rows(stages(ISSUED), PAKSE)
    older = rows.drop(columns=["highest_m", "mean_m", "drivers_cm"])
    ds = label_forecast(older, PAKSE)
    assert np.isnan(ds["highest_stage"]).all()
    assert np.isnan(ds["mean_stage"]).all()
    assert ds.sizes["driver"] == 0
    assert np.isfinite(ds["stage"]).all()


def test_a_gauge_without_a_forecast_is_named() -> None:
    with pytest.raises(LookupError, match=r"Kampong Luong \(020106\): expected a forecast"):
        find_gauge_rows(stages(ISSUED), station("020106"))
    with pytest.raises(LookupError, match="Pakse"):
        find_gauge_rows(pd.DataFrame(), PAKSE)
