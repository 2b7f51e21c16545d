"""CHIRPS: means of its pixels, its final series alone, and files that are refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from pipeline import steps
from pipeline.settings import Settings
from pipeline.sources import chirps
from pipeline.sources.base import (
    BadGranule,
    NotPublished,
    Skipped,
)
from pipeline.sources.upstream import locate
from pipeline.storage.archive import Archive
from tests.sources.public_files import DAY, GRID, NEXT, ask, only, pixels, served, tif


def test_chirps_takes_means_of_pixels_and_keeps_the_sea_missing(tmp_path: Path) -> None:
    path = tif(tmp_path / "chirps-v3.0.rnl.2024.08.20.tif", pixels())
    ds = chirps.read(path, GRID)
    expected = [[4.0, 0.0], [3.0, np.nan]]
    np.testing.assert_allclose(ds["rain"].values[0], expected)
    assert ds["time"].values[0] == np.datetime64("2024-08-20")
    assert (ds.attrs["version"], ds.attrs["origin"]) == ("v3.0 rnl", "measured")
    assert ds["rain"].attrs["units"] == "mm"


def test_chirps_outside_the_file_is_missing(tmp_path: Path) -> None:
    path = tif(tmp_path / "chirps-v3.0.rnl.2024.08.20.tif", np.ones((6, 6)), west=105.1)
    np.testing.assert_array_equal(
        chirps.read(path, GRID)["rain"].values[0], [[np.nan, 1.0], [np.nan, 1.0]]
    )


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda p: tif(p, np.full((6, 6), -1.0)), "found 16 of 16 cells outside, the worst -1"),
        (lambda p: tif(p, np.ones((6, 6)), crs="EPSG:32648"), "EPSG:32648"),
        (lambda p: tif(p, np.ones((6, 6)), west=10.0), "expected pixels in the grid"),
        (lambda p: p.write_bytes(b"<html>"), "expected a whole GeoTIFF"),
        (lambda p: p.write_bytes(tif(p, np.ones((6, 6))).read_bytes()[:150]), "GeoTIFF"),
    ],
)
def test_bad_chirps_files_say_what_is_wrong(
    tmp_path: Path, make: Callable[[Path], object], found: str
) -> None:
    path = tmp_path / "chirps-v3.0.rnl.2024.08.20.tif"
    make(path)
    with pytest.raises(BadGranule, match=found):
        chirps.read(path, GRID)


@pytest.mark.parametrize("kind", ["prelim", "sat"])
def test_other_kinds_of_chirps_are_no_part_of_the_series(tmp_path: Path, kind: str) -> None:
    path = tif(tmp_path / f"chirps-v3.0.{kind}.2024.08.20.tif", np.ones((6, 6)))
    with pytest.raises(Skipped, match=f"{kind} is another series than the baseline's"):
        chirps.read(path, GRID)


def test_chirps_is_asked_for_where_it_is_final(tmp_path: Path) -> None:
    bucket, upstream = tmp_path / "bucket", tmp_path / "upstream"
    root = bucket / "products/CHIRPS/v3.0/daily"
    granule = only(chirps.granules("chirps", DAY, NEXT, NEXT))
    tif(root / "prelim/sat/2024/chirps-v3.0.prelim.2024.08.20.tif", np.ones((6, 6)))
    with served(bucket) as url, ask("chirps", url) as client:
        with pytest.raises(NotPublished):
            chirps.fetch(granule, upstream, client=client)
        tif(root / "final/rnl/2024/chirps-v3.0.rnl.2024.08.20.tif", np.full((6, 6), 2.0))
        late = chirps.fetch(granule, upstream, client=client)
    assert chirps.read(late, GRID)["rain"].values[0, 0, 0] == 2.0
    assert locate(granule, upstream, asof=datetime.now(UTC))[0] == late
    assert not list(upstream.rglob("*prelim*"))


def test_a_folder_of_both_kinds_gives_one_reference_series(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    for day, kind, mm in ((18, "rnl", 2.0), (19, "rnl", 3.0), (19, "prelim", 30.0),
                          (20, "prelim", 40.0), (20, "sat", 50.0)):  # fmt: skip
        tif(folder / f"chirps-v3.0.{kind}.2024.08.{day}.tif", np.full((6, 6), mm))
    settings = Settings(data_dir=tmp_path / "data", upstream="archive", records_url=None)
    asof = datetime(2024, 12, 1, tzinfo=UTC)
    done = steps.ingest("chirps", asof=asof, settings=settings, folder=folder)
    assert (done.read, len(done.passed_over), done.rejected) == (2, 3, ())
    rain = Archive(settings.archive_dir).read("chirps", asof=asof)["rain"]
    place = {"lat": 10.15, "lon": 105.05}
    assert rain["time"].dt.day.values.tolist() == [18, 19]
    assert rain.sel(place, method="nearest").values.tolist() == [2.0, 3.0]
