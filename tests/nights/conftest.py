"""One small night for all tests of what notebooks call."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.settings import Settings
from tests.nights.night_cases import make_nights


@pytest.fixture(scope="session")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of the stores with a published night, and the next one stored."""
    folder: Path = tmp_path_factory.mktemp("nights")
    return make_nights(folder)
