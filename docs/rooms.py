"""Rooms of the project and the imports between them, read from the source: docs/rooms.svg.

A room is a package, or a module that stands by itself. ``ORDER`` lists the rooms from the bottom
to the top; a room imports only rooms below it.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

ROOT = Path(__file__).resolve().parents[1]
ORDER = (
    ("pipeline.times", "pipeline.settings", "pipeline.storage.atomic"),
    ("pipeline.geography", "pipeline.figures", "models.verification.metrics"),
    ("pipeline.sources.base",),
    ("pipeline.sources.access", "pipeline.sources.formats", "pipeline.quality"),
    ("pipeline.sources.gauges", "pipeline.storage", "pipeline.indices"),
    ("pipeline.sources", "pipeline.areal", "models.climatology"),
    ("pipeline.ingest", "pipeline.gridded", "pipeline.virtual"),
    ("pipeline.alerts", "models.stage", "pipeline.ground_reports"),
    ("models.drought", "pipeline.exchange"),
    ("models", "pipeline.supervision"),
    ("models.verification", "pipeline.issuance"),
    ("pipeline.nights", "pipeline.watch", "pipeline.pages"),
    ("pipeline.steps",),
    ("dags",),
)
"""Rooms from the bottom to the top; rooms of one row do not import each other."""
SINGLE = {
    "pipeline.sources.base": "pipeline.sources.base",
    "pipeline.sources": "pipeline.sources.base",
    "pipeline": "pipeline.steps",
    "pipeline.__main__": "pipeline.steps",
    "pipeline.comparisons": "pipeline.steps",
    "pipeline.command_options": "pipeline.steps",
    "pipeline.console": "pipeline.steps",
    "pipeline.skill_commands": "pipeline.steps",
    "pipeline.export_commands": "pipeline.steps",
    "pipeline.plot_commands": "pipeline.steps",
    "pipeline.place_commands": "pipeline.steps",
    "pipeline.gauge_readiness": "pipeline.steps",
    "pipeline.nightly": "pipeline.steps",
    "pipeline.hourly": "pipeline.steps",
    "pipeline.watch_command": "pipeline.steps",
    "pipeline.page_command": "pipeline.steps",
    "pipeline.own_rows": "pipeline.steps",
    "pipeline.plots": "pipeline.steps",
    "pipeline.review": "pipeline.steps",
    "pipeline.feedback": "pipeline.steps",
    "pipeline.results": "pipeline.steps",
    "pipeline.signing": "pipeline.steps",
    "pipeline.scoring": "pipeline.steps",
    "pipeline.supervision_commands": "pipeline.steps",
    "pipeline.texts": "pipeline.steps",
    "pipeline.upkeep": "pipeline.steps",
    "pipeline.upkeep_commands": "pipeline.steps",
    "models.verification.bootstrap": "models.verification.metrics",
    "pipeline.choices": "pipeline.settings",
    "pipeline.progress": "pipeline.settings",
    "pipeline.remarks": "pipeline.settings",
}
"""Modules that belong to another room than their package: the table of sources is imported by
all readers, the command line is the face of the steps, and training needs the scores' formulas."""


def module_paths(root: Path = ROOT) -> dict[str, Path]:
    """Path of every module of the project by its dotted name."""
    paths = {}
    for folder in ("pipeline", "models", "dags"):
        for path in sorted((root / folder).rglob("*.py")):
            name = ".".join(path.relative_to(root).with_suffix("").parts)
            paths[name.removesuffix(".__init__")] = path
    return paths


def room_of(module: str) -> str:
    """Room that a module belongs to.

    Examples
    --------
    >>> room_of("pipeline.sources.imerg"), room_of("pipeline.sources.formats.hdf")
    ('pipeline.sources', 'pipeline.sources.formats')
    >>> room_of("pipeline.settings"), room_of("models.card"), room_of("models.stage.ridge")
    ('pipeline.settings', 'models', 'models.stage')
    """
    if module in SINGLE:
        return SINGLE[module]
    rooms = {name for row in ORDER for name in row}
    name = module
    while name not in rooms and "." in name:
        name = name.rpartition(".")[0]
    return name if name in rooms else module


def imported(path: Path, modules: Iterable[str]) -> Iterator[str]:
    """Modules of the project that a file imports anywhere, for types too."""
    known = set(modules)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in known else node.module for name in names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def arrows(root: Path = ROOT) -> Counter[tuple[str, str]]:
    """Count the imports from room to room."""
    paths = module_paths(root)
    pairs = (
        (room_of(name), room_of(target))
        for name, path in paths.items()
        for target in imported(path, paths)
        if target in paths
    )
    return Counter((room, other) for room, other in pairs if room != other)


def of_packages(found: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Merge the rooms within a package: imports from package to package.

    Examples
    --------
    >>> sorted(of_packages([("models.stage", "pipeline.sources.base"), ("models", "models.stage")]))
    [('models', 'pipeline.sources')]
    """

    def package(room: str) -> str:
        top, *inner = room.split(".")
        return top if top == "models" or not inner else f"{top}.{inner[0]}"

    pairs = {(package(room), package(other)) for room, other in found}
    return {(room, other) for room, other in pairs if room != other}


def count() -> str:
    """Say how many packages, imports between them, modules and lines there are."""
    pairs = of_packages(arrows())
    packages = {name for pair in pairs for name in pair}
    lines = [path.read_text(encoding="utf-8").splitlines() for path in module_paths().values()]
    written = sum(bool(line.strip()) for of_module in lines for line in of_module)
    long = sum(len(of_module) > 400 for of_module in lines)
    return (
        f"{len(packages)} packages, {len(pairs)} arrows between them, no circle; {len(lines)} "
        f"modules of {written:,} lines without the blank ones, {long} of them longer than 400."
    )


def upward(found: Iterable[tuple[str, str]]) -> list[str]:
    """Name the imports that do not lead to a lower row."""
    height = {name: number for number, row in enumerate(ORDER) for name in row}
    return sorted(
        f"{room} imports {other}"
        for room, other in found
        if height.get(room, -1) <= height.get(other, len(ORDER))
    )


def shortest(found: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Leave out imports that lead where a longer way leads as well.

    Examples
    --------
    >>> sorted(shortest({("a", "b"), ("b", "c"), ("a", "c")}))
    [('a', 'b'), ('b', 'c')]
    """
    pairs = set(found)

    def reached(room: str) -> set[str]:
        below = {other for start, other in pairs if start == room}
        return below.union(*(reached(other) for other in below))

    return {
        (room, other)
        for room, other in pairs
        if not any(other in reached(third) for start, third in pairs if start == room)
    }


def draw(path: Path) -> None:
    """Draw the rooms in their rows, and the arrows from which all imports follow."""
    found = arrows()
    if wrong := upward(found):
        raise ValueError(f"expected imports of lower rooms alone, found {'; '.join(wrong)}")
    at, width = {}, 15.0
    for number, row in enumerate(ORDER):
        for column, name in enumerate(row):
            x = 26 + (column - (len(row) - 1) / 2) * (width + 2)
            at[name] = (x, 6.2 * (len(ORDER) - 1 - number) + 4)
    with mpl.rc_context({"svg.hashsalt": "mekong", "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(6.2, 10), facecolor="white")
        ax = figure.add_axes((0, 0, 1, 1))
        ax.set(xlim=(0, 52), ylim=(6.2 * len(ORDER) + 2, 0))
        ax.axis("off")
        for room, other in sorted(shortest(found)):
            (x, y), (to_x, to_y) = at[room], at[other]
            bend = 0.18 if to_y - y > 7 else 0.0
            style = f"arc3,rad={bend if to_x >= x else -bend}"
            line = {"arrowstyle": "-|>", "color": "#718096", "lw": 0.9, "connectionstyle": style}
            ax.annotate("", (to_x, to_y - 1.6), (x, y + 1.6), arrowprops=line, zorder=1)
        for name, (x, y) in at.items():
            box = FancyBboxPatch(
                (x - width / 2, y - 1.6),
                width,
                3.2,
                boxstyle="round,pad=0,rounding_size=0.8",
                facecolor="#ebf8ff" if name.startswith("pipeline") else "#f0fff4",
                edgecolor="#4a5568",
                zorder=2,
            )
            ax.add_patch(box)
            label = name.removeprefix("pipeline.")
            ax.text(x, y, label, ha="center", va="center", fontsize=8.5, color="#1a202c", zorder=3)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
