"""Where grids are computed: on this machine, on a cluster, or nowhere."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline import steps
from pipeline.settings import Settings
from pipeline.storage.atomic import BrokenState

ASOF = datetime(2025, 1, 3, 0, 30, tzinfo=UTC)


@pytest.mark.slow
def test_an_absent_scheduler_is_the_users_to_mend(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, upstream="archive", records_url=None,
                        dask_scheduler="tcp://127.0.0.1:1")  # fmt: skip
    with pytest.raises(BrokenState, match=r"expected a dask scheduler at tcp://127\.0\.0\.1:1"):
        steps.indices(asof=ASOF, settings=settings)
