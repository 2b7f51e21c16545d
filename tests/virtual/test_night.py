"""Files of a night are laid out as published, and readers read them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from pipeline.geography import places
from pipeline.geography.grid import Grid
from pipeline.sources import SOURCES, imerg, zones
from pipeline.sources.base import NotPublished
from pipeline.sources.gauges import gauge_files
from pipeline.sources.upstream import locate
from pipeline.virtual import night
from pipeline.virtual.basin import VirtualBasin
from pipeline.virtual.night import lay_out_night

NIGHT = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
BOX = Grid(15.0, 18.0, 102.0, 105.0)


def test_the_areal_record_is_written_again_with_a_zone_that_is_new(tmp_path: Path) -> None:
    asof = datetime(2000, 2, 1, tzinfo=UTC)
    (tmp_path / "mrc/history/2000-01-01").mkdir(parents=True)
    time = np.arange("1999-01-01", "2000-01-01", dtype="M8[D]").astype("M8[ns]")

    def lay_out(names: list[str]) -> int:
        ones = (("time", "zone"), np.full((365, len(names)), 0.5, "f4"))
        year = xr.Dataset(dict.fromkeys(zones.NAMES, ones), {"time": time, "zone": names})
        year["lst"] = year["lst"] + 300
        basin: Any = SimpleNamespace(region="mekong", areal_record=lambda _year: year)
        return night.lay_out_history(basin, asof, tmp_path)

    path, every = tmp_path / "zones/areal_record_1999.nc", list(places.zones())
    assert lay_out(every[1:]) == 1
    first = path.stat().st_mtime
    assert lay_out(every) == 1
    assert zones.read(path)["zone"].values.tolist() == every
    assert path.stat().st_mtime == asof.timestamp() > first
    assert lay_out(every) == 0


@pytest.mark.slow
def test_nights_lay_out_what_was_published_and_readers_read_it(tmp_path: Path) -> None:
    basin = VirtualBasin(7, tmp_path / "simulation")
    upstream = tmp_path / "upstream"

    def files() -> dict[Path, tuple[datetime, bytes]]:
        return {
            p: (datetime.fromtimestamp(p.stat().st_mtime, tz=UTC), p.read_bytes())
            for p in upstream.rglob("*.*")
            if p.is_file()
        }

    assert lay_out_night(basin, NIGHT, upstream, grid=BOX) > 600
    first = files()
    assert all(published <= NIGHT for published, _ in first.values())
    assert lay_out_night(basin, NIGHT, upstream, grid=BOX) == 0, "a rerun changes nothing"
    assert files() == first

    counts = {}
    for source in ("imerg_late", "imerg_early", "imerg_daily", "gk2a", "smap", "ndvi", "lst"):
        row = SOURCES[source]
        module = row.load()
        due = absent = 0
        for granule in module.granules(source, NIGHT - row.lookback, NIGHT, NIGHT):
            due += granule.end + row.latency <= NIGHT
            try:
                path, _ = locate(granule, upstream, asof=NIGHT)
            except NotPublished:
                absent += granule.end + row.latency <= NIGHT
                continue
            ds = module.read(path, BOX)
            assert ds.attrs["origin"] == "virtual"
            assert ds["time"].to_numpy()[0] == np.datetime64(granule.start.replace(tzinfo=None))
            name = next(iter(ds))
            assert bool(ds[name].notnull().all())
        counts[source] = (due, absent)
    assert counts["imerg_late"][0] == 164
    assert counts["imerg_early"][0] == 40
    assert counts["imerg_daily"][0] == 364
    assert counts["gk2a"][0] == 88 + (120 - 15) * 2, "by ten minutes, then by half-hours"
    assert sum(absent for _, absent in counts.values()) > 0, "sensors have gaps"
    assert all(absent <= 0.2 * due for due, absent in counts.values())

    record = zones.read(upstream / "zones/areal_record_2025.nc")
    assert record.sizes["time"] == 365
    assert record["available_time"].to_numpy()[0] == np.datetime64("2025-01-02T00:30")
    history = gauge_files.list_exports(upstream / "mrc/history/2026-01-01")
    tonight = {p.name: p for p in gauge_files.list_exports(upstream / "mrc/20260820T0030")}
    assert any(path.name.startswith("Rainfall") for path in history)
    (name,) = (n for n in tonight if n.startswith("Water Level.Manual@LA_013901"))
    frame = gauge_files.read(tonight[name])
    assert frame.attrs["origin"] == "virtual"
    assert frame["valid_time"].iloc[0] < np.datetime64("2026-01-01")
    assert frame["valid_time"].iloc[-1] <= np.datetime64("2026-08-20T00:00")
    assert set(frame["qc"]) == {"good"}

    second_night = NIGHT + timedelta(days=1)
    assert 100 < lay_out_night(basin, second_night, upstream, grid=BOX) < 300
    second = files()
    assert set(first) <= set(second)
    changed = [p for p in first if second[p] != first[p]]
    assert all("3B-DAY" in p.name for p in changed), "only daily files are revised in place"


def test_a_daily_file_is_revised_in_place(tmp_path: Path) -> None:
    basin = VirtualBasin(7, tmp_path / "simulation")
    row = SOURCES["imerg_daily"]
    seen = 0
    for granule in imerg.granules("imerg_daily", NIGHT - row.lookback, NIGHT, NIGHT):
        if night._draw_chance(granule, "revised") >= night.REVISED or night._is_absent(
            basin, granule
        ):
            continue
        soon, later = granule.end + timedelta(hours=24), granule.end + timedelta(days=4)
        assert night._write_granule(basin, granule, soon, tmp_path, BOX) == 1
        path, published = locate(granule, tmp_path, asof=later)
        before = imerg.read(path, BOX)["rain"]
        assert night._write_granule(basin, granule, later, tmp_path, BOX) == 1
        again, revised = locate(granule, tmp_path, asof=later)
        assert again == path
        assert revised == published + night.REVISED_AFTER
        np.testing.assert_allclose(imerg.read(path, BOX)["rain"] * 0.9, before, rtol=1e-5)
        assert night._write_granule(basin, granule, later, tmp_path, BOX) == 0
        seen += 1
        break
    assert seen == 1
