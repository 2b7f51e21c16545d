"""Make the parts of the documentation that come from running: ``python -m docs.make``.

What stands between ``<!-- made: NAME -->`` and ``<!-- end -->`` in README.md and the guides is
replaced; docs/flow.svg and docs/rooms.svg are drawn anew. The excerpt is of the showcase night,
which must have been published (``python3 make.py nightly``). The same night gives the same bytes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import matplotlib as mpl
from lxml import etree
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from docs import rooms, texts
from pipeline.alerts.cap import NAMESPACE
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.thresholds import rules_for
from pipeline.geography.reference_schema import EVERY_CITY
from pipeline.settings import ROOT, Settings
from pipeline.sources import SOURCES
from pipeline.virtual import SHOWCASE


def between(text: str, name: str, made: str) -> str:
    """Replace what stands between the marks of a generated part.

    Examples
    --------
    >>> print(between("<!-- made: x -->old<!-- end -->", "x", "new"))
    <!-- made: x -->
    new
    <!-- end -->
    """
    pattern = re.compile(rf"(<!-- made: {re.escape(name)} -->).*?(<!-- end -->)", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise ValueError(f"expected one part {name!r}, found {len(pattern.findall(text))}")
    return pattern.sub(lambda mark: f"{mark[1]}\n{made}\n{mark[2]}", text)


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def settings() -> str:
    """Table of the settings: variable, default, meaning."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "`data` of the checkout" if name == "data_dir" else f"`{field.default}`"
        default = "none" if field.default is None else default
        if isinstance(field.default, tuple):
            default = f"`{json.dumps(field.default)}`"
        rows.append((f"`MEKONG_{name.upper()}`", default, str(field.description)))
    return table(("variable", "default", "meaning"), rows)


def _hours(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    for unit, size in (("d", 1440), ("h", 60)):
        if minutes % size == 0:
            return f"{minutes // size} {unit}"
    return f"{minutes / 60:g} h" if minutes > 60 else f"{minutes} min"


def sources() -> str:
    """Table of the sources: how often, how late, how far back a night asks."""
    head = ("source", "kind", "one file per", "usual delay", "a night asks back", "reader")
    rows = [
        (
            *(f"`{one.id}`", one.kind),
            *(_hours(one.cadence), _hours(one.latency), _hours(one.lookback)),
            f"[{one.module}](../{one.module.replace('.', '/')}.py)",
        )
        for one in SOURCES.values()
    ]
    return table(head, rows)


def thresholds() -> str:
    """Table of the thresholds of a city without rows of its own."""
    rules = asdict(rules_for(EVERY_CITY, asof=None))
    rows = [
        (f"`{name}`", _hours(value) if isinstance(value, timedelta) else f"{value:g}")
        for name, value in rules.items()
    ]
    return table(("threshold", "default"), rows)


def excerpt(tree: Path) -> str:
    """Quote what ``mekong status`` prints of a night and what its highest alert says.

    Raises
    ------
    ValueError
        The night rests on measured data, whose licence is the user's own.
    """
    index = json.loads((tree / "index.json").read_text(encoding="utf-8"))
    if index["origin"] != "virtual":
        raise ValueError(f"expected a night of the virtual basin, found {index['origin']} data")
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "status", "--date", index["issue_time"][:10]],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    )
    printed = [line.rstrip() for line in done.stdout.decode().splitlines()]
    end = next(n for n, line in enumerate(printed) if line.startswith("Where there is no gauge"))
    lines = [line for line in printed[: end + 1] if line]
    message = max(
        (etree.parse(path).getroot() for path in sorted((tree / "cap").glob("*.xml"))),
        key=lambda alert: [
            RAISED.index(Level(_parameter(alert, "level_in_force"))),
            float(_parameter(alert, "probability") or 0),
        ],
    )
    words = [_text(message, name) for name in ("headline", "description")]
    said = "\n>\n".join(f"> {line}" for part in words for line in part.splitlines())
    day, identifier = index["issue_time"][:10], _text(message, "identifier")
    return f"""**Exercise: from the virtual basin, not measured.** The output of
`mekong status --date {day}`:

```text
{chr(10).join(lines)}
```

One of its messages, in English (`{identifier}`):

{said}"""


def _parameter(alert: etree._Element, name: str) -> str:
    """Value of the first parameter of that name; empty where there is none."""
    return str(alert.xpath("string(//*[.=$name]/following-sibling::*)", name=name))


def _text(alert: etree._Element, name: str) -> str:
    """Text of the element of that name in English, else of the envelope."""
    english = f"//cap:info[cap:language='en']/cap:{name} | /cap:alert/cap:{name}"
    (node,) = alert.xpath(english, namespaces={"cap": NAMESPACE})
    return str(node.text)


BOXES = (
    ("Upstream files", "IMERG  ·  GK2A  ·  SMAP  ·  NDVI, LST  ·  MRC gauge exports", "#edf2f7"),
    ("ingest", "each format is read once, onto one grid and one table", "#ebf8ff"),
    ("Archive and records", "Icechunk grids  ·  SQL tables  ·  what was known when", "#edf2f7"),
    ("assess", "rain, soil and vegetation of 26 sub-basins and every city", "#ebf8ff"),
    ("forecast", "stage 1 to 7 days with quantiles  ·  drought 1 to 12 weeks", "#ebf8ff"),
    ("publish", "Watch, Warning, Emergency, or UNKNOWN  ·  seven languages", "#ebf8ff"),
    ("What agencies read", "CAP 1.2  ·  GeoJSON  ·  CSV  ·  netCDF  ·  index.json", "#f0fff4"),
)
"""The way of the data, top to bottom: name, what it is, colour."""


def flow(path: Path) -> None:
    """Draw the way of the data, narrow enough for a phone, on white."""
    with mpl.rc_context({"svg.hashsalt": "mekong", "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(5.2, 6.6), facecolor="white")
        ax = figure.add_axes((0, 0, 1, 1))
        ax.set(xlim=(0, 52), ylim=(66, 0))
        ax.axis("off")
        for number, (name, words, colour) in enumerate(BOXES):
            top = 2 + 9.1 * number
            step = name[0].islower()
            box = FancyBboxPatch(
                (2, top), 48, 6.4, boxstyle="round,pad=0,rounding_size=1.2",
                facecolor=colour, edgecolor="#2b6cb0" if step else "#4a5568", linewidth=1.2,
            )  # fmt: skip
            ax.add_patch(box)
            kind = {"family": "DejaVu Sans Mono"} if step else {"family": "DejaVu Sans"}
            ax.text(26, top + 2.1, name, ha="center", va="center", fontsize=12.5,
                    fontweight="bold", color="#1a202c", fontdict=kind)  # fmt: skip
            ax.text(26, top + 4.6, words, ha="center", va="center", fontsize=9.6, color="#1a202c")
            if number:
                ax.annotate("", (26, top), (26, top - 2.7),
                            arrowprops={"arrowstyle": "-|>", "color": "#4a5568"})  # fmt: skip
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main() -> None:
    """Make every generated part."""
    from docs import agreement  # noqa: PLC0415  # its peers take seconds to import

    flow(ROOT / "docs" / "flow.svg")
    rooms.draw(ROOT / "docs" / "rooms.svg")
    night = Settings().published_dir / f"{SHOWCASE:%Y%m%d}T0030Z"
    if not night.exists():
        sys.exit(f"docs: expected a night in {night}, found none; run: python3 make.py nightly")
    parts = {
        "README.md": {"excerpt": excerpt(night.resolve())},
        "docs/architecture.md": {"rooms": rooms.count()},
        "docs/operator.md": {"settings": settings(), "sources": sources()},
        "docs/hydrologist.md": {"thresholds": thresholds()},
        "docs/texts.md": {"texts": texts.render()},
        "docs/indices.md": {"agreement": agreement.table(list(agreement.cases()))},
    }
    for name, made in parts.items():
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        for part, content in made.items():
            text = between(text, part, content)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
