"""What a drought forecast rests on, where files are suspect."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from pipeline.alerts.evidence import Drought
from pipeline.issuance.forecasts import _flag_suspect, forecast_stages
from pipeline.issuance.snapshot import Snapshot
from pipeline.storage.archive import Archive
from pipeline.storage.records import Records
from tests.conftest import LayOver
from tests.issuance.snapshot_cases import ISSUED, add_doubts, readings, snapshot_of

ASOF = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
CITY = "city:vientiane"


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    store = Records(f"sqlite:///{tmp_path / 'records.db'}")
    return Snapshot(Archive(tmp_path / "archive"), store, ASOF, {}, "none")


def drought(*, spi3: float = 0.2, soil: float = 50.0) -> pd.DataFrame:
    return pd.DataFrame({"zone": [CITY], "spi3": [spi3], "soil_moisture_percentile": [soil]})


@pytest.mark.parametrize(
    ("rain", "soil", "values", "expected"),
    [
        (1.0, 1.0, {}, True),
        (1.0, 0.0, {}, False),
        (0.0, 1.0, {}, False),
        (1.0, 0.0, {"soil": math.nan}, True),
        (0.0, 1.0, {"spi3": math.nan}, True),
        (0.0, 0.0, {"spi3": math.nan}, False),
    ],
)
def test_a_drought_is_suspect_where_all_that_is_known_of_it_is(
    snapshot: Snapshot, rain: float, soil: float, values: dict[str, float], expected: bool
) -> None:
    add_doubts(snapshot, 20, suspect_rain=rain, suspect_soil_moisture=soil)
    assert _flag_suspect(snapshot, drought(**values)).tolist() == [expected]
    assert Drought.from_rows(
        drought().assign(
            horizon_weeks=4, current_class="none", cdi="none", spi1=0.0, vhi=50.0, tier="full",
            suspect=expected, **dict.fromkeys(("p_d0", "p_d1", "p_d2", "p_d3", "p_d4"), 0.0),
        )
    ).suspect is expected  # fmt: skip


def test_a_gauge_without_a_model_has_a_row_from_its_day_in_the_table_on(
    tmp_path: Path, lay_over: LayOver
) -> None:
    lay_over(
        "stations.csv",
        "code,name,river,country,tidal,upstream,basin,as_of",
        "M.7,Ubon,Mun,TH,false,,mun,2026-09-20",
    )
    lay_over(
        "station_figures.csv",
        "station,quantity,value,unit,source,as_of,verified",
        "M.7,latitude,15.2,degree,the agency,2026-09-20,V",
        "M.7,longitude,104.9,degree,the agency,2026-09-20,V",
    )
    mornings = pd.date_range("2026-09-01", "2026-09-20")
    level = pd.Series([3.0 + 0.01 * day for day in range(20)], index=mornings)
    series = readings(level[:-1], "M.7"), readings(level[:-1], "013901")
    for days, expected in ((1, {"013901"}), (0, {"013901", "M.7"})):
        snapshot = snapshot_of(tmp_path, *series, issued=ISSUED - timedelta(days=days))
        assert set(forecast_stages(snapshot)["station"]) == expected
