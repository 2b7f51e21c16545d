"""Names of quantities: what is a reading, and what only has the unit of one."""

from __future__ import annotations

import pytest

from pipeline.sources.gauges.quantities import explain_unused, is_mean


@pytest.mark.parametrize(
    "name",
    [
        "Gage height", "Water Course Level", "http://x/parameters/Water Level", "Streamflow",
        "http://x/pmcode=00065", "Rainfall depth", "Rain 15 min", "24-hour accumulated rainfall",
        "Flow rate", "H.obs.15min", "Gage height, daily mean", "Water level above mean sea level",
        "http://x/index.php?p=stage", "ระดับน้ำ (ม.)", "ปริมาณฝนสะสม 24 ชม.", "Mực nước", "WL",
        "Water level in the morning", "Stage, zero of gauge 86.49 m",
    ],
)  # fmt: skip
def test_readings(name: str) -> None:
    assert explain_unused(name) == ""


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Predicted stage", "a forecast"), ("WL_fc", "a forecast"), ("ระดับน้ำพยากรณ์", "a forecast"),
        ("Cumulative rainfall", "accumulated"), ("Rain since 1 May", "accumulated"),
        ("ปริมาณฝนสะสม", "accumulated"), ("Rain, 10 days", "of a longer"),
        ("Monthly mean stage", "of a longer"), ("Rain intensity (mm/h)", "a rate"),
        ("Rain rate", "a rate"), ("Antecedent precipitation index", "an index"),
        ("Stage anomaly", "an index"), ("WL max.", "an extreme"), ("MinStage", "an extreme"),
        ("Highest level", "an extreme"), ("ระดับน้ำต่ำสุด", "an extreme"), ("HWL", "an extreme"),
        ("Alarm level", "a mark"), ("ระดับตลิ่ง", "a mark"), ("Water level change", "a change"),
        ("Difference to yesterday", "a change"), ("Ground-water level", "not of a river"),
        ("Reservoir inflow", "not of a river"), ("Pan evaporation", "not of a river"),
        ("Depth to water", "a depth"),
    ],
)  # fmt: skip
def test_what_only_has_the_unit_of_a_reading(name: str, reason: str) -> None:
    assert explain_unused(name).startswith(reason)


@pytest.mark.parametrize(
    "name", ["Gage height, daily mean", "Average level", "WL_avg", "ระดับน้ำเฉลี่ย"]
)
def test_means(name: str) -> None:
    assert is_mean(name)
    assert not is_mean("Water level above mean sea level")
