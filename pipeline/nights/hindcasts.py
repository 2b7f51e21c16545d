"""Past mornings forecast as if live, of some gauges and in memory: for notebooks."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pandas as pd
from sklearn.base import BaseEstimator

from models.hindcast import run_hindcast
from models.stage.features import TooFewStages
from models.training import find_regressor, list_forecast_gauges
from pipeline.geography.place_search import find_gauge
from pipeline.issuance.snapshot import inputs_as_of, open_stores, read_stage_inputs
from pipeline.nights.night import check_stores_exist
from pipeline.nights.spans import Day, begin_of, interval_of
from pipeline.settings import Settings

FIRST_DAY = datetime(1992, 1, 1, tzinfo=UTC)
"""First day of the training by default, as in ``mekong hindcast``."""


def hindcast(
    start: Day,
    end: Day,
    cities: Collection[str],
    *,
    leads: tuple[int, ...] = (1, 3, 5, 7),
    train_from: Day = FIRST_DAY,
    regressor: BaseEstimator | None = None,
    settings: Settings | None = None,
) -> pd.DataFrame:
    """Forecast every morning of past seasons at some gauges from what was known then.

    Nothing is written. Each hydrological year is forecast by models trained on the years before
    it; stages upstream and rain are those of the stores, of all gauges.

    Parameters
    ----------
    start, end
        First and last day, month or year of the issue (UTC); both are included.
    cities
        Cities or gauges that are forecast.
    leads
        Lead times, days.
    train_from
        First day, month or year of the training.
    regressor
        Any regressor of scikit-learn's, to take the place of the one of the settings.
    settings
        Default: from the environment.

    Returns
    -------
    pandas.DataFrame
        As of :func:`models.hindcast.run_hindcast`: a row per issue time, station and lead, with
        the quantiles, the reading that came and the baselines. ``attrs["status"]`` is Exercise
        where anything virtual went in, else None: nothing of it was ever sent.

    Raises
    ------
    ValueError
        The first day is after the last, or no city or no lead is given.
    LookupError
        The stores are not there, a gauge is not known, or has too few readings to train on.
    """
    settings = settings or Settings()
    check_stores_exist(settings)
    if not leads or not cities:
        raise ValueError(f"expected at least one {'city' if leads else 'lead'}, found none")
    first, last = interval_of(start, end)
    begin = begin_of(train_from)
    codes = [find_gauge(city, region=settings.region, asof=last).code for city in cities]
    snapshot = open_stores(settings, asof=last + timedelta(days=max(leads)))
    try:
        inputs = read_stage_inputs(snapshot, start=begin)
        if lacking := sorted(set(codes) - set(list_forecast_gauges(inputs))):
            raise LookupError(f"expected enough readings to train on at {', '.join(lacking)}")
        forecasts = run_hindcast(
            inputs,
            train_from=begin,
            start=first,
            end=last,
            stations=list(dict.fromkeys(codes)),
            leads=leads,
            inputs_as_of=inputs_as_of(snapshot, start=begin),
            regressor=find_regressor(settings.regressor) if regressor is None else regressor,
        )
    except TooFewStages as error:
        raise LookupError(f"cannot hindcast: {error}") from error
    forecasts.attrs["status"] = "Exercise" if (forecasts["origin"] == "virtual").any() else None
    return forecasts
