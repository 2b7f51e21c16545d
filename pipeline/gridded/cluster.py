"""Where grids are computed: on a dask cluster, or here in threads or processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dask

from pipeline.storage.atomic import BrokenState


@contextmanager
def computing(address: str | None, *, scheduler: str | None = None) -> Iterator[None]:
    """Compute grids on a cluster, else here.

    Work of many minutes is done in processes: its distributions go by season in so many small steps
    that threads would wait for each other.

    Parameters
    ----------
    address
        Of a dask scheduler; None computes here.
    scheduler
        How it is computed here; default: threads.

    Raises
    ------
    BrokenState
        No scheduler answers at the address.
    """
    if address is None:
        with dask.config.set({"scheduler": scheduler} if scheduler else {}):
            yield
        return
    from distributed import Client  # noqa: PLC0415  # takes a second to import

    try:
        cluster = Client(address, timeout="5s")  # type: ignore[no-untyped-call]
    except OSError as absent:
        raise BrokenState(
            f"expected a dask scheduler at {address}, found none: {absent}"
        ) from absent
    with cluster:
        yield
