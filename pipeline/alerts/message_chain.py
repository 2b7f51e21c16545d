"""Chain of messages of an event: whether one is due, what has changed, and to which it refers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import zip_longest

from pipeline.alerts.alert_state import AlertState, SentMessage, Told
from pipeline.alerts.cap import Issuer, Message, write_message
from pipeline.alerts.decision import Decision, choose_status
from pipeline.alerts.drought import DROUGHT_WEEKS
from pipeline.alerts.evidence import Lead, find_highest
from pipeline.alerts.gauge_criteria import HORIZON_D, THRESHOLD_STAGE
from pipeline.alerts.levels import ORDER, RAISED, Level, higher
from pipeline.alerts.notice import Ending, Notice, Phase
from pipeline.alerts.templates import LANGUAGES
from pipeline.alerts.text import compose
from pipeline.choices import Change

RIVER_LIFETIME = timedelta(hours=54)
"""Time from sending to expiry: one night may be lost, and the next be late."""
RAIN_LIFETIME = timedelta(hours=30)
"""The same where rain alone raised the level: a cloudburst is over after a lost night."""
DROUGHT_LIFETIME = timedelta(days=9)
DROUGHT_INTERVAL = timedelta(days=7)
"""Time between two messages of a drought that neither begins, worsens nor ends."""
OUTAGE = timedelta(days=7)
"""Longest outage over which an event keeps its name."""
CHANCE_STEPS = (0.25, 0.50, 0.75)
PEAK_STEP_M, DATE_STEP = 0.30, timedelta(days=1)
"""Changes of a chance, the expected peak and a date from which figures are told anew."""
OWN_LANGUAGE = {"KH": "km", "LA": "lo", "TH": "th", "VN": "vi", "MM": "my", "CN": "zh"}


def name_message(decision: Decision, *, revision: int) -> str:
    """Name the message of one run, the same at every rerun, without the sender's prefix."""
    issue_time = f"{decision.issue_time.astimezone(UTC):%Y%m%dT%H%MZ}"
    return f"{issue_time}-{decision.city.id}-{decision.hazard}-r{revision}"


def order_languages(country: str) -> tuple[str, ...]:
    """Order the languages of a message: that of the country first, English last.

    A country without a language of its own here has English first.

    Examples
    --------
    >>> order_languages("LA")
    ('lo', 'km', 'th', 'vi', 'my', 'zh', 'en')
    >>> order_languages("MY")[0]
    'en'
    """
    own = OWN_LANGUAGE.get(country)
    if own is None:
        return LANGUAGES
    others = (language for language in LANGUAGES if language not in {own, "en"})
    return own, *others, "en"


def next_message(
    decision: Decision, *, issuer: Issuer, revision: int, sent: datetime
) -> tuple[Message | None, AlertState]:
    """Decide whether a message is due, and write it.

    The first message of an event is an Alert; later ones are Updates that refer to every message
    of the event that has not expired. A flood has one every run, a drought one when it begins,
    worsens or ends and else every ``DROUGHT_INTERVAL``; another revision of a run that sent one
    always sends one. An event whose last message expired is closed, and what comes after is a new
    Alert, under the same name after an outage of at most ``OUTAGE``.

    Parameters
    ----------
    decision
        Subject of the message; its state holds the messages sent before.
    issuer
        Sender of the message.
    revision
        Revision of the run, part of the identifier.
    sent
        Moment of sending; never before that of the message it follows.

    Returns
    -------
    tuple
        The message, None if none is due, and the state to store with the run.
    """
    notice = describe_event(decision, issuer=issuer, sent=sent)
    chain, state = _read_chain(decision, _not_before_last(decision, sent)), decision.state
    if notice is None:
        return None, replace(state, sent=(), incident="", told=None)
    if not _is_due(notice, chain):
        return None, replace(state, sent=chain)
    identifier = f"{issuer.identifier_prefix}{name_message(decision, revision=revision)}"
    texts = [
        compose(notice, language=language) for language in order_languages(decision.city.country)
    ]
    content = write_message(notice, texts, issuer=issuer, identifier=identifier, references=chain)
    as_sent = SentMessage(
        identifier=identifier,
        sender=issuer.sender,
        sent=notice.sent,
        expires=notice.expires,
        level=notice.event,
        over=notice.change == "ended",
        issue_time=decision.issue_time,
    )
    told = state.told if chain else None
    return Message(identifier=identifier, notice=notice, content=content), replace(
        state,
        sent=(*chain, as_sent),
        incident=notice.incident,
        told=told if notice.change == "reissued" else _tell(decision, notice.phase, told),
    )


def describe_event(decision: Decision, *, issuer: Issuer, sent: datetime) -> Notice | None:
    """Describe the event that a decision goes on with, begins or ends; None where there is none.

    Parameters
    ----------
    decision, issuer, sent
        As for :func:`next_message`.
    """
    sent = _not_before_last(decision, sent)
    chain, state = _read_chain(decision, sent), decision.state
    starts = decision.in_force in RAISED
    if not chain and not starts:
        return None
    told = state.told if chain else None
    incident = state.incident if chain or _outlasts(state, sent) else ""
    change = _find_change(decision, chain, told)
    return Notice(
        decision=_keep_told(decision, told) if change == "reissued" and told else decision,
        status=choose_status(decision, origin=issuer.origin, wanted=issuer.status),
        event=decision.in_force if starts else chain[-1].level,
        change=change,
        ending=_find_ending(decision) if change == "ended" else None,
        phase=_find_phase(decision, chain, change, told),
        sent=sent,
        expires=sent + _lifetime(decision),
        incident=incident
        or f"{decision.city.id}-{decision.hazard}-{decision.issue_time.astimezone(UTC):%Y%m%d}",
        product=issuer.products.get(decision.city.country),
        authority=issuer.authorities.get(decision.city.country),
    )


def _not_before_last(decision: Decision, sent: datetime) -> datetime:
    """Moment of sending, no earlier than that of the last message."""
    return max([sent, *(message.sent for message in decision.state.sent)])


def _read_chain(decision: Decision, sent: datetime) -> tuple[SentMessage, ...]:
    """Messages of the open event that have not expired; none where an earlier run ended it.

    None, too, where the last one has expired: one that it replaced is not in force again.
    """
    chain = tuple(message for message in decision.state.sent if message.expires > sent)
    last = decision.state.sent[-1] if chain else None
    if (
        last is None
        or last.expires <= sent
        or (last.over and last.issue_time < decision.issue_time)
    ):
        return ()
    return chain


def _outlasts(state: AlertState, sent: datetime) -> bool:
    """Whether an event whose messages have expired goes on after an outage."""
    last = state.sent[-1] if state.sent else None
    return last is not None and not last.over and sent - last.expires <= OUTAGE


def _lifetime(decision: Decision) -> timedelta:
    if decision.hazard == "drought":
        return DROUGHT_LIFETIME
    on_rain = decision.in_force in RAISED and not decision.state.on_river
    return RAIN_LIFETIME if on_rain else RIVER_LIFETIME


def _find_change(decision: Decision, chain: tuple[SentMessage, ...], told: Told | None) -> Change:
    """How a message differs from the one before it in its event."""
    if not chain:
        return "new"
    if decision.in_force not in RAISED:
        return "ended"
    before = Level.NONE if chain[-1].over else chain[-1].level
    if decision.in_force is not before:
        return "raised" if higher(decision.in_force, before) is decision.in_force else "lowered"
    if decision.level is Level.UNKNOWN:
        return "unassessed"
    if told is None or _has_passed(told, decision.issue_time) or _moved(decision, told):
        return "figures"
    return "reissued"


def _is_due(notice: Notice, chain: tuple[SentMessage, ...]) -> bool:
    """Whether a message is sent: a drought's only weekly unless it begins, worsens or ends."""
    decision = notice.decision
    if decision.hazard == "flood" or notice.change in {"new", "raised", "ended"}:
        return True
    last = chain[-1]
    again = last.issue_time == decision.issue_time
    return again or notice.sent - last.sent >= DROUGHT_INTERVAL


def _find_ending(decision: Decision) -> Ending:
    if decision.level is Level.UNKNOWN:
        return "not_known"
    return "all_clear" if decision.clear else "monitor"


def _find_phase(
    decision: Decision, chain: tuple[SentMessage, ...], change: Change, told: Told | None
) -> Phase | None:
    """Phase of a drought; None for a flood, and where it is not assessed."""
    if decision.hazard == "flood" or decision.level is Level.UNKNOWN:
        return None
    if change == "new":
        return "onset"
    if change == "raised":
        return "worsening"
    if change == "ended":
        return "full_recovery"
    worst = max((message.level for message in chain), key=ORDER.index)
    if decision.in_force is not worst:
        return "partial_recovery"
    return told.phase if told and told.phase else "onset"


def _tell(decision: Decision, phase: Phase | None, before: Told | None) -> Told:
    """Keep what a message tells, for the next one to compare with."""
    drought = decision.drought
    return Told(
        leads=decision.river.leads if decision.river else (),
        onset=decision.onset,
        ending_time=decision.ending_time,
        drought_class=drought.current_class if drought else None,
        p_drought=_chances_of_drought(decision),
        phase=phase or (before.phase if before else None),
    )


def _keep_told(decision: Decision, told: Told) -> Decision:
    """Decision with the forecast that was told last; reading and times are those of now."""
    river, p = decision.river, decision.probability
    return replace(
        decision,
        probability=_chance(told.leads, decision.in_force) if river and not math.isnan(p) else p,
        river=replace(river, leads=told.leads) if river else None,
        onset=told.onset,
        ending_time=told.ending_time,
    )


def _has_passed(told: Told, issue_time: datetime) -> bool:
    """Whether the day of the highest stage that was told has come, or the forecast's last one."""
    days = [*told.leads[-1:], *filter(None, [find_highest(told.leads)])]
    return any(lead.valid_time <= issue_time for lead in days)


def _moved(decision: Decision, told: Told) -> bool:
    """Whether a date moved by a day, a chance crossed a quarter, or the peak moved by 0.3 m."""
    drought, leads = decision.drought, decision.river.leads if decision.river else ()
    if decision.hazard == "drought":
        chances = zip_longest(_chances_of_drought(decision), told.p_drought, fillvalue=math.nan)
        class_now = drought.current_class if drought else None
        return class_now != told.drought_class or any(_crossed(*pair) for pair in chances)
    peak, peak_told = find_highest(leads), find_highest(told.leads)
    dates = (
        (decision.onset, told.onset),
        (decision.ending_time, told.ending_time),
        _peak_times(leads, told.leads),
    )
    if any((now is None) != (then is None) for now, then in dates):
        return True
    if any(now and then and abs(now - then) >= DATE_STEP for now, then in dates):
        return True
    if (peak is None) != (peak_told is None):
        return True
    if peak and peak_told and abs(peak.q50_m - peak_told.q50_m) >= PEAK_STEP_M:
        return True
    return any(_crossed(_chance(leads, level), _chance(told.leads, level)) for level in RAISED)


def _peak_times(
    now: Sequence[Lead], then: Sequence[Lead]
) -> tuple[datetime | None, datetime | None]:
    """Days of the highest medians of two forecasts, where either has a peak.

    A highest stage on the first or the last day is no peak: its day moves on with every night.
    """
    highest = find_highest(now), find_highest(then)
    if highest[0] is None or highest[1] is None:
        return None, None
    if highest[0] in (now[0], now[-1]) and highest[1] in (then[0], then[-1]):
        return None, None
    return highest[0].valid_time, highest[1].valid_time


def _chance(leads: Iterable[Lead], level: Level) -> float:
    """Probability that a flood level is about, as a forecast has it; NaN where not known."""
    for lead in leads:
        if lead.days == HORIZON_D[level]:
            return lead.p_alarm_by if THRESHOLD_STAGE[level] == "alarm" else lead.p_flood_by
    return math.nan


def _chances_of_drought(decision: Decision) -> tuple[float, ...]:
    """P(class >= D1, D2, D3) in four weeks; empty where one is not known."""
    drought = decision.drought
    chances = [drought.p_class(number, DROUGHT_WEEKS) for number in (1, 2, 3)] if drought else []
    return () if any(math.isnan(p) for p in chances) else tuple(chances)


def _crossed(now: float, then: float) -> bool:
    """Whether a chance crossed one of the steps, or became known or unknown."""
    if math.isnan(now) or math.isnan(then):
        return math.isnan(now) != math.isnan(then)
    return any((now >= step) != (then >= step) for step in CHANCE_STEPS)
