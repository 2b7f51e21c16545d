"""The contract of a source: steps of an interval, and names of files of other products."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.sources import SOURCES
from pipeline.sources.base import ByHand, Fetching, FileNames, Named, time_steps

T0 = datetime(2024, 2, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def begins(*args: object, **more: timedelta) -> list[str]:
    return [f"{begin:%m-%dT%H:%M}" for begin, _ in time_steps(*args, **more)]  # type: ignore[arg-type]


def test_steps_begin_in_the_interval_and_end_by_the_moment() -> None:
    half_hour = timedelta(minutes=30)
    late = T0 + timedelta(minutes=1)
    assert begins(T0, T0 + 2 * half_hour, T0 + DAY, half_hour) == ["02-01T00:00", "02-01T00:30"]
    assert begins(late, late + half_hour, T0 + DAY, half_hour) == ["02-01T00:30"]
    assert begins(T0, T0 + DAY, T0 + half_hour, half_hour) == ["02-01T00:00"], "ended by then"
    assert begins(T0, T0, T0 + DAY, half_hour) == []


def test_steps_with_an_offset_and_a_length_of_their_own() -> None:
    noon, three_hours = timedelta(hours=12), timedelta(hours=3)
    slot = {"offset": noon, "length": three_hours}
    assert begins(T0, T0 + 2 * DAY, T0 + 9 * DAY, DAY, **slot) == ["02-01T12:00", "02-02T12:00"]
    assert begins(T0 + 13 * three_hours / 3, T0 + DAY, T0 + DAY, DAY, **slot) == []
    [(begin, end)] = time_steps(T0, T0 + DAY, T0 + noon + three_hours, DAY, **slot)
    assert (begin, end) == (T0 + noon, T0 + noon + three_hours)
    assert begins(T0, T0 + DAY, T0 + noon + three_hours - timedelta(seconds=1), DAY, **slot) == []
    assert begins(T0, T0 + 3 * DAY, T0 + DAY, DAY, length=timedelta()) == [
        "02-01T00:00", "02-02T00:00",
    ], "without length it has ended as soon as it begins"  # fmt: skip


def test_months_and_years_follow_the_calendar() -> None:
    end = datetime(2026, 3, 1, tzinfo=UTC)
    months = list(time_steps(T0 + DAY, end, end, "month"))
    assert len(months) == 24
    assert all(after == begin for (_, after), (begin, _) in pairwise(months))
    assert months[0] == (datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC))
    assert months[-1][1] == end
    assert begins(T0, end, end - DAY, "month")[-1] == "01-01T00:00", "the last has not ended"
    years = list(time_steps(T0, end, end, "year"))
    assert years == [(datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))]


@pytest.mark.parametrize(
    ("source", "name", "remark"),
    [
        ("imerg_late", "3B-HHR-E.MS.MRG.3IMERG.20240630-S233000-E235959.1410.V07B.HDF5",
         "a 3B-HHR-E file, imerg_late takes 3B-HHR-L"),
        ("imerg_daily", "3B-DAY-E.MS.MRG.3IMERG.20240630-S000000-E235959.V07B.nc4",
         "a 3B-DAY-E file, imerg_daily takes 3B-DAY-L"),
        ("gk2a", "gk2a_ami_le2_lst_fd020ge_202408010000.nc", "a file of lst, gk2a takes rr"),
        ("smap", "SMAP_L3_SM_P_20240801_R19240_001.h5", "a file of level 3, not one of smap"),
        ("smap_l3", "SMAP_L4_SM_aup_20240801T120000_Vv7032_001.h5",
         "a file of level 4, not one of smap_l3"),
        ("ndvi", "VNP21C3.A2024214.002.2024250000000.h5", "a file of lst, not of ndvi"),
        ("lst", "MOD13C1.A2024209.061.2024226000000.hdf", "a file of ndvi, not of lst"),
        ("gldas", "GLDAS_NOAH025_M_EP.A202408.021.nc4",
         "a GLDAS_NOAH025_M_EP file, not one of gldas"),
        ("gldas_monthly", "GLDAS_NOAH025_3H.A20240801.0300.021.nc4",
         "a GLDAS_NOAH025_3H file, not one of gldas_monthly"),
        ("imerg_late", "3B-HHR-L.MS.MRG.3IMERG.20240630-S233000-E235959.1410.V07B.HDF5", None),
        ("ndvi", "MYD13C2.A2024214.061.2024250000000.hdf", None),
        ("ndvi", "readme.txt", None),
    ],
)  # fmt: skip
def test_a_file_of_another_product_is_known_by_its_name(
    source: str, name: str, remark: str | None
) -> None:
    module = SOURCES[source].load()
    assert isinstance(module, Named)
    assert module.FILE_NAMES.describe_other_product(source, Path(name)) == remark


def test_each_source_of_a_module_has_names_of_its_own() -> None:
    modules = {row.module for row in SOURCES.values()}
    named = set()
    for row in SOURCES.values():
        module = row.load()
        if isinstance(module, Named):
            named.add(row.module)
            assert isinstance(module.FILE_NAMES, FileNames)
            assert isinstance(module.FILE_NAMES.pattern, re.Pattern)
            assert row.id in module.FILE_NAMES.sources.values()
    several = {
        name for name in modules
        if sum(row.module == name and row.kind == "grid" for row in SOURCES.values()) > 1
    }  # fmt: skip
    assert named == several


def test_the_optional_parts_of_a_module() -> None:
    by_hand = {row.id for row in SOURCES.values() if isinstance(row.load(), ByHand)}
    assert {"lis", "geoglows", "gauges"} <= by_hand
    unasked = {row.id for row in SOURCES.values() if not isinstance(row.load(), Fetching)}
    assert unasked == {"zones"}
