"""Pairs of a substitute and its main product, kept night by night."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.areal import substitutes
from pipeline.storage.archive import Archive
from tests.areal.late_products import ONE, late, root_zone, surface

NIGHT = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)


def test_a_record_that_is_brought_in_later_is_learnt_from(tmp_path: Path) -> None:
    """Both products of a past summer, ingested tonight, are paired tonight and used tonight."""
    archive = Archive(tmp_path / "archive")
    summer = datetime(2025, 7, 10, tzinfo=UTC)
    root_zone(archive, summer, [0.2, 0.25, 0.3] * 22)
    surface(archive, summer, 66)
    late(archive)
    days: Any = {"start": NIGHT.replace(minute=0) - ONE, "end": NIGHT.replace(minute=0)}
    where: Any = {"archive": archive, "region": "mekong"}
    products = substitutes.make_substitutes(**where, asof=NIGHT, **days)
    assert products["pairs_soil_moisture"].sizes["time"] == 66 + 14
    assert float(products["stand_ins"]["soil_moisture"].mean()) == pytest.approx(0.25, abs=0.01)
    for product, table in products.items():
        archive.append(product, table, message="test")
    again = substitutes.make_substitutes(**where, asof=NIGHT, **days)
    assert again["pairs_soil_moisture"].sizes["time"] == 80
    tomorrow: Any = {key: day + ONE for key, day in days.items()}
    again = substitutes.make_substitutes(**where, asof=NIGHT + ONE, **tomorrow)
    assert again["pairs_soil_moisture"].sizes["time"] < 20, "what is kept is not read again"
