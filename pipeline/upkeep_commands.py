"""The commands ``mekong backup``, ``restore``, ``retain`` and ``migrate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.command_options import Day, issue_time, read_settings

if TYPE_CHECKING:
    from pipeline.upkeep import Removed

UPKEEP = "Upkeep"
app = typer.Typer()


@app.command(rich_help_panel=UPKEEP)
def backup(
    folder: Annotated[Path, typer.Argument(help="Folder of the backup: not there yet, or empty.")],
    *,
    upstream: Annotated[
        bool, typer.Option("--upstream", help="Also the upstream files that are still there.")
    ] = False,
) -> None:
    """Back up tables, archive, models and published trees. Example: mekong backup BACKUP."""
    from pipeline import upkeep

    made = upkeep.backup(folder, upstream=upstream, settings=read_settings())
    print(
        f"{made.folder}: {made.files} files, {_describe_size(made.size_bytes)}, "
        f"last night {made.last_night or 'none'}"
    )


@app.command(rich_help_panel=UPKEEP)
def restore(
    folder: Annotated[Path, typer.Argument(help="Folder of a whole backup.")],
) -> None:
    """Restore a backup into an empty data folder. Example: mekong restore BACKUP."""
    from pipeline import upkeep

    settings = read_settings()
    restored = upkeep.restore(folder, settings=settings)
    print(
        f"{settings.region_dir}: restored {restored.files} files, last night "
        f"{restored.last_night or 'none'}"
    )


@app.command(rich_help_panel=UPKEEP)
def retain(
    day: Day = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would go, and remove nothing.")
    ] = False,
) -> None:
    """Remove what is no longer kept (MEKONG_KEEP_...). Example: mekong retain --dry-run."""
    from pipeline import upkeep

    kept = upkeep.retain(asof=issue_time(day), dry_run=dry_run, settings=read_settings())
    if kept.asof is None:
        print("no night was issued yet: nothing is removed")
        return
    print(f"as of {kept.asof}, {'would remove' if kept.dry_run else 'removed'}:")
    print(f"  upstream: {_describe(kept.upstream)}")
    print(f"  published: {kept.versions} trees, {_describe(kept.published)}")
    print(f"  archive: {kept.snapshots} snapshots, {_describe(kept.archive)}")
    for product, steps in (kept.steps or {}).items():
        print(f"  grids of {product}: {steps} steps")
    if kept.held_back:
        print(
            f"mekong: {len(kept.held_back)} snapshots stay, the newest archive lacks their rows: "
            f"{', '.join(kept.held_back)}"
        )


@app.command(rich_help_panel=UPKEEP)
def migrate() -> None:
    """Upgrade the tables now, as the next step would. Example: mekong migrate."""
    from pipeline import upkeep

    before, now = upkeep.migrate(settings=read_settings())
    print(f"tables: revision {now}" + ("" if before == now else f", before {before or 'none'}"))


def _describe(removed: Removed) -> str:
    return f"{removed.files} files, {_describe_size(removed.size_bytes)}"


def _describe_size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"
