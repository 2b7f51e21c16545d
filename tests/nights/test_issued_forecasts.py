"""Forecasts as issued beside what came."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.stage.names import QUANTILES
from pipeline.nights.issued_forecasts import read_issued
from pipeline.settings import Settings
from pipeline.storage.archive import Archive
from pipeline.storage.records import Records
from tests.models.verification.issued_cases import moment, store_night, store_readings
from tests.models.verification.issued_cases import stage_row as issued_row


def test_forecasts_stand_beside_the_readings_that_came(nights: Settings) -> None:
    cases = read_issued("2026-08-20", "2026-08-20", city="Pakse", settings=nights)
    assert cases["lead_days"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert cases["observed_m"].tolist()[:2] == [10.25, 10.5], "the second came after both nights"
    assert cases["observed_m"].isna().tolist() == [False] * 2 + [True] * 5
    np.testing.assert_allclose(cases["error_m"][:2], [10.2 - 10.25, 10.4 - 10.5])
    assert set(cases["status"]) == {"Exercise"}
    assert set(cases["city"]) == {"pakse"}
    assert set(cases["alarm_m"]) == {11.0}
    assert set(QUANTILES) < set(cases.columns)


def test_a_span_takes_all_nights_and_gauges_in_it(nights: Settings) -> None:
    cases = read_issued("2026-08", "2026-08", settings=nights)
    assert cases["issue_time"].nunique() == 2
    assert cases["station"].nunique() > 20
    assert len(cases) == cases.drop_duplicates(["issue_time", "station", "lead_days"]).shape[0]
    with pytest.raises(LookupError, match="expected a night issued from 2025-01-01"):
        read_issued("2025", "2025", settings=nights)


def small(folder: Path) -> tuple[Settings, Records]:
    settings = Settings(data_dir=folder, upstream="archive", records_url=None)
    Archive(settings.archive_dir)
    return settings, Records(settings.database)


def test_revisions_count_once_and_late_runs_not_at_all(tmp_path: Path) -> None:
    settings, store = small(tmp_path)
    for revision, q50 in ((0, 9.1), (1, 9.2)):
        rows = [issued_row(0, 1, q50=q50)]
        store_night(store, moment(0), "none", revision=revision, stages=rows)
    store_night(store, moment(1), "none", late=True, stages=[issued_row(1, 1)])
    store_night(store, moment(2), "none", issued=False, stages=[issued_row(2, 1)])
    cases = read_issued(moment(0), moment(3), settings=settings)
    assert cases["q50"].tolist() == [9.2]


def test_a_virtual_reading_settles_no_measured_forecast(tmp_path: Path) -> None:
    settings, store = small(tmp_path)
    store_night(store, moment(0), "none", origin="measured", stages=[issued_row(0, 1, q50=9.5)])
    asof = moment(5) + timedelta(hours=8)
    store_readings(store, [9.0, 9.1], asof=asof, origin="virtual")
    cases = read_issued(moment(0), moment(0), settings=settings)
    assert cases["status"].tolist() == ["Test"]
    assert cases["observed_m"].isna().all()
    assert isinstance(cases["issue_time"][0], pd.Timestamp)
