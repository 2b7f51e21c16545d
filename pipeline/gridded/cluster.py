"""Dask scheduler for grids: a cluster, or local threads or processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dask

from pipeline.storage.atomic import BrokenState


@contextmanager
def computing(address: str | None, *, scheduler: str | None = None) -> Iterator[None]:
    """Compute grids on a cluster, or on this machine.

    Work of many minutes runs in processes: it fits distributions by season in so many small steps
    that threads would wait for each other.

    Parameters
    ----------
    address
        Address of a dask scheduler; None computes on this machine.
    scheduler
        Scheduler on this machine; by default threads.

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
