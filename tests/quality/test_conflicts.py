"""Several values for one time: both kept, both named, and which is used."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import steps
from pipeline.console import describe_ingested
from pipeline.geography.places import stations
from pipeline.ingest.store import list_files, mark_conflicts, read_all, store
from pipeline.issuance.missing import find_missing
from pipeline.issuance.snapshot import Snapshot
from pipeline.quality import flags as quality_flags
from pipeline.quality.conflicts import choose_values, describe_conflicts, keep_alternatives
from pipeline.quality.neighbours import AuxiliaryReadings
from pipeline.quality.selection import describe_suspects, select_used
from pipeline.remarks import Remark, list_texts
from pipeline.settings import ROOT, Settings
from pipeline.sources import SOURCES
from pipeline.sources.base import Source
from pipeline.sources.gauges import gauge_files
from pipeline.storage.archive import Archive
from pipeline.storage.records import Records

CASES = ROOT.parent / "shared" / "cases" / "gauges"
ASOF = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
PAKSE, KHONG_CHIAM = "013901", "013801"
HEAD = "station,variable,time,value,unit\n"


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(f"sqlite:///{tmp_path / 'records.db'}")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", upstream="virtual", records_url=None)


def bring(folder: Path, records: Records, tmp_path: Path, *, asof: datetime = ASOF) -> int:
    row: Source = SOURCES["gauges"]
    contents, _ = read_all(
        row, list_files(row, folder, asof=asof), gauge_files.read, asof=asof, from_folder=True,
        progress=lambda *_: None,
    )  # fmt: skip
    archive = Archive(tmp_path / "archive")
    return store(row, contents, archive=archive, records=records, asof=asof)[0]


def write(folder: Path, **files: list[tuple[str, str, float]]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, rows in files.items():
        lines = [f"{code},stage,{time}:00+07:00,{value},m\n" for code, time, value in rows]
        (folder / f"{name}.csv").write_text(HEAD + "".join(lines), encoding="utf-8")
    return folder


def flags(records: Records, asof: datetime = ASOF) -> dict[tuple[str, float], str]:
    rows = records.readings.read_all("stage", asof=asof)
    rows = rows[rows["station"] == PAKSE]
    return {
        (f"{row['valid_time']:%m-%d}", row["value"]): str(row["qc"])
        for row in rows.to_dict("records")
    }


def test_values_on_both_sides_of_the_alarm_stage_leave_the_river_unknown(
    records: Records, tmp_path: Path
) -> None:
    folder = write(
        tmp_path / "in",
        a_lao=[(PAKSE, "2026-08-20T07:00", 9.8), (PAKSE, "2026-08-19T07:00", 9.4)],
        b_mrc=[(PAKSE, "2026-08-20T07:00", 11.2), (PAKSE, "2026-08-19T07:00", 9.4)],
    )
    assert bring(folder, records, tmp_path) == 3
    assert flags(records) == {
        ("08-19", 9.4): "good", ("08-20", 9.8): "conflict", ("08-20", 11.2): "conflict",
    }  # fmt: skip
    used = select_used(records.readings.read("stage", asof=ASOF))
    assert used["value"].tolist() == [9.4], "neither is used, and none is lost"
    view = Snapshot(Archive(tmp_path / "archive"), records, ASOF, {}, "")
    assert [line for line in list_texts(find_missing(view).remarks) if "Pakse" in line][:2] == [
        (
            "gauges: Pakse (013901): 2 values of stage for 2026-08-20 00:00Z: 11.2 m (11.2 in "
            "b_mrc.csv) and 9.8 m (9.8 in a_lao.csv); neither is used, for they lie on both sides "
            "of the alarm or the flood stage (11 m, 12 m)"
        ),
        "gauges: this morning's readings are in conflict at Pakse (013901)",
    ]
    coded = {(remark.code, remark.station, remark.time) for remark in find_missing(view).remarks}
    morning = datetime(2026, 8, 20, tzinfo=UTC)
    assert {
        ("readings_conflict", PAKSE, morning),
        ("gauge_conflict", PAKSE, morning),
    } <= coded


@pytest.mark.parametrize(
    ("upstream", "used"), [([5.0, 5.1], 9.5), ([5.0, 6.0], 10.4)], ids=["level", "rising"]
)
def test_the_value_nearer_to_what_is_expected_is_used(
    records: Records, tmp_path: Path, upstream: list[float], used: float
) -> None:
    """Of 9.5 and 10.4 m after 9.4 m: a metre more at Khong Chiam makes it the higher one."""
    folder = write(
        tmp_path / "in",
        one=[(PAKSE, "2026-08-19T07:00", 9.4), (PAKSE, "2026-08-20T07:00", 9.5)],
        two=[(PAKSE, "2026-08-20T07:00", 10.4)],
        up=[(KHONG_CHIAM, f"2026-08-{19 + n}T07:00", level) for n, level in enumerate(upstream)],
    )
    bring(folder, records, tmp_path)
    unused = 10.4 if used == 9.5 else 9.5
    assert flags(records)["08-20", used] == "chosen"
    assert flags(records)["08-20", unused] == "conflict"
    rows = select_used(records.readings.read("stage", asof=ASOF, stations=[PAKSE]))
    assert rows["value"].tolist() == [9.4, used]
    (line,) = list_texts(describe_suspects(records.readings.read_all("stage", asof=ASOF)))
    assert line.endswith(f"10.4 m (10.4 in two.csv) and 9.5 m (9.5 in one.csv); {used:g} is used")


def test_repeating_either_file_changes_nothing_and_another_value_does(
    records: Records, tmp_path: Path
) -> None:
    folder = write(
        tmp_path / "in",
        a=[(PAKSE, "2026-08-20T07:00", 9.8)], b=[(PAKSE, "2026-08-20T07:00", 11.2)],
    )  # fmt: skip
    assert bring(folder, records, tmp_path) == 2
    again = partial(bring, records=records, tmp_path=tmp_path)
    repeated = write(tmp_path / "again", c=[(PAKSE, "2026-08-20T07:00", 9.8)])
    assert again(repeated, asof=datetime(2026, 8, 21, tzinfo=UTC)) == 0
    assert set(flags(records).values()) == {"conflict"}, "the lower is not taken silently"
    corrected = write(tmp_path / "corrected", d=[(PAKSE, "2026-08-20T07:00", 9.9)])
    later = datetime(2026, 8, 22, tzinfo=UTC)
    assert again(corrected, asof=later) == 1
    assert flags(records, later) == {("08-20", 9.9): "good"}
    assert set(flags(records)) == {("08-20", 9.8), ("08-20", 11.2)}, "as it was known then"


def test_a_conflict_within_an_archive_names_its_files(records: Records, tmp_path: Path) -> None:
    folder = write(
        tmp_path / "in",
        a=[(PAKSE, "2026-08-20T07:00", 9.8)], b=[(PAKSE, "2026-08-20T07:00", 9.9)],
    )  # fmt: skip
    with zipfile.ZipFile(folder / "both.zip", "w") as archive:
        for name in ("a.csv", "b.csv"):
            archive.write(folder / name, name)
            (folder / name).unlink()
    bring(folder, records, tmp_path)
    rows = records.readings.read_all("stage", asof=ASOF)
    assert sorted(rows["raw"]) == ["9.8 in both.zip: a.csv", "9.9 in both.zip: b.csv"]


def test_the_same_value_twice_and_a_missing_one_are_no_conflict() -> None:
    rows = pd.DataFrame(
        {
            "station": PAKSE, "variable": "stage", "method": "manual",
            "valid_time": pd.Timestamp("2026-08-20"), "value": [9.8, 9.8, None], "unit": "m",
            "raw": "", "qc": "good", "file": ["a.csv", "b.csv", "c.csv"],
        }
    )  # fmt: skip
    marked = mark_conflicts(rows)
    assert marked[["value", "qc", "raw"]].to_numpy().tolist() == [[9.8, "good", ""]]


def together(*rows: tuple[float, str]) -> list[list[object]]:
    """What is kept of values and flags of one moment, and with which flags."""
    value, qc = zip(*rows, strict=True)
    frame = pd.DataFrame(
        {
            "station": PAKSE, "variable": "stage", "method": "manual",
            "valid_time": pd.Timestamp("2026-08-20"), "value": value, "unit": "m", "raw": "",
            "qc": qc, "file": "a.csv",
        }
    )  # fmt: skip
    marked = mark_conflicts(frame).astype({"qc": "object"})[["value", "qc"]].to_numpy().tolist()
    values = keep_alternatives(frame).sort_values("value")["value"].tolist()
    assert values == [value for value, _ in marked], "within a file as among several"
    return marked


def test_a_value_that_its_agency_doubts_never_wins_and_contradicts_nothing() -> None:
    assert together((7.4, "suspect"), (8.0, "good")) == [[8.0, "good"]]
    assert together((8.0, "estimated"), (12.5, "suspect")) == [[8.0, "estimated"]]
    assert together((13.4, "good"), (13.4, "suspect")) == [[13.4, "suspect"]]
    assert together((13.4, "suspect"), (13.4, "good"), (8.0, "good")) == [[8.0, "good"]]
    assert together((8.0, "good"), (8.0002, "estimated")) == [[8.0002, "estimated"]]
    assert together((7.0, "suspect"), (7.4, "suspect")) == [[7.0, "suspect"]]
    assert together((7.0, "good"), (7.4, "good"), (9.9, "suspect")) == [
        [7.0, "conflict"], [7.4, "conflict"]
    ]  # fmt: skip


def test_a_level_above_the_sea_contradicts_no_stage() -> None:
    assert together((3.3, "good"), (4.4, "absolute")) == [[3.3, "good"]]
    assert together((4.4, "good"), (4.4, "absolute")) == [[4.4, "good"]]
    assert together((4.4, "absolute"), (4.4, "absolute")) == [[4.4, "absolute"]]
    assert together((4.4, "absolute"), (4.9, "absolute")) == [[4.4, "suspect"]], "none is used"


def test_a_rejected_value_and_one_above_the_sea_of_a_file(tmp_path: Path) -> None:
    """Of Pakse 7.40 m is rejected and 8.00 m good; Koh Khel's zero is not verified."""
    at = "2026-08-20T07:00:00+07:00"
    rows = [
        f"{PAKSE},stage,{at},7.40,m,gauge,rejected", f"{PAKSE},stage,{at},8.00,m,gauge,good",
        f"033402,stage,{at},3.3,m,gauge,good", f"033402,stage,{at},4.4,m,msl,good",
        f"012702,stage,{at},148.4,m,msl,rejected",
    ]  # fmt: skip
    path = tmp_path / "agency.csv"
    path.write_text("\n".join([HEAD.strip() + ",datum,quality", *rows]) + "\n", encoding="utf-8")
    readings = gauge_files.read(path)
    assert readings[["station", "value", "qc"]].to_numpy().tolist() == [
        ["012702", 148.4, "suspect"], [PAKSE, 8.0, "good"], ["033402", 3.3, "good"]
    ]  # fmt: skip


@pytest.mark.parametrize("flag", ["suspect", "absolute"])
def test_what_stands_aside_is_not_chosen(flag: str) -> None:
    rows = pd.DataFrame(
        {
            "station": "033402", "variable": "stage", "method": "manual",
            "valid_time": pd.to_datetime(["2026-08-19", "2026-08-20", "2026-08-20"]), "unit": "m",
            "value": [4.3, 3.3, 4.4], "raw": "", "qc": ["good", "good", flag],
        }
    )  # fmt: skip
    flagged = quality_flags.flag(rows)
    assert flagged["qc"].tolist() == ["good", "good", "suspect" if flag == "suspect" else "range"]


@pytest.mark.skipif(not CASES.exists(), reason="the cases lie beside the checkout")
def test_the_cases(records: Records, tmp_path: Path) -> None:
    bring(CASES / "two_files_disagree", records, tmp_path)
    flag_of_value = flags(records)
    assert {key for key, flag in flag_of_value.items() if flag == "conflict"} == {
        ("08-20", 9.8), ("08-20", 11.2),
    }  # fmt: skip


def test_an_ingest_names_the_stations_whose_files_contradict_each_other(
    settings: Settings, tmp_path: Path
) -> None:
    folder = write(
        tmp_path / "in",
        a=[(PAKSE, f"2026-08-{at}T07:00", 9.4) for at in (18, 19, 20)],
        b=[(PAKSE, f"2026-08-{at}T07:00", 9.4 + 0.5 * (at > 18)) for at in (18, 19, 20)],
    )
    done = steps.ingest("gauges", asof=ASOF, settings=settings, folder=folder)
    assert (
        "gauges: Pakse (013901): 2 times with several values of stage, the first 2026-08-19 "
        "00:00Z: 9.4 m (9.4 in a.csv) and 9.9 m (9.9 in b.csv)"
    ) in describe_ingested(done).splitlines()
    assert done.added == 5


def test_an_ingest_tells_what_it_changes_of_what_is_stored(
    settings: Settings, tmp_path: Path
) -> None:
    first = write(tmp_path / "a", a=[(PAKSE, f"2026-08-{at}T07:00", 9.4) for at in (18, 19, 20)])
    second = write(
        tmp_path / "b", b=[(PAKSE, "2026-08-18T07:00", 9.5), (PAKSE, "2026-08-19T07:00", 9.0)]
    )
    ingested = steps.ingest("gauges", asof=ASOF, settings=settings, folder=first)
    assert "corrects" not in describe_ingested(ingested)
    ingested = steps.ingest("gauges", asof=ASOF, settings=settings, folder=second)
    assert describe_ingested(ingested).splitlines()[1] == (
        "gauges: Pakse (013901): corrects 2 readings of stage, largest by 0.4 m (9.4 becomes 9 at "
        "2026-08-19 00:00Z)"
    )
    again = write(tmp_path / "c", c=[(PAKSE, "2026-08-19T07:00", 9.0)])
    assert "corrects" not in str(
        steps.ingest("gauges", asof=ASOF, settings=settings, folder=again)
    ), "what is stored is not corrected"


def test_a_doubted_value_supersedes_no_other_one(records: Records, tmp_path: Path) -> None:
    at = "2026-08-20T07:00:00+07:00"
    for name, value, word in (("a", 8.0, "good"), ("b", 7.4, "rejected"), ("c", 8.0, "rejected")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / f"{name}.csv").write_text(
            f"{HEAD.strip()},quality\n{PAKSE},stage,{at},{value},m,{word}\n", encoding="utf-8"
        )
        bring(folder, records, tmp_path)
        assert flags(records) == {("08-20", 8.0): "suspect" if name == "c" else "good"}


def test_of_many_stations_the_first_few_are_named(settings: Settings, tmp_path: Path) -> None:
    codes = list(stations())[:7]
    for name, level in (("a", 2.0), ("b", 2.5)):
        rows = [(code, "2026-08-20T07:00", level) for code in codes]
        folder = write(tmp_path / name, **{name: rows})
        ingested = steps.ingest("gauges", asof=ASOF, settings=settings, folder=folder)
    corrections = [line for line in ingested.remarks if "corrects 1 readings" in line]
    assert len(corrections) == 5
    assert corrections[-1].endswith("; and 2 more")


def choose(
    *rows: tuple[str, float, str],
    station: str = PAKSE,
    variable: str = "stage",
    others: AuxiliaryReadings | None = None,
) -> list[str]:
    """Flags of values by time, with the flags of their file."""
    time, value, qc = zip(*rows, strict=True)
    readings = pd.DataFrame(
        {
            "station": station, "variable": variable, "method": "manual",
            "valid_time": pd.to_datetime(list(time), format="ISO8601").astype("datetime64[ns]"),
            "value": value, "unit": "m", "raw": "", "qc": qc,
        }
    )  # fmt: skip
    return choose_values(readings, others or AuxiliaryReadings({}))["qc"].tolist()


@pytest.mark.parametrize(
    ("before", "qc", "expected"),
    [
        ("2026-08-18T00:00", "good", ["chosen", "conflict"]),  # 48 h
        ("2026-08-17T23:00", "good", ["conflict", "chosen"]),  # too old: the larger
        ("2026-08-19T00:00", "estimated", ["chosen", "conflict"]),
        ("2026-08-19T00:00", "suspect", ["conflict", "chosen"]),
        ("2026-08-19T00:00", "absolute", ["conflict", "chosen"]),
        ("2026-08-19T00:00", "conflict", ["conflict", "chosen"]),
    ],
)
def test_the_value_before_counts_for_two_days(before: str, qc: str, expected: list[str]) -> None:
    two = [("2026-08-20", 9.5, "good"), ("2026-08-20", 10.4, "good")]
    assert choose((before, 9.4, qc), *two) == [qc, *expected]
    assert choose(("2026-08-19", np.nan, "good"), *two)[1:] == ["conflict", "chosen"]
    assert choose(*two) == ["conflict", "chosen"]


@pytest.mark.parametrize("qc", ["good", "suspect", "absolute", "conflict"])
def test_a_value_that_does_not_count_is_passed_over(qc: str) -> None:
    older, before = ("2026-08-18", 9.3, "good"), ("2026-08-19", 10.4, qc)
    two = [("2026-08-20", 9.5, "good"), ("2026-08-20", 10.4, "good")]
    expected = ["conflict", "chosen"] if qc == "good" else ["chosen", "conflict"]
    assert choose(older, before, *two)[2:] == expected


def test_a_chosen_value_is_the_one_before_the_next() -> None:
    rows = [(f"2026-08-{day}", value, "good") for day in (19, 20) for value in (9.5, 10.4)]
    assert choose(("2026-08-18", 9.4, "good"), *rows) == ["good", *["chosen", "conflict"] * 2]
    assert choose(*rows) == ["conflict", "chosen"] * 2


def test_the_value_before_is_of_the_same_series() -> None:
    readings = pd.DataFrame(
        {
            "station": [KHONG_CHIAM, PAKSE, PAKSE], "variable": "stage", "method": "manual",
            "valid_time": pd.to_datetime(["2026-08-19", "2026-08-20", "2026-08-20"]),
            "value": [9.4, 9.5, 10.4], "unit": "m", "raw": "", "qc": "good",
        }
    )  # fmt: skip
    chosen = choose_values(readings, AuxiliaryReadings({}))["qc"].tolist()
    assert chosen == ["good", "conflict", "chosen"]


def test_the_change_of_the_neighbours_since_the_value_before_is_expected() -> None:
    """Two days before, and a metre more at Khong Chiam within the second of them alone."""
    hours = (pd.Timestamp("2026-08-20") - pd.Timestamp(0)) / pd.Timedelta("1h")
    stages_m = (np.array([-48.0, -24.0, 0.0]) + hours, np.array([5.0, 5.0, 6.0]))
    others = AuxiliaryReadings({(KHONG_CHIAM, "manual"): stages_m})
    two = [("2026-08-20", 9.5, "good"), ("2026-08-20", 10.4, "good")]
    assert choose(("2026-08-18", 9.4, "good"), *two, others=others)[1:] == ["conflict", "chosen"]
    stages_m[1][0] = 6.0
    assert choose(("2026-08-18", 9.4, "good"), *two, others=others)[1:] == ["chosen", "conflict"]
    flows = choose(("2026-08-19", 9.4, "good"), *two, others=others, variable="discharge")
    assert flows[1:] == ["chosen", "conflict"], "a stage says nothing of a discharge"


@pytest.mark.parametrize(
    ("values", "spans"),
    [
        ((10.9, 11.0), True), ((10.8, 10.9), False), ((11.0, 11.5), False),  # alarm stage 11 m
        ((11.9, 12.0), True), ((11.0, 11.9), False), ((12.0, 12.3), False),  # flood stage 12 m
        ((10.0, 13.0), True), ((13.0, 10.0), True),
    ],
)  # fmt: skip
def test_values_on_both_sides_of_a_threshold_are_not_chosen(
    values: tuple[float, float], *, spans: bool
) -> None:
    rows = [("2026-08-20", value, "good") for value in values]
    assert ("chosen" in choose(*rows)) is not spans
    assert "chosen" in choose(*rows, variable="discharge")
    assert "chosen" in choose(*rows, station="999999")


def kept(*rows: tuple[float | None, str]) -> list[tuple[float, str]]:
    value, qc = zip(*rows, strict=True)
    readings = pd.DataFrame(
        {
            "station": PAKSE, "variable": "stage", "method": "manual",
            "valid_time": pd.Timestamp("2026-08-20"), "value": value, "unit": "m", "raw": "",
            "qc": qc,
        }
    )  # fmt: skip
    rows_kept = keep_alternatives(readings.astype({"value": "float64"}))
    return list(zip(rows_kept["value"], rows_kept["qc"], strict=True))


def test_of_one_value_the_worst_flag_stays_whatever_comes_first() -> None:
    order = ["good", "estimated", "conflict", "suspect"]
    for at, better in enumerate(order):
        for worse in order[at + 1 :]:
            for flags_of_file in ((better, worse), (worse, better)):
                assert kept(*((8.0, flag) for flag in flags_of_file)) == [(8.0, worse)]


def test_values_are_one_to_the_millimetre() -> None:
    assert kept((8.0, "good"), (8.0004, "good")) == [(8.0, "good")]
    assert kept((8.0, "good"), (8.0006, "good")) == [(8.0, "good"), (8.0006, "good")]


def test_a_missing_value_stands_behind_a_doubted_one_and_that_behind_one_above_the_sea() -> None:
    assert kept((None, "good"), (7.0, "suspect")) == [(7.0, "suspect")]
    assert kept((4.4, "absolute"), (7.0, "suspect")) == [(4.4, "absolute")]
    assert kept((None, "good"), (4.4, "absolute")) == [(4.4, "absolute")]
    ((value, flag),) = kept((None, "good"), (None, "good"))
    assert np.isnan(value)
    assert flag == "good"


def test_a_conflict_without_another_value_is_not_described() -> None:
    rows = pd.DataFrame(
        {
            "station": PAKSE, "variable": "stage", "method": "manual",
            "valid_time": pd.to_datetime(["2026-08-20"] * 2), "value": [9.5, 10.4], "unit": "m",
            "raw": "", "qc": ["chosen", "conflict"],
        }
    )  # fmt: skip
    text = (
        "gauges: Pakse (013901): 2 values of stage for 2026-08-20 00:00Z: 10.4 m and 9.5 m; 9.5 is "
        "used"
    )
    time = datetime(2026, 8, 20, tzinfo=UTC)
    assert describe_conflicts(rows) == [
        Remark(code="readings_conflict", text=text, station=PAKSE, time=time)
    ]
    assert describe_conflicts(rows.iloc[:1]) == []
    assert describe_conflicts(rows.assign(value=[9.5, np.nan])) == []
    assert describe_conflicts(rows.assign(station="999999")) == []
