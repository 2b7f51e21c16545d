"""Past mornings of some gauges, forecast in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor

from pipeline.nights.hindcasts import hindcast
from pipeline.settings import Settings
from pipeline.storage.archive import Archive
from pipeline.storage.records import Records

UPPER, LOWER = "013101", "013402"
ASOF = datetime(2018, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Five years of mornings at two gauges, the lower one a day behind the upper."""
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("stores"), upstream="archive", records_url=None
    )
    Archive(settings.archive_dir)
    days = pd.date_range("2014-01-01", "2018-10-31")
    push = np.random.default_rng(0).gamma(0.2, 1.0, len(days))
    flood = pd.Series(push).ewm(alpha=0.15).mean().to_numpy() * 6.0
    season = 4.0 - 3.0 * np.cos(2.0 * np.pi * (np.arange(len(days)) - 60) / 365.25)
    stages = {UPPER: season + flood, LOWER: season + np.concatenate([[0.0], flood[:-1]])}
    table = pd.concat(
        pd.DataFrame(
            {"station": code, "variable": "stage", "method": "manual", "valid_time": days,
             "value": value.round(2), "unit": "m", "raw": "", "qc": "good"}
        )
        for code, value in stages.items()
    )  # fmt: skip
    with Records(settings.database).ingest("gauges", asof=ASOF) as batch:
        batch.add_readings(table, asof=ASOF, latency=timedelta(minutes=20), origin="virtual")
    return settings


def test_the_mornings_of_a_season_stand_beside_the_readings(stores: Settings) -> None:
    before = Records(stores.database).database.batch
    made = hindcast("2018-08", "2018-09", ["Mukdahan"], leads=(1, 2), settings=stores)
    assert set(made["station"]) == {LOWER}
    assert made.groupby("lead_days").size().to_dict() == {1: 61, 2: 61}
    assert made["issue_time"].min() == pd.Timestamp("2018-08-01 00:30")
    assert made["observed_m"].notna().all()
    assert made.attrs["status"] == "Exercise"
    of_first = made[made["lead_days"] == 1]
    rise = (of_first["observed_m"] - of_first["stage_m"]).to_numpy()
    error = (of_first["observed_m"] - of_first["mean_m"]).to_numpy()
    assert (error**2).sum() < 0.1 * (rise**2).sum(), "the upper gauge tells it a day before"
    assert Records(stores.database).database.batch == before
    assert not stores.models_dir.exists()


def test_another_regressor_takes_the_place_of_the_ridge(stores: Settings) -> None:
    made = hindcast(
        "2018-08-01", "2018-08-02", [LOWER], leads=(1,), regressor=DummyRegressor(), settings=stores
    )
    change = made["mean_m"] - made["stage_m"]
    assert np.ptp(change) < 0.05, "the mean change of the training, whatever the river does"


def test_a_gauge_without_enough_readings_and_absent_stores_say_so(
    stores: Settings, tmp_path: Path
) -> None:
    with pytest.raises(LookupError, match="enough readings to train on at 013901"):
        hindcast("2018-08", "2018-08", ["Mukdahan", "Pakse"], settings=stores)
    with pytest.raises(LookupError, match="Siem Reap has no gauge"):
        hindcast("2018-08", "2018-08", ["Siem Reap"], settings=stores)
    with pytest.raises(ValueError, match="at least one city, found none"):
        hindcast("2018-08", "2018-08", [], settings=stores)
    with pytest.raises(ValueError, match="at least one lead, found none"):
        hindcast("2018-08", "2018-08", ["Mukdahan"], leads=(), settings=stores)
    with pytest.raises(ValueError, match="first day up to the last"):
        hindcast("2018-09", "2018-08", ["Mukdahan"], settings=stores)
    absent = stores.model_copy(update={"data_dir": tmp_path / "none"})
    with pytest.raises(LookupError, match="expected the stores"):
        hindcast("2018-08", "2018-08", ["Mukdahan"], settings=absent)
    assert not (tmp_path / "none").exists()
