"""A night on a calm river, copied for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.watch.watch_cases import Basin, make_calm_night


@pytest.fixture(scope="module")
def calm_night(tmp_path_factory: pytest.TempPathFactory) -> Basin:
    return make_calm_night(tmp_path_factory.mktemp("calm"))


@pytest.fixture
def basin(calm_night: Basin, tmp_path: Path) -> Basin:
    return calm_night.fork(tmp_path / "data")
