from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from pipeline.exchange.messages import TreeMessage, list_messages
from tests.alerts.alert_cases import T0, night

H = timedelta(hours=1)


def sent(
    identifier: str,
    when: datetime,
    *,
    city: str = "pakse",
    hazard: str = "flood",
    change: str = "figures",
    lifetime: timedelta = 54 * H,
) -> dict[str, Any]:
    """Row of the table of messages."""
    return {
        "identifier": identifier, "issue_time": when, "revision": 0, "city": city,
        "hazard": hazard, "change": change, "sent": when, "expires": when + lifetime,
        "content": identifier.encode(), "proof": b"p",
    }  # fmt: skip


def cancel(identifier: str, when: datetime, *messages: str) -> dict[str, Any]:
    """Row of the table of cancellations."""
    return {
        "identifier": identifier, "issue_time": T0, "revision": 0, "city": "pakse",
        "hazard": "flood", "messages": list(messages), "sent": when, "content": identifier,
    }  # fmt: skip


def left(messages: list[TreeMessage]) -> dict[str, datetime | None]:
    return {message.identifier: message.left_at for message in messages}


def test_a_message_in_force_stays_however_old_it_is() -> None:
    drought = sent("d", T0, hazard="drought", lifetime=timedelta(days=9))
    (message,) = list_messages([drought], [], now=night(7))
    assert message == TreeMessage(
        identifier="d",
        city="pakse",
        country="LA",
        hazard="drought",
        content=b"d",
        proof=b"p",
        left_at=None,
    )  # fmt: skip


def test_a_replaced_message_leaves_after_two_days() -> None:
    rows = [sent(f"m{number}", night(number)) for number in range(4)]
    assert left(list_messages(rows, [], now=night(3))) == {
        "m1": night(2), "m2": night(3), "m3": None,
    }  # fmt: skip
    just_before = night(3) - timedelta(seconds=1)
    assert [*left(list_messages(rows[:3], [], now=just_before))] == ["m0", "m1", "m2"]


def test_what_tells_of_an_end_is_known_as_such() -> None:
    rows = [sent("a", T0), sent("b", T0), sent("c", T0 + H, change="ended")]
    messages = list_messages(rows, [cancel("x", T0 + 2 * H, "c")], now=T0 + 2 * H)
    assert {message.identifier: message.ends for message in messages} == {
        "a": False, "b": False, "c": True, "x": True,
    }  # fmt: skip


def test_other_hazards_and_cities_replace_nothing() -> None:
    rows = [
        sent("a", T0),
        sent("b", T0 + H, hazard="drought"),
        sent("c", T0 + 2 * H, city="kratie"),
    ]
    assert left(list_messages(rows, [], now=T0 + 3 * H)) == {"a": None, "b": None, "c": None}


def test_an_end_is_over_when_it_is_sent() -> None:
    rows = [sent("a", T0, change="new"), sent("b", night(1), change="ended")]
    assert left(list_messages(rows, [], now=night(1))) == {"a": night(1), "b": night(1)}
    assert list_messages(rows, [], now=night(3)) == []


@pytest.mark.parametrize(("hours", "expected"), [(53, None), (54, T0 + 54 * H)])
def test_a_message_expires(hours: int, expected: datetime | None) -> None:
    assert left(list_messages([sent("a", T0)], [], now=T0 + hours * H)) == {"a": expected}
    assert list_messages([sent("a", T0)], [], now=T0 + 102 * H) == []


def test_a_cancel_stands_beside_what_it_withdraws() -> None:
    rows = [sent("a", T0), sent("b", night(1))]
    cancels = [cancel("b-cancel", night(1) + H, "a", "b")]
    messages = list_messages(rows, cancels, now=night(1) + H)
    assert left(messages) == {"a": night(1), "b": night(1) + H, "b-cancel": night(1) + H}
    assert (messages[-1].content, messages[-1].proof) == (b"b-cancel", None)


def test_a_revision_of_the_same_moment_replaces_the_message_before_it() -> None:
    rows = [sent("r1", T0) | {"revision": 1}, sent("r0", T0)]
    assert left(list_messages(rows, [], now=T0 + H)) == {"r0": T0, "r1": None}


def test_of_messages_sent_at_the_same_moment_the_later_night_replaces_the_earlier() -> None:
    """A night after a late revision sends no earlier than that did."""
    late = T0 + 29 * H
    rows = [
        sent("n1-r0", late) | {"issue_time": night(1)},
        sent("n0-r1", late) | {"issue_time": T0, "revision": 1},
        sent("n0-r0", T0),
    ]
    assert left(list_messages(rows, [], now=late)) == {"n0-r0": late, "n0-r1": late, "n1-r0": None}
