"""The ``mekong`` command: options, exit codes and one line per error."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipeline.choices import Upstream
from pipeline.command_options import (
    Day,
    issue_time,
    issuing_time,
    known_time,
    parse_day,
    read_settings,
)
from pipeline.export_commands import export
from pipeline.feedback import take_feedback
from pipeline.page_command import page
from pipeline.place_commands import cities, gauges
from pipeline.plot_commands import plot
from pipeline.signing import app as keys
from pipeline.signing import verify_signature
from pipeline.skill_commands import compare, hindcast, scoreboard
from pipeline.sources import select_sources
from pipeline.supervision_commands import acknowledge, remind, status
from pipeline.texts import app as texts
from pipeline.upkeep_commands import app as upkeep
from pipeline.watch_command import watch

if TYPE_CHECKING:
    from pipeline.sources.gauges.own_table import OwnLayout

ERROR, USAGE, DIFFERS, DEGRADED, INTERRUPTED = 1, 2, 3, 4, 130
"""Exit codes; docs/operator.md has the table."""
NIGHT, DATA, SKILL = "One night, step by step", "Data", "Models and their skill"
OWN = "A ministry's own tables of readings, with --from"
app = typer.Typer(
    name="mekong",
    add_completion=False,
    rich_markup_mode="rich",
    help="Flood and drought early warning for the cities of the Mekong.",
    epilog="Exit codes: 0 good, 1 error, 2 usage, 3 replay differs, 4 published but degraded.",
    pretty_exceptions_enable=False,
)
app.add_typer(texts, name="texts", rich_help_panel=DATA)
app.add_typer(cities, name="cities", rich_help_panel=DATA)
app.add_typer(gauges, name="gauges", rich_help_panel=DATA)
app.command("feedback", rich_help_panel=DATA)(take_feedback)
app.add_typer(keys, name="keys", rich_help_panel=DATA)
app.command("verify-signature", rich_help_panel=DATA)(verify_signature)
app.add_typer(upkeep)


MOST_FINDINGS = 5
"""Most findings in reference tables that one line names."""
TrainingDay = Annotated[
    date | None,
    typer.Option("--date", parser=parse_day, help="Train on what was known then; default now."),
]
IngestDay = Annotated[
    date | None,
    typer.Option(
        "--date",
        parser=parse_day,
        help="The night's date; default the showcase flood, from the internet or with --from now.",
    ),
]
FirstNight = Annotated[
    date | None,
    typer.Option("--start", parser=parse_day, help="First of several nights, made in order."),
]
LastNight = Annotated[
    date | None, typer.Option("--end", parser=parse_day, help="Last of several nights.")
]
From = Annotated[
    Upstream | None,
    typer.Option("--upstream", help="Where files come from; archive: only what has been ingested."),
]


@app.command(rich_help_panel=DATA)
def simulate(
    day: Day = None,
    full: Annotated[
        bool, typer.Option("--full", help="The whole record on the 0.1 degree grid.")
    ] = False,
    history: Annotated[
        bool,
        typer.Option("--history", help="Also ingest the history and train, where not yet done."),
    ] = False,
) -> None:
    """Lay out the virtual basin's upstream files. Example: mekong simulate --date 2026-04-10."""
    from pipeline import console, steps

    with console.show_progress("Virtual basin") as progress:
        settings, asof = read_settings(), issue_time(day)
        simulated = steps.simulate(asof=asof, full=full, settings=settings, progress=progress)
        console.print_line(console.describe_simulated(simulated))
        if history:
            trained = steps.prepare(asof=asof, settings=settings, progress=progress)
            line = "history and models: already there"
            console.print_line(console.describe_trained(trained) if trained else line)


@app.command(rich_help_panel=DATA)
def ingest(
    source: Annotated[str, typer.Argument(help="A source id, or 'all' for a night's sources.")],
    *,
    folder: Annotated[
        Path | None, typer.Option("--from", help="Take the files of this folder instead.")
    ] = None,
    day: IngestDay = None,
    since: Annotated[
        date | None,
        typer.Option(parser=parse_day, help="Ask the upstream for files from this date on."),
    ] = None,
    station: Annotated[
        str | None, typer.Option(help="Column of the station, or its code.", rich_help_panel=OWN)
    ] = None,
    stamps: Annotated[
        str | None,
        typer.Option("--time", help="Column of the stamps, or Date+Time.", rich_help_panel=OWN),
    ] = None,
    value: Annotated[
        str | None, typer.Option(help="Column of the readings.", rich_help_panel=OWN)
    ] = None,
    unit: Annotated[
        str | None, typer.Option(help="Column of the unit, or the unit.", rich_help_panel=OWN)
    ] = None,
    tz: Annotated[
        str, typer.Option(help="Asia/Bangkok or +07:00 of such stamps.", rich_help_panel=OWN)
    ] = "",
    decimal: Annotated[
        str | None, typer.Option(help="Decimal sign, . or ,", rich_help_panel=OWN)
    ] = None,
) -> None:
    """Bring upstream files into the archive. Example: mekong ingest gauges --from DIR."""
    from pipeline import console, steps

    layout = _layout([station, stamps, value, unit], tz, decimal)
    settings = read_settings()
    asof = datetime.now(UTC) if folder and day is None else issue_time(day)
    start = datetime.combine(since, time(), tzinfo=UTC) if since else None
    with console.show_progress("Ingest") as progress:
        ingested = (
            steps.ingest(
                name,
                asof=asof,
                folder=folder,
                start=start,
                layout=layout,
                settings=settings,
                progress=progress,
            )
            for name in (select_sources(settings.upstream) if source == "all" else [source])
        )
        records = console.print_ingested(ingested, from_internet=settings.upstream == "internet")
    if all(record.nothing_came_in for record in records):
        raise typer.Exit(ERROR)


def _layout(columns: list[str | None], zone: str, decimal: str | None) -> OwnLayout | None:
    """Build the layout of a ministry's own tables, None where no option describes one."""
    names = [column for column in columns if column]
    if not names and not zone and decimal is None:
        return None
    if len(names) < len(columns):
        raise typer.BadParameter("expected --station, --time, --value and --unit together")
    from pipeline.sources.gauges.own_table import OwnLayout

    station, stamps, value, unit = names
    try:
        return OwnLayout(station, stamps, value, unit, zone=zone, decimal=decimal)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@app.command(
    rich_help_panel=DATA,
    help="List every source: what it needs, how far it is; 'check' also tries each provider. "
    "Example: mekong sources check.",
)
def sources(
    what: Annotated[
        Literal["check"] | None, typer.Argument(help="'check': ask for the last file of each.")
    ] = None,
    day: Annotated[
        date | None,
        typer.Option(
            "--date",
            parser=parse_day,
            help="The night's date; default the showcase flood, from the internet now.",
        ),
    ] = None,
) -> None:
    """List every source: what it needs, how far it is."""
    from pipeline import console, steps

    settings = read_settings()
    asof = datetime.now(UTC) if day is None and settings.upstream == "internet" else issue_time(day)
    if what and day is None:
        asof = datetime.now(UTC)
    with console.show_progress("Sources") as progress:
        states = steps.sources(
            asof=asof, settings=settings, check=what is not None, progress=progress
        )
    console.print_sources(states, asof=asof, with_provider=what is not None)


@app.command(rich_help_panel=NIGHT)
def assess(day: Day = None) -> None:
    """Average the night's grids over the zones. Example: mekong assess --date 2026-04-10."""
    from pipeline import console, steps

    assessed = steps.assess(asof=issue_time(day), settings=read_settings())
    console.print_line(console.describe_assessed(assessed))


@app.command(rich_help_panel=NIGHT)
def indices(
    day: Day = None,
    record: Annotated[
        bool,
        typer.Option("--record", help="Fit the reference and make every day of the record."),
    ] = False,
) -> None:
    """Make the indices of every cell of the grid. Example: mekong indices --date 2026-08-20."""
    from pipeline import console, steps

    made = steps.indices(asof=issue_time(day), settings=read_settings(), record=record)
    console.print_line(console.describe_indices(made))


@app.command(rich_help_panel=NIGHT)
def forecast(day: Day = None) -> None:
    """Forecast stages and drought. Example: mekong forecast --date 2026-04-10."""
    from pipeline import console, steps

    run = steps.forecast(asof=issuing_time(day), settings=read_settings(), models_required=True)
    console.print_line(console.describe_forecast(run))


@app.command(rich_help_panel=NIGHT)
def publish(day: Day = None) -> None:
    """Decide, word and publish the alerts. Example: mekong publish --date 2026-04-10."""
    from pipeline import console, steps

    published = steps.publish(asof=issuing_time(day), settings=read_settings())
    console.print_line(console.describe_published(published))
    _leave_if_degraded(published.degraded)


def _leave_if_degraded(reasons: Sequence[str]) -> None:
    """Print why a published night is degraded, and leave with its exit code."""
    for reason in reasons:
        print(f"degraded: {reason}", file=sys.stderr)
    if reasons:
        raise typer.Exit(DEGRADED)


@app.command(rich_help_panel=NIGHT)
def nightly(
    day: Day = None, start: FirstNight = None, end: LastNight = None, upstream: From = None
) -> None:
    """Run whole nights in one process. Example: mekong nightly --date 2026-04-10."""
    if (start is None) != (end is None) or (start and day):
        raise typer.BadParameter("expected --date alone, or --start and --end")
    if start and end:
        if end < start:
            raise typer.BadParameter(f"expected --end from {start} on, found {end}")
        nights = [start + timedelta(days=count) for count in range((end - start).days + 1)]
        moments = [issuing_time(night, upstream) for night in nights]
        degraded = [_run_night(night, upstream) for night in moments]
    else:
        degraded = [_run_night(issuing_time(day, upstream), upstream)]
    _leave_if_degraded([reason for reasons in degraded for reason in reasons])


def _run_night(asof: datetime, upstream: Upstream | None) -> Sequence[str]:
    """Run a night, print what each step did, and return why it is degraded."""
    from pipeline import console
    from pipeline.ingest.run import Ingested
    from pipeline.nightly import run_night
    from pipeline.results import Published

    settings = read_settings(upstream)
    degraded: Sequence[str] = ()
    with console.show_progress(f"Night of {asof:%Y-%m-%d}") as progress:
        results = run_night(asof=asof, settings=settings, progress=progress)
        for of_ingest, group in groupby(results, key=lambda result: isinstance(result, Ingested)):
            if of_ingest:
                ingested = (result for result in group if isinstance(result, Ingested))
                console.print_ingested(ingested, from_internet=settings.upstream == "internet")
                continue
            for result in group:
                console.print_line(console.describe_result(result))
                degraded = result.degraded if isinstance(result, Published) else degraded
    console.print_night(settings.published_dir / f"{asof:%Y%m%dT%H%MZ}")
    return degraded


app.command(rich_help_panel=NIGHT)(watch)
app.command(rich_help_panel=NIGHT)(page)
app.command(rich_help_panel=NIGHT)(status)
app.command(rich_help_panel=NIGHT)(acknowledge)
app.command(rich_help_panel=NIGHT)(remind)


@app.command(rich_help_panel=NIGHT)
def explain(
    subject: Annotated[str, typer.Argument(help="City, or a message's identifier.")],
    hazard: Annotated[
        Literal["flood", "drought"] | None, typer.Argument(help="Hazard of the city; default both.")
    ] = None,
    day: Day = None,
) -> None:
    """Explain a level or message in ten lines. Example: mekong explain pakse drought."""
    from pipeline import console, review

    for line in review.explain(subject, hazard, asof=issue_time(day), settings=read_settings()):
        console.print_line(line)


@app.command(rich_help_panel=NIGHT)
def replay(
    identifier: Annotated[str, typer.Argument(help="Identifier of a published CAP message.")],
    output: Annotated[
        Path | None, typer.Option("--to", help="Write the message here; default standard output.")
    ] = None,
) -> None:
    """Make a published message again, byte for byte. Example: mekong replay ID --to again.xml."""
    from pipeline import review

    replayed = review.replay(identifier, settings=read_settings())
    if output is None:
        sys.stdout.buffer.write(replayed.content)
    else:
        output.write_bytes(replayed.content)
    if b"xmldsig#" not in replayed.content:
        print("mekong: without keys it is made unsigned (MEKONG_SIGNING_KEYS)", file=sys.stderr)
    if replayed.difference:
        print(f"mekong: {replayed.difference}", file=sys.stderr)
        raise typer.Exit(DIFFERS)


@app.command(rich_help_panel=NIGHT)
def cancel(
    identifier: Annotated[str, typer.Argument(help="Identifier of the message in force.")],
    why: Annotated[str, typer.Option(help="The error in the message, in English.")],
    day: Annotated[
        date | None,
        typer.Option(
            "--date",
            parser=parse_day,
            help="Send it at a night's issue time; default now, in the virtual basin the showcase.",
        ),
    ] = None,
) -> None:
    """Withdraw a message issued in error. Example: mekong cancel ID --why "Wrong gauge"."""
    from pipeline import console, steps

    settings = read_settings()
    if not why.strip():
        raise typer.BadParameter("expected a reason, found an empty --why")
    now = day is None and settings.upstream != "virtual"
    asof = datetime.now(UTC).replace(microsecond=0) if now else issue_time(day)
    cancelled = steps.cancel(identifier, why=why, asof=asof, settings=settings)
    console.print_line(console.describe_cancelled(cancelled))


@app.command(rich_help_panel=NIGHT)
def drill(
    city: Annotated[str, typer.Argument(help="Id of a city with a gauge.")],
    output: Annotated[Path, typer.Option("--out", help="Folder for the trees of the drill.")],
    *,
    test: Annotated[
        bool, typer.Option("--test", help="Status Test instead of Exercise; needs keys.")
    ] = False,
) -> None:
    """Publish a made-up flood for receivers. Example: mekong drill pakse --out OUT."""
    from pipeline import steps

    identifiers = steps.drill(
        city,
        asof=datetime.now(UTC),
        folder=output,
        status="Test" if test else "Exercise",
        settings=read_settings(),
    )
    for change, identifier in zip(("new", "raised", "lowered", "ended"), identifiers, strict=True):
        print(f"{change}: {identifier}")
    print(f"the last tree is named by {output / 'latest.json'}")


@app.command(rich_help_panel=SKILL)
def train(
    day: TrainingDay = None,
    regressor: Annotated[
        str | None,
        typer.Option(help="ridge, or a regressor of scikit-learn; default as the settings say."),
    ] = None,
    unless_worse: Annotated[
        bool,
        typer.Option("--unless-worse", help="Keep the former models if these have less skill."),
    ] = False,
) -> None:
    """Train the models on what was known at a date. Example: mekong train --date 2026-01-01."""
    from pipeline import console, steps

    with console.show_progress("Train") as progress:
        asof = known_time(day)
        settings = read_settings()
        if regressor is not None:
            settings = settings.model_copy(update={"regressor": regressor})
        trained = steps.train(
            asof=asof, settings=settings, unless_worse=unless_worse, progress=progress
        )
    console.print_line(console.describe_trained(trained))


@app.command(rich_help_panel=SKILL)
def verify(day: Day = None) -> None:
    """Score past forecasts against what came. Example: mekong verify --date 2026-09-01."""
    from pipeline import console, steps
    from pipeline.alerts.track_record import season_start

    asof = issue_time(day)
    verified = steps.verify(asof=asof, settings=read_settings())
    console.print_line(console.describe_verified(verified))
    console.print_scores(verified, since=season_start(asof))


app.command(
    rich_help_panel=SKILL,
    help="Forecast past years as if live. Example: mekong hindcast --start 2019-06-01 "
    "--end 2020-10-31 --out OUT.",
)(hindcast)
app.command(rich_help_panel=NIGHT)(plot)
app.command(rich_help_panel=NIGHT)(export)
app.command(rich_help_panel=SKILL)(compare)
app.command(rich_help_panel=SKILL)(scoreboard)


def main() -> None:
    """Run the command; an error is one line and an exit code."""
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:
        outcome = _explain(error)
        if outcome is None:
            raise  # a fault of this program: the traceback helps to mend it
        code, line = outcome
        print(f"mekong: {' '.join(line.split())}", file=sys.stderr)
    if code:
        sys.exit(code)


def _explain(error: Exception) -> tuple[int, str] | None:
    """Return the exit code and the line of an error that the user can resolve, else None."""
    if isinstance(error, typer.TyperException):
        return USAGE, str(error)
    if isinstance(error, KeyError | IndexError):
        return None
    if isinstance(error, LookupError) or (isinstance(error, FileNotFoundError) and not error.errno):
        return USAGE, str(error)
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from pipeline.steps import UserError

    if isinstance(error, ValidationError):
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return USAGE, f"setting {where}: {first['msg']}, found {first['input']!r}"
    if isinstance(error, UserError | SettingsError):
        not_json = re.match(r'error parsing value for field "(\w+)"', str(error))
        what = 'expected JSON, such as ["one", "two"] or {"LA": "one"}'
        return USAGE, f"setting {not_json[1]}: {what}" if not_json else str(error)
    return _explain_broken_state(error)


def _explain_broken_state(error: Exception) -> tuple[int, str] | None:
    """Return the exit code and the line of an error of tables, stores or the disk, else None."""
    from models.registry import UntrustedModel
    from pipeline.geography.reference_tables import BadReference
    from pipeline.storage.archive import describe_broken_archive, end_reads
    from pipeline.storage.atomic import BrokenState

    if isinstance(error, BadReference):
        more = len(error.findings) - MOST_FINDINGS
        remainder = f"; and {more} more: mekong cities check" if more > 0 else ""
        return USAGE, f"{'; '.join(map(str, error.findings[:MOST_FINDINGS]))}{remainder}"
    if isinstance(error, BrokenState | UntrustedModel):
        return ERROR, str(error)
    if isinstance(error, OSError):
        return ERROR, f"{error}; {_DISK_REMEDIES.get(error.errno or 0, 'see docs/operator.md')}"
    if type(error).__module__.partition(".")[0] == "icechunk":
        end_reads()
        return ERROR, describe_broken_archive(read_settings().archive_dir, error)
    return None


_RETRY = "run the same command again: nothing half-written is read"
_DISK_REMEDIES = {
    errno.ENOSPC: f"make room on the disk, then {_RETRY}",
    errno.EDQUOT: f"make room on the disk, then {_RETRY}",
    errno.EROFS: f"mount the disk for writing, then {_RETRY}",
    errno.EACCES: f"give this user the right to write there, then {_RETRY}",
    errno.ENOENT: "what earlier runs left is gone: put back a backup (docs/operator.md, Backup)",
}
"""Remedy of each error of the disk, by its number."""


if __name__ == "__main__":
    main()
