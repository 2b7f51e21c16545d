"""The task after publish: the newest tree is inspected, and what is found is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipeline.settings import Settings
from pipeline.supervision.causes import describe_cause
from pipeline.supervision.health import inspect_newest, write_health
from pipeline.supervision.inspection import Finding
from pipeline.supervision.notices import NIGHTLY, VALIDATE, Told, tell_faults


class InvalidTree(Told):
    """The published tree has faults that somebody was woken for; it stays in place."""


@dataclass(frozen=True)
class Validated:
    """A published tree that was inspected.

    Parameters
    ----------
    version
        Its version.
    findings
        What is not right, none of it urgent.
    """

    version: str
    findings: tuple[Finding, ...] = ()


def validate(*, asof: datetime, now: datetime, settings: Settings | None = None) -> Validated:
    """Inspect the newest published tree, tell what is not right with it, and write the state.

    Parameters
    ----------
    asof
        Issue time of the night, aware; the tree must not be older.
    now
        The moment, aware; the tree must not be dated later.
    settings
        Default: from the environment.

    Raises
    ------
    InvalidTree
        Somebody was woken for what was found; the tree stays.
    """
    settings = settings or Settings()
    inspection = inspect_newest(settings, asof=now, oldest=asof)
    findings = tuple(inspection.findings)
    if findings:
        tell_faults(
            [
                (finding.code, describe_cause(finding.text, settings=settings))
                for finding in findings
            ],
            dag=NIGHTLY, task=VALIDATE, issue_time=asof, kind="invalid", asof=now,
            settings=settings,
        )  # fmt: skip
    else:
        write_health(settings, asof=now, tree=inspection)
    urgent = [finding for finding in findings if finding.urgency == "wake"]
    if urgent or inspection.version is None:
        raise InvalidTree("; ".join(f"{finding.code}: {finding.text}" for finding in urgent))
    return Validated(inspection.version, findings)
