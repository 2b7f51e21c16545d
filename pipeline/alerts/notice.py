"""What one message says of an event, in whatever words or form it is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pipeline.alerts.levels import Level
from pipeline.choices import Change, Product

if TYPE_CHECKING:
    from pipeline.alerts.decision import Decision, Status

Ending = Literal["all_clear", "monitor", "not_known"]
"""How an event ends: on a recent reading well below the mark, on less, or because it could not be
assessed for too long."""
Phase = Literal["onset", "worsening", "partial_recovery", "full_recovery"]
"""Phase of a drought."""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Subject of one message: a decision, and what has changed since the message before it.

    Parameters
    ----------
    decision
        Decision; where nothing has changed but the reading, with the forecast that was told last.
    status
        CAP status.
    event
        Level of the event: the one in force, or the one that ends.
    change
        What has changed since the message before; ``new`` for the first one.
    ending
        How the event ends; None while it is open.
    phase
        Phase of a drought; None for floods, and where a drought is not assessed.
    sent, expires
        When the message is sent and until when it holds.
    incident
        Name of the event, the same for its whole life.
    product
        What the city's country calls such a message; None where that is not set.
    authority
        Authority in whose name it is sent; None where there is none, and the message says that it
        is an automatic forecast.
    """

    decision: Decision
    status: Status
    event: Level
    change: Change
    ending: Ending | None
    phase: Phase | None
    sent: datetime
    expires: datetime
    incident: str
    product: Product | None
    authority: str | None
