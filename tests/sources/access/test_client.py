"""The client against servers that fail the ways providers do."""

from __future__ import annotations

import email.utils
import logging
import os
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.sources import ENDPOINTS
from pipeline.sources.access.client import (
    AGAIN_S,
    LARGE,
    LONGEST_WAIT_S,
    PER_HOST,
    Client,
)
from pipeline.sources.base import HttpError, NeedsCredentials, NotPublished
from tests.sources.servers import (
    HTML,
    Answer,
    Request,
    Server,
    closed_address,
    file_route,
    running,
)

HDF = b"\x89HDF\r\n\x1a\n"
FILE = HDF + bytes(range(256)) * 400
PUBLISHED = datetime(2026, 8, 20, 1, 2, 3, tzinfo=UTC)
KEY = "k3y/with spaces+and%signs"


@pytest.fixture
def server() -> Iterator[Server]:
    with running("127.0.0.1") as [one]:
        yield one


@pytest.fixture
def waited() -> list[float]:
    return []


@pytest.fixture
def client(waited: list[float]) -> Iterator[Client]:
    with Client(environment={}, sleep=waited.append, timeout_s=5.0) as one:
        yield one


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


def test_a_host_where_nobody_listens_is_tried_twice_and_left(
    client: Client, server: Server, waited: list[float]
) -> None:
    nowhere = closed_address()
    before = client.reached
    assert before is None
    with pytest.raises(HttpError, match="refused") as refused:
        client.get(f"{nowhere}/a")
    assert refused.value.passing
    assert (waited, client.reached) == ([AGAIN_S], False)
    for _ in range(5):
        with pytest.raises(HttpError, match=r"/b: not asked, 127\.0\.0\.1 cannot be reached"):
            client.get(f"{nowhere}/b")
    with pytest.raises(HttpError, match="cannot be reached"):
        client.reach(f"{nowhere}/c")
    assert waited == [AGAIN_S]
    server.serve("/a", Answer(b"{}"))
    assert client.get(f"{server.url}/a") == b"{}", "another port of the same host"
    assert client.reached is True
    client.reach(f"{server.url}/absent")


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


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
def test_what_may_pass_is_tried_again(
    client: Client, server: Server, waited: list[float], status: int
) -> None:
    server.serve("/x", Answer(status=status), Answer(status=status), Answer(b"sound"))
    assert client.get(f"{server.url}/x") == b"sound"
    first, second = waited
    assert 1 <= first <= 3
    assert 2 <= second <= 4


def test_waits_are_jittered(server: Server) -> None:
    found = set()
    server.serve("/x", Answer(status=503))
    for _ in range(4):
        waited: list[float] = []
        with (
            Client(environment={}, sleep=waited.append, attempts=2) as client,
            pytest.raises(HttpError),
        ):
            client.get(f"{server.url}/x")
        found.add(waited[0])
    assert len(found) == 4


def test_what_does_not_pass_is_an_error_after_five_tries(
    client: Client, server: Server, waited: list[float]
) -> None:
    server.serve("/x", Answer(status=503))
    with pytest.raises(HttpError, match="/x: 503 Service Unavailable") as failed:
        client.get(f"{server.url}/x")
    assert failed.value.status == 503
    assert (len(server.asked), len(waited)) == (5, 4)


@pytest.mark.parametrize("status", [400, 401, 403, 418, 204])
def test_what_will_not_pass_is_asked_once(client: Client, server: Server, status: int) -> None:
    server.serve("/x", Answer(status=status))
    with pytest.raises(HttpError) as failed:
        client.get(f"{server.url}/x")
    assert failed.value.status == status
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [404, 410])
def test_absence_is_expected(client: Client, server: Server, tmp_path: Path, status: int) -> None:
    server.serve("/f.h5", Answer(status=status))
    for ask in (client.get, client.json):
        with pytest.raises(NotPublished, match=rf"/f\.h5 is not there \({status}\)"):
            ask(f"{server.url}/f.h5")
    with pytest.raises(NotPublished):
        bring(client, server, tmp_path / "f.h5")
    assert left(tmp_path) == set()


def test_retry_after_is_heeded_in_both_forms(
    client: Client, server: Server, waited: list[float]
) -> None:
    now = datetime(2026, 8, 20, tzinfo=UTC)
    dates = {
        "Date": email.utils.format_datetime(now, usegmt=True),
        "Retry-After": email.utils.format_datetime(now + timedelta(seconds=42), usegmt=True),
    }
    server.serve(
        "/x", Answer(status=429, headers={"Retry-After": "7"}), Answer(status=503, headers=dates),
        Answer(b"sound"),
    )  # fmt: skip
    assert client.get(f"{server.url}/x") == b"sound"
    assert waited == [7, 42]


def test_a_server_that_asks_for_much_patience_is_left(
    client: Client, server: Server, waited: list[float]
) -> None:
    server.serve("/x", Answer(status=429, headers={"Retry-After": str(LONGEST_WAIT_S + 1)[:3]}))
    with pytest.raises(HttpError, match="to be asked again in 121 s"):
        client.get(f"{server.url}/x")
    with pytest.raises(HttpError, match="was given up"):
        client.get(f"{server.url}/y")
    assert waited == []
    assert server.paths() == ["/x"]


def test_silence_is_a_failure_that_may_pass(server: Server, waited: list[float]) -> None:
    server.serve("/x", Answer(b"s" * 100, pause_s=0.3), Answer(b"sound"))
    with Client(environment={}, sleep=waited.append, timeout_s=0.1) as client:
        assert client.get(f"{server.url}/x") == b"sound"
    assert len(waited) == 1


def test_an_answer_in_drops_is_given_up(server: Server, waited: list[float]) -> None:
    server.serve("/x", Answer(b"s" * 100, pause_s=0.05))
    with (
        Client(environment={}, sleep=waited.append, limit_s=0.1) as client,
        pytest.raises(HttpError, match=r"not whole after 0\.1 s"),
    ):
        client.get(f"{server.url}/x")


def test_an_answer_without_end_is_given_up(
    client: Client, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.sources.access.client.SMALL", 1000)
    monkeypatch.setattr("pipeline.sources.access.client.LARGE", 1000)
    server.serve("/f.h5", Answer(FILE))
    assert len(FILE) < LARGE
    with pytest.raises(HttpError, match="expected at most 1000 bytes, found more"):
        client.get(f"{server.url}/f.h5")
    with pytest.raises(HttpError, match="expected at most 1000 bytes, found more"):
        bring(client, server, tmp_path / "f.h5")
    assert not (tmp_path / "f.h5").exists()


def test_a_host_that_is_down_is_not_asked_for_every_granule(
    server: Server, waited: list[float]
) -> None:
    server.serve("/", Answer(status=500))
    with Client(environment={}, sleep=waited.append, attempts=2) as client:
        for name in "abc":
            with pytest.raises(HttpError, match="500"):
                client.get(f"{server.url}/{name}")
        with pytest.raises(HttpError, match=r"/d: not asked, 127\.0\.0\.1 was given up"):
            client.get(f"{server.url}/d")
    assert server.paths() == ["/a", "/a", "/b", "/b", "/c", "/c"]


def test_a_few_requests_at_a_time_to_one_host(client: Client, server: Server) -> None:
    server.serve("/x", Answer(b"sound!", pause_s=0.01))
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda _: client.get(f"{server.url}/x"), range(12)))
    assert answers == [b"sound!"] * 12
    assert 1 < server.most_under_way <= PER_HOST


def test_connections_are_kept(client: Client, server: Server) -> None:
    seen: set[int] = set()
    server.serve("/x", Answer(b"sound"))
    process = server.process_request
    server.process_request = lambda *one: (seen.add(id(one[0])), process(*one))[1]  # type: ignore[func-returns-value,method-assign]
    for _ in range(5):
        client.get(f"{server.url}/x")
    assert len(seen) == 1


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


def test_a_list_is_asked_for_once_even_if_it_fails(client: Client, server: Server) -> None:
    server.serve("/list", Answer(b'["a"]'), Answer(b'["b"]'))
    with ThreadPoolExecutor(4) as threads:
        ask = lambda _: client.json(f"{server.url}/list", params={"q": "1"}, keep=True)  # noqa: E731
        assert list(threads.map(ask, range(8))) == [["a"]] * 8
    assert client.json(f"{server.url}/list", params={"q": "2"}, keep=True) == ["b"]
    server.serve("/none", Answer(status=404))
    for _ in range(3):
        with pytest.raises(NotPublished):
            client.get(f"{server.url}/none", keep=True)
    assert server.paths().count("/list") == 2
    assert server.paths().count("/none") == 1


@pytest.mark.parametrize("body", [HTML, b"", b"not json"])
def test_what_is_not_json_is_an_error(client: Client, server: Server, body: bytes) -> None:
    server.serve("/x", Answer(body))
    with pytest.raises(HttpError, match="expected JSON, found"):
        client.json(f"{server.url}/x")


@pytest.mark.parametrize(
    "url", ["http://example.org/x", "ftp://127.0.0.1/x", "file:///etc/passwd", "//127.0.0.1/x"]
)
def test_only_tls_and_loopback(client: Client, url: str) -> None:
    with pytest.raises(HttpError, match="expected https"):
        client.get(url)


def test_a_redirect_to_plain_http_is_refused(client: Client, server: Server) -> None:
    server.serve("/x", Answer(status=302, headers={"Location": "http://example.org/y?k=1"}))
    with pytest.raises(HttpError, match=r"http://example\.org/y: expected https, found http$"):
        client.get(f"{server.url}/x")


def test_what_is_no_address_is_an_error(client: Client, server: Server) -> None:
    nowhere = "https://host:abc/?key=1"
    with pytest.raises(HttpError, match=r"expected an address, found 'https://host:abc/'"):
        client.get(nowhere)
    server.serve("/x", Answer(status=302, headers={"Location": nowhere}))
    with pytest.raises(HttpError, match=r"/x: .*Invalid URL in location header"):
        client.get(f"{server.url}/x")


def test_redirects_end(client: Client, server: Server) -> None:
    server.serve("/x", Answer(status=302, headers={"Location": "/x"}))
    with pytest.raises(HttpError, match="more than 10 redirects"):
        client.get(f"{server.url}/x")


def test_headers_and_cookies_stay_with_their_host(client: Client) -> None:
    with running("127.0.0.1", "127.0.0.2") as [here, there]:
        cookie = {"Location": f"{there.url}/b", "Set-Cookie": "mine=1; Path=/"}
        here.serve("/a", Answer(status=302, headers=cookie))
        there.serve("/b", Answer(status=302, headers={"Location": f"{here.url}/c"}))
        here.serve("/c", Answer(b"sound"))
        secret = {"Authorization": "Bearer s3cret", "X-API-Key": "s3cret"}
        assert client.get(f"{here.url}/a", headers=secret) == b"sound"
        assert "authorization" not in there.asked[0].headers
        assert "x-api-key" not in there.asked[0].headers
        assert "cookie" not in there.asked[0].headers
        assert here.asked[1].headers["x-api-key"] == "s3cret"
        assert here.asked[1].headers["cookie"] == "mine=1"


def test_another_port_is_another_host(client: Client) -> None:
    with running("127.0.0.1", "127.0.0.1") as [here, there]:
        here.serve("/a", Answer(status=307, headers={"Location": f"{there.url}/b"}))
        there.serve("/b", Answer(b"sound"))
        client.get(f"{here.url}/a", headers={"Authorization": "Bearer s3cret"})
        assert "authorization" not in there.asked[0].headers


def test_a_key_in_the_query_is_in_no_message(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.DEBUG)
    said = []
    echo = b"GRIB? your key is " + KEY.encode()
    server.serve("/echo", Answer(echo))
    server.serve("/moved", Answer(status=302, headers={"Location": "/echo?authKey=k3y"}))
    server.serve("/refused", Answer(echo, status=403))
    server.serve("/down", Answer(echo, status=503))
    server.serve("/cut", Answer(FILE, cut=100))
    with Client(
        environment={"KMA_API_KEY": KEY}, sleep=lambda _: None, attempts=2, endpoints={}
    ) as client:
        key = {"authKey": client.secret("KMA_API_KEY")}
        said.append(repr(client))
        said.append(str(vars(client)))
        for path in ("echo", "moved", "refused", "down", "cut", "absent"):
            with pytest.raises((HttpError, NotPublished)) as failed:
                client.download(f"{server.url}/{path}", tmp_path / path, magic=(HDF,), params=key)
            said.append(repr(failed.value) + "".join(traceback.format_exception(failed.value)))
            with pytest.raises((HttpError, NotPublished)) as failed:
                client.json(f"{server.url}/{path}", params=key)
            said.append(repr(failed.value) + "".join(traceback.format_exception(failed.value)))
        unreachable = Server()
        unreachable.server_close()
        with pytest.raises(HttpError) as failed:
            client.get(f"{unreachable.url}/gone", params=key)
        said.append(str(failed.value))
    assert server.asked[0].query["authKey"] == KEY
    everything = "\n".join([*said, caplog.text, *(r.getMessage() for r in caplog.records)])
    for form in (KEY, "k3y", "authKey="):
        assert form not in everything
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"k3y" not in kept


@pytest.mark.parametrize(
    "environment",
    [
        {"EARTHDATA_USERNAME": "me", "EARTHDATA_PASSWORD": "p/w:1", "EARTHDATA_TOKEN": "t"},
        {"AIRFLOW_CONN_EARTHDATA": "https://me:p%2Fw%3A1@urs.earthdata.nasa.gov/?token=t"},
        {"AIRFLOW_CONN_EARTHDATA": '{"login": "me", "password": "p/w:1", "extra": {"token": "t"}}'},
        {
            "AIRFLOW_CONN_EARTHDATA": '{"conn_type": "http", "login": "me", "password": "p/w:1", '
            '"extra": "{\\"token\\": \\"t\\"}"}'
        },
    ],
)
def test_credentials_from_environment_and_connections(environment: dict[str, str]) -> None:
    with Client(environment=environment) as client:
        found = [client.secret(f"EARTHDATA_{name}") for name in ("USERNAME", "PASSWORD", "TOKEN")]
    assert found == ["me", "p/w:1", "t"]


@pytest.mark.parametrize("value", ["http://:k3y@", '{"password": "k3y"}', "http://?api_key=k3y"])
def test_a_key_alone_is_the_password_of_a_connection(value: str) -> None:
    with Client(environment={"AIRFLOW_CONN_KMA": value}) as client:
        assert client.secret("KMA_API_KEY") == "k3y"
        with pytest.raises(NeedsCredentials):
            client.secret("KMA_USERNAME")


def test_credentials_from_netrc(tmp_path: Path) -> None:
    path = tmp_path / ".netrc"
    path.write_text("machine urs.earthdata.nasa.gov login me password p4ss\n", encoding="utf-8")
    path.chmod(0o600)
    for environment in ({"HOME": str(tmp_path)}, {"NETRC": str(path)}):
        with Client(environment=environment) as client:
            assert client.secret("EARTHDATA_USERNAME") == "me"
            assert client.secret("EARTHDATA_PASSWORD") == "p4ss"
            for name in ("EARTHDATA_TOKEN", "PPS_PASSWORD", "KMA_API_KEY"):
                with pytest.raises(NeedsCredentials, match=f"needs {name}, which is not set"):
                    client.secret(name)
    path.write_text("machine urs.earthdata.nasa.gov login me passwort p4ss\n", encoding="utf-8")
    with (
        Client(environment={"NETRC": str(path)}) as client,
        pytest.raises(NeedsCredentials, match="without the mistake in line 1") as failed,
    ):
        client.secret("EARTHDATA_PASSWORD")
    assert "p4ss" not in "".join(traceback.format_exception(failed.value))


def test_a_broken_connection_is_named_and_not_shown() -> None:
    broken = {"AIRFLOW_CONN_MRC": '{"password": "k3y"'}
    with (
        Client(environment=broken) as client,
        pytest.raises(NeedsCredentials, match="needs AIRFLOW_CONN_MRC as an address") as failed,
    ):
        client.secret("MRC_API_KEY")
    assert "k3y" not in str(failed.value)


def test_endpoints_are_replaced_by_name() -> None:
    with Client(endpoints={"cmr": "https://mirror.example.org/cmr/"}) as client:
        assert client.endpoint("cmr") == "https://mirror.example.org/cmr"
        assert client.endpoint("kma") == ENDPOINTS["kma"]
    with pytest.raises(ValueError, match=r"expected endpoints of cmr, .*, found crm"):
        Client(endpoints={"crm": "https://example.org"})


def test_endpoints_are_addresses_with_tls() -> None:
    for base in ENDPOINTS.values():
        assert base.startswith("https://")
        assert not base.endswith("/")


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "MRC_API_KEY", "k")
    with Client() as client:
        assert client.secret("MRC_API_KEY") == "k"
