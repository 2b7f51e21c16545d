"""Messages of hand-made decisions for the tests of CAP."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from lxml import etree

from pipeline.alerts import cap
from pipeline.alerts.alert_state import AlertState
from pipeline.alerts.cap import Issuer, Message
from pipeline.alerts.decision import Decision
from pipeline.alerts.evidence import Rain
from pipeline.alerts.message_chain import next_message
from tests.alerts.alert_cases import NAN, UNKNOWN_RAIN, drought, dry_spell, flood, pluvial

CAP = {"cap": cap.NAMESPACE}
ISSUER = Issuer(
    sender="mekong@example.org",
    status="Test",
    scope="Restricted",
    origin="virtual",
    model_version="m1",
    archive_snapshot="ABC",
    records_batch=7,
)
MEASURED = replace(ISSUER, origin="measured")


def send(
    decision: Decision, *, issuer: Issuer = ISSUER, revision: int = 0, hours: float = 0.0
) -> tuple[Message | None, AlertState]:
    """Send what is due so many hours after the issue time."""
    return next_message(
        decision,
        issuer=issuer,
        revision=revision,
        sent=decision.issue_time + timedelta(hours=hours),
    )


def sent(decision: Decision, **options: Issuer | float) -> tuple[etree._Element, AlertState]:
    message, state = send(decision, **options)  # type: ignore[arg-type]
    assert message is not None
    return etree.fromstring(message.content), state


def value(alert: etree._Element, path: str) -> str | None:
    node = alert.find("cap:" + path.replace("/", "/cap:"), CAP)
    return None if node is None else node.text


def every_decision() -> list[Decision]:
    decisions = [
        flood(0.3),
        flood(0.6, 0.6, change_1d_m=0.42, rain=UNKNOWN_RAIN, tier="no_rain"),
        flood(0.9, 0.9, 0.9),
        flood(stage_m=12.6, rain=Rain(return_period_years=25.0, pluvial_index=2.2)),
        flood(0.9, 0.9, 0.9, age_h=50.0, stage_m=12.0),
        pluvial(6.0),
        drought(dry_spell(0.6, now=1, spi3=-1.0)),
        drought(dry_spell(0.7, 0.6, now=2)),
        drought(dry_spell(0.9, 0.9, 0.9, now=4, cdi="alert", soil=NAN)),
    ]
    for first in (flood(0.6, 0.6), pluvial(6.0), drought(dry_spell(now=2))):
        _, state = send(first)
        if first.hazard == "drought":
            decisions.append(drought(None, number=7, state=state))
            for number in range(1, 10):
                _, state = send(drought(dry_spell(), number=number, state=state))
            decisions.append(drought(dry_spell(), number=10, state=state))
        elif first.station:
            decisions.append(flood(number=1, state=state, age_h=60.0))
            eased = flood(number=1, state=state)
            decisions.append(flood(number=2, state=send(eased)[1]))
        else:
            decisions.append(pluvial(NAN, number=1, state=state))
    return decisions
