"""Where grids are computed: on this machine, on a cluster, or nowhere."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dask
import numpy as np
import pytest
from distributed import LocalCluster, get_worker
from numpy.typing import NDArray

from pipeline import steps
from pipeline.gridded.cluster import computing
from pipeline.indices.common import apply_along_time
from pipeline.settings import Settings
from pipeline.storage.atomic import BrokenState
from tests.indices.made_series import daily

ASOF = datetime(2025, 1, 3, 0, 30, tzinfo=UTC)


def mark_worker(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return ones where a worker of a cluster computes, zeros on this machine."""
    try:
        get_worker()
    except ValueError:
        return np.zeros_like(values)
    return np.ones_like(values)


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
        grid = apply_along_time(mark_worker, daily([5.0, 5.0]).chunk(time=1))
        with computing(cluster.scheduler_address):
            marks = grid.compute()
        marks_after = grid.compute()
    assert marks.values.tolist() == [1.0, 1.0]
    assert marks_after.values.tolist() == [0.0, 0.0]


@pytest.mark.slow
def test_an_absent_scheduler_is_the_users_to_mend(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, upstream="archive", records_url=None,
                        dask_scheduler="tcp://127.0.0.1:1")  # fmt: skip
    with pytest.raises(BrokenState, match=r"expected a dask scheduler at tcp://127\.0\.0\.1:1"):
        steps.indices(asof=ASOF, settings=settings)
