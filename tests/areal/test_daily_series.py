"""Zonal daily series, their shares and doubts, from uniform grids in a real archive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.areal import daily_series
from pipeline.storage.archive import Archive
from pipeline.times import utc64
from tests.areal.uniform_grids import ASOF, DAY, NIGHT, put, zone


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def test_a_partial_day_is_scaled_or_missing_never_a_silent_sum(archive: Archive) -> None:
    """Four days of one millimetre an hour, of 48, 39, 38 and no half-hours."""
    first = DAY - timedelta(days=3)
    for day, half_hours in enumerate((48, 39, 38)):
        put(archive, "imerg_late", "rain_rate", [1.0] * half_hours,
            start=first + timedelta(days=day))  # fmt: skip
    ds = daily_series.make_daily_series(archive, **NIGHT | {"start": first})[0]
    rain = [zone(ds, "rain", day) for day in range(4)]
    np.testing.assert_allclose(rain, [24.0, 24.0, np.nan, np.nan], rtol=1e-5)
    assert [zone(ds, "coverage", day) for day in range(4)] == pytest.approx([1.0, 1.0, 0.0, 0.0])
    assert ds["rain"].attrs["units"] == "mm"
    assert set(ds["available_time"].values.tolist()) == {utc64(ASOF).item()}


def test_a_complete_daily_file_stands_and_a_partial_one_gives_way(archive: Archive) -> None:
    yesterday = DAY - timedelta(days=1)
    day = timedelta(days=1)
    put(archive, "imerg_daily", "rain", [7.0], start=yesterday, step=day, more={"n_valid": 48.0})
    put(archive, "imerg_daily", "rain", [9.0], start=DAY, step=day, more={"n_valid": 40.0})
    put(archive, "imerg_late", "rain_rate", [1.0] * 96, start=yesterday)
    ds = daily_series.make_daily_series(
        archive, asof=ASOF, start=yesterday, end=DAY + day, region="mekong"
    )[0]
    assert [zone(ds, "rain", day) for day in (0, 1)] == pytest.approx([7.0, 24.0])


def test_what_was_not_published_by_the_issue_time_stays_out(archive: Archive) -> None:
    put(archive, "imerg_late", "rain_rate", [1.0] * 48, known=ASOF + timedelta(minutes=1))
    assert np.isnan(zone(daily_series.make_daily_series(archive, **NIGHT)[0], "rain"))


def test_impossible_results_are_left_out_and_counted(archive: Archive) -> None:
    put(archive, "imerg_late", "rain_rate", [1e30, np.inf, 600.0, -3.0] + [1.0] * 44)
    record, shares, doubts = daily_series.make_daily_series(archive, **NIGHT)
    assert zone(record, "rain") == pytest.approx(24.0), "the other half-hours, scaled up"
    assert zone(doubts, "impossible_rain") == pytest.approx(4 / 48)
    assert zone(doubts, "suspect_rain") == 0.0
    assert zone(shares, "share_imerg_late") == pytest.approx(1.0)


def test_an_impossible_daily_sum_is_no_rain_of_a_day(archive: Archive) -> None:
    day = timedelta(days=1)
    put(archive, "imerg_daily", "rain", [2001.0], start=DAY, step=day, more={"n_valid": 48.0})
    record, _, doubts = daily_series.make_daily_series(archive, **NIGHT)
    assert np.isnan(zone(record, "rain"))
    assert zone(doubts, "impossible_rain") == 1.0


def test_impossible_soil_and_vegetation_are_left_out(archive: Archive) -> None:
    values = {
        "smap": ("soil_moisture", 1.2, 0.4), "ndvi": ("ndvi", -3.0, 0.4),
        "lst": ("lst", np.inf, 300.0),
    }  # fmt: skip
    for product, (name, worst, sound) in values.items():
        put(archive, product, name, [worst, sound], step=timedelta(hours=3), known=ASOF - DAWN)
    record, _, doubts = daily_series.make_daily_series(archive, **NIGHT)
    for name, _, sound in values.values():
        assert zone(record, name) == pytest.approx(sound, rel=1e-5)
        assert zone(doubts, f"impossible_{name}") == 0.5


DAWN = timedelta(hours=1)


def test_the_share_that_suspect_files_tell_is_kept(archive: Archive) -> None:
    put(archive, "imerg_late", "rain_rate", [0.0] * 48)
    begins = {utc64(DAY + n * timedelta(minutes=30)) for n in range(12)}
    doubts = daily_series.make_daily_series(archive, suspects={"imerg_late": begins}, **NIGHT)[2]
    assert zone(doubts, "suspect_rain") == pytest.approx(0.25)
    archive.append("doubts", doubts, message="test")
    suspect = daily_series.read_suspect_rain(archive, asof=ASOF, days=3)
    assert suspect is not None
    assert bool((suspect.sel(zone="city:vientiane") > daily_series.MOST_SUSPECT).all())
    daily = {"n_valid": 48.0}
    put(archive, "imerg_daily", "rain", [0.0], start=DAY, step=timedelta(days=1), more=daily)
    put(archive, "smap", "soil_moisture", [0.2], start=DAY - timedelta(days=2), known=ASOF - DAWN)
    files = {"imerg_daily": {utc64(DAY)}, "smap": {utc64(DAY - timedelta(days=2))}}
    whole = daily_series.make_daily_series(archive, suspects=files, **NIGHT)[2]
    assert zone(whole, "suspect_rain") == 1.0
    assert zone(whole, "suspect_soil_moisture") == 1.0


def test_without_imerg_gk2a_makes_days_by_itself_as_far_back_as_it_reaches(
    archive: Archive,
) -> None:
    """Five days of it, one more than are summed in other nights; then IMERG's of before come."""
    start, day = DAY - timedelta(days=4), timedelta(days=1)
    put(archive, "gk2a", "rain_rate", [2.0] * 48 * 5, start=start)
    record, shares, _ = daily_series.make_daily_series(
        archive, asof=ASOF, start=start - day, end=DAY + day, region="mekong"
    )
    rain = record["rain"].sel(zone="basin:chi").values
    np.testing.assert_allclose(rain, [np.nan] + [48.0] * 5, rtol=1e-5)
    assert shares["share_gk2a"].sel(zone="basin:chi")[1:].values.tolist() == [1.0] * 5
    archive.append("rain_shares", shares, message="test")
    sources = daily_series.read_rain_sources(archive, asof=ASOF)
    assert sources is not None
    city = sources.sel(zone="city:vientiane")
    assert float(city["gk2a"]) == 1.0
    assert float(city["log_error"]) == pytest.approx(0.65)

    daily = {"n_valid": 48.0}
    put(archive, "imerg_daily", "rain", [7.0, 7.0], start=start - 2 * day, step=day, more=daily)
    record, *_ = daily_series.make_daily_series(
        archive, asof=ASOF, start=start - 2 * day, end=DAY + day, region="mekong"
    )
    rain = record["rain"].sel(zone="basin:chi").values
    np.testing.assert_allclose(rain, [7.0] * 2 + [48.0] * 5, rtol=1e-5)


def test_soil_moisture_and_a_composite_stand_on_the_day_they_came(archive: Archive) -> None:
    """Soil moisture as the mean of the slots that came."""
    known: Any = {"known": DAY + timedelta(hours=3)}
    start = DAY - timedelta(days=3)
    put(archive, "smap", "soil_moisture", [0.2, 0.4], start=start, step=timedelta(hours=3), **known)
    put(archive, "ndvi", "ndvi", [0.6], start=datetime(2026, 7, 1, tzinfo=UTC), **known)
    two_days: Any = {**NIGHT, "start": DAY - timedelta(days=1)}
    ds = daily_series.make_daily_series(archive, **two_days)[0]
    for name, value in (("soil_moisture", 0.3), ("ndvi", 0.6)):
        np.testing.assert_allclose(
            [zone(ds, name, day) for day in (0, 1)], [np.nan, value], rtol=1e-5
        )


PRODUCTS = "imerg_late", "imerg_early", "gk2a"


@pytest.mark.parametrize("dead", [None, *PRODUCTS])
def test_with_any_one_dead_the_others_carry_on_and_say_so(tmp_path: Path, dead: str | None) -> None:
    archive = Archive(tmp_path / "archive")
    for product in {*PRODUCTS} - {dead}:
        if product == "gk2a":
            put(archive, product, "rain_rate", [3.0] * 48)
        elif product == "imerg_late":
            put(archive, product, "rain_rate", [3.0] * 30)
        else:
            start = DAY + timedelta(hours=15 if dead != "imerg_late" else 0)
            count = 10 if dead != "imerg_late" else 40
            put(archive, product, "rain_rate", [3.0] * count, start=start)
    record, shares, _ = daily_series.make_daily_series(archive, **NIGHT)
    assert zone(record, "rain") == pytest.approx(72.0, rel=1e-5), "scaled up where a few are gone"
    share_by_product = {
        str(name).removeprefix("share_"): zone(shares, str(name)) for name in shares
    }
    assert sum(share_by_product.values()) == pytest.approx(1.0, abs=1e-5)
    if dead:
        assert share_by_product[dead] == 0.0
    assert share_by_product["imerg_daily"] == 0.0


def test_chirps_goes_before_the_record_mapped_onto_it(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    day = timedelta(days=1)
    put(archive, "imerg_late", "rain_rate", [1.0] * 96, start=DAY - day)
    record, *_ = daily_series.make_daily_series(
        archive, asof=ASOF, start=DAY - day, end=DAY + day, region="mekong"
    )
    assert daily_series.prepend_chirps(record, archive, asof=ASOF, region="mekong") is record
    put(archive, "chirps", "rain", [30.0] * 5, start=DAY - 4 * day, step=day)
    whole = daily_series.prepend_chirps(record, archive, asof=ASOF, region="mekong")
    factor = (48 + 60) / (60 + 60)
    expected = [30 * factor] * 3 + [24.0] * 2
    np.testing.assert_allclose(whole["rain"].sel(zone="basin:chi"), expected, rtol=1e-5)
    assert np.isnan(whole["soil_moisture"]).all()
    assert whole["rain"].attrs == record["rain"].attrs
    assert whole.attrs == record.attrs
