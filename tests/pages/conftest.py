"""The small published tree that most tests of pages read."""

from __future__ import annotations

import pytest

from pipeline.pages.edition import Edition, read_edition
from tests.pages.page_cases import publish_pages_tree


@pytest.fixture(scope="module")
def edition(tmp_path_factory: pytest.TempPathFactory) -> Edition:
    """Tree of the six cities, not to be changed."""
    return read_edition(publish_pages_tree(tmp_path_factory.mktemp("tree")))
