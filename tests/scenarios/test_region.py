"""A night for the larger region, in a process of its own whose memory is measured."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from pipeline import steps
from pipeline.geography.grid import ASEAN, GRIDS, Grid
from pipeline.geography.places import cities
from pipeline.settings import Settings
from pipeline.sources import gk2a
from pipeline.storage.archive import Archive
from pipeline.virtual.products import write_gk2a_rain
from tests.scenarios.nights import Night, check_tree

ASOF = datetime(2020, 1, 20, 0, 30, tzinfo=UTC)
"""Twenty-one years of history before it: a drought index rests on twenty at least."""
GIB = 2**30
LIMIT = 4 * GIB
GAUGES = ("013402", "013901")
"""Gauges left to train on: the region is not about them, and all of them take a minute."""
PILOTS = {city.id for city in cities("asean").values() if city.ascn}


def settings_in(folder: Path) -> Settings:
    return Settings(data_dir=folder, upstream="virtual", records_url=None, region="asean")


def run(settings: Settings, verb: str) -> int:
    """Run the command for the night in a process of its own; its greatest memory, bytes."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("MEKONG_")
    } | {"MEKONG_REGION": "asean", "MEKONG_DATA_DIR": str(settings.data_dir)}
    command = [sys.executable, "-m", "pipeline", verb, "--date", f"{ASOF:%Y-%m-%d}"]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, said
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.slow
def test_a_night_for_the_larger_region(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    peaks = {"simulate": run(settings, "simulate")}
    kept = 0
    for path in settings.upstream_dir.glob("mrc/**/*.csv"):
        if path.name.startswith("Water Level") and any(f"_{code}_" in path.name for code in GAUGES):
            kept += 1
        else:
            path.unlink()
    assert kept == 2 * len(GAUGES)
    peaks["nightly"] = run(settings, "nightly")
    assert max(peaks.values()) <= LIMIT, {name: peak / GIB for name, peak in peaks.items()}

    night = Night(settings, ASOF)
    check_tree(night)
    assert len(PILOTS) == 26
    rows = night.rows()
    assert set(rows) == {(city, hazard) for city in cities("asean") for hazard in
                         ("flood", "drought")}  # fmt: skip
    for city in PILOTS:
        flood, drought = rows[city, "flood"], rows[city, "drought"]
        if not cities("asean")[city].station:
            assert float(flood["rain_return_period_years"]) >= 1
            assert float(flood["pluvial_index"]) >= 0
            assert flood["level"] in {"none", "watch"}
            assert flood["missing"] == "a river gauge with an alarm stage"
        assert drought["level"] != "unknown"
        assert drought["probability"] != ""
        assert drought["drought_class"] in {"none", "D0", "D1", "D2", "D3", "D4"}
    assert rows["pakse", "flood"]["level"] != "unknown"
    assert rows["kratie", "flood"]["level"] == "unknown", "its gauge has said nothing"
    assert len({rows[city, "drought"]["spi3"] for city in PILOTS}) == 26

    blind = ASOF + timedelta(days=2)
    steps.forecast(asof=blind, settings=settings)
    steps.publish(asof=blind, settings=settings)
    levels = Night(settings, blind).levels()
    assert {levels[city] for city in PILOTS} == {"unknown"}, "nothing has come for two days"

    archive = Archive(settings.archive_dir)
    rain = archive.read("imerg_daily", asof=ASOF)["rain"]
    np.testing.assert_array_equal(rain["lon"], ASEAN.lon)
    assert bool(rain[-1].notnull().all()), "to the edge of the grid"


def test_an_archive_holds_one_regions_grid(tmp_path: Path) -> None:
    archive = Archive(tmp_path)

    def day(grid: Grid) -> None:
        time = np.array(["2024-08-01"], "datetime64[ns]")
        ds = grid.dataset(time, rain=np.ones((1, *grid.shape), "f4"))
        ds = ds.assign_coords(available_time=("time", time + np.timedelta64(1, "D")))
        archive.append("imerg_daily", ds.assign_attrs(origin="virtual"), message="a day")

    day(GRIDS["mekong"])
    sizes = r"l(at \(270 values .*found 445|on \(170 values .*found 340)"
    with pytest.raises(ValueError, match=f"imerg_daily: expected the archived {sizes}"):
        day(GRIDS["asean"])


def test_the_full_disk_sees_what_the_east_asian_sector_does_not(tmp_path: Path) -> None:
    rain = np.full(ASEAN.shape, 3.0, "f4")
    seen = {}
    sectors: tuple[Literal["fd020ge", "ea020lc"], ...] = ("fd020ge", "ea020lc")
    for sector in sectors:
        path = write_gk2a_rain(tmp_path, sector=sector, time=ASOF, rain_rate=rain, grid=ASEAN,
                         published=ASOF)  # fmt: skip
        seen[sector] = gk2a.read(path, ASEAN)["rain_rate"][0].notnull()
    assert bool(seen["fd020ge"].all())
    south = [city for city in cities("asean").values() if city.ascn and city.lat < 11]
    assert len(south) == 13
    for city in south:
        assert not seen["ea020lc"].sel(lat=city.lat, lon=city.lon, method="nearest")
