"""Which days a night makes again, and which products it makes and appends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from pipeline.areal import update
from pipeline.storage.archive import Archive
from pipeline.times import utc64
from tests.areal.late_products import grids
from tests.areal.uniform_grids import ASOF, DAY, NIGHT, put, zone

MIDNIGHT = ASOF.replace(hour=0, minute=0)
MADE: Any = NIGHT | {"suspects": {}}


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def zones_up_to(archive: Archive, last: datetime, *, known: datetime) -> None:
    """Thirty days of a record, the last of them given."""
    time = utc64(last) + np.arange(-29, 1) * np.timedelta64(1, "D")
    came = ("time", np.full(30, utc64(known)))
    rain = (("time", "zone"), np.ones((30, 1), "f4"), {"units": "mm"})
    ds = xr.Dataset({"rain": rain}, {"time": time, "zone": ["basin:a"], "available_time": came})
    archive.append("zones", ds, message="test")


def test_an_empty_archive_begins_with_a_spin_up(archive: Archive) -> None:
    expected = MIDNIGHT - timedelta(days=120), MIDNIGHT
    assert update.find_days(archive, asof=ASOF) == expected
    zones_up_to(archive, MIDNIGHT - timedelta(days=20), known=ASOF + timedelta(minutes=1))
    assert update.find_days(archive, asof=ASOF) == expected, "not known yet"


@pytest.mark.parametrize(("age_days", "made_days"), [(1, 10), (11, 10), (12, 11), (25, 24)])
def test_ten_days_are_made_again_and_those_before_that_are_missing(
    archive: Archive, age_days: int, made_days: int
) -> None:
    """A record whose last day is that many days before tonight, and the days that are made."""
    zones_up_to(archive, MIDNIGHT - timedelta(days=age_days), known=ASOF)
    assert update.find_days(archive, asof=ASOF) == (MIDNIGHT - timedelta(days=made_days), MIDNIGHT)


def test_a_night_appends_what_it_makes_once(archive: Archive) -> None:
    put(archive, "imerg_late", "rain_rate", [1.0] * 48)
    put(archive, "imerg_early", "rain_rate", [2.0] * 48)
    products = update.make_products(archive, **MADE)
    assert set(products) == {"zones", "rain_shares", "rain_pairs"}
    assert zone(products["zones"], "rain") == pytest.approx(24.0)
    assert update.append_products(archive, products, asof=ASOF) == 1
    assert update.append_products(archive, products, asof=ASOF) == 0, "a rerun changes nothing"
    later = ASOF + timedelta(hours=6)
    put(archive, "imerg_late", "rain_rate", [2.0] * 48, known=later)
    again = update.make_products(archive, **MADE | {"asof": later})
    assert update.append_products(archive, again, asof=later) == 1
    for moment, expected in ((ASOF, 24.0), (later, 48.0)):
        assert zone(archive.read("zones", asof=moment), "rain") == pytest.approx(expected)


@pytest.mark.slow
def test_doubts_are_kept_from_the_first_on(archive: Archive) -> None:
    put(archive, "imerg_late", "rain_rate", [1.0] * 48)
    suspects = {"imerg_late": {utc64(DAY)}}
    products = update.make_products(archive, **MADE | {"suspects": suspects})
    assert zone(products["doubts"], "suspect_rain") == pytest.approx(1 / 48)
    update.append_products(archive, products, asof=ASOF)
    sound = update.make_products(archive, **MADE)
    assert zone(sound["doubts"], "suspect_rain") == 0.0, "the doubt of before is taken back"


def test_substitutes_are_made_of_products_that_have_come(archive: Archive) -> None:
    start = datetime(2026, 8, 10, tzinfo=UTC)
    grids(archive, "smap_l3", "soil_moisture_surface", [0.2] * 5, start, known=timedelta(days=3))
    products = update.make_products(archive, **MADE)
    assert {"stand_ins", "pairs_soil_moisture"} <= set(products)
    assert "rain_pairs" not in products
