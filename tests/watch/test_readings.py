"""Newest readings beside the forecast of the night."""

from __future__ import annotations

import math
from datetime import timedelta

import pandas as pd
import pytest

from pipeline.issuance.forecast_tables import read_forecasts
from pipeline.issuance.snapshot import open_stores
from pipeline.watch.readings import WatchedRiver, watch_rivers
from tests.watch.watch_cases import NIGHT, VIENTIANE, Basin, at


def rivers(basin: Basin, hour: int) -> dict[str, WatchedRiver]:
    stages = read_forecasts(basin.records, basin.records.run(NIGHT))[0]
    return watch_rivers(open_stores(basin.settings, asof=at(hour)), stages)


def test_the_newest_reading_and_its_change_stand_in_the_forecast_of_the_night(
    basin: Basin,
) -> None:
    assert rivers(basin, 3)[VIENTIANE].read_at is None, "the night had the last one"
    basin.read([(at(1, 0), 10.4), (at(2, 0), 10.9)], asof=at(2))
    seen = rivers(basin, 3)[VIENTIANE]
    assert seen.read_at == at(2, 0)
    assert (seen.river.issue_time, seen.river.stage_time) == (at(3), at(2, 0))
    assert seen.river.stage_m == 10.9
    assert seen.river.change_1d_m == pytest.approx(0.9, abs=0.02)


def test_a_reading_that_is_not_known_yet_is_not_there(basin: Basin) -> None:
    basin.read([(at(1, 0), 10.4), (at(2, 0), 10.9)], asof=at(4))
    seen = rivers(basin, 1)[VIENTIANE]
    assert (seen.read_at, seen.river.stage_m) == (at(1, 0), 10.4)


def test_every_citys_gauge_is_there_and_unknown_without_a_reading(basin: Basin) -> None:
    seen = rivers(basin, 3)["013901"]
    assert seen.read_at is None
    assert math.isnan(seen.river.stage_m)
    assert watch_rivers(open_stores(basin.settings, asof=at(3)), pd.DataFrame()).keys() == (
        rivers(basin, 3).keys()
    )
    assert seen.river.issue_time - NIGHT == timedelta(hours=2, minutes=45)


def test_a_gauge_that_the_night_had_never_heard_of_is_watched(basin: Basin) -> None:
    basin.read([(at(1, 0), 11.0), (at(2, 0), 12.2)], code="013901", asof=at(2))
    (identifier,) = basin.watch(at(2)).raised
    assert identifier == "mekong-watch-20260820T0215Z-pakse-flood-r0"
    assert basin.facts("pakse")["level"] in {"watch", "warning", "emergency"}
