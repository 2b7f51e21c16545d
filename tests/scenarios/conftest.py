"""One trained basin, and each scenario's night once; every scenario alters a copy of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from pipeline import steps
from pipeline.settings import Settings
from pipeline.sources import NIGHTLY
from pipeline.storage.archive import Archive
from pipeline.virtual import night as virtual_night
from pipeline.virtual.basin import VirtualBasin
from tests.areal.late_products import two_summers
from tests.scenarios import nights
from tests.scenarios.nights import Night
from tests.sources.test_smap import level_3

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
AFTER = nights.FLOOD + timedelta(days=3)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that all processes of the test run share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "scenarios"
    folder.mkdir(exist_ok=True)
    return folder


def once(place: Path, make: Callable[[Settings], object], *, like: Settings | None) -> Settings:
    """Make a scenario's stores, from a copy of others, in the process that first asks for them."""
    settings, made = nights.settings_in(place), place.with_suffix(".made")
    with FileLock(place.with_suffix(".lock")):
        if not made.exists():
            shutil.rmtree(place, ignore_errors=True)
            if like is not None:
                nights.fork(like, place)
            make(settings)
            made.touch()
    return settings


@pytest.fixture(scope="session")
def trained(folder: Path) -> Settings:
    """History up to 2026 and models trained on it; no night yet."""

    def make(settings: Settings) -> None:
        asof = NEW_YEAR + timedelta(minutes=30)
        basin = VirtualBasin(settings.seed, settings.data_dir / "virtual")
        virtual_night.lay_out_history(basin, asof, settings.upstream_dir)
        assert steps.prepare(asof=asof, settings=settings) is not None

    return once(folder / "trained", make, like=None)


@pytest.fixture(scope="session")
def laid_out(trained: Settings, folder: Path) -> Settings:
    """What the providers had published by the morning of the flood; nothing of it ingested."""

    def make(settings: Settings) -> None:
        steps.simulate(asof=nights.FLOOD, settings=settings)

    return once(folder / "laid_out", make, like=trained)


@pytest.fixture(scope="session")
def without_soil(laid_out: Settings, folder: Path) -> Settings:
    """The grids of the flood night ingested but for SMAP, the gauges not ingested yet."""

    def make(settings: Settings) -> None:
        grids = [source for source in NIGHTLY if source not in {"smap", "gauges"}]
        for done in nights.ingest(settings, nights.FLOOD, grids):
            assert done.read > 0
            assert done.rejected == ()

    return once(folder / "without_soil", make, like=laid_out)


@pytest.fixture(scope="session")
def gridded(without_soil: Settings, folder: Path) -> Settings:
    """All grids of the flood night ingested and assessed, the gauges not ingested yet."""

    def make(settings: Settings) -> None:
        (done,) = nights.ingest(settings, nights.FLOOD, ["smap"])
        assert done.read > 0
        assert done.rejected == ()
        steps.assess(asof=nights.FLOOD, settings=settings)

    return once(folder / "gridded", make, like=without_soil)


@pytest.fixture(scope="session")
def flood(gridded: Settings, folder: Path) -> Night:
    def make(settings: Settings) -> None:
        nights.ingest(settings, nights.FLOOD, ["gauges"])
        nights.forecast_and_publish(settings, nights.FLOOD)

    return Night(once(folder / "flood", make, like=gridded), nights.FLOOD)


@pytest.fixture(scope="session")
def silent_gauge(gridded: Settings, folder: Path) -> Night:
    """The flood night without a word from Nong Khai's gauge or its successor since New Year."""

    def make(settings: Settings) -> None:
        removed = [
            path for code in ("012001", "012002")
            for path in settings.upstream_dir.glob(f"mrc/2*/Water Level*_{code}_*")
        ]  # fmt: skip
        assert removed
        for path in removed:
            path.unlink()
        nights.ingest(settings, nights.FLOOD, ["gauges"])
        nights.forecast_and_publish(settings, nights.FLOOD)

    return Night(once(folder / "silent_gauge", make, like=gridded), nights.FLOOD)


@pytest.fixture(scope="session")
def dead_satellites(laid_out: Settings, folder: Path) -> Night:
    """The flood night with no file of IMERG, GK2A or SMAP this year."""

    def make(settings: Settings) -> None:
        for name in nights.SATELLITES:
            shutil.rmtree(settings.upstream_dir / name)
        nights.ingest(settings, nights.FLOOD, NIGHTLY)
        nights.assess_to_publish(settings, nights.FLOOD)

    return Night(once(folder / "dead_satellites", make, like=laid_out), nights.FLOOD)


@pytest.fixture(scope="session")
def late_soil(without_soil: Settings, folder: Path) -> Night:
    """The flood night with SMAP level 4 to 6 August only, level 3, and two summers of both."""

    def make(settings: Settings) -> None:
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
        nights.ingest(settings, nights.FLOOD, ["smap", "gauges", "smap_l3"])
        nights.assess_to_publish(settings, nights.FLOOD)

    return Night(once(folder / "late_soil", make, like=without_soil), nights.FLOOD)


@pytest.fixture(scope="session")
def silenced(flood: Night, folder: Path) -> Night:
    """Three nights after the flood's: nothing came but the exports, and Nakhon Phanom's did not."""

    def make(settings: Settings) -> None:
        basin = VirtualBasin(settings.seed, settings.data_dir / "virtual")
        exports = settings.upstream_dir / f"mrc/{AFTER:%Y%m%dT%H%M}"
        virtual_night.write_exports(basin, NEW_YEAR - virtual_night.OVERLAP, AFTER, exports)
        (export,) = exports.glob("Water Level*_013101_*.csv")
        export.unlink()
        nights.ingest(settings, AFTER, ["gauges"])
        nights.assess_to_publish(settings, AFTER)

    return Night(once(folder / "silenced", make, like=flood.settings), AFTER)


def after(stores: Settings, asof: datetime, place: Path) -> Night:
    """Run a whole night in a copy of some stores."""
    settings = once(place, lambda made: nights.whole_night(made, asof), like=stores)
    return Night(settings, asof)


@pytest.fixture(scope="session")
def next_laid_out(flood: Night, folder: Path) -> Settings:
    """Stores as the flood night left them, and what the providers had published a day later."""

    def make(settings: Settings) -> None:
        steps.simulate(asof=nights.NEXT_MORNING, settings=settings)

    return once(folder / "next_laid_out", make, like=flood.settings)


@pytest.fixture(scope="session")
def next_morning(next_laid_out: Settings, folder: Path) -> Night:
    """The night after the flood's."""

    def make(settings: Settings) -> None:
        nights.ingest(settings, nights.NEXT_MORNING, NIGHTLY)
        nights.assess_to_publish(settings, nights.NEXT_MORNING)

    return Night(once(folder / "next_morning", make, like=next_laid_out), nights.NEXT_MORNING)


@pytest.fixture(scope="session")
def drought(trained: Settings, folder: Path) -> Night:
    """A night of the dry season, the first after the history."""
    return after(trained, nights.DROUGHT, folder / "drought")


@pytest.fixture(scope="session")
def quiet(next_morning: Night, folder: Path) -> Night:
    """An earlier night that is made up late, after the flood's two, in a copy of their stores."""
    return after(next_morning.settings, nights.QUIET, folder / "quiet")


@pytest.fixture
def next_copy(next_laid_out: Settings, folder: Path, request: pytest.FixtureRequest) -> Settings:
    """What the night after the flood's begins with, to be altered by one test."""
    return nights.fork(next_laid_out, folder / request.node.originalname)
