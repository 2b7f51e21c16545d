"""Chain of messages of an event: whether one is due, and to which earlier ones it refers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pipeline.alerts.alert_state import AlertState, SentMessage
from pipeline.alerts.cap import LIFETIME, Issuer, Message, write_message
from pipeline.alerts.decision import Decision, choose_status
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.notice import Notice
from pipeline.alerts.templates import LANGUAGES
from pipeline.alerts.text import Text, compose

RUN_MARGIN = timedelta(hours=2)
"""Time from the issue time of a run until it has published."""


def name_message(decision: Decision, *, revision: int) -> str:
    """Name the message of one run, the same at every rerun."""
    issue_time = f"{decision.issue_time.astimezone(UTC):%Y%m%dT%H%MZ}"
    return f"mekong-{issue_time}-{decision.city.id}-{decision.hazard}-r{revision}"


def next_message(
    decision: Decision, *, issuer: Issuer, revision: int, next_issue: datetime
) -> tuple[Message | None, AlertState]:
    """Decide whether a message is due, and write it.

    A message is due while an event is open or begins. The first is an Alert, later ones are
    Updates that refer to every message of the event that has not expired; an event whose last
    message expired is closed, and what comes after is a new Alert. At NONE the event ends with
    an AllClear; at UNKNOWN it stays open. Unchanged content is not sent again while the last
    message outlives the next run; another revision of the same run is always sent.

    Parameters
    ----------
    decision
        Subject of the message; its state holds the messages sent before.
    issuer
        Sender of the message.
    revision
        Revision of the run, part of the identifier.
    next_issue
        Moment of the next run.

    Returns
    -------
    tuple
        The message, None if none is due, and the state to store with the run.
    """
    chain = tuple(
        message for message in decision.state.sent if message.expires > decision.issue_time
    )
    if chain and chain[-1].over and chain[-1].sent < decision.issue_time:
        chain = ()
    starts = decision.in_force in RAISED
    if not chain and not starts:
        return None, replace(decision.state, sent=())
    event = decision.in_force if starts else chain[-1].level
    status = choose_status(decision, origin=issuer.origin, wanted=issuer.status)
    notice = Notice(
        decision=decision, status=status, event=event, change="figures" if chain else "new",
        ending="all_clear" if decision.level is Level.NONE else None, phase=None,
        sent=decision.issue_time, expires=decision.issue_time + LIFETIME, product="warning",
        authority=None,
    )  # fmt: skip
    texts = [compose(notice, language=key) for key in LANGUAGES]
    digest = _digest(decision, texts, status, issuer.scope)
    if (
        chain
        and chain[-1].digest == digest
        and chain[-1].sent < decision.issue_time
        and chain[-1].expires >= next_issue + RUN_MARGIN
    ):
        return None, replace(decision.state, sent=chain)
    identifier = name_message(decision, revision=revision)
    content = write_message(
        decision,
        texts,
        issuer=issuer,
        status=status,
        event=event,
        identifier=identifier,
        references=chain,
    )
    sent = SentMessage(
        identifier=identifier,
        sender=issuer.sender,
        sent=decision.issue_time,
        expires=decision.issue_time + LIFETIME,
        level=event,
        over=decision.level is Level.NONE,
        digest=digest,
    )
    state = replace(decision.state, sent=(*chain, sent))
    return Message(identifier=identifier, content=content), state


def _digest(decision: Decision, texts: Sequence[Text], status: str, scope: str) -> str:
    """SHA-256 of a message's content, without the time of sending and the snapshot."""
    content = [
        [decision.level, decision.in_force, decision.urgency, decision.severity, status, scope],
        [decision.certainty, decision.onset.isoformat() if decision.onset else None],
        [[text.language, text.headline, text.description, text.instruction] for text in texts],
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
