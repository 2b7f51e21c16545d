"""Images of CHIRPS, and a server of a folder, shared by the tests of public products."""

from __future__ import annotations

import functools
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

from pipeline.geography.grid import Grid
from pipeline.sources.access.client import Client
from pipeline.sources.base import Granule

DAY = datetime(2024, 8, 20, tzinfo=UTC)
NEXT = datetime(2024, 8, 21, tzinfo=UTC)
GRID = Grid(10.0, 10.2, 105.0, 105.2)


def tif(path: Path, values: np.ndarray, *, crs: str = "EPSG:4326", west: float = 104.95) -> Path:
    """Image of 0.05 degree whose north-west corner is 10.25 N."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", width=values.shape[1], height=values.shape[0], count=1,
        dtype="float32", crs=crs, transform=from_origin(west, 10.25, 0.05, 0.05),
    ) as image:  # fmt: skip
        image.write(values.astype("f4"), 1)
    return path


def pixels() -> np.ndarray:
    """Six by six pixels, one ring around the grid of two by two cells."""
    values = np.full((6, 6), 99.0)
    values[1:5, 1:5] = [
        [1, 3, 0, 0],
        [5, 7, 0, 0],
        [-9999, 2, -9999, -9999],
        [4, -9999] + [-9999] * 2,
    ]
    return values


@contextmanager
def served(folder: Path, *, delay: Callable[[], float] = lambda: 0.0) -> Iterator[str]:
    """Serve a folder as a public bucket does: plain GET, 404 for what is not there.

    Each answer comes after a delay (s); the address ends without a slash.
    """

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(delay())
            super().do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def ask(name: str, url: str, **environment: str) -> Client:
    """Client of one provider that waits for nothing."""
    return Client(endpoints={name: url}, environment=environment, sleep=lambda _: None, attempts=2)


def only(found: Iterator[Granule]) -> Granule:
    """Take the only granule of an interval."""
    (granule,) = found
    return granule
