"""The stage model of a gauge, beside the same columns in plain parts of scikit-learn."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.climatology import FROM_APRIL_BY_DAYS, WET_MONTHS, water_year
from models.stage.columns import list_columns
from models.stage.design import TIER_GROUPS, StageFeatures
from models.stage.features import Library, StageInputs, build_library
from models.stage.neighbours import gauges_upstream, select_neighbours
from models.stage.regressor import StageRegressor
from models.stage.ridge import PENALTIES
from models.stage.training import stage_targets
from models.verification.metrics import persistence_index
from tests.benchmarks.measure import Result

GAUGE = "013901"
LEADS = (1, 3, 7)


def river(*, years: int, gauges: int) -> StageInputs:
    """Make a river: rain of two units raises the uppermost gauge, and each gauge those below it."""
    rng = np.random.default_rng(4)
    dates = pd.date_range("1998-01-01", periods=int(365.25 * years), name="date")
    season = 1.0 + np.sin(2.0 * np.pi * (dates.day_of_year.to_numpy() - 120) / 365.25)
    rain = rng.gamma(0.4, 10.0, (len(dates), 2)) * season[:, None]
    chain = [*gauges_upstream(GAUGE)[: gauges - 1][::-1], GAUGE]
    flow, stages = np.zeros(len(dates)), {}
    for number, code in enumerate(chain):
        store = np.zeros(len(dates))
        for day in range(1, len(dates)):
            store[day] = 0.93 * store[day - 1] + 0.4 * rain[day, number % 2]
        flow = np.concatenate([[0.0], flow[:-1]]) + store
        noise = rng.normal(0.0, 0.05, len(dates))
        stages[code] = 1.0 + 0.8 * np.sqrt(flow + 1.0) + season + noise
    table = pd.DataFrame(stages, index=dates)
    table = table.mask(rng.uniform(size=table.shape) < 0.02)
    return StageInputs(
        stage=table,
        evening=(table + table.shift(1)) / 2.0,
        rain=pd.DataFrame(rain, index=dates, columns=["basin:songkhram", "basin:se_bang_hieng"]),
        soil_moisture=None,
        origin="virtual",
    )


def _rows(lib: Library) -> tuple[pd.DataFrame, NDArray[np.float64], NDArray[np.int64]]:
    """Features, stages at the leads, and water years of the mornings that have all of them."""
    table, target = lib.table(), stage_targets(lib, GAUGE, LEADS)
    known = np.isfinite(target - table[[f"level:{GAUGE}"]].to_numpy()).all(axis=1)
    dates = pd.DatetimeIndex(table.index[known])
    return table[known], target[known], water_year(dates, FROM_APRIL_BY_DAYS)


def ours(*, years: int, gauges: int) -> Result:
    """Ours: all tiers with their errors; the values are CP of the full one on years held out."""
    lib = build_library(river(years=years, gauges=gauges))
    table, target, year = _rows(lib)
    regressor = StageRegressor(select_neighbours(lib, GAUGE), leads=LEADS)
    begin = perf_counter()
    regressor.fit(table, target, groups=year)
    took = perf_counter() - begin
    return Result(took, len(TIER_GROUPS), regressor.tiers_["full"].held_out_cp)


def plain(*, years: int, gauges: int, tiers: int) -> Result:
    """Peer: imputer, scaler and ridge of scikit-learn, on the same columns and blocks of years."""
    lib = build_library(river(years=years, gauges=gauges))
    table, target, year = _rows(lib)
    level = table[[f"level:{GAUGE}"]].to_numpy()
    change, blocks = target - level, PredefinedSplit(year % 6)
    begin = perf_counter()
    neighbours = select_neighbours(lib, GAUGE)
    names = list_columns(neighbours, table)
    held_out = np.empty((tiers, *change.shape))
    for number, groups in enumerate(list(TIER_GROUPS.values())[:tiers]):
        columns = _columns(
            table, [name for name, group in names if group in groups], neighbours.units
        )
        for lead, of_lead in enumerate(change.T):
            chosen = make_pipeline(
                SimpleImputer(), StandardScaler(), RidgeCV(PENALTIES, cv=blocks)
            ).fit(columns, of_lead)
            fixed = make_pipeline(SimpleImputer(), StandardScaler(), Ridge(chosen[-1].alpha_))
            held_out[number, :, lead] = cross_val_predict(fixed, columns, of_lead, cv=blocks)
    took = perf_counter() - begin
    wet = np.isin(pd.DatetimeIndex(table.index).month, WET_MONTHS)
    return Result(took, tiers, persistence_index((change - held_out[0])[wet], change[wet]))


def _columns(table: pd.DataFrame, names: list[str], units: tuple[str, ...]) -> NDArray[np.float64]:
    """Features of some names and their products, NaN where missing."""
    features = tuple(dict.fromkeys(part for name in names for part in name.split("*")))
    raw = StageFeatures(features, units).fit(table).transform(table)
    z = dict(zip(features, StandardScaler().fit_transform(raw).T, strict=True))
    return np.column_stack(
        [np.prod([z[part] for part in name.split("*")], axis=0) for name in names]
    )
