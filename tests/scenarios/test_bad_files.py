"""One bad file per source in one night: every city gets its alert and every bad file is named."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pipeline import steps
from pipeline.geography.places import cities
from pipeline.settings import Settings
from pipeline.sources import NIGHTLY
from tests.scenarios import nights
from tests.scenarios.nights import FLOOD, NEXT_MORNING, RAISED, Night, check_tree

pytestmark = pytest.mark.slow

CASE = (
    Path(__file__).resolve().parents[3]
    / "shared/cases/grids/3B-HHR-L.MS.MRG.3IMERG.20260820-S100000-E102959.0600.V07B.HDF5"
)
"""A half-hour of the day after the flood night with netCDF's default fill in 104-106 E, 11-13 N."""
FILES = {
    "imerg_late": "GPM_L3/GPM_3IMERGHHL.07/2026/231/*.HDF5",
    "imerg_early": "GPM_L3/GPM_3IMERGHHE.07/2026/231/*.HDF5",
    "imerg_daily": "GPM_L3/GPM_3IMERGDL.07/2026/08/*.nc4*",
    "gk2a": "GK2A/LE2/RR/FD/202608/19/*/*.nc",
    "smap": "SMAP/SPL4SMGP/008/2026/08/*/*.h5",
    "ndvi": "allData/**/VNP13C2*.h5",
    "lst": "allData/**/VNP21C3*.h5",
    "gldas_monthly": "GLDAS/**/*.nc4*",
    "gauges": "mrc/2*/Water Level*_012703_*.csv",
}
"""Of each source the files of which the last one is spoilt."""


def spoil(path: Path) -> None:
    """Cut a file to half and put noise at its end; its time of publication stays.

    Of a table the sound rows would be read: it is made noise alone.
    """
    mark = path.stat()
    content = b"" if path.suffix == ".csv" else path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + bytes(range(256)) * 4)
    os.utime(path, (mark.st_atime, mark.st_mtime))


@pytest.fixture(scope="module")
def spoilt(laid_out: Settings, folder: Path) -> tuple[Night, dict[str, str]]:
    """The flood night with one bad file of each source, and their names."""
    settings = nights.fork(laid_out, folder / "spoilt")
    bad = {}
    for source, pattern in FILES.items():
        *_, path = sorted(settings.upstream_dir.glob(pattern))
        spoil(path)
        bad[source] = path.name
    for done in nights.ingest(settings, FLOOD, NIGHTLY):
        assert len(done.rejected) == 1, done
        assert bad[done.source] in done.rejected[0]
    return nights.assess_to_publish(settings, FLOOD), bad


def test_every_bad_file_is_named_and_every_city_has_its_alert(
    spoilt: tuple[Night, dict[str, str]], flood: Night
) -> None:
    night, bad = spoilt
    check_tree(night)
    assert set(bad) == set(NIGHTLY)
    rejected = [line for line in night.missing if ": rejected " in line]
    for source, name in bad.items():
        assert [line for line in rejected if name in line and line.startswith(f"{source}: ")]
    assert len(rejected) == len(bad)
    ladder = ["none", *RAISED]
    for city, level in night.levels().items():
        before = flood.levels()[city]
        if "unknown" in {level, before}:
            assert city == "paksane" or level == before, city
        else:
            assert abs(ladder.index(level) - ladder.index(before)) <= 1, city
        if before in {"warning", "emergency"} and city != "paksane":
            assert level in RAISED, city
    assert len(night.levels()) == len(cities()) == 40
    assert night.levels("drought") == flood.levels("drought")


def test_a_rerun_with_the_same_bad_files_changes_nothing(
    spoilt: tuple[Night, dict[str, str]],
) -> None:
    night, _ = spoilt
    before = night.state()
    for done in nights.ingest(night.settings, FLOOD, NIGHTLY):
        assert (done.read, done.added, done.rejected) == (0, 0, ())
    assert steps.assess(asof=FLOOD, settings=night.settings).changed == 0
    assert steps.forecast(asof=FLOOD, settings=night.settings).revision == 0
    steps.publish(asof=FLOOD, settings=night.settings)
    assert night.state() == before


@pytest.mark.skipif(not CASE.exists(), reason="the case is kept outside of the repository")
def test_a_field_that_was_never_written_changes_no_alert(
    next_copy: Settings, next_morning: Night
) -> None:
    (path,) = next_copy.upstream_dir.glob(f"GPM_L3/**/{CASE.name}")
    mark = path.stat()
    shutil.copyfile(CASE, path)
    os.utime(path, (mark.st_atime, mark.st_mtime))
    nights.ingest(next_copy, NEXT_MORNING, NIGHTLY)
    night = nights.assess_to_publish(next_copy, NEXT_MORNING)
    check_tree(night)
    for hazard in ("flood", "drought"):
        assert night.levels(hazard) == next_morning.levels(hazard)
    assert any(CASE.name in line for line in night.missing), "and it is named"
    others = next_morning.rows()
    for key, row in night.rows().items():
        years, usual = row["rain_return_period_years"], others[key]["rain_return_period_years"]
        assert (years == "") == (usual == "")
        assert not years or float(years) == pytest.approx(float(usual), rel=0.05, abs=0.5), key
