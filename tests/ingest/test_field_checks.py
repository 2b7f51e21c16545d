"""Whole fields that are wrong though every cell is possible, with values by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from pipeline.geography.grid import MEKONG
from pipeline.ingest.field_checks import find_suspect_steps
from pipeline.storage.archive import Archive

ASOF = datetime(2026, 12, 31, tzinfo=UTC)
IDENTICAL = "identical to the window before"
DRY = "without a wet cell over the basin in the wet season"


def field(time: str, values: np.ndarray, name: str = "rain_rate") -> xr.Dataset:
    moment = np.array([time], "M8[ns]")
    ds = MEKONG.dataset(moment, **{name: values[None].astype("f4")})
    return ds.assign_coords(available_time=("time", moment + np.timedelta64(4, "h")))


def showers(seed: int) -> np.ndarray:
    """Rain in a tenth of the cells."""
    generator = np.random.default_rng(seed)
    return np.where(generator.random(MEKONG.shape) < 0.1, generator.gamma(1, 5, MEKONG.shape), 0)


def outside_the_basin() -> np.ndarray:
    """Rain over the sea in the south-east of the grid alone."""
    rain = np.zeros(MEKONG.shape)
    rain[-30:, -30:] = 4.0
    rain[-1, -1] = 5.0
    return rain


def found(archive: Archive, *grids: xr.Dataset, product: str = "imerg_late") -> dict[str, str]:
    reasons = find_suspect_steps(grids, product=product, archive=archive, asof=ASOF)
    return {str(time)[:16]: reason for time, reason in reasons.items()}


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def test_sound_fields_are_not_suspect(archive: Archive) -> None:
    assert found(archive, *(field(f"2026-08-20T0{n}:00", showers(n)) for n in range(4))) == {}


def test_a_frozen_field_is_suspect_from_its_second_step(archive: Archive) -> None:
    frozen = showers(1)
    grids = [field(f"2026-08-20T0{n}:00", frozen) for n in (2, 0, 1)]
    assert found(archive, *grids) == {
        "2026-08-20T01:00": IDENTICAL,
        "2026-08-20T02:00": IDENTICAL,
    }


def test_the_step_before_may_be_in_the_archive(archive: Archive) -> None:
    archive.append("imerg_late", field("2026-08-20T00:00", showers(1)), message="night")
    assert found(archive, field("2026-08-20T00:30", showers(1))) == {"2026-08-20T00:30": IDENTICAL}
    assert found(archive, field("2026-08-20T00:30", showers(2))) == {}
    assert found(archive, field("2026-08-20T00:00", showers(1))) == {}, "the same step again"


@pytest.mark.parametrize("month", range(1, 13))
def test_a_field_without_rain_is_suspect_in_the_wet_season_alone(
    archive: Archive, month: int
) -> None:
    for dry in (np.zeros(MEKONG.shape), np.full(MEKONG.shape, 0.04), outside_the_basin()):
        reasons = found(archive, field(f"2026-{month:02}-15T00:00", dry, "rain"))
        if dry.min() == dry.max() > 0:
            assert reasons == {f"2026-{month:02}-15T00:00": "constant, 0.04 in all 45900 cells"}
        else:
            assert list(reasons.values()) == ([DRY] if 6 <= month <= 10 else [])


def test_one_wet_cell_is_enough(archive: Archive) -> None:
    rain = outside_the_basin()
    rain[MEKONG.shape[0] // 2, 80] = 0.1  # 15 N 105 E
    assert found(archive, field("2026-08-15T00:00", rain)) == {}


def test_soil_is_not_constant_and_a_mostly_missing_field_is_not_judged(archive: Archive) -> None:
    wet = np.full(MEKONG.shape, 0.3)
    said = {"2026-02-15T00:00": "constant, 0.3 in all 45900 cells"}
    assert found(archive, field("2026-02-15T00:00", wet, "soil_moisture"), product="smap") == said
    gone = np.full(MEKONG.shape, np.nan)
    gone[:3, :33] = 0.3  # 99 cells
    assert found(archive, field("2026-08-15T00:00", gone, "soil_moisture"), product="smap") == {}
    gone[:3, :33] = 0.0
    assert found(archive, field("2026-08-15T00:00", gone)) == {}


def land(time: str, **fields: np.ndarray) -> xr.Dataset:
    moment = np.array([time], "M8[ns]")
    ds = MEKONG.dataset(moment, **{name: one[None].astype("f4") for name, one in fields.items()})
    return ds.assign_coords(available_time=("time", moment + np.timedelta64(4, "h")))


def test_each_variable_is_judged_not_the_first_alone(archive: Archive) -> None:
    wet, dry = (np.full(MEKONG.shape, value) for value in (2.5, 0.0))
    frozen, soil = showers(1) + 0.1, [showers(seed) / 100 for seed in range(5)]
    grids = [
        land("2026-02-15T00:00", soil_moisture=soil[0], runoff=frozen, pet=showers(7)),
        land("2026-02-15T03:00", soil_moisture=soil[1], runoff=frozen, pet=showers(8)),
        land("2026-02-15T06:00", soil_moisture=soil[2], runoff=wet, pet=wet),
        land("2026-02-15T09:00", soil_moisture=soil[3], runoff=dry, pet=dry),
        land("2026-02-15T12:00", soil_moisture=soil[3], runoff=soil[4], pet=showers(9)),
    ]
    assert found(archive, *grids, product="gldas") == {
        "2026-02-15T03:00": f"runoff {IDENTICAL}",
        "2026-02-15T06:00": "runoff constant, 2.5 in all 45900 cells; "
        "pet constant, 2.5 in all 45900 cells",
        "2026-02-15T12:00": f"soil_moisture {IDENTICAL}",
    }
    archive.append("gldas", grids[4], message="night")
    again = land("2026-02-15T15:00", soil_moisture=soil[1], runoff=soil[4], pet=showers(2))
    assert found(archive, again, product="gldas") == {"2026-02-15T15:00": f"runoff {IDENTICAL}"}
