"""Debian's Chromium over its own protocol: open a page, ask it, type into it, print it."""

from __future__ import annotations

import base64
import itertools
import json
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from pipeline.pages.pdf import find_browser

SLOW_3G = {"latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
"""Round trip (ms) and bytes a second of the slow connection on which pages are timed."""
HOUR_MS = 3_600_000
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
    "--remote-debugging-port=0", "--disable-background-networking", "--force-device-scale-factor=1",
)  # fmt: skip


class Page:
    """One tab.

    Parameters
    ----------
    socket
        Connection to it.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        for domain in ("Page", "Runtime", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=30))
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer["result"])

    def ask(self, expression: str) -> Any:
        """Return the value of an expression, awaited where it is a promise."""
        result = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"])[:1000])
        return result["result"].get("value")

    def size(self, width: int, height: int = 568, *, dark: bool = False) -> None:
        """Set the size of the window and the colours that are preferred."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 700,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def set_clock(self, moment_ms: float) -> None:
        """Set the clock of pages that are opened from now on."""
        source = f"""(() => {{ const shift = {moment_ms} - Date.now(); const Real = Date;
          window.Date = class extends Real {{
            constructor(...given) {{ super(...(given.length ? given : [Real.now() + shift])); }}
            static now() {{ return Real.now() + shift; }} }}; }})()"""
        self.call("Page.addScriptToEvaluateOnNewDocument", source=source)

    def open(self, address: str) -> None:
        """Open an address and wait until it is there."""
        self.call("Page.navigate", url=address)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with suppress(RuntimeError):
                if self.ask(f"document.readyState === 'complete' && location.href === {address!r}"):
                    return
            time.sleep(0.02)
        raise TimeoutError(f"expected {address} within 30 s, found {self.ask('location.href')}")

    def wait(self, expression: str, seconds: float = 20) -> None:
        """Wait until an expression holds."""
        end = time.monotonic() + seconds
        while not self.ask(expression):
            if time.monotonic() > end:
                raise TimeoutError(f"expected {expression} within {seconds} s")
            time.sleep(0.05)

    def wait_for_file(self, name: str) -> None:
        """Wait until the page has fetched a file and its script has read it."""
        self.wait(
            "performance.getEntriesByType('resource')"
            f".some(one => one.name.endsWith({name!r}) && one.responseEnd > 0)"
        )
        self.ask("new Promise(done => setTimeout(done, 200))")

    def press(self, key: str, code: int) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code
            )

    def type(self, text: str) -> None:
        """Type a text where the focus is."""
        self.call("Input.insertText", text=text)

    def screenshot(self, *, whole: bool = False) -> bytes:
        """Picture as PNG."""
        taken = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(taken["data"])

    def print_pdf(self) -> bytes:
        """Print it on A4."""
        printed = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return base64.b64decode(printed["data"])


class Browser:
    """A browser that runs.

    Parameters
    ----------
    address
        Of its protocol on loopback.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    @contextmanager
    def tab(self) -> Iterator[Page]:
        """Open a tab of its own, with nothing kept."""
        with connect(self._find_socket(), max_size=None) as browser:
            keeper = Page.__new__(Page)
            keeper._socket, keeper._numbers = browser, itertools.count(1)
            context = keeper.call("Target.createBrowserContext")["browserContextId"]
            target = keeper.call("Target.createTarget", url="about:blank", browserContextId=context)
            address = f"ws://{self.address}/devtools/page/{target['targetId']}"
            try:
                with connect(address, max_size=None) as socket:
                    yield Page(socket)
            finally:
                keeper.call("Target.disposeBrowserContext", browserContextId=context)

    def _find_socket(self) -> str:
        with urllib.request.urlopen(f"http://{self.address}/json/version") as answer:
            return str(json.load(answer)["webSocketDebuggerUrl"])


@contextmanager
def browse() -> Iterator[Browser]:
    """Run Chromium with a profile of its own."""
    program = find_browser()
    if program is None:
        raise FileNotFoundError("expected Chromium on the path, found none")
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield Browser(f"127.0.0.1:{_read_port(Path(profile))}")
        finally:
            process.terminate()
            process.wait(timeout=20)


def _read_port(profile: Path) -> int:
    """Port that Chromium chose."""
    path, end = profile / "DevToolsActivePort", time.monotonic() + 30
    while time.monotonic() < end:
        if path.is_file() and (lines := path.read_text().splitlines()):
            return int(lines[0])
        time.sleep(0.05)
    raise TimeoutError("expected a port of Chromium within 30 s, found none")


def offline(page: Page, *, on: bool = True, speed: Mapping[str, int] | None = None) -> None:
    """Take a page's network away, or make it slow."""
    given = speed or {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.call("Network.emulateNetworkConditions", offline=on, **given)
