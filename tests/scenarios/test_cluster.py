"""The same steps on a scheduler and workers in processes of their own, one of them killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest
import zarr
from distributed import Client

from pipeline import steps
from pipeline.areal import daily_series
from pipeline.areal.update import RECENT
from pipeline.geography.grid import MEKONG, Grid
from pipeline.gridded import job as gridded_job
from pipeline.settings import ROOT, Settings
from pipeline.storage.archive import Archive
from tests.benchmarks import record

GRID = Grid(10.0, 14.5, 100.0, 100.5)
"""45 x 5 cells: five blocks."""
ASOF = datetime(2026, 1, 3, 0, 30, tzinfo=UTC)
WORKERS = 2


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Scheduler and workers on loopback; a killed worker is not started again."""
    told, begun = folder / "scheduler.json", []

    def start(what: str, *arguments: str) -> None:
        command = [sys.executable, "-m", "distributed.cli." + what, *arguments]
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        begun.append(subprocess.Popen(
            command, cwd=folder, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ))  # fmt: skip

    at = ("--scheduler-file", str(told))
    try:
        start("dask_scheduler", *at, "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
              "--no-show")  # fmt: skip
        for number in range(WORKERS):
            start("dask_worker", *at, "--host", "127.0.0.1", "--no-nanny", "--no-dashboard",
                  "--nthreads", "1", "--name", str(number))  # fmt: skip
        until = monotonic() + 60
        while not told.exists() or not told.stat().st_size:
            assert monotonic() < until, "expected a scheduler within a minute"
            sleep(0.1)
        yield json.loads(told.read_text())["address"], begun
    finally:
        for process in begun:
            process.kill()
            process.wait()


def contents(archive: Archive) -> dict[str, tuple[Any, bytes]]:
    """All arrays of the indices and of their reference, as they lie in the archive."""
    root = zarr.open_group(archive._session().store, mode="r")
    (fit,) = archive.references()
    found = {}
    for path in (gridded_job.DAILY, gridded_job.MONTHLY, f"reference/{fit['id']}"):
        group = root[path]
        assert isinstance(group, zarr.Group)
        for name, array in group.arrays():
            values = np.asarray(array[...])
            found[f"{path}/{name}"] = (values.shape, values.dtype), values.tobytes()
    return found


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_makes_the_same_bytes(tmp_path: Path) -> None:
    here = Settings(data_dir=tmp_path / "threads", upstream="archive", records_url=None)
    record.record(here.archive_dir, first=2001, end=2026, grid=GRID, years=25)
    shutil.copytree(here.archive_dir, tmp_path / "cluster" / "archive")
    alone = gridded_job.compute_record(Archive(here.archive_dir), asof=ASOF)
    assert (alone.days, alone.months) == (9131, 300)

    with cluster(tmp_path) as (address, processes):
        there = Settings(
            data_dir=tmp_path / "cluster", upstream="archive", records_url=None,
            dask_scheduler=address,
        )  # fmt: skip
        killed: list[subprocess.Popen[bytes]] = []
        workers = processes[-WORKERS:]
        watch = threading.Thread(target=kill_one_at_work, args=(address, workers, killed))
        with Client(address, timeout="60s") as client:
            client.wait_for_workers(WORKERS, timeout=60)
        watch.start()
        made = steps.indices(asof=ASOF, settings=there, record=True)
        watch.join()
        assert [one.wait() for one in killed] == [-signal.SIGKILL], "one, while it was at work"
        assert made == alone
        averages = [zones(tmp_path / name, address) for name, address in (
            ("zones-threads", None), ("zones-cluster", address)
        )]  # fmt: skip

    ours, theirs = (contents(Archive(one.archive_dir)) for one in (here, there))
    assert ours.keys() == theirs.keys()
    assert len(ours) > 80
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert averages[0] == averages[1]


def zones(folder: Path, address: str | None) -> bytes:
    """Rain of the areal record that an assessment makes of a few days."""
    settings = Settings(
        data_dir=folder, upstream="archive", records_url=None, dask_scheduler=address
    )
    days = np.arange("2025-12-29", "2026-01-01", dtype="M8[D]").astype("M8[ns]")
    archive, rng = Archive(settings.archive_dir), np.random.default_rng(0)
    archive.append("imerg_daily", record.rain(days, MEKONG, rng), message="rain")
    end = ASOF.replace(hour=0, minute=0) - RECENT
    past, *_ = daily_series.make_daily_series(
        archive, asof=ASOF, start=end - timedelta(days=1), end=end, region="mekong"
    )
    archive.append("zones", past, message="a day before, so that no spin-up is made")
    assert steps.assess(asof=ASOF, settings=settings).days > 3
    rain = archive.read("zones", asof=ASOF)["rain"]
    assert rain.notnull().any()
    return rain.values.tobytes()


def kill_one_at_work(
    address: str, workers: list[subprocess.Popen[bytes]], killed: list[subprocess.Popen[bytes]]
) -> None:
    """Kill the first worker that holds a finished block and works on the next."""
    with Client(address, set_as_default=False) as client:
        until = monotonic() + 120
        while monotonic() < until:
            held, at_work = client.has_what(), client.processing()
            for at, one in client.scheduler_info()["workers"].items():
                done = [key for key in held.get(at, ()) if "_block" in str(key)]
                busy = [key for key in at_work.get(at, ()) if "_block" in str(key)]
                if done and busy:
                    workers[int(one["name"])].send_signal(signal.SIGKILL)
                    killed.append(workers[int(one["name"])])
                    return
            sleep(0.05)
