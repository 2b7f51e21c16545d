from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.stage import model as stage_model
from models.stage.design import (
    DRIVERS,
    PRIOR,
    PRODUCT_PRIOR,
    TIER_GROUPS,
    station_design,
    units_for,
)
from models.stage.features import StageInputs, library
from models.stage.model import (
    FAR,
    LENT,
    QUANTILES,
    SEASONS,
    StageModel,
    fit,
    predict,
    predict_dates,
    season_shares,
    season_weights,
)
from pipeline.geography.places import stations
from tests.models.conftest import END, TOWN, UPSTREAM

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
            place = stations()[TOWN]
            lowered = {TOWN: replace(place, alarm_m=threshold, flood_m=threshold + 0.2)}
            monkeypatch.setattr(stage_model, "all_stations", lambda lowered=lowered: lowered)
            row = at(trained, made_up).loc[(TOWN, lead)]
            assert row.p_alarm == pytest.approx(1.0 - QUANTILES[name], abs=1e-9)
            monkeypatch.undo()


@pytest.mark.parametrize("offset_m", [-1.0, 0.0, 0.3, 2.0])
def test_windows_and_thresholds_are_coherent(
    trained: StageModel, made_up: StageInputs, monkeypatch: pytest.MonkeyPatch, offset_m: float
) -> None:
    now = float(made_up.stage[TOWN][DATE])
    place = replace(stations()[TOWN], alarm_m=now + offset_m, flood_m=now + offset_m + 0.1)
    monkeypatch.setattr(stage_model, "all_stations", lambda: {TOWN: place})
    town = at(trained, made_up).loc[TOWN]
    assert (town.p_flood <= town.p_alarm).all()
    assert (town.p_flood_by <= town.p_alarm_by).all()
    for kind in ("alarm", "flood"):
        assert (np.diff(town[f"p_{kind}_by"]) >= 0).all()
        assert (town[f"p_{kind}_by"] >= town[f"p_{kind}"]).all()
        assert town[f"p_{kind}_by"].iloc[0] == pytest.approx(town[f"p_{kind}"].iloc[0])
        assert town[f"p_{kind}_by"].between(0.0, 1.0).all()


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


def test_height_and_wetness_are_told_from_rise_and_rain(trained: StageModel) -> None:
    design = trained.stations[TOWN].design
    driver = dict(zip(design.names, design.drivers(), strict=True))
    unit = design.units[0]
    assert driver[f"level:{TOWN}"] == driver[f"level:{UPSTREAM}"] == "height"
    assert driver[f"above:{TOWN}:10"] == driver[f"level:{TOWN}*season:0"] == "height"
    assert driver[f"change:{TOWN}:0"] == driver[f"since:{TOWN}:30"] == "own_trend"
    rise = f"change:{UPSTREAM}:0"
    assert driver[rise] == driver[f"{rise}*level:{TOWN}"] == "upstream"
    assert driver["mean:5:7"] == driver[f"rain:{unit}:3"] == driver["mean:0:1*mean:7:37"] == "rain"
    assert driver["mean:7:10"] == driver[f"rain:{unit}:7"] == driver[f"wet:{unit}"] == "wetness"


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
    assert set(trained.stations[TOWN].tiers) == set(TIER_GROUPS)


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
    whole = trained.stations[TOWN].tiers["full"].coefficients
    assert np.array_equal(again.stations[TOWN].tiers["full"].coefficients, whole)


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
    shares = season_shares(dates)
    assert np.allclose(shares.sum(axis=1), 1.0)
    tier = trained.stations[TOWN].tiers["full"]
    assert tier.coefficients.shape == (len(SEASONS), len(tier.columns) + 1, 7)
    design = trained.stations[TOWN].design
    rows = made_up.stage.index.get_indexer(dates)
    matrix = design.matrix(library(made_up), rows)[:, [*tier.columns, -1]]
    each = np.stack([matrix @ one[:, 0] for one in tier.coefficients])
    found = predict_dates(trained, made_up, dates=dates, model_version="test")
    one = found[(found.station == TOWN) & (found.lead_days == 1)]
    centre = one.q50.to_numpy() - one.stage_m.to_numpy()
    joined = (shares.T * each).sum(axis=0)
    # What the median's calibration adds is small beside the change.
    assert np.abs(centre - joined).max() < 0.05
    assert np.abs(joined).max() > 0.2


def test_each_season_learns_most_from_its_own_days() -> None:
    dates = pd.date_range("2017-12-01", "2018-11-30")
    shares, weights = season_shares(dates), season_weights(dates)
    # The half-life is that of years: within one year, weights are the season's own.
    recent = 0.5 ** (np.asarray((dates[-1] - dates).days) / 365.25 / stage_model.HALF_LIFE_Y)
    own = weights / recent
    for month, season in ((2, "dry"), (6, "rise"), (8, "flood"), (10, "recession")):
        row = int(np.flatnonzero((dates.month == month) & (dates.day == 18))[0])
        k = SEASONS.index(season)
        assert shares[row, k] > 0.7
        assert own[:, row].argmax() == k
    february, august = (
        int(np.flatnonzero(dates == day)[0]) for day in ("2018-02-01", "2018-08-20")
    )
    assert own[:, february] == pytest.approx([1.0, FAR, FAR, FAR])
    assert own[:, august] == pytest.approx([FAR, LENT, 1.0, LENT])
    assert (own >= FAR - 1e-12).all()
    assert (own <= 1.0 + 1e-12).all()


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
    table.loc[DATE, TOWN] = trained.stations[TOWN].highest_m + 1.0
    assert at(trained, replace(made_up, stage=table)).loc[(TOWN, 1)].extrapolated


def test_fit_wants_two_years(made_up: StageInputs) -> None:
    short = made_up.until(made_up.stage.index[0] + pd.Timedelta(days=600))
    with pytest.raises(ValueError, match="2 years"):
        fit(short, end=END, stations=[TOWN])
    with pytest.raises(ValueError, match="2 years"):
        fit(made_up, end=END, stations=["019999"])


def test_predict_wants_the_issue_date(trained: StageModel, made_up: StageInputs) -> None:
    with pytest.raises(ValueError, match="dates within"):
        predict_dates(
            trained, made_up, dates=[made_up.stage.index[-1] + timedelta(days=9)], model_version="t"
        )


def test_products_are_of_standardised_columns(trained: StageModel, made_up: StageInputs) -> None:
    design = trained.stations[TOWN].design
    rows = np.flatnonzero(made_up.stage.index < "2010-01-01")[60:]
    matrix = design.matrix(library(made_up), rows)
    own, change = f"level:{TOWN}", f"change:{UPSTREAM}:0"
    z = [matrix[:, design.names.index(name)] / PRIOR[key]
         for name, key in ((own, "level"), (change, "near change"))]  # fmt: skip
    product = matrix[:, design.names.index(f"{change}*{own}")]
    inner = np.abs(product) < 2.0
    assert np.corrcoef(product[inner], (z[0] * z[1])[inner])[0, 1] > 0.9999
    assert design.names == tuple(sorted(design.names, key=lambda name: "*" in name))


def test_priors_know_whose_gauge_it_is(trained: StageModel) -> None:
    upper, town = (trained.stations[code].design for code in (UPSTREAM, TOWN))
    expected = {
        f"since:{TOWN}:7": PRIOR["own since"],
        f"since:{UPSTREAM}:7": 1.0,
        f"change:{TOWN}:0": 1.0,
        f"change:{UPSTREAM}:0": PRIOR["near change"],
        f"rise:{TOWN}": PRIOR["rise"],
        f"level:{UPSTREAM}": PRIOR["level"],
        f"level:{TOWN}*level:{TOWN}*level:{TOWN}": PRIOR["own level*level"],
        f"level:{UPSTREAM}*level:{UPSTREAM}": PRODUCT_PRIOR,
        "mean:0:1*season:2": PRIOR["mean*season"],
        f"mean:0:1*level:{TOWN}": PRODUCT_PRIOR,
        "rain:basin:songkhram:0": PRIOR["rain"],
    }
    found = dict(zip(town.names, town.priors(), strict=True))
    assert {name: found[name] for name in expected} == expected
    found = dict(zip(upper.names, upper.priors(), strict=True))
    assert found[f"level:{TOWN}"] == PRIOR["downstream level"]


def test_what_is_missing_is_what_the_rest_leads_to_expect(
    trained: StageModel, made_up: StageInputs
) -> None:
    """The town of today is the upper gauge of yesterday, so it tells where that one stood."""
    design = trained.stations[TOWN].design
    rows = np.flatnonzero(made_up.stage.index >= "2010-06-01")
    whole = design.matrix(library(made_up), rows)
    gone = replace(made_up, stage=made_up.stage.assign(**{UPSTREAM: np.nan}))
    filled = design.matrix(library(gone), rows)
    known, level, product = (
        design.names.index(name)
        for name in (f"level:{TOWN}", f"level:{UPSTREAM}", f"level:{UPSTREAM}*season:0")
    )
    assert filled[:, known].tolist() == whole[:, known].tolist()
    for column in (level, product):
        assert np.corrcoef(filled[:, column], whole[:, column])[0, 1] > 0.9
    nothing = replace(gone, stage=gone.stage * np.nan, rain=gone.rain * np.nan)
    assert np.isfinite(design.matrix(library(nothing), rows)).all()


def test_a_rain_gauge_that_is_silent_in_the_dry_season_has_not_ended(
    made_up: StageInputs,
) -> None:
    rain = made_up.rain["basin:songkhram"]
    date = pd.DatetimeIndex(rain.index)
    table = pd.DataFrame(
        {
            "all_year": rain,
            "wet_season": rain.where(date.month.isin([5, 6, 7, 8, 9, 10])),
            "late": rain.where(date < pd.Timestamp("2010-05-01")),
            "ended": rain.where(date < pd.Timestamp("2010-01-01")),
            "seldom": rain.where(date.day <= 7),
        }
    )
    lib = library(replace(made_up, rain=table).until(pd.Timestamp("2010-05-31")))
    assert units_for(lib) == ("all_year", "wet_season", "late")


def test_rain_that_has_ended_fills_the_years_before_a_younger_gauge(made_up: StageInputs) -> None:
    old = made_up.rain["basin:songkhram"].rename("old")
    young = (2.0 * old).where(old.index >= "2006-01-01").rename("young")
    inputs = replace(
        made_up, rain=pd.concat([old.where(old.index < "2009-01-01"), young], axis=1)
    ).until(pd.Timestamp("2009-12-31"))
    lib = library(inputs)
    assert units_for(lib) == ("young",)
    rows = np.isfinite(lib.columns[f"level:{TOWN}"]) & (lib.dates >= pd.Timestamp("2003-06-01"))
    design, matrix = station_design(
        lib, TOWN, gauges=((UPSTREAM,), (), ()), units=("young",), rows=rows
    )
    assert {name.split(":")[1] for name in design.witnesses} == {"old"}
    column = matrix[:, design.names.index("rain:young:0")]
    early = lib.dates[rows] < pd.Timestamp("2006-01-01")
    assert np.corrcoef(column[early], lib.columns["rain:old:0"][rows][early])[0, 1] > 0.95
    assert matrix.shape == (rows.sum(), len(design.names) + 1)


def test_columns_are_called_by_the_place_of_their_gauge(trained: StageModel) -> None:
    upper, town = (trained.stations[code].design for code in (UPSTREAM, TOWN))
    called = dict(zip(town.names, town.shared_names(), strict=True))
    assert called[f"change:{TOWN}:0"] == "change:own:0"
    assert called[f"change:{UPSTREAM}:1*level:{TOWN}"] == "change:up0:1*level:own"
    assert called["rain:basin:songkhram:0"] == "rain:basin:songkhram:0"
    assert f"level:{TOWN}" in upper.names
    assert upper.shared_names()[upper.names.index(f"level:{TOWN}")] == "level:down"


def test_gauges_share_what_they_found_to_matter() -> None:
    flood, whole = 2, ("all", 0)
    one = {
        (flood, whole): {"level:own": 1.5, "rain:a:0": 0.5},
        (flood, ("before", 2010)): {"x": 1.0},
    }
    other = {(flood, whole): {"level:own": 0.5}}
    assert stage_model._shared([one, other]) == {
        (flood, whole): {"level:own": 1.0, "rain:a:0": 0.5}, (flood, ("before", 2010)): {"x": 1.0},
    }  # fmt: skip


def test_spread_depends_on_rain_only_where_the_tier_has_it(trained: StageModel) -> None:
    one = trained.stations[TOWN]
    for name, tier in one.tiers.items():
        _, _, others = one.design.regime(tier.columns)
        rainy = any(one.design.names[k].startswith("mean:") for k in others)
        assert rainy == (name in ("full", "no_upstream"))
        assert tier.scale_coefficients.shape == (7, 4 + len(others))
