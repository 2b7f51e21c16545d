"""What a gauge's readings are enough for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.gauge_readiness import Readiness, check_gauge, describe_readiness
from pipeline.settings import Settings
from pipeline.storage.records import Records
from tests.conftest import STAGE_HEAD, LayOver

ASOF = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
PAKSE = "013901"


def ready(
    folder: Path, first: str, *, last: str = "2026-08-20", code: str = PAKSE, blank: int = 0
) -> tuple[Readiness, str]:
    """Store a morning stage per day, ``blank`` of them above any river, and check the gauge."""
    days = pd.date_range(first, last)
    stages = 8.0 + np.sin(np.arange(len(days)) / 9.0) + 0.001 * np.arange(len(days))
    stages[:blank] = 99.0
    table = pd.DataFrame(
        {
            "station": code, "variable": "stage", "method": "manual", "valid_time": days,
            "value": stages, "unit": "m", "raw": "", "qc": "good",
        }
    )  # fmt: skip
    settings = Settings(data_dir=folder, upstream="archive", records_url=None)
    with Records(settings.database).ingest("gauges", asof=ASOF) as batch:
        batch.add_readings(table, asof=ASOF, latency=timedelta(minutes=20), origin="measured")
    checked = check_gauge(code, asof=ASOF, settings=settings)
    return checked, "\n".join(describe_readiness(checked, asof=ASOF))


def test_too_few_days_say_how_many_are_lacking(tmp_path: Path) -> None:
    checked, told = ready(tmp_path, "2025-08-21")
    assert checked.readings == checked.mornings == 365
    assert checked.training_days == 365 - 7, "the last week's targets are to come"
    assert not checked.can_be_trained
    assert (
        "forecast: 358 days to learn from, 730 needed: too few, so there is no forecast; 372 more "
        "are needed"
    ) in told
    assert "next: bring in the readings" in told
    assert "mekong train" not in told


def test_enough_days_lead_to_the_training(tmp_path: Path) -> None:
    checked, told = ready(tmp_path, "2022-01-01")
    assert checked.training_days == 1693 - 7
    assert checked.wet_seasons == 4
    assert checked.modelled is None
    assert "1,686 days to learn from, 730 needed: enough; 4 whole wet seasons" in told
    assert "to set them by the record takes 10 whole wet seasons, there are 4" in told
    assert told.splitlines()[-1] == (
        "next: train, so that it is forecast: mekong train --date 2026-08-20"
    )


def test_ten_wet_seasons_give_stages_of_return_periods(tmp_path: Path) -> None:
    checked, told = ready(tmp_path, "2016-01-01")
    assert checked.wet_seasons == 10
    assert set(checked.return_levels_m) == {1, 2, 5}
    assert f"{checked.return_levels_m[5]:.2f} m once in 5 years" in told


def test_two_seasons_are_too_few_to_judge_a_forecast(tmp_path: Path) -> None:
    _, told = ready(tmp_path, "2024-01-01")
    assert "enough; 2 whole wet seasons of the 3 needed to judge it" in told


def test_an_old_reading_and_what_is_flagged_are_said(tmp_path: Path) -> None:
    checked, told = ready(tmp_path, "2022-01-01", last="2026-08-10", blank=2)
    assert checked.flags == {"good": len(pd.date_range("2022-01-01", "2026-08-10")) - 2, "code": 2}
    assert "quality: 1,681 good, 2 code" in told
    assert checked.age_h == 240.5
    assert "the last is 10 days old, and a level of the river needs one of the last 48" in told


def test_a_gauge_without_readings_stages_or_city(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, upstream="archive", records_url=None)
    checked = check_gauge("092600", asof=ASOF, settings=settings)
    told = "\n".join(describe_readiness(checked, asof=ASOF))
    assert checked.readings == checked.training_days == 0
    assert checked.last is None
    assert "readings: 0 of the stage, none that may be used" in told
    assert "thresholds: no alarm stage, no flood stage, so the river alone raises no level" in told
    assert "rows in thresholds.csv" in told
    no_city = check_gauge("020106", asof=ASOF, settings=settings)
    assert "mekong cities add NAME --gauge 020106" in "\n".join(
        describe_readiness(no_city, asof=ASOF)
    )


def test_a_gauge_that_nobody_knows(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, upstream="archive", records_url=None)
    with pytest.raises(LookupError, match="the code of a gauge, found '999999'"):
        check_gauge("999999", asof=ASOF, settings=settings)


def test_one_stage_alone_raises_no_level(tmp_path: Path, lay_over: LayOver) -> None:
    columns = "code,name,river,country,tidal,upstream,basin"
    lay_over("stations.csv", columns, "LA-9001,Ban Tha,Nam Khan,LA,false,,nam_ou")
    figures = ("latitude,19.75,degrees_north", "longitude,102.3,degrees_east")
    rows = [f"LA-9001,{figure},x,M" for figure in figures]
    lay_over("station_figures.csv", "station,quantity,value,unit,source,verified", *rows)
    lay_over("thresholds.csv", STAGE_HEAD, "LA-9001,alarm,5.5,m above gauge zero,x,,M")
    settings = Settings(data_dir=tmp_path / "data", upstream="archive", records_url=None)
    checked = check_gauge("LA-9001", asof=ASOF, settings=settings)
    told = describe_readiness(checked, asof=ASOF)
    assert any(
        line.startswith("thresholds: alarm 5.5 m, no flood stage, so the river alone raises no")
        for line in told
    )
