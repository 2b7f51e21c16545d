"""Downloads against servers that break off, revise and lie."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.sources.access.client import Client
from pipeline.sources.access.download import LARGE
from pipeline.sources.base import HttpError
from tests.sources.hostile import HDF as SAMPLE
from tests.sources.hostile import serving
from tests.sources.servers import HTML, Answer, Request, Server, file_route

HDF = b"\x89HDF\r\n\x1a\n"
FILE = HDF + bytes(range(256)) * 400
PUBLISHED = datetime(2026, 8, 20, 1, 2, 3, tzinfo=UTC)
KEY = "k3y/with spaces+and%signs"
LIMIT_S, SLACK_S = 0.3, 2.0


def bring(client: Client, server: Server, path: Path) -> Path:
    return client.download(f"{server.url}/f.h5", path, magic=(HDF,))


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_comes_whole_with_its_time_of_publication(
    client: Client, server: Server, tmp_path: Path
) -> None:
    server.routes["/f.h5"] = file_route(lambda: (FILE, '"a"'), modified=PUBLISHED)
    path = bring(client, server, tmp_path / "deep" / "f.h5")
    assert path.read_bytes() == FILE
    assert path.stat().st_mtime == PUBLISHED.timestamp()
    assert left(path.parent) == {"f.h5"}


def test_without_last_modified_the_answer_says_when(
    client: Client, server: Server, tmp_path: Path
) -> None:
    server.serve("/f.h5", Answer(FILE))
    path = bring(client, server, tmp_path / "f.h5")
    assert abs(path.stat().st_mtime - datetime.now(UTC).timestamp()) < 60


def test_a_connection_that_breaks_is_continued_where_it_broke(
    client: Client, server: Server, tmp_path: Path, waited: list[float]
) -> None:
    server.routes["/f.h5"] = file_route(lambda: (FILE, '"a"'), modified=PUBLISHED, cut=3000)
    assert bring(client, server, tmp_path / "f.h5").read_bytes() == FILE
    [first, second] = server.asked
    assert "range" not in first.headers
    assert (second.headers["range"], second.headers["if-range"]) == ("bytes=3000-", '"a"')
    assert len(waited) == 1
    assert left(tmp_path) == {"f.h5"}


def test_what_a_killed_run_left_is_continued_by_the_next(server: Server, tmp_path: Path) -> None:
    server.routes["/f.h5"] = file_route(lambda: (FILE, '"a"'), modified=PUBLISHED, cut=3000)
    with Client(environment={}, attempts=1) as first, pytest.raises(HttpError, match="closed"):
        bring(first, server, tmp_path / "f.h5")
    assert not (tmp_path / "f.h5").exists()
    with Client(environment={}, attempts=1) as second:
        assert bring(second, server, tmp_path / "f.h5").read_bytes() == FILE
    assert server.asked[-1].headers["range"] == "bytes=3000-"


def test_a_file_revised_in_between_is_not_glued(
    client: Client, server: Server, tmp_path: Path
) -> None:
    newer = HDF + b"newer" * 5000
    old, new = ((FILE, '"a"'), (newer, '"b"'))

    def route(asked: Request) -> Answer:
        first = len(server.asked) == 1
        version = old if first else new
        return file_route(lambda: version, modified=PUBLISHED, cut=3000 if first else None)(asked)

    server.routes["/f.h5"] = route
    assert bring(client, server, tmp_path / "f.h5").read_bytes() == newer
    assert server.asked[1].headers["if-range"] == '"a"'


def test_a_server_that_glues_by_itself_is_not_believed(
    client: Client, server: Server, tmp_path: Path
) -> None:
    newer = HDF + b"newer" * 5000

    def route(asked: Request) -> Answer:
        if len(server.asked) == 1:
            return Answer(FILE, headers={"ETag": '"a"'}, cut=3000)
        if start := asked.headers.get("range"):  # heeds the range, not the condition
            since = int(start[6:-1])
            span = f"bytes {since}-{len(newer) - 1}/{len(newer)}"
            headers = {"ETag": '"b"', "Content-Range": span}
            return Answer(newer[since:], status=206, headers=headers)
        return Answer(newer, headers={"ETag": '"b"'})

    server.routes["/f.h5"] = route
    assert bring(client, server, tmp_path / "f.h5").read_bytes() == newer
    assert len(server.asked) == 3


def test_without_a_validator_a_file_is_begun_anew(
    client: Client, server: Server, tmp_path: Path
) -> None:
    server.serve("/f.h5", Answer(FILE, cut=3000), Answer(FILE, headers={"ETag": 'W/"weak"'}))
    assert bring(client, server, tmp_path / "f.h5").read_bytes() == FILE
    assert "range" not in server.asked[1].headers


def test_a_file_that_is_there_is_replaced_only_by_a_newer_one(
    client: Client, server: Server, tmp_path: Path
) -> None:
    server.routes["/f.h5"] = file_route(lambda: (FILE, '"a"'), modified=PUBLISHED)
    path = bring(client, server, tmp_path / "f.h5")
    node = path.stat().st_ino
    assert bring(client, server, path) == path
    assert path.stat().st_ino == node
    revised = PUBLISHED + timedelta(hours=6)
    server.routes["/f.h5"] = file_route(lambda: (HDF + b"revised", '"b"'), modified=revised)
    assert bring(client, server, path).read_bytes() == HDF + b"revised"
    assert path.stat().st_mtime == revised.timestamp()
    assert left(tmp_path) == {"f.h5"}


@pytest.mark.parametrize(
    ("body", "found"),
    [(HTML, "a page in HTML"), (b"\xef\xbb\xbf \n<HTML>", "a page in HTML"), (b"", "nothing"),
     (b"GRIB....", "'GRIB....'")],
)  # fmt: skip
def test_two_hundred_is_not_enough(
    client: Client, server: Server, tmp_path: Path, body: bytes, found: str
) -> None:
    server.serve("/f.h5", Answer(body))
    with pytest.raises(HttpError, match=r"/f\.h5: expected '\\x89HDF.*, found ") as failed:
        bring(client, server, tmp_path / "f.h5")
    assert found in str(failed.value)
    assert left(tmp_path) == set()
    assert len(server.asked) == 1


def test_an_answer_without_end_is_given_up(
    client: Client, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.sources.access.client.LARGEST_IN_MEMORY", 1000)
    monkeypatch.setattr("pipeline.sources.access.download.LARGE", 1000)
    server.serve("/f.h5", Answer(FILE))
    assert len(FILE) < LARGE
    with pytest.raises(HttpError, match="expected at most 1000 bytes, found more"):
        client.get(f"{server.url}/f.h5")
    with pytest.raises(HttpError, match="expected at most 1000 bytes, found more"):
        bring(client, server, tmp_path / "f.h5")
    assert not (tmp_path / "f.h5").exists()


def test_two_threads_that_want_the_same_file_do_not_mix_it(
    client: Client, server: Server, tmp_path: Path
) -> None:
    server.routes["/f.h5"] = file_route(lambda: (FILE, '"a"'), modified=PUBLISHED, cut=5000)
    gate = threading.Barrier(4)

    def one(_: int) -> bytes:
        gate.wait()
        return bring(client, server, tmp_path / "f.h5").read_bytes()

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(one, range(4))) == [FILE] * 4
    assert left(tmp_path) == {"f.h5"}


@pytest.mark.parametrize(
    "kind",
    ["206 not asked for", "206 of another place", "206 without a range", "304 not asked for"],
)
def test_a_part_that_was_not_asked_for_is_no_file(hasty: Client, tmp_path: Path, kind: str) -> None:
    with serving(kind) as [server], pytest.raises(HttpError):
        hasty.download(f"{server.url}/x", tmp_path / "x", magic=(SAMPLE[:8],))
    assert list(tmp_path.iterdir()) == []


def test_a_rest_that_is_too_short_is_no_file(
    patient: Client, server: Server, tmp_path: Path
) -> None:
    def route(asked: Request) -> Answer:
        if "range" not in asked.headers:
            return Answer(SAMPLE, headers={"ETag": '"a"'}, cut=3000)
        span = {"ETag": '"a"', "Content-Range": f"bytes 3000-3999/{len(SAMPLE)}"}
        return Answer(SAMPLE[3000:4000], status=206, headers=span)

    server.routes["/x"] = route
    with pytest.raises(HttpError, match=f"expected {len(SAMPLE)} bytes, found 4000"):
        patient.download(f"{server.url}/x", tmp_path / "x", magic=(SAMPLE[:8],))
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "stamp",
    ["Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 GMT",
     "Tue, 01 Jan 1980 00:00:00 +2359", "Thu, 99 Foo 2026 99:99:99 +9999999", "yesterday",
     "Wed, 01 Jan 2200 00:00:00 GMT"],
)  # fmt: skip
@pytest.mark.parametrize("date", [None, "Fri, 31 Dec 9999 23:59:59 GMT", "0"])
def test_a_stamp_that_cannot_be_is_the_moment_of_receipt(
    patient: Client, server: Server, tmp_path: Path, stamp: str, date: str | None
) -> None:
    headers = {"Last-Modified": stamp} | ({"Date": date} if date else {})
    server.serve("/x", Answer(SAMPLE, headers=headers))
    path = patient.download(f"{server.url}/x", tmp_path / "x", magic=(SAMPLE[:8],))
    assert abs(path.stat().st_mtime - time.time()) < 60
    assert patient.download(f"{server.url}/x", path, magic=(SAMPLE[:8],)).read_bytes() == SAMPLE


def test_a_name_with_dots_is_no_place(hasty: Client, server: Server, tmp_path: Path) -> None:
    for name in ("a/../../evil", "../evil", "a\0b"):
        with pytest.raises(HttpError, match="expected the name of a file"):
            hasty.download(f"{server.url}/x", tmp_path / name, magic=())
    assert server.asked == []
    assert list(tmp_path.parent.glob("evil*")) == []


def test_a_mark_that_cannot_be_sent_is_not_kept(patient: Client, tmp_path: Path) -> None:
    with serving("an odd tag") as [server]:
        with pytest.raises(HttpError):
            patient.download(f"{server.url}/x", tmp_path / "x", magic=(b"\x89HDF",))
        assert {path.name for path in tmp_path.iterdir()} <= {".x.part"}
        assert len(server.asked) == 2
