"""Where grids are computed: on this machine, on a cluster, or nowhere."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dask
import pytest
from distributed import LocalCluster, get_worker

from pipeline import steps
from pipeline.gridded.cluster import computing
from pipeline.settings import Settings
from pipeline.storage.atomic import BrokenState

ASOF = datetime(2025, 1, 3, 0, 30, tzinfo=UTC)


@dask.delayed
def name_of_worker() -> str:
    """Name of the worker that computes this; empty on this machine."""
    try:
        return str(get_worker().name)
    except ValueError:
        return ""


def test_this_machine_computes_as_it_is_set_up_unless_told() -> None:
    with dask.config.set(scheduler="sync"):
        with computing(None):
            assert dask.config.get("scheduler") == "sync"
        with computing(None, scheduler="processes"):
            assert dask.config.get("scheduler") == "processes"
        assert dask.config.get("scheduler") == "sync"


def test_a_cluster_computes_while_it_is_asked_to() -> None:
    with LocalCluster(
        host="127.0.0.1", protocol="tcp", n_workers=1, processes=False, dashboard_address=None
    ) as cluster:
        with computing(cluster.scheduler_address):
            (worker,) = dask.compute(name_of_worker())
        (here,) = dask.compute(name_of_worker())
    assert (worker, here) == ("0", "")


@pytest.mark.slow
def test_an_absent_scheduler_is_the_users_to_mend(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, upstream="archive", records_url=None,
                        dask_scheduler="tcp://127.0.0.1:1")  # fmt: skip
    with pytest.raises(BrokenState, match=r"expected a dask scheduler at tcp://127\.0\.0\.1:1"):
        steps.indices(asof=ASOF, settings=settings)
