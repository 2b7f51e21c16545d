"""How many sources ask a provider at once, counted by the providers: two nights of the true DAG."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.sources import ENDPOINTS, SOURCES
from pipeline.sources.access.hosts import PER_HOST
from tests.dags.installation import PARTS, ROOT, installed
from tests.sources.servers import closed_address

POOLS = {
    name.removeprefix("mekong_"): pool["slots"]
    for name, pool in json.loads((ROOT / "dags" / "pools.json").read_text()).items()
}
ASKED = ("imerg_early", "smap", "ndvi", "chirps", "outlook", "mrc_live", "mrc_archive")
PLACES = {"cmr": "nasa", "chirps": "chc", "mrc": "mrc", "mrc_archive": "mrc"}
"""Provider of each endpoint that is asked."""
PAUSES_S = {"nasa": 1.5, "chc": 0.15, "mrc": 0.5}
"""How long each provider takes for an answer: an ingest asks for some seconds."""
LOGIN = {"EARTHDATA_TOKEN": "t0ken", "MRC_API_KEY": "k3y"}
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("scheduler")]


@dataclass
class Counts:
    """Requests that are open now by provider and process, and the most that there ever were."""

    open: defaultdict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    askers: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    providers: int = 0
    processes: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def counting(self, provider: str, process: int) -> Iterator[None]:
        """Count a request while it is answered."""
        with self.lock:
            own = self.open[provider]
            own[process] += 1
            self.processes[provider].add(process)
            known = [asker for asker in own if asker]  # one that was not found is none more
            self.askers[provider] = max(self.askers[provider], len(known))
            self.requests[provider] = max(self.requests[provider], own.total())
            self.providers = max(self.providers, sum(map(bool, self.open.values())))
        try:
            yield
        finally:
            with self.lock:
                own[process] -= 1
                if not own[process]:
                    del own[process]


def find_process(port: int) -> int:
    """Find the process at the other end of a connection on this machine; 0 where it has ended."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]" for row in rows if int(row[1].partition(":")[2], 16) == port}
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):  # it ends while it is looked at
            if str(link.readlink()) in sockets:
                return int(link.parts[2])
    return 0


@contextmanager
def providers(counts: Counts) -> Iterator[str]:
    """A server that is all providers, each below a path of its own, and has no file of any."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider = self.path.split("/")[1]
            with counts.counting(provider, find_process(self.client_address[1])):
                time.sleep(PAUSES_S[provider])
                body = b'{"items": []}' if provider == "nasa" else b"[]"
            self.send_response(404 if provider == "chc" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_no_more_sources_ask_a_provider_at_once_than_its_pool_has_slots(tmp_path: Path) -> None:
    """Two nights at once, by a backfill; a source sends a few requests at a time."""
    home, counts = tmp_path / "airflow", Counts()
    (home / "dags").mkdir(parents=True)
    (home / "dags" / "mekong_defaults.py").symlink_to(ROOT / "dags" / "mekong_defaults.py")
    text = (ROOT / "dags" / "mekong_nightly.py").read_text()
    fewer = text.replace("select_sources(Settings().upstream)", repr(ASKED))
    ended = fewer.replace(
        "    catchup=False,\n", "    catchup=False,\n    end_date=datetime(2026, 9, 1),\n"
    )
    assert len({text, fewer, ended}) == 3
    (home / "dags" / "mekong_nightly.py").write_text(ended)
    with providers(counts) as base:
        places = dict.fromkeys(ENDPOINTS, f"{base}/nobody")
        places |= {name: f"{base}/{provider}" for name, provider in PLACES.items()}
        places |= dict.fromkeys(("earthdata", "pps"), closed_address())  # a login has its own host
        with installed(
            home,
            parts=(),
            **LOGIN,
            AIRFLOW__CORE__PARALLELISM="8",
            HOME=str(home),
            MEKONG_DATA_DIR=str(tmp_path / "data"),
            MEKONG_ENDPOINTS=json.dumps(places),
            MEKONG_UPSTREAM="internet",
        ) as airflow:
            # Before there is a scheduler, which would hold a run that a locked SQLite undoes.
            airflow.airflow("dags", "reserialize")
            airflow.airflow(
                "backfill", "create", "--dag-id", "mekong_nightly",
                "--from-date", "2026-08-20T00:30:00+00:00",
                "--to-date", "2026-08-21T00:30:00+00:00", "--max-active-runs", "2",
                "--dag-run-conf", '{"dry_run": true}',
            )  # fmt: skip
            for part in PARTS:
                airflow.start(part)
            ended_ingests = (
                "select state from task_instance where task_id like 'ingest.%' "
                "and state in ('success', 'failed', 'upstream_failed')"
            )
            airflow.wait(
                "the ingests",
                lambda: len(airflow.rows(ended_ingests)) == 2 * len(ASKED),
                seconds=400,
            )
            states = [state for (state,) in airflow.rows(ended_ingests)]
    assert states == 2 * len(ASKED) * ["success"]
    for provider, slots in POOLS.items():
        if provider not in PLACES.values():
            continue
        sources = [source for source in ASKED if SOURCES[source].provider == provider]
        assert len(counts.processes[provider] - {0}) >= 2 * len(sources) > slots
        assert counts.askers[provider] == slots, provider
        assert slots <= counts.requests[provider] <= PER_HOST * slots, provider
    assert counts.providers > 1, "providers are asked beside each other"
