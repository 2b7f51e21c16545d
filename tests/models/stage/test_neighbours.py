"""Neighbours of a gauge by which it is forecast."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from models.stage.features import StageInputs, build_library
from models.stage.neighbours import gauges_upstream, select_neighbours
from pipeline.geography.places import stations
from tests.models.conftest import TOWN, UPSTREAM


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
    lib = build_library(replace(made_up, rain=table).until(pd.Timestamp("2010-05-31")))
    neighbours = select_neighbours(lib, TOWN)
    assert neighbours.units == ("all_year", "wet_season", "late")
    assert neighbours.ended_units == ("ended",), "seldom has too few days"


def test_gauges_upstream_come_nearest_first() -> None:
    for code, station in stations().items():
        upstream = gauges_upstream(code)
        assert upstream[: len(station.upstream)] == list(station.upstream)
        assert code not in upstream
        assert len(set(upstream)) == len(upstream)
    assert gauges_upstream("019999") == []


def test_neighbours_are_those_that_report(made_up: StageInputs) -> None:
    neighbours = select_neighbours(build_library(made_up), TOWN)
    assert (neighbours.upstream, neighbours.downstream) == ((UPSTREAM,), ())
    upper = select_neighbours(build_library(made_up), UPSTREAM)
    assert (upper.upstream, upper.downstream) == ((), (TOWN,))
    silent = made_up.stage.copy()
    silent.loc[silent.index[-200:], UPSTREAM] = float("nan")
    alone = select_neighbours(build_library(replace(made_up, stage=silent)), TOWN)
    assert alone.upstream == ()
