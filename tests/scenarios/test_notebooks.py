"""The notebooks run on a published night, also for a city without a gauge, and can fail."""

from __future__ import annotations

import csv
import io
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from pipeline.nights.night import open_night
from pipeline.settings import ROOT
from tests.scenarios import nights
from tests.scenarios.nights import Night

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FIRST = ROOT / "notebooks" / "01_the_basin_this_morning.ipynb"
MOST_CELLS, MOST_S = 12, 120
NO_GAUGE = 'CITY = "siem_reap"'
SMALL = {
    "03_drought_now_and_in_the_record": "CITY = 'pakse'",
    "04_how_good_are_we": "SEASONS, TRAIN_FROM, LEADS = 1, '2020', (1, 5)",
    "06_what_if": "CITY, SEASONS, TRAIN_FROM = 'pakse', 1, '2020'",
    "07_bring_your_own_data": "TRAIN_FROM, LEADS = '2020', (1, 5)",
    "09_another_regressor": "TRAIN_FROM, LEADS = '2020', (1, 5)\nREGRESSOR.set_params(max_iter=15)",
    "10_us_against_another_forecast": "SEASONS, TRAIN_FROM, LEADS = 1, '2020', (1, 5)",
}
"""Parameters with which the long ones take less time, or show more than by default; the figures are
drawn all the same."""
FIGURES = {"01": 3, "02": 3, "03": 3, "04": 2, "05": 2, "06": 1, "07": 1, "08": 0, "09": 2, "10": 1}
Execute = Callable[..., str]


def read(path: Path) -> nbformat.NotebookNode:
    notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)
    return notebook


def parameters(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Cell of the parameters, the only one."""
    (cell,) = [one for one in notebook.cells if "parameters" in one.metadata.get("tags", [])]
    found: nbformat.NotebookNode = cell
    return found


@pytest.fixture(scope="module")
def execute(flood: Night, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Execute]:
    """Runs notebooks one after the other in one kernel, each in an empty namespace."""
    folder = tmp_path_factory.mktemp("kernel")
    manager = KernelManager(kernel_name="python3")
    environment = os.environ | {
        "MEKONG_DATA_DIR": str(flood.settings.data_dir),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "OMP_NUM_THREADS": "1",
        "TMPDIR": str(folder),
    }
    manager.start_kernel(env=environment, cwd=str(folder))

    def run(notebook: nbformat.NotebookNode, **changed: Path) -> str:
        """Run a notebook and return what it prints; figures count as a word."""
        cell = parameters(notebook)
        set_up = "".join(
            f"import os\nos.environ[{name!r}] = {str(path)!r}\n" for name, path in changed.items()
        )
        cell.source = f"%reset -f\n{set_up}{cell.source}"
        client = NotebookClient(notebook, timeout=MOST_S, km=manager)
        try:
            client.execute()
        finally:
            if client.kc is not None:
                client.kc.stop_channels()
        words = []
        for one in notebook.cells:
            for output in one.get("outputs", []):
                assert output.get("name") != "stderr", output["text"]
                data = output.get("data", {})
                words.append(str(output.get("text") or data.get("text/plain", "")))
                words += ["FIGURE"] * ("image/png" in data)
        assert not list(folder.iterdir()), "a temporary folder was left behind"
        return "\n".join(words)

    yield run
    manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_small_and_stored_without_outputs(path: Path) -> None:
    notebook = read(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nbformat.validate(notebook)
    assert len(notebook.cells) <= MOST_CELLS
    assert path.stat().st_size < 30_000
    title, second, *_ = notebook.cells
    assert title.source.startswith(f"# {int(path.stem[:2])} ")
    assert second == parameters(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


def test_there_is_a_notebook_of_every_number() -> None:
    assert [path.stem[:2] for path in NOTEBOOKS] == [f"{number:02}" for number in range(1, 11)]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_on_a_published_night(path: Path, execute: Execute) -> None:
    notebook = read(path)
    cell = parameters(notebook)
    cell.source += f"\n{SMALL.get(path.stem, '')}"
    said = execute(notebook)
    assert said.count("FIGURE") == FIGURES[path.stem[:2]]
    if path.stem[:2] == "01":
        assert "80 levels: made again, the same" in said
        assert "mekong-20260820T0030Z-nakhon_phanom-flood-r0: made again, the same" in said
    if path.stem[:2] == "03":
        assert "horizon_weeks" in said, "the gauge of the city has forecasts of low flow"
    if path.stem[:2] == "08":
        assert "Ban Tha (ban_tha), LA, in the sub-basin nam_ou" in said


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("number", "figures"), [("01", 3), ("02", 3), ("03", 3), ("05", 2)], ids=str
)
def test_a_notebook_runs_for_a_city_without_a_gauge(
    number: str, figures: int, execute: Execute
) -> None:
    (path,) = [one for one in NOTEBOOKS if one.stem.startswith(number)]
    notebook = read(path)
    cell = parameters(notebook)
    cell.source += f"\n{NO_GAUGE}"
    said = execute(notebook)
    assert said.count("FIGURE") == figures
    assert "nakhon_phanom-flood-r0" not in said


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_first_notebook_stops_where_a_published_level_is_another(
    flood: Night, execute: Execute, tmp_path: Path
) -> None:
    for part in flood.settings.data_dir.iterdir():
        if part.name != "published":
            (tmp_path / part.name).symlink_to(part)
    shutil.copytree(flood.settings.published_dir, tmp_path / "published", symlinks=True)
    table = open_night(settings=nights.settings_in(tmp_path)).folder / "alerts.csv"
    rows = list(csv.DictReader(io.StringIO(table.read_text("utf-8"))))
    for row in rows:
        if (row["city"], row["hazard"]) == ("pakse", "flood"):
            row["level"] = "none"
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    notebook = read(FIRST)
    notebook.cells = [cell for cell in notebook.cells if "plots.plot(" not in cell.source]
    with pytest.raises(CellExecutionError, match=r"published otherwise:(?s:.)*pakse"):
        execute(notebook, MEKONG_DATA_DIR=tmp_path)
