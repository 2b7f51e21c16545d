"""Each benchmark once, small: it runs, and both sides say the same. None fails on time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from pipeline.storage.archive import Archive
from tests.benchmarks import granules, job, nights, spi, stage, zones
from tests.benchmarks.__main__ import Row, _apart, page
from tests.benchmarks.measure import Result, run


@pytest.mark.slow
def test_spi_beside_climate_indices_and_xclim() -> None:
    ours = spi.fit_and_apply(cells=spi.COMPARED, threads=1)
    for theirs in (spi.climate_indices(cells=spi.COMPARED), spi.xclim(cells=spi.COMPARED)):
        assert _apart(ours.values, theirs.values, inside=2.99) < 1e-4
    assert (np.abs(ours.values) < 2.99).mean() > 0.95
    assert ours.work == spi.COMPARED


@pytest.mark.slow
@pytest.mark.parametrize("season", ["month", "dayofyear"])
def test_one_step_beside_the_incomplete_gamma_function(season: str) -> None:
    ours, theirs = (work(cells=500, season=season) for work in (spi.one_step, spi.one_step_exactly))
    assert _apart(ours.values, theirs.values, inside=np.inf) < 0.01


@pytest.mark.slow
def test_zonal_means_beside_exactextract() -> None:
    size = {"steps": 12, "polygons": 60}
    ours, theirs = zones.ours(**size), zones.exactextract(**size)
    # exactextract weighs cells by degrees, not by area on the ellipsoid.
    np.testing.assert_allclose(ours.values, theirs.values, rtol=0.02)


@pytest.mark.slow
def test_half_hourly_granules_beside_open_mfdataset(tmp_path: Path) -> None:
    granules.write(tmp_path, 6)
    ours, theirs = (work(folder=str(tmp_path)) for work in (granules.ours, granules.mfdataset))
    np.testing.assert_allclose(ours.values, theirs.values)
    assert ours.work == theirs.work == 6


@pytest.mark.slow
def test_granules_beside_inflating_their_chunks(tmp_path: Path) -> None:
    granules.write(tmp_path / "imerg", 2)
    granules.write_images(tmp_path / "gk2a", 2)
    for source, per_file in (("imerg_late", 2 * 145 * 1800 * 4), ("gk2a", 12 * 550**2 * 3)):
        folder = str(tmp_path / source.partition("_")[0])
        found = granules.beside_inflating(folder=folder, source=source)
        assert (found.work, found.read_bytes) == (2, 2 * per_file)
        assert np.isfinite(found.values).all()
        assert 0 < found.notes["isal_s"] < found.notes["zlib_s"]
        assert found.notes["isal_s"] < found.seconds


@pytest.mark.slow
def test_the_stage_model_beside_plain_parts_of_scikit_learn() -> None:
    with threadpool_limits(1):
        ours = stage.ours(years=8, gauges=3)
        theirs = stage.plain(years=8, gauges=3, tiers=1)
    assert ours.values.shape == theirs.values.shape == (3,)
    assert (ours.values > theirs.values - 0.05).all()
    assert (theirs.values > 0.2).all()


@pytest.mark.slow
def test_the_record_and_its_last_days(tmp_path: Path) -> None:
    folder, end = str(tmp_path / "archive"), 2026
    job.generate(folder=folder, first=2005, end=end, edges=[10.0, 10.4, 100.0, 100.4])
    ours, theirs = (work(folder=folder, end=end) for work in (job.whole_record, job.some_plainly))
    assert _apart(ours.values, theirs.values, inside=3) < 0.001
    assert ours.notes["days"] == 7670
    nights.shorten(folder=folder, to=str(tmp_path / "short"), days=366)
    long, short = Archive(tmp_path / "archive"), Archive(tmp_path / "short")
    assert short.products() == long.products()
    assert short.references() == long.references()
    assert short.stored("indices").sizes["time"] == 366
    last = {"time": slice(-366, None)}
    assert short.stored("indices").identical(long.stored("indices").isel(last))
    (fit,) = long.references()
    assert short.reference(fit["id"]).identical(long.reference(fit["id"]))


@pytest.mark.slow
def test_a_piece_of_work_in_a_process_of_its_own(tmp_path: Path) -> None:
    found = run("spi.one_step", tmp_path, cells=50, season="month")
    assert found.values.shape == (50,)
    assert found.seconds > 0
    assert 50 < found.peak_mb < 5000
    with pytest.raises(RuntimeError, match="has no attribute 'nothing'"):
        run("spi.nothing", tmp_path)


def test_the_page_says_what_was_missed_and_what_was_scaled() -> None:
    ours = Result(
        2.0,
        100,
        np.zeros(1),
        4e9,
        512,
        {"days": 2, "months": 1, "written_bytes": 1e9, "by_day": 16, "by_month": 16},
    )
    theirs = Result(3.0, 10, np.zeros(1), peak_mb=100)
    rows = [
        Row("all indices", ours, "peer", theirs, ("20 x", False), "0"),
        Row("more", Result(0.05, 1, np.zeros(1), 4e8)),
    ]
    text = page(rows, one_pass=4e9, took=60, slower={"all indices": 1.5})
    assert text.endswith("in the last: 1.5 x: all indices.\n")
    assert (
        "| all indices | 2.00 s, 512 MB | peer: 30 s, from 10 of 100, 100 MB | 15.0 x "
        "| 20 x: **missed** | 2 x | 0 |"
    ) in text
    assert "| more | 50.0 ms, 0 MB | – | – | – | 0 x | – |" in text


def test_one_side_missing_is_no_agreement() -> None:
    assert _apart(np.array([1.0, np.nan]), np.array([1.0, 2.0]), inside=3) == np.inf
    assert _apart(np.array([1.0, np.nan]), np.array([1.5, np.nan]), inside=3) == 0.5
