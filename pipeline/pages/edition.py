"""One published tree as the pages read it: cities, messages and what is missing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from lxml import etree

from pipeline.alerts.cap import NAMESPACE, message_path
from pipeline.exchange.publication import LATEST, REPORTS, VERSIONS
from pipeline.exchange.tree import proof_path

CAP = {"cap": NAMESPACE}


@dataclass(frozen=True)
class Message:
    """Text of one message in one language.

    Parameters
    ----------
    headline
        One line, with the mark of the status.
    lines
        Lines of the description.
    instructions
        What to do, a sentence each, without the mark of the status.
    """

    headline: str
    lines: tuple[str, ...]
    instructions: tuple[str, ...]


@dataclass(frozen=True)
class Edition:
    """A published tree.

    Parameters
    ----------
    folder
        Folder of the version.
    version
        Its name.
    reports
        Reports from the ground by city, of the status of the tree.
    """

    folder: Path
    version: str
    reports: Mapping[str, Any]

    @cached_property
    def index(self) -> dict[str, Any]:
        """Content of ``index.json``."""
        return self._json("index.json")

    @property
    def issue_time(self) -> datetime:
        """Moment of the run."""
        return datetime.fromisoformat(self.index["issue_time"])

    @property
    def expires_at(self) -> datetime:
        """Moment until which it holds."""
        return datetime.fromisoformat(self.index["expires_at"])

    @property
    def status(self) -> str:
        """CAP status: Actual, Exercise or Test."""
        return str(self.index["status"])

    @cached_property
    def cities(self) -> dict[str, dict[str, Any]]:
        """Content of ``cities/<id>.json`` by id, in the order of ``now.json``."""
        rows = self._json("now.json")["cities"]
        return {row["id"]: self._json(f"cities/{row['id']}.json") for row in rows}

    @cached_property
    def gauges(self) -> dict[str, dict[str, Any]]:
        """City by the code of its gauge."""
        return {city["gauge"]["station"]: city for city in self.cities.values() if city["gauge"]}

    def message(self, identifier: str | None, language: str) -> Message | None:
        """Read a message in a language; None without a message or in a language it lacks."""
        path = self.folder / message_path(identifier or "-", language)
        if identifier is None or not path.is_file():
            return None
        alert = etree.fromstring(path.read_bytes())
        info = alert.find("cap:info", CAP)
        if info is None:
            return None
        marked = alert.findtext("cap:status", "", CAP) != "Actual"
        instructions = info.findtext("cap:instruction", "", CAP).splitlines()
        return Message(
            info.findtext("cap:headline", "", CAP),
            tuple(info.findtext("cap:description", "", CAP).splitlines()),
            tuple(instructions[marked:]),
        )

    def find_proof(self, identifier: str | None) -> str | None:
        """Path of the proof of a message in the tree; None without one."""
        path = proof_path(identifier or "-")
        return path if identifier and (self.folder / path).is_file() else None

    def _json(self, path: str) -> dict[str, Any]:
        return dict(json.loads((self.folder / path).read_bytes()))


def read_edition(published: Path) -> Edition:
    """Open the newest published tree.

    Parameters
    ----------
    published
        Folder of all published trees.

    Raises
    ------
    FileNotFoundError
        Nothing is published.
    """
    latest = published / LATEST
    if not latest.is_file():
        raise FileNotFoundError(f"expected a published tree in {published}, found none")
    newest = json.loads(latest.read_bytes())
    version = newest["version"]
    reports = _read_reports(published / REPORTS, newest["status"])
    return Edition(published / VERSIONS / version, version, reports)


def _read_reports(path: Path, status: str) -> Mapping[str, Any]:
    """Read what was reported from each city; nothing of another status or of a damaged file."""
    try:
        content = json.loads(path.read_bytes())
        return dict(content["cities"]) if content["status"] == status else {}
    except (OSError, ValueError, LookupError, TypeError):
        return {}
