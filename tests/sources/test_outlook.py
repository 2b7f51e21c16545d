"""The outlook of CHIRPS-GEFS: its days, its delay and its names."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from pipeline.ingest import status
from pipeline.sources import SOURCES, outlook
from pipeline.sources.access.client import Client
from pipeline.sources.base import (
    BadGranule,
    NotPublished,
)
from tests.sources.public_files import DAY, GRID, NEXT, ask, served, tif


def test_an_outlook_names_sixteen_days_from_its_issue(tmp_path: Path) -> None:
    found = list(outlook.granules("outlook", DAY, NEXT, DAY))
    assert [found[0].pattern, found[-1].pattern] == [
        "c3g_2024.08.20.issued.2024.08.20.tif",
        "c3g_2024.09.04.issued.2024.08.20.tif",
    ]
    assert {one.folder for one in found} == {"CHIRPS-GEFS/2024/08/20"}
    assert list(outlook.granules("outlook", NEXT, NEXT.replace(day=22), DAY)) == []
    bucket = tmp_path / "bucket"
    folder = bucket / "products/CHIRPS-GEFS/v3/daily/global/2024/08/20"
    made = tif(folder / "c3g_2024.09.04.tif", np.full((6, 6), 7.0))
    with served(bucket) as url, ask("chirps", url) as client:
        ds = outlook.read(outlook.fetch(found[-1], tmp_path, client=client), GRID)
        with pytest.raises(NotPublished, match=r"an outlook is late after 08:30Z of its day"):
            outlook.fetch(found[0], tmp_path, client=client)
    assert ds["time"].values[0] == np.datetime64("2024-09-04")
    assert (ds["rain"].values == 7.0).all()
    assert ds.attrs["version"] == "v3"
    assert outlook.read(made, GRID)["time"].values[0] == np.datetime64("2024-09-04")


def test_an_outlook_is_late_from_half_past_eight_of_its_day() -> None:
    row = SOURCES["outlook"]
    last = next(outlook.granules("outlook", DAY, NEXT, DAY)).end

    def late(asof: datetime) -> bool:
        with Client(endpoints={}, environment={}) as client:
            one = status.describe_status(row, latest=last, asof=asof, client=client)
        assert one.lag is not None
        return one.lag > one.usual

    assert not late(NEXT.replace(hour=0, minute=30)), "a night has that of the day before"
    assert not late(NEXT.replace(hour=8, minute=30))
    assert late(NEXT.replace(hour=8, minute=31))


@pytest.mark.parametrize("name", [
    "c3g_2024.09.05.issued.2024.08.20.tif", "c3g_2024.08.19.issued.2024.08.20.tif",
    "c3g_2024.02.30.issued.2024.02.20.tif", "c3g_2024.13.01.tif", "data.2024.0904.tif",
])  # fmt: skip
def test_a_name_that_no_outlook_has_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadGranule, match="expected"):
        outlook.read(tif(tmp_path / name, np.ones((6, 6))), GRID)
