from __future__ import annotations

from pipeline.exchange.forecast_files import FORECAST_COLUMNS, STAGE_COLUMNS
from pipeline.exchange.gauge_columns import FORECASTS, STAGES


def test_the_columns_are_those_that_are_written() -> None:
    assert tuple(column.name for column in FORECASTS) == FORECAST_COLUMNS
    assert tuple(column.name for column in STAGES) == STAGE_COLUMNS


def test_a_quantile_says_its_level() -> None:
    meaning = {column.name: column.meaning for column in FORECASTS}
    assert meaning["q025_m"] == "2.5 % quantile of the stage on the day (m)"
    assert meaning["highest_q50_m"] == (
        "50 % quantile of the highest stage from the first day to this one (m)"
    )
