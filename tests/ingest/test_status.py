"""Status of a source: credentials, the last datum, and how long ago that ended."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from pipeline.ingest.status import describe_status, read_status
from pipeline.settings import Settings
from pipeline.sources import SOURCES
from pipeline.sources.access.client import Client
from pipeline.storage.records import Records
from tests.ingest.granule_cases import ASOF, DAY, HALF_HOUR, HTML, half_hour, night, republish


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", upstream="virtual", records_url=None)


@pytest.mark.parametrize(
    ("environment", "is_set"),
    [
        ({}, False),
        ({"EARTHDATA_TOKEN": "t"}, True),
        ({"EARTHDATA_USERNAME": "u", "EARTHDATA_PASSWORD": "p"}, True),
        ({"KMA_API_KEY": "k"}, False),
    ],
)
def test_one_of_several_credentials_is_enough(
    tmp_path: Path, environment: dict[str, str], is_set: bool
) -> None:
    with Client(environment=environment | {"HOME": str(tmp_path)}) as client:
        status = describe_status(SOURCES["smap"], latest=None, asof=ASOF, client=client)
    assert status.needs == (("EARTHDATA_TOKEN or EARTHDATA_PASSWORD", is_set),)
    assert (status.lag, status.reached, status.well) == (None, "", None)


def test_the_lag_is_counted_from_the_end_of_the_last_datum() -> None:
    with Client(environment={}) as client:
        status = describe_status(SOURCES["imerg_late"], latest=DAY, asof=ASOF, client=client)
    assert status.lag == timedelta(hours=24, minutes=30)
    assert status.usual == timedelta(hours=14, minutes=30), "its latency and a half-hour"


def test_the_last_datum_is_that_of_a_sound_file_or_a_used_reading(settings: Settings) -> None:
    for slot in range(3):
        path = half_hour(settings, slot)
    republish(path, HTML)
    assert len(night(settings, slots=3).rejected) == 1
    stages = pd.DataFrame(
        {
            "station": "013901", "variable": "stage", "method": "manual",
            "valid_time": pd.to_datetime(["2026-08-18", "2026-08-19", "2026-08-20"]),
            "value": [9.0, 9.1, 9.2], "unit": "m", "raw": "", "qc": "good",
        }
    )  # fmt: skip
    records = Records(settings.database)
    with records.ingest("gauges", asof=ASOF) as batch:
        batch.add_readings(stages, asof=ASOF, latency=timedelta(minutes=20), origin="measured")
    with Client(environment={}) as client:
        statuses = {s.source: s for s in read_status(records, asof=ASOF, client=client)}
        before = {
            s.source: s.latest
            for s in read_status(records, asof=DAY + timedelta(hours=1), client=client)
        }
    assert list(statuses) == list(SOURCES)
    assert statuses["imerg_late"].latest == DAY + 2 * HALF_HOUR, "the third was no file of rain"
    assert statuses["gauges"].latest == ASOF - timedelta(minutes=30)
    assert statuses["gauges"].lag == timedelta(minutes=30)
    assert statuses["smap"].latest is None
    assert before["gauges"] == DAY, "later readings were not known"
    assert before["imerg_late"] is None
