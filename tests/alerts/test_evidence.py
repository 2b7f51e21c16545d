from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest

from pipeline.alerts.evidence import Drought, Lead, River
from tests.alerts.alert_cases import NAN, T0, dry_spell, ramp, river


@pytest.mark.parametrize(
    ("p_alarm", "p_flood", "match"),
    [
        ((0.2,) * 7, (0.3,) * 7, "P\\(flood\\) <= P\\(alarm\\)"),
        ((0.5, 0.4, 0.5, 0.5, 0.5, 0.5, 0.5), (0.0,) * 7, "do not fall"),
        ((1.1,) * 7, (0.0,) * 7, "a probability"),
    ],
)
def test_incoherent_probabilities_are_refused(
    p_alarm: tuple[float, ...], p_flood: tuple[float, ...], match: str
) -> None:
    with pytest.raises(ValueError, match=match):
        river(p_alarm=p_alarm, p_flood=p_flood)


def test_drought_probabilities_must_fall_with_the_class() -> None:
    with pytest.raises(ValueError, match="fall with the class"):
        dry_spell(0.2, 0.3)


def rows() -> pd.DataFrame:
    p_alarm, p_flood = ramp(0.3, 0.1, 0.05)
    return pd.DataFrame(
        {
            "issue_time": pd.Timestamp("2026-08-20 00:30"),
            "station": "011901",
            "lead_days": [7, 6, 5, 4, 3, 2, 1],
            "valid_time": [
                pd.Timestamp("2026-08-20") + pd.Timedelta(days=k) for k in range(7, 0, -1)
            ],
            "q05": 8.0,
            "q50": [9.0, 9.3, 9.2, 9.1, 9.0, 8.9, 8.8],
            "q95": 10.0,
            "p_alarm_by": p_alarm[::-1],
            "p_flood_by": p_flood[::-1],
            "tier": "full",
            "drivers_cm": [{"upstream": 10.0}] * 7,
            "extrapolated": False,
            "stage_m": 8.7,
            "stage_time": pd.Timestamp("2026-08-20 00:00"),
            "model_version": "m1",
        }
    )


def test_river_from_rows() -> None:
    gauge_forecast = River.from_rows(rows(), change_1d_m=0.1)
    assert gauge_forecast.issue_time == T0
    assert [lead.days for lead in gauge_forecast.leads] == [1, 2, 3, 4, 5, 6, 7]
    assert (gauge_forecast.p_by("alarm", 7), gauge_forecast.p_by("flood", 2)) == (0.3, 0.05)
    assert gauge_forecast.peak is not None
    assert gauge_forecast.peak.days == 6
    assert gauge_forecast.stage_time == datetime(2026, 8, 20, tzinfo=UTC)
    empty = River.from_rows(rows().assign(stage_m=NAN, stage_time=None), change_1d_m=NAN)
    assert empty.stage_time is None
    assert (empty.skilful_until_day, empty.drivers_method) == (None, ""), "an earlier version's"
    assert not any(lead.median_extrapolated for lead in empty.leads)
    far = River.from_rows(rows().assign(median_extrapolated=[True] + 6 * [False]), change_1d_m=0.1)
    assert [lead.median_extrapolated for lead in far.leads] == 6 * [False] + [True]
    licensed = rows().assign(issued_as="model", skilful_until_day=5, drivers_method="exact")
    gauge_forecast = River.from_rows(licensed, change_1d_m=0.1)
    assert (gauge_forecast.skilful_until_day, gauge_forecast.drivers_method) == (5, "exact")
    with pytest.raises(ValueError, match="each lead once"):
        River.from_rows(pd.concat([rows(), rows()]), change_1d_m=0.0)
    with pytest.raises(ValueError, match="drivers"):
        River.from_rows(
            rows().assign(drivers_cm=pd.Series([{"own_H_lag3": 1.0}] * 7)), change_1d_m=0.0
        )


def test_drought_from_rows() -> None:
    table = pd.DataFrame(
        {
            "zone": "city:vientiane",
            "horizon_weeks": [4, 1, 12],
            "p_d0": 0.6,
            "p_d1": [0.4, 0.5, 0.3],
            "p_d2": 0.2,
            "p_d3": 0.1,
            "p_d4": 0.0,
            "current_class": "D1",
            "spi1": -1.0,
            "spi3": -0.9,
            "soil_moisture_percentile": 15.0,
            "vhi": NAN,
            "cdi": "watch",
            "tier": "full",
        }
    )
    forecast = Drought.from_rows(table)
    assert (forecast.current_class, forecast.p_class(1, 4)) == (1, 0.4)
    assert math.isnan(forecast.p_class(2, 8))
    assert Drought.from_rows(table.assign(current_class="none")).current_class == -1
    assert Drought.from_rows(table.assign(current_class=NAN)).current_class is None
    assert Drought.from_rows(table.iloc[:1]).p_class(1, 4) == 0.4, "one horizon is enough"


def test_a_forecast_survives_json_where_nothing_is_known() -> None:
    lead = replace(
        river().leads[0], q05_m=NAN, q50_m=NAN, q95_m=NAN, p_alarm_by=NAN, drivers_cm={"rain": NAN}
    )
    text = json.dumps(lead.to_dict(), allow_nan=False)
    assert Lead.from_dict(json.loads(text)).to_dict() == lead.to_dict()
    assert math.isnan(Lead.from_dict(json.loads(text)).drivers_cm["rain"])
