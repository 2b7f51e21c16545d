"""``import pipeline as mekong``: cheap to import, and the doors of notebooks behind it."""

from __future__ import annotations

import pytest

import pipeline as mekong
from pipeline.nights import issued_forecasts, night
from tests.project.test_import_time import is_quick, run

IMPORT_S, DOOR_S = 0.1, 2.5
"""CPU time (s) of the import on a quiet core, and of the first use of a door."""


def test_the_import_brings_nothing_with_it() -> None:
    bare, _ = run("pass")
    seconds, modules = run("import pipeline as mekong")
    assert modules & {"numpy", "pandas", "xarray", "sqlalchemy", "pipeline.nights"} == set()
    assert is_quick(seconds - bare, IMPORT_S)


def test_the_doors_are_those_of_the_nights() -> None:
    assert mekong.open is night.open_night
    assert mekong.issued is issued_forecasts.read_issued
    assert {"open", "issued"} <= set(dir(mekong))
    with pytest.raises(AttributeError, match="no attribute 'opened'"):
        mekong.opened  # noqa: B018


def test_a_door_brings_no_training_no_drawing_and_no_providers() -> None:
    seconds, modules = run("import pipeline as mekong; mekong.open; mekong.issued")
    assert modules & {"matplotlib", "sklearn", "skops", "httpx", "rich", "airflow"} == set()
    assert is_quick(seconds, 2 * DOOR_S)
