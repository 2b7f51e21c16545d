"""The ``mekong feedback`` command: reports from the ground, and the card that asks for them."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.ground_reports.intake import Intake

CARD = "card"
OPERATOR = "operator"
"""Sender of a report that names nobody."""


def take_feedback(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CITY] | card CITY", help="Id of a city; 'card': print its card."),
    ] = None,
    *,
    flooded: Annotated[bool, typer.Option("--flooded", help="It was flooded.")] = False,
    dry: Annotated[bool, typer.Option("--dry", help="It was dry.")] = False,
    at: Annotated[
        str | None,
        typer.Option(help="When it was seen, on the city's clock: 14:05 or 2026-08-20T14:05."),
    ] = None,
    depth_cm: Annotated[int | None, typer.Option(help="Depth of the water.")] = None,
    text: Annotated[str | None, typer.Option(help="A coded text, as it came.")] = None,
    drop: Annotated[
        Path | None, typer.Option("--from", help="CSV file of reports, or a folder of them.")
    ] = None,
    by: Annotated[
        str, typer.Option(help="Telephone number or name of the sender; a pseudonym is stored.")
    ] = OPERATOR,
    received: Annotated[
        str | None, typer.Option(help="When it came, with its offset; default now.")
    ] = None,
) -> None:
    """Store reports from the ground. Example: mekong feedback pakse --flooded --at 14:05."""
    words = words or []
    if words[:1] == [CARD]:
        _print_card(words[1:])
        return
    if sum((bool(words), text is not None, drop is not None)) != 1 or len(words) > 1:
        raise typer.BadParameter(
            "expected one of a city, --text, --from or 'card' and a city, found "
            f"{'several' if words or text or drop else 'none'}"
        )
    from pipeline.ground_reports.coded_text import UnreadText

    try:
        asof = _moment(received) if received else datetime.now(UTC).replace(microsecond=0)
        if words:
            intake = _add_observation(
                words[0], at=at, asof=asof, flooded=flooded, dry=dry, depth_cm=depth_cm, by=by
            )
        elif text is not None:
            from pipeline.ground_reports.intake import add_text

            intake = add_text(text, sender=by, asof=asof)
        else:
            from pipeline.ground_reports.intake import add_drop

            intake = add_drop(drop or Path(), asof=asof)
    except UnreadText as error:
        print(error.answer)
        print(f"mekong: text: {error.reason}", file=sys.stderr)
        raise typer.Exit(1) from None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    _print_intake(intake)
    if intake.added:
        from pipeline.exchange.report_file import publish_reports
        from pipeline.settings import Settings

        publish_reports(Settings(), asof=asof)
    if intake.bad and not intake.read:
        raise typer.Exit(1)


def _add_observation(
    name: str, *, at: str | None, asof: datetime, flooded: bool, dry: bool, depth_cm: int | None,
    by: str,
) -> Intake:  # fmt: skip
    """Store what an operator reports of a city."""
    if flooded == dry:
        raise ValueError(f"expected one of --flooded and --dry, found {'both' if dry else 'none'}")
    if at is None:
        raise ValueError("expected the time with --at, found none")
    from pipeline.geography import places
    from pipeline.ground_reports.drop import read_time
    from pipeline.ground_reports.intake import add_observation

    city = places.city(name)
    stamp = at
    if "T" not in at.upper() and len(at) == len("14:05"):
        clock = timezone(timedelta(hours=city.utc_offset_h))
        stamp = f"{asof.astimezone(clock):%Y-%m-%d}T{at}"
    moment = read_time(stamp, column="--at", city=city)
    if stamp != at and moment > asof:
        moment -= timedelta(days=1)
    return add_observation(
        name,
        "flooded" if flooded else "dry",
        at=moment,
        depth_cm=depth_cm,
        sender=by,
        asof=asof,
    )


def _moment(text: str) -> datetime:
    from pipeline.ground_reports.drop import read_time

    return read_time(text, column="--received")


def _print_intake(intake: Intake) -> None:
    """Say what was taken, and name each row that was not."""
    for row in intake.bad:
        print(row)
        if row.answer:
            print(f"  answer: {row.answer}")
    if intake.answer:
        print(intake.answer)
    known = intake.read - intake.added
    print(
        f"ground reports: {intake.added} added, {known} known already, {intake.in_doubt} not "
        f"confirmed, {len(intake.bad)} rows not read"
    )


def _print_card(words: list[str]) -> None:
    """Print the card of a city, with the words of its country's language that are on record."""
    if len(words) != 1:
        raise typer.BadParameter(f"expected one city after 'card', found {len(words) or 'none'}")
    from pipeline.alerts.message_chain import OWN_LANGUAGE
    from pipeline.alerts.templates import read_templates
    from pipeline.geography import places
    from pipeline.geography.names import city_name
    from pipeline.ground_reports.card import write_card
    from pipeline.settings import Settings

    settings = Settings()
    city = places.city(words[0], region=settings.region)
    language = OWN_LANGUAGE.get(city.country, "en")
    local = language != "en"
    card = write_card(
        city,
        number=settings.report_number,
        local_name=city_name(city, language) if local else "",
        flood=str(read_templates(language)["hazard"]["flood"]) if local else "",
    )
    print(card, end="")
