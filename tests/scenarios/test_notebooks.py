"""The notebook runs on a published night, and its checks of the alert can fail."""

import copy
import json
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from pipeline.settings import ROOT
from tests.scenarios.nights import Night

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="session")
def data_dir(flood: Night) -> Path:
    """Data folder of the flood night; the notebooks only read."""
    return flood.settings.data_dir


def read(path: Path) -> nbformat.NotebookNode:
    notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)
    return notebook


def execute(
    notebook: nbformat.NotebookNode, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Run a notebook on a data folder and return what it prints; figures count as a word."""
    monkeypatch.setenv("MEKONG_DATA_DIR", str(data_dir))
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    done = NotebookClient(notebook, timeout=500, kernel_name="python3").execute()
    words = []
    for cell in done.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            words.append(output.get("text") or data.get("text/markdown", ""))
            words += ["FIGURE"] * ("image/png" in data)
    return "\n".join(words)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_are_small_and_stored_without_outputs(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert cells
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)
    assert path.stat().st_size < 30_000


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_makes_the_published_alert_again(
    path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = execute(read(path), data_dir, monkeypatch)
    assert said.count("FIGURE") == (1 if "No areal record" in said else 2)
    index = json.loads((data_dir / "published" / "latest" / "index.json").read_text())
    assert ("EXERCISE, virtual data" in said) == (index["origin"] == "virtual")
    assert "made again, the same" in said or "no message was due" in said


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_notebook_stops_where_the_published_alert_is_another(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = read(ROOT / "notebooks" / "one_city.ipynb")
    forged = copy.deepcopy(notebook)
    last = forged.cells[-1]
    assert "for decision in decisions:" in last.source
    last.source = last.source.replace(
        "for decision in decisions:",
        'published[CITY, "flood"]["level"] = "forged"\nfor decision in decisions:',
    )
    for cell in forged.cells:  # the figures are not needed for this
        if "plt.subplots" in cell.source and "stages =" not in cell.source:
            cell.source = ""
    with pytest.raises(CellExecutionError, match="published 'forged'"):
        execute(forged, data_dir, monkeypatch)
