"""Version and JSON Schema of the published files."""

from __future__ import annotations

from importlib.resources import files

SCHEMA_VERSION = 3
"""Of the published tree; a change that breaks readers raises it."""


def read_schema() -> bytes:
    """Read the JSON Schema 2020-12 of the published files, itself published beside them.

    The root describes ``alerts.geojson``; ``$defs`` has ``index``, ``latest``, ``now``, ``city``,
    ``say``, ``reports``, ``watch``, ``health``, ``proof`` and ``zones`` for the others.
    """
    return (files("pipeline.exchange") / "alerts.schema.json").read_bytes()
