"""Servers that are lost in the middle of a file, or slow."""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
import rasterio
from rasterio.transform import from_origin

from pipeline import steps
from pipeline.settings import Settings
from pipeline.storage.archive import Archive
from tests.faults.nights import row
from tests.faults.processes import in_child
from tests.faults.trials import Kind, Trial, Where
from tests.sources.servers import Answer, Request, Route, Server, file_route, running

FIRST = datetime(2024, 8, 12, tzinfo=UTC)
DAYS = 8
END = FIRST + timedelta(days=DAYS)
ASOF = datetime(2024, 12, 1, tzinfo=UTC)
FINAL = "/products/CHIRPS/v3.0/daily/final/"
LABELS = ("lost in the middle of files", "lost for good after some files", "slow")
WORDS = """\
Eight days of CHIRPS are fetched from a local server that closes the connection at a byte drawn
from each file (one time in two), answers nothing more after some files, or sends each file in ten
parts with pauses between. Then the server is sound and the ingest runs again. Every file must then
lie there whole under its name and none under another, and archive and tables hold each day once,
with its values."""


@lru_cache
def image(day: int) -> bytes:
    """Make a day of rain, 640 kB of noise; its mean is a third above that of the day before."""
    scale_mm = 10.0 * (4 / 3) ** day
    values = np.random.default_rng(day).gamma(0.5, scale_mm, (400, 400)).astype("f4")
    with rasterio.MemoryFile() as file:
        with file.open(
            driver="GTiff", width=400, height=400, count=1, dtype="float32",
            crs="EPSG:4326", transform=from_origin(95.0, 30.0, 0.05, 0.05),
        ) as made:  # fmt: skip
            made.write(values, 1)
        return bytes(file.getbuffer())


def sound(asked: Request) -> Answer:
    """Answer with the whole file."""
    name = asked.path.rpartition("/")[2]
    day = datetime.strptime(name[-14:-4], "%Y.%m.%d").replace(tzinfo=UTC)
    content = image((day - FIRST).days)
    etag = f'"{hashlib.sha256(content).hexdigest()[:8]}"'
    return file_route(lambda: (content, etag), modified=END)(asked)


def hostile(label: str, random: np.random.Generator) -> Route:
    """Make a server's answers of one kind."""
    left = int(random.integers(1, DAYS))

    def route(asked: Request) -> Answer:
        nonlocal left
        answer = sound(asked)
        if label == "slow":
            return Answer(answer.body, answer.status, answer.headers, pause_s=0.03)
        if label == LABELS[1]:
            left -= 1
            if left < 0:
                return Answer(b"", 503)
            return answer
        cut = int(random.integers(1, len(answer.body))) if random.random() < 0.5 else None
        return Answer(answer.body, answer.status, answer.headers, cut=cut)

    return route


def lose(where: Where, number: int, random: np.random.Generator) -> Trial:
    """Fetch from a server that fails, then from a sound one, and compare."""
    label = LABELS[number % len(LABELS)]
    trial = Trial(label)

    def run() -> list[str]:
        with running("127.0.0.1") as (server,):
            settings = Settings(
                data_dir=where.place / "data", upstream="internet", records_url=None,
                endpoints={"chirps": server.url},
            )  # fmt: skip
            server.routes[FINAL] = hostile(label, random)
            fetch(settings)
            server.routes[FINAL] = sound
            done = fetch(settings)
            return find_faults(settings, server) + [f"rejected {name}" for name in done]

    ran = in_child(run)
    trial.faults = [ran.error] if ran.error else list(ran.value())
    trial.faults = [f"{label}: {fault}" for fault in trial.faults]
    return trial


def fetch(settings: Settings) -> tuple[str, ...]:
    """Ingest the days; the files that were rejected."""
    return steps.ingest("chirps", asof=ASOF, start=FIRST, end=END, settings=settings).rejected


def find_faults(settings: Settings, server: Server) -> list[str]:
    """Say what is not as it would be had the server been sound."""
    wrong = [] if server.asked else ["nothing was asked for"]
    files = sorted(path for path in settings.upstream_dir.rglob("*") if path.is_file())
    expected = [image(day) for day in range(DAYS)]
    names = [path.name for path in files]
    days = [FIRST + timedelta(days=day) for day in range(DAYS)]
    if names != [f"chirps-v3.0.rnl.{day:%Y.%m.%d}.tif" for day in days]:
        wrong.append(f"the upstream folder holds {names}")
    elif [path.read_bytes() for path in files] != expected:
        wrong.append("a file is not what the server has")
    rain = Archive(settings.archive_dir).stored("chirps")["rain"]
    if rain.sizes["time"] != DAYS:
        wrong.append(f"the archive holds {rain.sizes['time']} steps of {DAYS} days")
    for day, content in enumerate(expected[: rain.sizes["time"]]):
        with rasterio.open(io.BytesIO(content)) as made:
            mean = float(made.read(1).mean())
        stored = float(rain.sel(time=np.datetime64(days[day].date())).mean())
        if abs(stored / mean - 1) > 0.1:
            wrong.append(f"{days[day]:%Y-%m-%d} has a mean of {stored:.2f} mm, and {mean:.2f} came")
    return wrong


NETWORKS = (
    Kind("network", "Network lost or slow", WORDS, 60, [], lose,
         ("server", "tried", "without fault"), row),
)  # fmt: skip
