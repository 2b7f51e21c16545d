from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from pipeline.geography.grid import Grid
from pipeline.storage.archive import Archive, NothingArchived
from tests.storage.zone_steps import zone_steps

GRID = Grid(10.0, 10.4, 100.0, 100.6)


def steps(start: str, values: list[float], available: str) -> xr.Dataset:
    time = np.datetime64(start, "ns") + np.arange(len(values)) * np.timedelta64(1, "D")
    rain = np.broadcast_to(
        np.array(values, "float32")[:, None, None], (len(values), *GRID.shape)
    ).copy()
    ds = GRID.dataset(time, rain=rain)
    known = np.full(len(values), np.datetime64(available, "ns"))
    return ds.assign_coords(available_time=("time", known))


def moment(day: int) -> datetime:
    return datetime(2026, 8, day, tzinfo=UTC)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def test_reads_back_what_was_appended(archive: Archive) -> None:
    assert archive.append("rain", steps("2026-08-01", [1.0, 2.0], "2026-08-03"), message="a") == 2
    ds = archive.read("rain", asof=moment(4))
    assert ds["rain"].mean(("lat", "lon")).values.tolist() == [1.0, 2.0]
    assert ds["rain"].attrs["units"] == "mm"
    assert ds["lat"].values.tolist() == GRID.lat.tolist()
    assert ds.rio.crs.to_epsg() == 4326
    assert ds["rain"].chunks is not None


def test_repeating_an_append_changes_nothing(archive: Archive) -> None:
    archive.append("rain", steps("2026-08-01", [1.0], "2026-08-03"), message="a")
    snapshot = archive.snapshot
    assert archive.append("rain", steps("2026-08-01", [1.0], "2026-08-03"), message="b") == 0
    assert archive.append("rain", steps("2026-08-01", [1.0], "2026-08-09"), message="c") == 0
    assert archive.snapshot == snapshot


def test_a_revision_is_seen_only_once_it_was_available(archive: Archive) -> None:
    archive.append("rain", steps("2026-08-01", [1.0, 2.0], "2026-08-03"), message="a")
    archive.append("rain", steps("2026-08-01", [7.0], "2026-08-06"), message="revised")
    before = archive.read("rain", asof=moment(5))["rain"][:, 0, 0].values.tolist()
    after = archive.read("rain", asof=moment(6))["rain"][:, 0, 0].values.tolist()
    assert (before, after) == ([1.0, 2.0], [7.0, 2.0])


def test_steps_out_of_order_are_read_in_order(archive: Archive) -> None:
    archive.append("rain", steps("2026-08-05", [5.0], "2026-08-06"), message="a")
    archive.append("rain", steps("2026-08-01", [1.0], "2026-08-06"), message="b")
    ds = archive.read("rain", asof=moment(7))
    assert ds["rain"][:, 0, 0].values.tolist() == [1.0, 5.0]
    half_open = archive.read("rain", asof=moment(7), start=moment(1), end=moment(5))
    assert half_open["rain"][:, 0, 0].values.tolist() == [1.0]


def test_what_was_not_yet_known_is_not_there(archive: Archive) -> None:
    with pytest.raises(NothingArchived, match="nothing has been archived for rain"):
        archive.read("rain", asof=moment(4))
    archive.append("rain", steps("2026-08-01", [1.0], "2026-08-03"), message="a")
    with pytest.raises(NothingArchived, match="2026-08-02 00:00Z"):
        archive.read("rain", asof=moment(2))


def test_a_snapshot_stays_as_it_was(archive: Archive, tmp_path: Path) -> None:
    archive.append("rain", steps("2026-08-01", [1.0], "2026-08-03"), message="a")
    snapshot = archive.snapshot
    archive.append("rain", steps("2026-08-02", [2.0], "2026-08-03"), message="b")
    old = Archive(tmp_path / "archive", snapshot=snapshot)
    assert old.read("rain", asof=moment(4)).sizes["time"] == 1
    assert old.snapshot == snapshot != archive.snapshot
    with pytest.raises(ValueError, match="expected the newest archive"):
        old.append("rain", steps("2026-08-03", [2.0], "2026-08-04"), message="c")


def test_missing_stays_missing(archive: Archive) -> None:
    archive.append("rain", steps("2026-08-01", [np.nan, 0.0], "2026-08-03"), message="a")
    found = archive.read("rain", asof=moment(4))["rain"][:, 0, 0].values
    assert np.isnan(found[0])
    assert found[1] == 0.0


def test_another_grid_or_variable_is_refused(archive: Archive) -> None:
    archive.append("rain", steps("2026-08-01", [1.0], "2026-08-03"), message="a")
    snapshot = archive.snapshot
    other = steps("2026-08-02", [1.0], "2026-08-03")
    with pytest.raises(ValueError, match="expected the archived lat"):
        archive.append("rain", other.assign_coords(lat=other["lat"] + 1.0), message="b")
    with pytest.raises(ValueError, match=r"expected the variables \['rain'\], found \['lst'\]"):
        archive.append("rain", other.rename(rain="lst"), message="b")
    assert archive.snapshot == snapshot


def test_a_killed_append_leaves_the_last_good_state(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    import icechunk

    archive.append("rain", steps("2026-08-01", [1.0], "2026-08-03"), message="a")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(icechunk.Session, "commit", killed)
        archive.append("rain", steps("2026-08-02", [2.0], "2026-08-03"), message="b")
    assert archive.read("rain", asof=moment(9)).sizes["time"] == 1
    assert archive.append("rain", steps("2026-08-02", [2.0], "2026-08-03"), message="b") == 1
    assert archive.read("rain", asof=moment(9)).sizes["time"] == 2


def test_an_archive_is_made_in_the_format_that_every_python_reads(archive: Archive) -> None:
    archive.append("rain", steps("2026-08-01", [1.0], "2026-08-03"), message="a")
    # Format 2 keeps its branches in a file called repo; format 1 keeps each in a folder of refs.
    assert (archive.folder / "refs" / "branch.main" / "ref.json").exists()
    assert not (archive.folder / "repo").exists()


def known_rain(archive: Archive, day: int) -> dict[str, list[float | None]]:
    """Rain of each zone as known on a day, None where it is missing."""
    rain = archive.read("zones", asof=moment(day))["rain"].compute()
    return {
        zone: [None if np.isnan(value) else float(value) for value in rain.sel(zone=zone).values]
        for zone in rain["zone"].values.tolist()
    }


def test_a_new_zone_joins_the_axis_and_its_past_is_missing(
    archive: Archive, tmp_path: Path
) -> None:
    archive.append("zones", zone_steps("2026-08-01", {"a": [1, 2]}, "2026-08-03"), message="1")
    before = archive.snapshot
    new = zone_steps("2026-08-02", {"b": [7, 8], "a": [2, 3]}, "2026-08-04")
    assert archive.append("zones", new, message="2") == 2
    assert known_rain(archive, 3) == {"a": [1, 2], "b": [None, None]}
    assert known_rain(archive, 4) == {"a": [1, 2, 3], "b": [None, 7, 8]}
    assert known_rain(Archive(tmp_path / "archive", snapshot=before), 4) == {"a": [1, 2]}
    assert archive.append("zones", new, message="again") == 0


def test_zones_that_an_append_lacks_keep_what_was_known(archive: Archive) -> None:
    both = zone_steps("2026-08-01", {"a": [1, 2], "b": [5, 6]}, "2026-08-03")
    archive.append("zones", both, message="1")
    archive.append("zones", zone_steps("2026-08-02", {"b": [9, 4]}, "2026-08-04"), message="2")
    assert known_rain(archive, 3) == {"a": [1, 2], "b": [5, 6]}
    assert known_rain(archive, 4) == {"a": [1, 2, None], "b": [5, 9, 4]}


def test_the_past_of_a_zone_may_be_added_as_known_at_its_time(archive: Archive) -> None:
    archive.append("zones", zone_steps("2026-08-01", {"a": [1, 2]}, "2026-08-03"), message="1")
    archive.append("zones", zone_steps("2026-08-01", {"b": [5, 6]}, "2026-08-03"), message="2")
    assert known_rain(archive, 3) == {"a": [1, 2], "b": [5, 6]}
