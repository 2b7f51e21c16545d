"""The command ``mekong page``: the pages of the newest tree, made anew and served on loopback."""

from __future__ import annotations

import functools
import http.server
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.settings import Settings


def page(
    *,
    serve: Annotated[bool, typer.Option("--serve", help="Serve them to this machine.")] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on loopback.")] = 8000,
    pdf: Annotated[
        Path | None, typer.Option(help="Print the bulletin to this file, by Chromium.")
    ] = None,
) -> None:
    """Make the pages of the newest tree anew. Example: mekong page --serve."""
    from pipeline.command_options import read_settings

    settings = read_settings()
    if not serve:
        print(_make(settings, pdf))
        return
    with _open_server(settings.published_dir, port) as server:
        # Told before the pages are made, which takes seconds; who asks until then waits.
        print(f"http://127.0.0.1:{port}/page/  (ends with Ctrl+C)", flush=True)
        try:
            _make(settings, pdf)
            server.serve_forever()
        except KeyboardInterrupt:
            print()


def _make(settings: Settings, pdf: Path | None) -> Path:
    """Make the pages and, where it is wanted, the printed bulletin; return the first page."""
    from pipeline.exchange.publication import PAGES
    from pipeline.pages.pdf import print_pdf
    from pipeline.pages.site import BULLETIN, refresh_pages

    if failures := refresh_pages(settings):
        raise typer.BadParameter("; ".join(failures))
    folder = settings.published_dir / PAGES
    if pdf is not None and print_pdf(folder / BULLETIN, pdf) is None:
        raise typer.BadParameter("--pdf: expected Chromium on the path, found none")
    return folder / "index.html"


def _open_server(folder: Path, port: int) -> http.server.ThreadingHTTPServer:
    """Open a server of a folder on loopback."""
    handler = functools.partial(_Quiet, directory=str(folder))
    try:
        return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        raise typer.BadParameter(f"--port: {port}: {error.strerror}; try another") from error


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Handler that says nothing of single requests."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name it has)
        """Say nothing."""
