"""The drought model on a synthetic record of autoregressive rain. All scores here are synthetic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
import xarray as xr

from models.drought.model import DroughtModel, fit, predict
from pipeline.alerts.evidence import Drought

END = datetime(2026, 1, 1, tzinfo=UTC)
ASOF = datetime(2026, 4, 10, 0, 30, tzinfo=UTC)
ZONES = ["basin:a", "basin:b", "city:c", "city:d"]
P = [f"p_d{k}" for k in range(5)]


def synthetic(seed: int = 0, first: int = 2000, last: int = 2027) -> xr.Dataset:
    """Rain with a season and a slow anomaly, a soil that remembers it, monthly vegetation."""
    time = np.arange(f"{first}-01-01", f"{last}-01-01", dtype="M8[D]").astype("M8[ns]")
    rng = np.random.default_rng(seed)
    days, zones = len(time), len(ZONES)
    slow = np.zeros((days, zones))
    noise = 0.6 * rng.standard_normal((days, 1)) + 0.8 * rng.standard_normal((days, zones))
    for day in range(1, days):
        slow[day] = 0.985 * slow[day - 1] + 0.17 * noise[day]
    phase = 2 * np.pi * (np.arange(days) - 30)[:, None] / 365.25
    rain = rng.gamma(0.5, 10 * (1.1 - np.cos(phase)), (days, zones)) * np.exp(0.45 * slow)
    wet = np.zeros_like(rain)
    for day in range(1, days):
        wet[day] = 0.98 * wet[day - 1] + rain[day] / 1500
    soil = np.where(time[:, None] >= np.datetime64("2015-04-01"), 0.1 + wet, np.nan)
    monthly = np.where((time.astype("M8[D]") - time.astype("M8[M]")).astype(int) == 5, 1.0, np.nan)
    rain[rng.random(days) < 0.003] = np.nan
    fields = {
        "rain": (rain, "mm"),
        "soil_moisture": (np.clip(soil, 0, 1), "m3 m-3"),
        "ndvi": (np.clip(0.3 + wet, 0, 1) * monthly[:, None], "1"),
        "lst": ((305 - 10 * wet) * monthly[:, None], "K"),
    }
    return xr.Dataset(
        {k: (("time", "zone"), v.astype("f4"), {"units": u}) for k, (v, u) in fields.items()},
        {"time": time, "zone": ZONES},
        {"origin": "virtual"},
    )


@pytest.fixture(scope="module")
def areal() -> xr.Dataset:
    return synthetic()


@pytest.fixture(scope="module")
def model(areal: xr.Dataset) -> DroughtModel:
    return fit(areal, end=END)


@pytest.mark.slow
def test_it_beats_conditional_climatology_on_years_held_out(model: DroughtModel) -> None:
    scores = pd.DataFrame(model.scores)
    assert set(scores["inputs"]) == {"with_soil", "without_soil"}
    rain: Any = scores[scores["inputs"] == "without_soil"].set_index(
        ["horizon_weeks", "drought_class"]
    )
    assert rain["blocks"].min() >= 6
    np.testing.assert_allclose(rain.loc[4, "base_rate"], [0.31, 0.21, 0.1, 0.055, 0.023], atol=0.08)
    for weeks in (1, 4):
        assert rain.loc[(weeks, 0), "skill_vs_conditional"] > 0.1
        assert rain.loc[(weeks, 2), "skill_vs_conditional"] > 0.05
        assert rain.loc[(weeks, 1), "skill_vs_base_rate"] > 0.25
    # Twelve weeks ahead hardly anything is known of this rain: no skill, but no harm either.
    assert rain.loc[12, "skill_vs_conditional"].min() > -0.05
    assert rain.loc[1, "brier"].lt(rain.loc[4, "brier"]).all()
    # Resampled by whole years the skill at 1 and 4 weeks stands clear of 0.
    assert (rain["skill_low"] <= rain["skill_vs_conditional"]).all()
    assert (rain["skill_vs_conditional"] <= rain["skill_high"]).all()
    assert rain.loc[(1, 0), "skill_low"] > 0.0
    assert rain.loc[(4, 0), "skill_low"] > 0.0


def test_a_forecast_keeps_the_contract(model: DroughtModel, areal: xr.Dataset) -> None:
    found = predict(model, areal, asof=ASOF)
    assert len(found) == len(ZONES) * 4
    assert found["horizon_weeks"].tolist() == [1] * 4 + [4] * 4 + [8] * 4 + [12] * 4
    assert found["zone"].tolist() == ZONES * 4
    assert (found["valid_time"] - pd.Timestamp("2026-04-10")).dt.days.tolist() == [
        7 * weeks for weeks in found["horizon_weeks"]
    ]
    p = found[P].to_numpy()
    assert ((p >= 0) & (p <= 1)).all()
    assert (np.diff(p, axis=1) <= 0).all()
    assert set(found["tier"]) == {"full"}
    assert set(found["origin"]) == {"virtual"}
    assert set(found["current_class"]) <= {"none", "D0", "D1", "D2", "D3", "D4"}
    for _, rows in found.groupby("zone"):
        drought = Drought.from_rows(rows)  # the alert rules read it
        assert set(drought.p) == {1, 4, 8, 12}


def test_wet_and_dry_differ(model: DroughtModel, areal: xr.Dataset) -> None:
    recent = areal.sel(time=slice("2025", "2026-04"))
    spell = recent["time"] >= np.datetime64("2026-01-15")
    soil = recent["soil_moisture"]
    dry = recent.assign(
        rain=recent["rain"].where(~spell, recent["rain"] * 0.05),
        soil_moisture=soil.where(~spell, soil * 0.6),
    )
    wet = recent.assign(rain=recent["rain"].where(~spell, recent["rain"] * 4))
    thirsty, soaked = (predict(model, one, asof=ASOF) for one in (dry, wet))
    assert (thirsty[P].to_numpy() >= soaked[P].to_numpy()).all()
    week = thirsty["horizon_weeks"] == 1
    assert thirsty.loc[week, "p_d1"].min() > 0.6
    assert soaked.loc[week, "p_d1"].max() < 0.2
    assert thirsty.loc[week, "current_class"].isin(["D2", "D3", "D4"]).all()
    assert (thirsty["spi3"] < -1).all()
    assert set(soaked["cdi"]) == {"none"}
    assert thirsty["cdi"].isin(["watch", "warning", "alert"]).all()


def test_missing_evidence_is_told_by_the_tier(model: DroughtModel, areal: xr.Dataset) -> None:
    recent = areal.sel(time=slice("2025", "2026-04")).copy(deep=True)
    recent["soil_moisture"][:, 0] = np.nan
    recent["ndvi"][:, 1] = np.nan
    recent["soil_moisture"][:, 2] = np.nan
    recent["lst"][:, 2] = np.nan
    found: Any = predict(model, recent, asof=ASOF).set_index(["horizon_weeks", "zone"])
    assert found.loc[4, "tier"].tolist() == ["no_soil", "no_vegetation", "rain_only", "full"]
    assert found[P].notna().all().all()
    assert found.loc[4, "soil_moisture_percentile"].isna().tolist() == [True, False, True, False]
    recent["rain"][-30:, 3] = np.nan
    found = predict(model, recent, asof=ASOF).set_index(["horizon_weeks", "zone"])
    unknown = found.xs("city:d", level="zone")
    assert unknown[P].isna().all().all()
    assert set(unknown["current_class"]) == set(unknown["cdi"]) == {"unknown"}
    assert set(unknown["tier"]) == {"climatology"}
    assert found.loc[4, "tier"].tolist()[:3] == ["no_soil", "no_vegetation", "rain_only"]


def test_a_record_that_ended_long_ago_is_unknown(model: DroughtModel, areal: xr.Dataset) -> None:
    for record in (areal.sel(time=slice("2025", "2026-02")), areal.isel(time=slice(0, 0))):
        found = predict(model, record, asof=ASOF)
        assert found[P].isna().all().all()
        assert set(found["current_class"]) == {"unknown"}


def test_one_lost_day_does_not_silence_a_forecast(model: DroughtModel, areal: xr.Dataset) -> None:
    recent = areal.sel(time=slice("2025", "2026-04")).copy(deep=True)
    recent["rain"] = recent["rain"].fillna(0.0).assign_attrs(units="mm")
    recent["rain"].loc["2026-04-08"] = np.nan
    assert predict(model, recent, asof=ASOF)[P].notna().all().all()


def test_nothing_later_is_seen(model: DroughtModel, areal: xr.Dataset) -> None:
    found = predict(model, areal, asof=ASOF)
    cut = areal.sel(time=slice(None, "2026-04-09"))
    pd.testing.assert_frame_equal(predict(model, cut, asof=ASOF), found)
    # A day that became known only after the moment of issue is not seen either.
    known = areal["time"].values + np.timedelta64(24 * 60 + 20, "m")
    late = np.where(
        areal["time"].values == np.datetime64("2026-04-09"), known + np.timedelta64(1, "D"), known
    )
    dated = areal.assign_coords(available_time=("time", late))
    older = areal.where(areal["time"] != np.datetime64("2026-04-09"))
    pd.testing.assert_frame_equal(
        predict(model, dated, asof=ASOF), predict(model, older, asof=ASOF)
    )


def test_it_survives_being_saved(model: DroughtModel, areal: xr.Dataset) -> None:
    data = skops.io.dumps(model)
    assert skops.io.get_untrusted_types(data=data) == ["models.drought.model.DroughtModel"]
    back = skops.io.loads(data, trusted=["models.drought.model.DroughtModel"])
    pd.testing.assert_frame_equal(predict(back, areal, asof=ASOF), predict(model, areal, asof=ASOF))
    assert back.parameters()["spi90"].attrs == model.parameters()["spi90"].attrs


def test_a_zone_that_the_model_does_not_know_is_unknown_and_changes_no_other(
    model: DroughtModel, areal: xr.Dataset
) -> None:
    new = areal.isel(zone=[3]).assign_coords(zone=["city:new"])
    wider = xr.concat([new, areal.isel(zone=[2, 0, 1])], "zone")
    rows = predict(model, wider, asof=ASOF).set_index(["zone", "horizon_weeks"])
    before = predict(model, areal, asof=ASOF).set_index(["zone", "horizon_weeks"])
    kept = ["basin:a", "basin:b", "city:c"]
    pd.testing.assert_frame_equal(rows.loc[kept], before.loc[kept])
    assert "city:d" not in rows.index, "it has left the tables"
    unknown = rows.loc["city:new"]
    values = unknown[[*P, "spi1", "spi3", "soil_moisture_percentile", "vhi"]]
    assert values.isna().to_numpy().all()
    assert set(unknown["current_class"]) == set(unknown["cdi"]) == {"unknown"}
    assert set(unknown["tier"]) == {"climatology"}


def test_what_is_wrong_is_said(model: DroughtModel, areal: xr.Dataset) -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        predict(model, areal, asof=datetime(2026, 4, 10))  # noqa: DTZ001
    with pytest.raises(ValueError, match="expected 20 years or more, found 15"):
        fit(areal.sel(time=slice("2011", None)), end=END)


@pytest.mark.slow
def test_training_sees_nothing_after_its_end(model: DroughtModel, areal: xr.Dataset) -> None:
    other = areal.copy(deep=True)
    after = other["time"].values >= np.datetime64("2026-01-01")
    other["rain"][after] = 99.0
    again = fit(other, end=END)
    pd.testing.assert_frame_equal(
        predict(again, areal, asof=ASOF), predict(model, areal, asof=ASOF)
    )
    assert again.scores == model.scores


@pytest.mark.slow
def test_probabilities_are_calibrated_on_a_record_never_seen(model: DroughtModel) -> None:
    """Synthetic: on another record of the same climate the forecast shares come true."""
    fresh = synthetic(seed=5, first=2010, last=2027)
    forecast, came = [], []
    for number in range(40):
        asof = datetime(2016, 1, 5, 0, 30, tzinfo=UTC) + timedelta(days=83 * number)
        found = predict(model, fresh, asof=asof)
        later = predict(model, fresh, asof=asof + timedelta(weeks=4))
        forecast.append(found.loc[found["horizon_weeks"] == 4, "p_d0"].to_numpy())
        now = later.loc[later["horizon_weeks"] == 4, "current_class"]
        came.append((now != "none").to_numpy()[now.to_numpy() != "unknown"])
    p, hit = np.concatenate(forecast), np.concatenate(came)
    assert len(p) == len(hit)
    assert p.mean() == pytest.approx(hit.mean(), abs=0.06)
    low, high = p < 0.2, p > 0.6
    assert hit[low].mean() < 0.25
    assert hit[high].mean() > 0.55
    assert ((p - hit) ** 2).mean() < 0.8 * hit.mean() * (1 - hit.mean())
