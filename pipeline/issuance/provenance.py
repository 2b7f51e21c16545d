"""Digests of a run's further inputs beside stores and models: reference tables, texts, code."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

from pipeline.alerts.templates import messages_digest
from pipeline.geography.reference_tables import reference_digest
from pipeline.settings import ROOT


def digest_rules(asof: datetime) -> dict[str, str]:
    """Return the SHA-256 of each reference table as of a moment and of the texts of each language.

    Parameters
    ----------
    asof
        Issue time.
    """
    texts = {f"messages/{name}.toml": digest for name, digest in messages_digest().items()}
    return {**reference_digest(asof), **texts}


def digest_code() -> str:
    """Return the SHA-256 of the modules of pipeline and models."""
    digest = hashlib.sha256()
    for folder in ("models", "pipeline"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(path.relative_to(ROOT).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def explain_difference(run: Mapping[str, object]) -> str:
    """Say in one line why a run would issue something else today.

    Parameters
    ----------
    run
        Row of the table of runs.

    Returns
    -------
    str
        Names the tables and texts that have changed since, otherwise the code, otherwise neither.
    """
    stored, asof = run["rules"], run["issue_time"]
    if not isinstance(stored, dict) or not isinstance(asof, datetime):
        return "the run was stored before digests of its tables and texts were kept"
    current = digest_rules(asof)
    changed = sorted(
        name for name in stored.keys() | current.keys() if stored.get(name) != current.get(name)
    )
    if changed:
        return f"changed since: {', '.join(changed)}"
    if run["code"] != digest_code():
        return "no table or text has changed since, the code has"
    return "neither tables, texts nor code have changed since: see the stores and models"
