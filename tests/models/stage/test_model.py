"""Forecasts of the stage model on a made-up river."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.climatology import pentad
from models.stage import model
from models.stage.design import DRIVERS, TIER_GROUPS
from models.stage.errors import PROBABILITIES
from models.stage.features import StageInputs, build_library
from models.stage.model import StageModel, predict, predict_dates
from models.stage.names import HIGHEST, QUANTILES
from models.stage.seasons import SEASONS, Seasons
from models.stage.training import fit
from tests.conftest import STAGE_HEAD, LayOver
from tests.models.conftest import END, TOWN, UPSTREAM, ridge_of

ISSUE = datetime(2010, 8, 10, 0, 30, tzinfo=UTC)
DATE = pd.Timestamp("2010-08-10")


def at(model: StageModel, inputs: StageInputs, issue: datetime = ISSUE) -> Any:
    frame = predict(model, inputs, issue_time=issue, model_version="test")
    return frame.set_index(["station", "lead_days"])


def without(inputs: StageInputs, *, stage_of: str | None = None, rain: bool = False,
            days: int = 4) -> StageInputs:  # fmt: skip
    """The same with the last days up to the issue date cut out."""
    gone = (inputs.stage.index > DATE - pd.Timedelta(days=days)) & (inputs.stage.index <= DATE)
    if stage_of is not None:
        table = inputs.stage.copy()
        table.loc[gone, stage_of] = np.nan
        inputs = replace(inputs, stage=table)
    if rain:
        inputs = replace(
            inputs, rain=inputs.rain.mask(np.broadcast_to(gone[:, None], inputs.rain.shape))
        )
    return inputs


def test_town_follows_its_upstream_gauge(trained: StageModel, made_up: StageInputs) -> None:
    dates = made_up.stage.loc["2010-06-01":"2010-09-30"].index
    found = predict_dates(trained, made_up, dates=dates, model_version="test")
    one = found[(found.station == TOWN) & (found.lead_days == 1)]
    truth = made_up.stage[TOWN].reindex(one.valid_time).to_numpy()
    error = one.q50.to_numpy() - truth
    persistence = one.stage_m.to_numpy() - truth
    # The town's next day is known exactly today: what is left is the penalty's shrinkage.
    assert np.sqrt(np.mean(error**2)) < 0.15 * np.sqrt(np.mean(persistence**2))
    assert set(found.tier) == {"full"}


def test_quantiles_rise_and_probabilities_agree_with_them(
    trained: StageModel, made_up: StageInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = list(QUANTILES)
    quantiles = at(trained, made_up)[names]
    assert (np.diff(quantiles.to_numpy(), axis=1) > 0).all()
    for lead in (1, 7):
        for name in ("q10", "q75"):
            threshold = float(quantiles.loc[(TOWN, lead), name])
            lowered = {"alarm": np.array([threshold]), "flood": np.array([threshold + 0.2])}
            monkeypatch.setattr(model, "threshold_stages", lambda *_, lowered=lowered: lowered)
            row = at(trained, made_up).loc[(TOWN, lead)]
            assert row.p_alarm == pytest.approx(1.0 - QUANTILES[name], abs=1e-9)
            monkeypatch.undo()


@pytest.mark.parametrize("offset_m", [-1.0, 0.0, 0.3, 2.0])
def test_windows_and_thresholds_are_coherent(
    trained: StageModel, made_up: StageInputs, monkeypatch: pytest.MonkeyPatch, offset_m: float
) -> None:
    now = float(made_up.stage[TOWN][DATE])
    stages_m = {"alarm": np.array([now + offset_m]), "flood": np.array([now + offset_m + 0.1])}
    monkeypatch.setattr(model, "threshold_stages", lambda *_: stages_m)
    town = at(trained, made_up).loc[TOWN]
    assert (town.p_flood <= town.p_alarm).all()
    assert (town.p_flood_by <= town.p_alarm_by).all()
    for kind in ("alarm", "flood"):
        assert (np.diff(town[f"p_{kind}_by"]) >= 0).all()
        assert (town[f"p_{kind}_by"] >= town[f"p_{kind}"]).all()
        assert town[f"p_{kind}_by"].iloc[0] == pytest.approx(town[f"p_{kind}"].iloc[0])
        assert town[f"p_{kind}_by"].between(0.0, 1.0).all()


@pytest.mark.parametrize("lacks", ["nothing", "rain", "upstream", "stage"])
def test_quantiles_of_the_highest_stage_agree_with_every_chance(
    trained: StageModel, made_up: StageInputs, monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    gauge = {"upstream": UPSTREAM, "stage": TOWN}.get(lacks)
    inputs = without(made_up, stage_of=gauge, rain=lacks == "rain")
    rng, levels = np.random.default_rng(5), [*HIGHEST.values()]
    highest = None
    for _ in range(12):
        alarm_m = rng.uniform(2.0, 12.0)
        marks = {"alarm": np.array([alarm_m]), "flood": np.array([alarm_m + rng.uniform(0, 2)])}
        monkeypatch.setattr(model, "threshold_stages", lambda *_, marks=marks: marks)
        frame = predict(trained, inputs, issue_time=ISSUE, model_version="test", highest=True)
        if highest is None:
            highest = frame["highest_m"]
        assert frame["highest_m"].equals(highest), "the marks have no part in it"
        for name, (stage_m,) in marks.items():
            read = [
                1.0 - np.interp(stage_m, [*row.values()], levels, left=0.0, right=1.0)
                for row in frame["highest_m"]
            ]
            assert read == pytest.approx(frame[f"p_{name}_by"].to_numpy(), abs=0.02)
    table = np.array([[*row.values()] for row in frame["highest_m"]]).reshape(2, 7, len(levels))
    assert (np.diff(table, axis=1) >= 0.0).all()
    assert (np.diff(table, axis=2) >= 0.0).all()
    assert {tuple(row) for row in frame["highest_m"]} == {(*HIGHEST,)}


def test_the_highest_stage_is_made_where_asked_for(
    trained: StageModel, made_up: StageInputs
) -> None:
    plain = predict(trained, made_up, issue_time=ISSUE, model_version="test")
    asked = predict(trained, made_up, issue_time=ISSUE, model_version="test", highest=True)
    assert "highest_m" not in plain
    pd.testing.assert_frame_equal(asked.drop(columns="highest_m"), plain)


def test_a_threshold_counts_from_its_day_on(
    trained: StageModel, made_up: StageInputs, lay_over: LayOver
) -> None:
    dates = [DATE - pd.Timedelta(days=1), DATE, DATE + pd.Timedelta(days=1)]
    cut = without(made_up, stage_of=UPSTREAM)
    cut.stage.loc[dates[0] - pd.Timedelta(days=4) : dates[0], UPSTREAM] = np.nan
    before = predict_dates(trained, cut, dates=dates, model_version="test")
    lay_over(
        "thresholds.csv",
        STAGE_HEAD,
        *(f"{code},alarm,2.0,m,the agency,2010-08-10,V" for code in (TOWN, UPSTREAM)),
    )
    after = predict_dates(trained, cut, dates=dates, model_version="test")
    columns = [name for name in after if name != "drivers_cm"]
    differs = after[columns].ne(before[columns]) & after[columns].notna()
    assert set(differs.columns[differs.any()]) == {"p_alarm", "p_alarm_by", "own_p_alarm"}
    changed = before[differs.any(axis=1)]
    assert changed["issue_time"].min() == DATE + pd.Timedelta(minutes=30)
    assert set(changed["station"]) == {TOWN, UPSTREAM}
    assert set(after.loc[differs.any(axis=1), "tier"]) > {"climatology"}
    assert (after["p_alarm"] > before["p_alarm"])[differs["p_alarm"]].all()
    night = predict(trained, cut, issue_time=ISSUE, model_version="test")
    same = after[after["issue_time"] == DATE + pd.Timedelta(minutes=30)]
    pd.testing.assert_frame_equal(night, same.reset_index(drop=True))


def test_drivers_add_up_to_the_forecast_change(trained: StageModel, made_up: StageInputs) -> None:
    for inputs in (made_up, without(made_up, rain=True), without(made_up, stage_of=UPSTREAM)):
        for row in at(trained, inputs).itertuples():
            assert set(row.drivers_cm) == set(DRIVERS)
            if row.tier != "climatology":
                change_cm = 100.0 * (row.q50 - row.stage_m)
                assert sum(row.drivers_cm.values()) == pytest.approx(change_cm, abs=1e-6)


def test_a_storm_upstream_shows_among_the_drivers(
    trained: StageModel, made_up: StageInputs
) -> None:
    table = made_up.stage.copy()
    table.loc[DATE, UPSTREAM] = made_up.stage[UPSTREAM][DATE] + 1.0
    before, after = (
        at(trained, inputs).loc[(TOWN, 1)].drivers_cm
        for inputs in (made_up, replace(made_up, stage=table))
    )
    rise, height = (after[name] - before[name] for name in ("upstream", "height"))
    assert rise > 50.0
    assert 70.0 < rise + height < 130.0


def test_ladder_of_tiers(trained: StageModel, made_up: StageInputs) -> None:
    expected = {
        "full": made_up,
        "no_rain": without(made_up, rain=True),
        "no_upstream": without(made_up, stage_of=UPSTREAM),
        "own_stage": without(without(made_up, stage_of=UPSTREAM), rain=True),
        "climatology": without(made_up, stage_of=TOWN),
    }
    widths = {}
    for tier, inputs in expected.items():
        row = at(trained, inputs).loc[(TOWN, 1)]
        assert row.tier == tier
        widths[tier] = row.q90 - row.q10
    assert widths["full"] < widths["own_stage"] < widths["climatology"]
    assert set(trained.stations[TOWN].tiers_) == set(TIER_GROUPS)


def test_climatology_says_so_and_claims_no_drivers(
    trained: StageModel, made_up: StageInputs
) -> None:
    row = at(trained, without(made_up, stage_of=TOWN)).loc[(TOWN, 3)]
    assert np.isnan(row.stage_m)
    assert pd.isna(row.stage_time)
    assert all(np.isnan(part) for part in row.drivers_cm.values())
    august = made_up.stage.loc[: END.strftime("%Y-%m-%d"), TOWN]
    august = august[pd.DatetimeIndex(august.index).month == 8]
    assert august.min() < row.q50 < august.max()


def test_climatology_is_that_of_the_day_of_the_lead(
    trained: StageModel, made_up: StageInputs
) -> None:
    inputs = without(made_up, stage_of=TOWN)
    week = at(trained, inputs).loc[(TOWN, 7)]
    town = trained.stations[TOWN]
    start = pentad(pd.DatetimeIndex([DATE + pd.Timedelta(days=7)]))[0]
    assert week.q50 == pytest.approx(np.interp(0.5, PROBABILITIES, town.climatology_[start]))
    assert week.q50 != at(trained, inputs).loc[(TOWN, 1)].q50


def test_a_late_reading_is_dated_and_a_stale_one_lowers_the_tier(
    trained: StageModel, made_up: StageInputs
) -> None:
    late = at(trained, without(made_up, stage_of=TOWN, days=1)).loc[(TOWN, 1)]
    assert late.stage_time == DATE - pd.Timedelta(days=1)
    assert late.stage_m == made_up.stage.loc[DATE - pd.Timedelta(days=1), TOWN]
    assert late.tier == "full"
    assert at(trained, without(made_up, stage_of=TOWN, days=2)).loc[(TOWN, 1)].tier == "climatology"


def test_nothing_after_the_issue_time_matters(trained: StageModel, made_up: StageInputs) -> None:
    cut = made_up.until(DATE)
    pd.testing.assert_frame_equal(at(trained, made_up), at(trained, cut))
    known = made_up.until(pd.Timestamp(END).tz_localize(None))
    again = fit(known, end=END, stations=[UPSTREAM, TOWN])
    whole = ridge_of(trained.stations[TOWN]).coefficients
    assert np.array_equal(ridge_of(again.stations[TOWN]).coefficients, whole)


def test_one_morning_equals_the_same_morning_of_a_long_run(
    trained: StageModel, made_up: StageInputs
) -> None:
    dates = made_up.stage.loc["2010-08-01":"2010-08-20"].index
    many = predict_dates(trained, made_up, dates=dates, model_version="test")
    many = many[many.issue_time == DATE + pd.Timedelta(minutes=30)]
    one = predict(trained, made_up, issue_time=ISSUE, model_version="test")
    pd.testing.assert_frame_equal(many.reset_index(drop=True), one)


def test_a_forecast_passes_from_one_season_to_the_next(
    trained: StageModel, made_up: StageInputs
) -> None:
    dates = pd.DatetimeIndex(made_up.stage.loc["2010-07-05":"2010-07-25"].index)
    shares = Seasons().shares(dates)
    assert np.allclose(shares.sum(axis=1), 1.0)
    ridge = ridge_of(trained.stations[TOWN])
    assert ridge.coefficients.shape == (len(SEASONS), len(ridge.columns) + 1, 7)
    columns = trained.stations[TOWN].design_.transform(build_library(made_up).table().loc[dates])
    each = np.stack(
        [columns[:, ridge.columns] @ one[:-1, 0] + one[-1, 0] for one in ridge.coefficients]
    )
    found = predict_dates(trained, made_up, dates=dates, model_version="test")
    one = found[(found.station == TOWN) & (found.lead_days == 1)]
    centre = one.q50.to_numpy() - one.stage_m.to_numpy()
    joined = (shares.T * each).sum(axis=0)
    # What the median's calibration adds is small beside the change.
    assert np.abs(centre - joined).max() < 0.05
    assert np.abs(joined).max() > 0.2


def test_the_mean_lies_among_the_quantiles_and_is_near_the_median(
    trained: StageModel, made_up: StageInputs
) -> None:
    for inputs in (made_up, without(made_up, stage_of=TOWN)):
        found = at(trained, inputs)
        assert found.mean_m.between(found.q10, found.q90).all()
    full = at(trained, made_up)
    apart = (full.mean_m - full.q50).abs() / (full.q90 - full.q10)
    assert apart.max() < 0.2


def test_intervals_hold_what_they_promise(trained: StageModel, made_up: StageInputs) -> None:
    dates = made_up.stage.loc["2010-01-01":"2010-12-20"].index
    found = predict_dates(trained, made_up, dates=dates, model_version="test")
    truth = np.array(
        [made_up.stage[code].get(when, np.nan)
         for code, when in zip(found.station, found.valid_time, strict=True)]
    )  # fmt: skip
    inside = (found.q10 <= truth) & (truth <= found.q90)
    assert 0.70 < inside[np.isfinite(truth)].mean() < 0.92


def test_beyond_the_record_is_flagged(trained: StageModel, made_up: StageInputs) -> None:
    assert not at(trained, made_up).loc[(TOWN, 1)].extrapolated
    table = made_up.stage.copy()
    highest_m = trained.stations[TOWN].highest_m_
    table.loc[DATE, TOWN] = highest_m + 1.0
    beyond = at(trained, replace(made_up, stage=table)).loc[(TOWN, 1)]
    assert beyond.extrapolated
    assert beyond.median_extrapolated
    near = made_up.stage.copy()
    near.loc[DATE, TOWN] = highest_m - 0.05
    rows = at(trained, replace(made_up, stage=near)).loc[TOWN]
    assert (rows.median_extrapolated == (rows.q50 > highest_m)).all()
    assert (rows.extrapolated & ~rows.median_extrapolated).any()


def test_predict_wants_the_issue_date(trained: StageModel, made_up: StageInputs) -> None:
    with pytest.raises(ValueError, match="dates within"):
        predict_dates(
            trained, made_up, dates=[made_up.stage.index[-1] + timedelta(days=9)], model_version="t"
        )


def test_spread_depends_on_rain_only_where_the_tier_has_it(trained: StageModel) -> None:
    town = trained.stations[TOWN]
    for name, tier in town.tiers_.items():
        _, _, others = town.design_.regime(tier.regression.columns)
        rainy = any(town.design_.names_[k].startswith("mean:") for k in others)
        assert rainy == (name in ("full", "no_upstream"))
        assert tier.errors.scale_coefficients.shape == (7, 4 + len(others))
