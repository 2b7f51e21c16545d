"""What the documentation says exists: commands, variables, files, columns, links."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

import make as tasks
from docs import make, texts
from pipeline.__main__ import app
from pipeline.alerts import facts
from pipeline.alerts.evidence import Rain
from pipeline.alerts.flood import decide_flood
from pipeline.alerts.templates import LANGUAGES
from pipeline.exchange import alert_files, columns, index
from pipeline.exchange.publication import publish_tree
from pipeline.exchange.schema import SCHEMA_VERSION
from pipeline.geography import places
from pipeline.remarks import RemarkCode
from pipeline.settings import ROOT, Settings
from tests.alerts.alert_cases import RULES

T0 = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
WATCH = decide_flood(
    places.city("vientiane"),
    issue_time=T0,
    station=places.station("011901"),
    river=None,
    rain=Rain(return_period_years=6.0, pluvial_index=1.1),
    state=None,
    rules=RULES,
)
"""A Watch that rests on rain."""
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
IDS = [str(path.relative_to(ROOT)) for path in GUIDES]
everywhere = pytest.mark.parametrize("path", GUIDES, ids=IDS)


def code(text: str) -> list[str]:
    """Lines of code blocks, and what stands between single backticks."""
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    rest = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines()] + re.findall(
        r"`([^`]+)`", rest
    )


def anchors(path: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def rows(text: str, heading: str) -> list[list[str]]:
    """Cells of the first table below a heading, without its head."""
    lines = text[text.index(f"\n## {heading}\n") :].splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("|"))
    found = []
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


@everywhere
def test_links_lead_to_files_and_headings(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        found = (path.parent / name).resolve() if name else path
        assert found.exists(), target
        assert found.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(found), target


@everywhere
def test_commands_and_options_exist(path: Path) -> None:
    group = typer.main.get_command(app)
    verbs: dict[str, Any] = vars(group)["commands"]
    for line in code(path.read_text(encoding="utf-8")):
        for verb, rest in re.findall(r"(?:^|[ /])mekong ([a-z][a-z-]*)([^#|]*)", line):
            command = verbs.get(verb)
            assert command is not None, line
            parts = [command, *getattr(command, "commands", {}).values()]
            known = {option for part in parts for one in part.params for option in one.opts}
            known |= {"--help"}
            assert set(re.findall(r"--[a-z][a-z-]*", rest)) <= known, line
        for task, rest in re.findall(r"make\.py ([a-z]+)([^#|]*)", line):
            assert f"make.py {task} " in (tasks.__doc__ or ""), line
            options = {"--date", "--one-person", "--port", "--cluster"}
            assert set(re.findall(r"--[a-z-]+", rest)) <= options, line


@everywhere
def test_variables_are_settings(path: Path) -> None:
    named = set(re.findall(r"MEKONG_[A-Z_]+", path.read_text(encoding="utf-8")))
    assert named <= {f"MEKONG_{name.upper()}" for name in Settings.model_fields}


@everywhere
def test_files_that_are_named_exist(path: Path) -> None:
    for word in code(path.read_text(encoding="utf-8")):
        if re.fullmatch(
            r"(pipeline|models|docs|dags|notebooks|tests|data/reference)/[\w./-]*", word
        ):
            assert (ROOT / word).exists(), word


ON_A_SERVER = {
    "/opt/mekong",
    "/var/lib",
    "/var/backups",
    "/etc/mekong",
    "/etc/systemd",
    "/dev/null",
}
"""Folders that the guide to a server names, as its units do."""


@pytest.mark.parametrize(
    "path", [*GUIDES, *sorted((ROOT / "notebooks").glob("*.ipynb"))], ids=lambda path: path.name
)
def test_no_addresses_and_no_paths_of_a_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"https?://[\w.-]+", text)
    paths = re.findall(r"(?:^|[\s`\"'(=])(/[a-z]\w*/\w+)", text, re.MULTILINE)
    assert not paths or (path.name == "operate.md" and {*paths} <= ON_A_SERVER)
    assert "<!-- made: " not in text or "\n<!-- end -->" in text


def test_functions_named_beside_a_module_are_in_it() -> None:
    text = (ROOT / "docs" / "hydrologist.md").read_text(encoding="utf-8")
    named = re.findall(r"\| ((?:`\w+`(?:, )?)+) in \[[\w.]+\]\(\.\./([\w/.]+)\)", text)
    assert len(named) >= 5
    for functions, module in named:
        source = (ROOT / module).read_text(encoding="utf-8")
        for function in re.findall(r"`(\w+)`", functions):
            assert f"\ndef {function}(" in source, (function, module)


def test_the_columns_are_those_of_the_feeds() -> None:
    text = (ROOT / "docs" / "agency.md").read_text(encoding="utf-8")
    heading = "Columns of `alerts.csv`, properties of `alerts.geojson`"
    table = rows(text, heading)
    found = facts.collect_facts(WATCH, notice=None, identifier=None, status="Exercise")
    assert [row[0].strip("`") for row in table] == list(found)
    units = {"_m": "m", "_cm": "cm", "_deg": "degrees", "_years": "years", "_percent": "%"}
    told = [[re.sub(r"`| \(\[\w+\]\([^)]*\)\)", "", cell) for cell in row] for row in table]
    assert told == [[column.name, column.unit, column.description] for column in columns.ALERTS]
    for name, unit, _ in table:
        end = name.strip("`").rpartition("_")[2]
        assert units.get(f"_{end}", unit) == unit, name


def test_the_codes_of_missing_are_those_of_remarks() -> None:
    text = (ROOT / "docs" / "agency.md").read_text(encoding="utf-8")
    table = rows(text, "Codes of `missing`")
    assert [row[0].strip("`") for row in table] == list(get_args(RemarkCode))


def test_the_index_is_as_described() -> None:
    text = (ROOT / "docs" / "agency.md").read_text(encoding="utf-8")
    found = json.loads(index_of({}))
    assert [row[0].strip("`") for row in rows(text, "`index.json`")] == list(found)
    assert f"Schema version {SCHEMA_VERSION}." in text


def index_of(files: dict[str, bytes]) -> bytes:
    draft = index.write_index(
        [WATCH],
        issue_time=T0,
        revision=0,
        status="Exercise",
        origin="virtual",
        inputs={},
        missing=[],
        archive_snapshot="S",
        records_batch=1,
        model_version="M",
    )
    return index.complete_index(draft, files)


def test_the_example_reads_a_tree_and_refuses_a_damaged_one(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "agency.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    found = facts.collect_rows([WATCH], {}, {}, products={}, origin="virtual", wanted="Test")
    files = {
        "alerts.geojson": alert_files.write_geojson(
            found, issue_time=T0, status="Exercise", areas={WATCH.city.id: WATCH.city.area}
        )
    }
    tree = {**files, "index.json": index_of(files)}
    folder = publish_tree(tree, folder=tmp_path / "data/published", issue_time=T0)
    command = [sys.executable, "-c", example]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Exercise EXERCISE. Flood, level 1 of 3: Vientiane.")
    with (folder / "alerts.geojson").open("ab") as stream:
        stream.write(b" ")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "alerts.geojson: expected SHA-256" in done.stderr


def test_generated_parts_are_those_of_the_code() -> None:
    made = {
        "operator.md": {"settings": make.settings(), "sources": make.sources()},
        "hydrologist.md": {"thresholds": make.thresholds()},
        "texts.md": {"texts": texts.render()},
    }
    for name, parts in made.items():
        text = (ROOT / "docs" / name).read_text(encoding="utf-8")
        for part, content in parts.items():
            assert make.between(text, part, content) == text, f"{part}: run python3 make.py docs"


def test_the_excerpt_says_that_it_is_an_exercise() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (part,) = re.findall(r"<!-- made: excerpt -->(.*?)<!-- end -->", text, re.DOTALL)
    assert part.startswith("\n**Exercise: from the virtual basin, not measured.**")
    assert "Exercise: alerts issued 20" in part
    assert "\n> EXERCISE. Made from synthetic data." in part


def test_measured_data_is_not_put_into_the_readme(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text('{"origin": "measured"}')
    with pytest.raises(ValueError, match="expected a night of the virtual basin"):
        make.excerpt(tmp_path)


def test_the_picture_is_small_and_drawn_alike(tmp_path: Path) -> None:
    kept = ROOT / "docs" / "flow.svg"
    assert kept.stat().st_size < 150_000
    make.flow(tmp_path / "flow.svg")
    assert (tmp_path / "flow.svg").read_bytes() == kept.read_bytes()
    assert "fill: #ffffff" in kept.read_text(encoding="utf-8")


def test_counts_in_the_words_are_right() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"for {len(places.cities())} cities" in text
    words = " ".join(words for _, words, _ in make.BOXES)
    assert f"{len(places.basins())} sub-basins" in words
    assert "seven languages" in words
    assert len(LANGUAGES) == 7


def test_a_part_must_be_there_once() -> None:
    with pytest.raises(ValueError, match="expected one part 'x', found 0"):
        make.between("nothing", "x", "new")
