"""One trained basin, and each scenario's night once; every scenario alters a copy of its own."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pipeline import steps
from pipeline.archive import Archive
from pipeline.sources import NIGHTLY
from pipeline.virtual.basin import VirtualBasin
from pipeline.virtual.night import lay_out_history
from tests.scenarios import nights
from tests.sources.test_smap import level_3
from tests.test_stand_ins import two_summers

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.settings import Settings
    from tests.scenarios.nights import Night


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scenarios")


@pytest.fixture(scope="session")
def trained(folder: Path) -> Settings:
    """History up to 2026 and models trained on it; no night yet."""
    settings = nights.settings_in(folder / "trained")
    new_year = datetime(2026, 1, 1, 0, 30, tzinfo=UTC)
    basin = VirtualBasin(settings.seed, settings.data_dir / "virtual")
    lay_out_history(basin, new_year, settings.upstream_dir)
    assert steps.prepare(asof=new_year, settings=settings) is not None
    return settings


@pytest.fixture(scope="session")
def laid_out(trained: Settings, folder: Path) -> Settings:
    """What the providers had published by the morning of the flood; nothing of it ingested."""
    settings = nights.fork(trained, folder / "laid_out")
    steps.simulate(asof=nights.FLOOD, settings=settings)
    return settings


@pytest.fixture(scope="session")
def gridded(laid_out: Settings, folder: Path) -> Settings:
    """The grids of the flood night ingested and assessed, the gauges not ingested yet."""
    settings = nights.fork(laid_out, folder / "gridded")
    grids = [source for source in NIGHTLY if source != "gauges"]
    for done in nights.ingest(settings, nights.FLOOD, grids):
        assert done.read > 0
        assert done.rejected == ()
    steps.assess(asof=nights.FLOOD, settings=settings)
    return settings


@pytest.fixture(scope="session")
def flood(gridded: Settings, folder: Path) -> Night:
    settings = nights.fork(gridded, folder / "flood")
    nights.ingest(settings, nights.FLOOD, ["gauges"])
    return nights.forecast_and_publish(settings, nights.FLOOD)


@pytest.fixture(scope="session")
def silent_gauge(gridded: Settings, folder: Path) -> Night:
    """The flood night without a word from Nong Khai's gauge or its successor since New Year."""
    settings = nights.fork(gridded, folder / "silent_gauge")
    removed = [
        path for code in ("012001", "012002")
        for path in settings.upstream_dir.glob(f"mrc/2*/Water Level*_{code}_*")
    ]  # fmt: skip
    assert removed
    for path in removed:
        path.unlink()
    nights.ingest(settings, nights.FLOOD, ["gauges"])
    return nights.forecast_and_publish(settings, nights.FLOOD)


@pytest.fixture(scope="session")
def dead_satellites(laid_out: Settings, folder: Path) -> Night:
    """The flood night with no file of IMERG, GK2A or SMAP this year."""
    settings = nights.fork(laid_out, folder / "dead_satellites")
    for name in nights.SATELLITES:
        shutil.rmtree(settings.upstream_dir / name)
    nights.ingest(settings, nights.FLOOD, NIGHTLY)
    return nights.assess_to_publish(settings, nights.FLOOD)


@pytest.fixture(scope="session")
def late_soil(laid_out: Settings, folder: Path) -> Night:
    """The flood night with SMAP level 4 to 6 August only, level 3, and two summers of both."""
    settings = nights.fork(laid_out, folder / "late_soil")
    for path in settings.upstream_dir.glob("SMAP/SPL4SMGP/008/2026/08/*"):
        if int(path.name) > 6:
            shutil.rmtree(path)
    for day in range(11, 17):
        into = settings.upstream_dir / f"SMAP/SPL3SMP/009/2026/08/{day}"
        into.mkdir(parents=True)
        path = level_3(into, name=f"SMAP_L3_SM_P_202608{day}_R19240_001.h5")
        published = datetime(2026, 8, day + 3, 2, tzinfo=UTC).timestamp()
        os.utime(path, (published, published))
    two_summers(Archive(settings.archive_dir))
    nights.ingest(settings, nights.FLOOD, [*NIGHTLY, "smap_l3"])
    return nights.assess_to_publish(settings, nights.FLOOD)


@pytest.fixture(scope="session")
def silenced(flood: Night, folder: Path) -> Night:
    """Three nights after the flood's: nothing came but the exports, and Nakhon Phanom's did not."""
    asof = nights.FLOOD + timedelta(days=3)
    settings = nights.fork(flood.settings, folder / "silenced")
    steps.simulate(asof=asof, settings=settings)
    (export,) = settings.upstream_dir.glob(f"mrc/{asof:%Y%m%dT%H%M}/Water Level*_013101_*.csv")
    export.unlink()
    nights.ingest(settings, asof, ["gauges"])
    return nights.assess_to_publish(settings, asof)


@pytest.fixture(scope="session")
def next_morning(flood: Night, folder: Path) -> Night:
    """The night after the flood's, in a copy of its stores."""
    settings = nights.fork(flood.settings, folder / "next_morning")
    return nights.whole_night(settings, nights.NEXT_MORNING)


@pytest.fixture(scope="session")
def killed(flood: Night, folder: Path) -> Settings:
    """Stores as the flood night left them, for steps that are killed."""
    return nights.fork(flood.settings, folder / "killed")


@pytest.fixture(scope="session")
def half_hour(flood: Night, folder: Path) -> Settings:
    """Stores as the flood night left them, for a next night with one spoilt half-hour."""
    return nights.fork(flood.settings, folder / "half_hour")


@pytest.fixture(scope="session")
def drought(next_morning: Night) -> Night:
    """An earlier night that is run after the flood's, in the same stores."""
    return nights.whole_night(next_morning.settings, nights.DROUGHT)


@pytest.fixture(scope="session")
def quiet(drought: Night) -> Night:
    """A still earlier night, run last."""
    return nights.whole_night(drought.settings, nights.QUIET)
