"""The ``mekong`` command: the verbs of ``pipeline.steps``, with progress and readable errors."""

from __future__ import annotations

import csv
import errno
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.settings import Settings, Upstream
from pipeline.sources import select_sources
from pipeline.virtual import SHOWCASE

if TYPE_CHECKING:
    from models.verification.operational import CityScore
    from pipeline.sources.gauges.layouts import OwnLayout
    from pipeline.steps import Ingested

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
console = Console()
if not console.is_terminal:
    console = Console(width=120)
errors = Console(stderr=True)


def _day(text: str | date) -> date:
    """Read a date; a default comes here as well, and is one already."""
    if isinstance(text, date):
        return text
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"expected a date like 2026-04-10, found {text!r}") from None


Day = Annotated[
    date | None,
    typer.Option(
        "--date",
        parser=_day,
        help="The night's date; default the showcase flood, from the internet the last night.",
    ),
]
From = Annotated[
    Upstream | None,
    typer.Option("--upstream", help="Where files come from; archive: only what has been ingested."),
]


def _asof(day: date | None, upstream: Upstream | None = None) -> datetime:
    """Issue time of a night, 00:30 UTC; by default the showcase's, of measured data the last."""
    if day is None and _settings(upstream).upstream == "internet":
        day = (datetime.now(UTC) - timedelta(minutes=30)).date()
    return datetime.combine(day or SHOWCASE, time(0, 30), tzinfo=UTC)


def _settings(upstream: Upstream | None = None) -> Settings:
    return Settings() if upstream is None else Settings(upstream=upstream)


def _say(done: object) -> None:
    """Print what a step did."""
    console.print(str(done), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _progress(title: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show how far a step is: what it does, done and total."""
    with console.status(title) as status:

        def show(what: str, done: int, total: int) -> None:
            status.update(f"{title}: {what} {done}/{total}")

        yield show


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
    from pipeline import steps

    with _progress("Virtual basin") as show:
        _say(steps.simulate(asof=_asof(day), full=full, settings=_settings(), show=show))
        if history:
            trained = steps.prepare(asof=_asof(day), settings=_settings(), show=show)
            _say(trained or "history and models: already there")


@app.command(rich_help_panel=DATA)
def ingest(
    source: Annotated[str, typer.Argument(help="A source id, or 'all' for a night's sources.")],
    *,
    folder: Annotated[
        Path | None, typer.Option("--from", help="Take the files of this folder instead.")
    ] = None,
    day: Day = None,
    since: Annotated[
        date | None, typer.Option(parser=_day, help="Ask the upstream for files from this date on.")
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
    from pipeline import steps

    layout = _layout([station, stamps, value, unit], tz, decimal)
    settings = _settings()
    asof = datetime.now(UTC) if folder and day is None else _asof(day)
    start = datetime.combine(since, time(), tzinfo=UTC) if since else None
    with _progress("Ingest") as show:
        found = _say_ingested(
            (
                steps.ingest(
                    one,
                    asof=asof,
                    folder=folder,
                    start=start,
                    layout=layout,
                    settings=settings,
                    show=show,
                )
                for one in (select_sources(settings.upstream) if source == "all" else [source])
            ),
            settings,
        )
    if all(done.nothing for done in found):
        raise typer.Exit(ERROR)


def _say_ingested(ingested: Iterable[Ingested], settings: Settings) -> list[Ingested]:
    """Print what each source brought, as it comes.

    From the internet it is held back until a provider is reached: where none is, that is said
    before all else.
    """
    found: list[Ingested] = []
    said, held = 0, settings.upstream == "internet"
    try:
        for done in ingested:
            found.append(done)
            held = held and not done.reached
            if not held:
                _say_all(found[said:])
                said = len(found)
    finally:
        if unreached := sum(done.reached is False for done in found) if held else 0:
            _say(
                f"providers: none could be reached, of {unreached} sources that were asked; see "
                "whether this machine is online"
            )
        _say_all(found[said:])
    return found


def _say_all(ingested: Iterable[Ingested]) -> None:
    for done in ingested:
        _say(done)


def _layout(columns: list[str | None], zone: str, decimal: str | None) -> OwnLayout | None:
    """Layout of a ministry's own tables, None where no option speaks of one."""
    from pipeline.sources.gauges.layouts import OwnLayout

    given = [column for column in columns if column]
    if not given and not zone and decimal is None:
        return None
    if len(given) < len(columns):
        raise typer.BadParameter("expected --station, --time, --value and --unit together")
    station, stamps, value, unit = given
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
    day: Day = None,
) -> None:
    """List every source: what it needs, how far it is."""
    from pipeline import steps

    settings = _settings()
    asof = datetime.now(UTC) if day is None and settings.upstream == "internet" else _asof(day)
    if what and day is None:
        asof = datetime.now(UTC)
    with _progress("Sources") as show:
        found = steps.sources(asof=asof, settings=settings, check=what is not None, show=show)
    table = Table(
        title=f"Sources as of {asof:%Y-%m-%d %H:%MZ}",
        box=box.ROUNDED if console.is_terminal else None,
    )
    names = ["Source", "Needs", "Last datum ends", "Lag", "Usual"]
    for name in names + ["Provider"] * (what is not None):
        table.add_column(name, justify="right" if name in {"Lag", "Usual"} else "left")
    for one in found:
        needs = [
            f"{re.sub(' or [A-Z]+_', '/', name)}: {'set' if known else '[yellow]not set[/]'}"
            for name, known in one.needs
        ]
        late = one.lag is not None and one.lag > one.usual
        lag = _span(one.lag)
        row = [
            one.source,
            ", ".join(needs) or "–",
            f"{one.latest:%Y-%m-%d %H:%MZ}" if one.latest else "–",
            f"[yellow]{lag}[/]" if late else lag,
            _span(one.usual),
        ]
        if what:
            mark = {True: "[green]ok[/]", False: "[red]no[/]", None: "–"}[one.well]
            row.append(f"{mark}  {escape(one.reached)}")
        table.add_row(*row)
    console.print(table, soft_wrap=not console.is_terminal)


def _span(span: timedelta | None) -> str:
    """Say a span of time in its fitting unit."""
    if span is None:
        return "–"
    hours = span / timedelta(hours=1)
    if abs(hours) < 1:
        return f"{hours * 60:.0f} min"
    return f"{hours:.0f} h" if abs(hours) < 72 else f"{hours / 24:.0f} d"


@app.command(rich_help_panel=NIGHT)
def assess(day: Day = None) -> None:
    """Average the night's grids over the zones. Example: mekong assess --date 2026-04-10."""
    from pipeline import steps

    _say(steps.assess(asof=_asof(day), settings=_settings()))


@app.command(rich_help_panel=NIGHT)
def indices(
    day: Day = None,
    record: Annotated[
        bool,
        typer.Option("--record", help="Fit the reference and make every day of the record."),
    ] = False,
) -> None:
    """Make the indices of every cell of the grid. Example: mekong indices --date 2026-08-20."""
    from pipeline import steps

    _say(steps.indices(asof=_asof(day), settings=_settings(), record=record))


@app.command(rich_help_panel=NIGHT)
def forecast(day: Day = None) -> None:
    """Forecast stages and drought. Example: mekong forecast --date 2026-04-10."""
    from pipeline import steps

    settings, asof = _settings(), _asof(day)
    steps.models_for(asof, settings=settings)  # a night goes on without; who asks for this is told
    _say(steps.forecast(asof=asof, settings=settings))


@app.command(rich_help_panel=NIGHT)
def publish(day: Day = None) -> None:
    """Decide, word and publish the alerts. Example: mekong publish --date 2026-04-10."""
    from pipeline import steps

    done = steps.publish(asof=_asof(day), settings=_settings())
    _say(done)
    _leave_if_degraded(done.degraded)


def _leave_if_degraded(reasons: Sequence[str]) -> None:
    """Name why a published night is not a good one, and leave with its exit code."""
    for reason in reasons:
        errors.print(f"degraded: {reason}", markup=False, highlight=False, soft_wrap=True)
    if reasons:
        raise typer.Exit(DEGRADED)


@app.command(rich_help_panel=NIGHT)
def nightly(day: Day = None, upstream: From = None) -> None:
    """Run the whole night in one process. Example: mekong nightly --date 2026-04-10."""
    from pipeline import steps

    settings, asof = _settings(upstream), _asof(day, upstream)
    with _progress(f"Night of {asof:%Y-%m-%d}") as show:
        if settings.upstream == "virtual":
            _say(steps.simulate(asof=asof, settings=settings, show=show))
        trained = steps.prepare(asof=asof, settings=settings, show=show)
        if trained:
            _say(trained)
        ingested = (
            steps.ingest(source, asof=asof, settings=settings, show=show)
            for source in select_sources(settings.upstream)
        )
        _say_ingested(ingested, settings)
        _say(steps.assess(asof=asof, settings=settings))
        _say(steps.indices(asof=asof, settings=settings))
        _say(steps.forecast(asof=asof, settings=settings))
        published = steps.publish(asof=asof, settings=settings)
        _say(published)
        _say(steps.verify(asof=asof, settings=settings))
    _show_night(settings.published_dir / f"{asof:%Y%m%dT%H%MZ}")
    _leave_if_degraded(published.degraded)


@app.command(rich_help_panel=NIGHT)
def status(day: Day = None) -> None:
    """Show a day's last alerts and where they are. Example: mekong status --date 2026-04-10."""
    from pipeline import steps

    settings = _settings()
    first = settings.published_dir / f"{_asof(day):%Y%m%dT%H%MZ}"
    later = first.parent.glob(f"{first.name[:9]}*/index.json")  # of a night that waited for rain
    found = max((index.parent for index in later), default=None)
    if found is not None:
        _show_night(found)  # what was warned of is shown whatever the stores are like
    steps.check_whole(settings)
    if found is None:
        _show_night(first)


@app.command(rich_help_panel=NIGHT)
def replay(
    identifier: Annotated[str, typer.Argument(help="Identifier of a published CAP message.")],
    output: Annotated[
        Path | None, typer.Option("--to", help="Write the message here; default standard output.")
    ] = None,
) -> None:
    """Make a published message again, byte for byte. Example: mekong replay ID --to again.xml."""
    from pipeline import steps

    settings = _settings()
    message = steps.replay(identifier, settings=settings)
    if output is None:
        sys.stdout.buffer.write(message)
    else:
        output.write_bytes(message)
    published = sorted(settings.published_dir.rglob(f"cap/{identifier}.xml"))
    for path in published:
        if path.read_bytes() != message:
            errors.print(
                f"mekong: the message differs from {path}, which was published",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
            raise typer.Exit(DIFFERS)


@app.command(rich_help_panel=SKILL)
def train(day: Day = None) -> None:
    """Train the models on what was known at a date. Example: mekong train --date 2026-01-01."""
    from pipeline import steps

    with _progress("Train") as show:
        asof = datetime.now(UTC) if day is None else _asof(day)
        _say(steps.train(asof=asof, settings=_settings(), show=show))


@app.command(
    rich_help_panel=SKILL,
    help="Forecast past years as if live. Example: mekong hindcast --start 2019-06-01 "
    "--end 2020-10-31 --out OUT.",
)
def hindcast(
    start: Annotated[date, typer.Option(parser=_day, help="First issue date.")],
    end: Annotated[date, typer.Option(parser=_day, help="Last issue date.")],
    output: Annotated[Path, typer.Option("--out", help="Folder for scores, forecasts and report.")],
    train_from: Annotated[date, typer.Option(parser=_day, help="First training date.")] = date(
        1992, 1, 1
    ),
    leads: Annotated[str, typer.Option(help="Lead times in days, parted by commas.")] = "1,3,5,7",
) -> None:
    """Forecast past years as if live."""
    from pipeline import steps

    if end < start:
        raise typer.BadParameter(f"--end: expected a date from {start} on, found {end}")
    if not re.fullmatch(r"[1-9]\d?(,[1-9]\d?)*", leads):
        raise typer.BadParameter(f"--leads: expected whole days parted by commas, found {leads!r}")
    with _progress("Hindcast") as show:
        done = steps.hindcast(
            start=start,
            end=end,
            train_from=train_from,
            leads=tuple(int(lead) for lead in leads.split(",")),
            folder=output,
            settings=_settings(),
            show=show,
        )
    _say(done)


@app.command(rich_help_panel=SKILL)
def verify(day: Day = None) -> None:
    """Score past forecasts against what came. Example: mekong verify --date 2026-09-01."""
    from pipeline import steps
    from pipeline.alerts.track_record import season_start

    done = steps.verify(asof=_asof(day), settings=_settings())
    _say(done)
    since = f"{season_start(_asof(day)):%Y-%m-%d}"
    if done.cities:
        console.print(_city_scores(done.cities, since))
    for level in done.levels:
        came = f"the mark was reached after {level.hits} of {level.issued} of them"
        _say(f"{level.city}, flood {level.level} since {since}: {came}")
    for one in done.drought:
        _say(
            f"drought D1 or drier in {one.horizon_weeks} weeks since {since}: {one.forecasts} "
            f"forecasts, {one.events} came, Brier score {one.brier:.3f}"
        )


def _city_scores(scores: Sequence[CityScore], since: str) -> Table:
    """Scores of the issued stage forecasts by city and lead."""
    table = Table(
        title=f"Stage forecasts as issued since {since}",
        caption="CP: 1 - MSE / MSE of persistence; 80 %: share inside that interval.",
    )
    for name in ("City", "Lead", "Forecasts", "RMSE", "CP", "80 %"):
        table.add_column(name, justify="left" if name == "City" else "right")
    for one in scores:
        table.add_row(
            one.city,
            f"{one.lead_days} d",
            str(one.forecasts),
            f"{one.rmse_m:.2f} m",
            "–" if one.cp is None else f"{one.cp:.2f}",
            f"{one.cover80:.0%}",
        )
    return table


STYLES = {
    "emergency": "bold white on red",
    "warning": "bold red",
    "watch": "yellow",
    "unknown": "magenta",
    "none": "green",
}
LEVELS = list(STYLES)


def _show_night(folder: Path) -> None:
    """Print a published night: cities and hazards that are not quiet, and where the files are."""
    if not (folder / "index.json").exists():
        raise LookupError(f"expected a night published in {folder}, found none")
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    with (folder / "alerts.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    table = Table(
        title=f"{index['status']}: alerts issued {index['issue_time']}",
        caption="P: chance of what the level is about; drivers: of the stage's change, in cm "
        "(height: a high river tends to fall).",
    )
    for name in ("City", "Hazard", "Level", "P", "Now", "Alarm / flood", "Main drivers, evidence"):
        table.add_column(name, justify="right" if name == "P" else "left")
    loud = [row for row in rows if row["level"] not in {"none", "unknown"}]
    for row in sorted(loud, key=lambda row: (LEVELS.index(row["level"]), row["hazard"])):
        table.add_row(
            f"{row['name']} {row['country']}",
            row["hazard"],
            f"[{STYLES[row['level']]}]{row['level']}[/]",
            _chance(row),
            _now(row),
            f"{row['alarm_m']} / {row['flood_m']} m" if row["alarm_m"] else "–",
            _drivers(row),
        )
    console.print(table)
    for hazard in ("flood", "drought"):
        of = [row for row in rows if row["hazard"] == hazard]
        why: dict[str, list[str]] = {}
        for row in of:
            if row["level"] == "unknown":
                why.setdefault(row["missing"], []).append(row["name"])
        for missing, names in why.items():
            said = f"UNKNOWN {hazard} in {', '.join(names)}: missing {missing}."
            console.print(said, style=STYLES["unknown"], highlight=False)
        quiet = [row["name"] for row in of if row["level"] == "none"]
        said = f"No {hazard} warning, on sufficient evidence, in {len(quiet)} of {len(of)} cities"
        console.print(f"{said}: {', '.join(quiet)}." if quiet else f"{said}.", highlight=False)
    console.print("Where there is no gauge, flood means heavy rain over the city alone.")
    for line in index["missing"]:
        console.print(f"Missing: {line}", highlight=False)
    console.print(f"Models {index['model_version']}, archive {index['archive_snapshot']}")
    for path in ("index.json", "alerts.geojson", "alerts.csv", "cap", "risk.nc", "monthly.nc"):
        if (folder / path).exists():
            console.print(f"  {folder / path}", highlight=False, soft_wrap=True)


def _chance(row: dict[str, str]) -> str:
    """Chance of what the level is about, or that it has been seen."""
    if row["certainty"] == "Observed":
        return "seen"
    return f"{float(row['probability']):.0%}" if row["probability"] else "–"


def _now(row: dict[str, str]) -> str:
    """Say what was last observed."""
    if row["hazard"] == "drought":
        return row["drought_class"] or "–"
    return f"{float(row['stage_m']):.2f} m" if row["stage_m"] else "–"


def _drivers(row: dict[str, str]) -> str:
    """Name two drivers of the river or the indices of a drought, and what was missing."""
    words = []
    if row["hazard"] == "drought":
        for key, name in (("spi3", "SPI-3"), ("soil_moisture_percentile", "soil percentile")):
            if row[key]:
                words.append(f"{name} {float(row[key]):.1f}")
    else:
        found = {
            key.removeprefix("driver_").removesuffix("_cm").replace("_", " "): float(value)
            for key, value in row.items()
            if key.startswith("driver_") and value
        }
        strongest = sorted(found.items(), key=lambda one: -abs(one[1]))[:2]
        words += [f"{name} {value:+.0f}" for name, value in strongest]
        if row["rain_return_period_years"] and float(row["rain_return_period_years"]) >= 2:
            words.append(f"rain 1 in {float(row['rain_return_period_years']):.0f} y")
    if row["missing"]:
        words.append(f"missing: {row['missing']}")
    return ", ".join(words)


def main() -> None:
    """Run the command; what goes wrong is one line and an exit code."""
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:
        found = _told(error)
        if found is None:
            raise  # a fault of this program: its traceback is what mends it
        code, line = found
        line = " ".join(line.split())
        errors.print(f"mekong: {line}", markup=False, highlight=False, soft_wrap=True)
    if code:
        sys.exit(code)


def _told(error: Exception) -> tuple[int, str] | None:
    """Exit code and line of an error that the user can do something about; None of another."""
    from pipeline.steps import UserError

    line = str(error)
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        line = f"setting {where}: {first['msg']}, found {first['input']!r}"
    usage = UserError | LookupError | typer.TyperException | SettingsError | ValidationError
    if isinstance(error, KeyError | IndexError):
        found = None
    elif isinstance(error, usage) or (isinstance(error, FileNotFoundError) and not error.errno):
        found = USAGE, line
    else:
        found = _broken(error)
    return found


def _broken(error: Exception) -> tuple[int, str] | None:
    """Exit code and line of an error of what earlier runs left or of the disk; None of another."""
    from models.registry import UntrustedModel
    from pipeline.storage.archive import broken_archive, end_reads
    from pipeline.storage.atomic import BrokenState

    if isinstance(error, BrokenState | UntrustedModel):
        return ERROR, str(error)
    if isinstance(error, OSError):
        return ERROR, f"{error}; {_DISK.get(error.errno or 0, 'see docs/operator.md')}"
    if type(error).__module__.partition(".")[0] == "icechunk":
        end_reads()
        return ERROR, broken_archive(_settings().archive_dir, error)
    return None


_AGAIN = "run the same command again: nothing half-written is read"
_DISK = {
    errno.ENOSPC: f"make room on the disk, then {_AGAIN}",
    errno.EDQUOT: f"make room on the disk, then {_AGAIN}",
    errno.EROFS: f"mount the disk for writing, then {_AGAIN}",
    errno.EACCES: f"give this user the right to write there, then {_AGAIN}",
    errno.ENOENT: "what earlier runs left is gone: put back a backup (docs/operator.md, Backup)",
}
"""What to do about an error of the disk."""


if __name__ == "__main__":
    main()
