"""The scoreboard of small archives, counted by hand, and beside the package ``scores``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scores.categorical import BasicContingencyManager
from scores.probability import brier_score

from models.verification.ground_truth import REPORT_COLUMNS
from models.verification.scoreboard import (
    MISS_COLUMNS,
    RELIABILITY_COLUMNS,
    SCORE_COLUMNS,
    WARNING_COLUMNS,
    Scoreboard,
    make_scoreboard,
    write_scoreboard,
)
from pipeline.exchange.datapackage import TABLES
from pipeline.ground_reports.reports import GroundReport, GroundReports
from pipeline.settings import ROOT
from pipeline.storage.records import Records
from tests.alerts.track_record_cases import CALM
from tests.models.verification.issued_cases import (
    ONE_WARNED,
    TWO_FLOODS,
    drought_row,
    message,
    moment,
    stage_row,
    store_night,
    store_nights,
    store_readings,
)

ASOF = moment(70)
RATES = ["pod", "far", "csi", "f1", "brier", "brier_skill_base_rate", "brier_skill_persistence",
         "firm", "lead_time_median_h"]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Records:
    return Records(f"sqlite:///{tmp_path}/records.db")


def pick(board: Scoreboard, level: str, lead: int | None = None, city: str = "pakse") -> Any:
    rows = board.scores[(board.scores["city"] == city) & (board.scores["level"] == level)]
    rows = rows[rows["lead_days"].isna() if lead is None else rows["lead_days"] == lead]
    (row,) = rows.to_dict("records")
    return row


def counts(row: Any) -> tuple[int, int, int]:
    return row["hits"], row["misses"], row["false_alarms"]


def test_two_floods_of_which_one_was_missed(store: Records) -> None:
    store_nights(store, ONE_WARNED, stages={39: [stage_row(39, 5, p=0.125)]})
    store_readings(store, TWO_FLOODS, asof=ASOF)
    board = make_scoreboard(store, asof=ASOF)
    # Alarm stage on days 13 and 38; the Watch began on day 10, one on day 25 came to nothing.
    watch = pick(board, "watch")
    assert counts(watch) == (1, 1, 1)
    assert watch["lead_times_h"] == "71.5"
    # Flood stage on days 15 and 40; the Warning began on day 12, the Emergency too late.
    assert counts(pick(board, "warning")) == (1, 1, 0)
    assert pick(board, "warning")["lead_times_h"] == "71.5"
    assert counts(pick(board, "emergency")) == (0, 2, 0)
    assert pick(board, "watch")["event"] == "alarm"
    assert pick(board, "warning")["event"] == pick(board, "emergency")["event"] == "flood"
    # Fewer than ten events: counts alone.
    assert all(pd.isna(watch[name]) for name in RATES)
    assert watch["status"] == "Exercise"
    assert (watch["since"], watch["until"]) == ("2026-07-01", "2026-09-08")


def test_misses_are_listed_by_name(store: Records) -> None:
    store_nights(store, ONE_WARNED, stages={39: [stage_row(39, 5, p=0.125)]})
    store_readings(store, TWO_FLOODS, asof=ASOF)
    board = make_scoreboard(store, asof=ASOF)
    missed = board.misses[board.misses["lead_days"].isna()]
    assert [
        (row.level, f"{row.reached_time:%m-%d %H:%M}", row.highest_m, row.level_in_force)
        for row in missed.itertuples()
    ] == [
        ("watch", "08-08 00:00", 12.3, "none"),
        ("warning", "08-10 00:00", 12.3, "none"),
        ("emergency", "07-16 00:00", 12.3, "warning"),
        ("emergency", "08-10 00:00", 12.3, "none"),
    ]
    # The night of 9 August gave 12.5 % for flood stage within five days.
    assert missed["p"].dropna().tolist() == [0.125]
    assert missed["threshold_m"].tolist() == [11.0, 12.0, 12.0, 12.0]


def test_every_miss_that_is_counted_is_listed(store: Records) -> None:
    rows = {day: [stage_row(day, lead, p=0.3) for lead in (1, 2, 5)] for day in range(60)}
    store_nights(store, ONE_WARNED, stages=rows)
    store_readings(store, TWO_FLOODS, asof=ASOF)
    board = make_scoreboard(store, asof=ASOF)
    keys = ["city", "level", "event", "lead_days"]
    of_city = board.scores[board.scores["city"] != "all"].set_index(keys)["misses"]
    listed = board.misses.groupby(keys, dropna=False).size()
    assert of_city.sum() == len(board.misses) > 4
    assert of_city[of_city > 0].sort_index().tolist() == listed.sort_index().tolist()


def test_a_forecast_event_counts_by_lead(store: Records) -> None:
    # P >= 0.25 is declared a Watch: one day ahead on time for day 13, two days late for day 38.
    declared = {12, 39}
    rows = {day: [stage_row(day, 1, p=0.25 if day in declared else 0.2)] for day in range(69)}
    store_nights(store, "n" * 70, stages=rows)
    store_readings(store, TWO_FLOODS, asof=ASOF)
    board = make_scoreboard(store, asof=ASOF)
    assert counts(pick(board, "watch", 1)) == (1, 1, 1)
    (missed,) = board.misses[
        (board.misses["lead_days"] == 1) & (board.misses["level"] == "watch")
    ].to_dict("records")
    assert (f"{missed['reached_time']:%m-%d}", missed["p"], missed["highest_m"]) == (
        "08-08",
        0.2,
        12.3,
    )
    # 69 forecasts of which 12 came: 6 days above 11 m in each flood.
    watch = pick(board, "watch", 1)
    assert (watch["cases"], watch["reached"]) == (69, 12)


def many_floods(store: Records, *, nights: int = 360) -> tuple[pd.DataFrame, Any]:
    """Twelve floods, a month apart, and what was forecast one day ahead."""
    rng = np.random.default_rng(17)
    values = np.tile(TWO_FLOODS[:30], nights // 30 + 1)[:nights] + rng.uniform(0, 0.02, nights)
    reached = values >= 11.0
    p = np.clip(np.roll(reached, -1) * 0.5 + rng.uniform(0, 0.4, nights), 0.0, 1.0)
    asof = moment(nights)
    start = moment(0)
    rows = {
        day: [stage_row(day, 1, p=float(p[day]), stage_m=float(values[day]))]
        for day in range(nights - 1)
    }
    store_nights(store, "n" * nights, stages=rows)
    store_readings(store, values.tolist(), asof=asof, first=start)
    frame = pd.DataFrame({"p": p[:-1], "reached": reached[1:], "now": reached[:-1]})
    frame["valid"] = pd.Timestamp(start.date()) + pd.to_timedelta(np.arange(1, nights), unit="D")
    return frame, asof


def test_rates_and_brier_scores_are_those_of_the_package_scores(store: Records) -> None:
    frame, asof = many_floods(store)
    board = make_scoreboard(store, asof=asof)
    row = pick(board, "watch", 1)
    assert row["hits"] + row["misses"] >= 10
    assert row["cases"] == len(frame)
    table = BasicContingencyManager(
        {
            "tp_count": xr.DataArray(row["hits"]), "fp_count": xr.DataArray(row["false_alarms"]),
            "fn_count": xr.DataArray(row["misses"]), "tn_count": xr.DataArray(0),
            "total_count": xr.DataArray(row["hits"] + row["misses"] + row["false_alarms"]),
        }
    )  # fmt: skip
    assert row["pod"] == pytest.approx(float(table.probability_of_detection()), abs=1e-9)
    assert row["far"] == pytest.approx(float(table.false_alarm_ratio()), abs=1e-9)
    assert row["csi"] == pytest.approx(float(table.critical_success_index()), abs=1e-9)
    assert row["f1"] == pytest.approx(float(table.f1_score()), abs=1e-9)
    outcome = xr.DataArray(frame["reached"].astype(float))

    def brier(p: Any) -> float:
        return float(brier_score(xr.DataArray(p), outcome))

    own = brier(frame["p"])
    assert row["brier"] == pytest.approx(own, abs=1e-9)
    wet = frame["valid"].dt.month.between(6, 10)
    base = frame["reached"].astype(float).groupby(wet).transform("mean")
    assert row["brier_skill_base_rate"] == pytest.approx(1 - own / brier(base), abs=1e-9)
    persisted = brier(frame["now"].astype(float))
    assert row["brier_skill_persistence"] == pytest.approx(1 - own / persisted, abs=1e-9)
    warned = frame["p"] >= 0.25
    penalty = 0.25 * (warned & ~frame["reached"]) + 0.75 * (~warned & frame["reached"])
    assert row["firm"] == pytest.approx(penalty.mean(), abs=1e-9)
    assert pick(board, "watch", 1, "all")["brier"] == pytest.approx(own, abs=1e-9)


def test_reliability_counts_every_forecast_and_withholds_shares_of_few_events(
    store: Records,
) -> None:
    frame, asof = many_floods(store)
    board = make_scoreboard(store, asof=asof)
    bins = board.reliability
    bins = bins[(bins["city"] == "pakse") & (bins["lead_days"] == 1) & (bins["level"] == "watch")]
    assert bins["cases"].sum() == len(frame)
    low = frame[(frame["p"] >= 0.05) & (frame["p"] < 0.15)]
    (row,) = bins[bins["p_from"] == 0.05].to_dict("records")
    assert (row["cases"], row["reached"]) == (len(low), low["reached"].sum())
    assert row["share_reached"] == low["reached"].mean()
    assert row["p_mean"] == pytest.approx(low["p"].mean())
    early = make_scoreboard(store, asof=moment(100)).reliability
    assert early["share_reached"].isna().all()
    assert early["cases"].sum() > 0


def test_only_the_last_revision_of_an_issue_counts(store: Records) -> None:
    store_nights(store, "n" * 12)
    first = message(moment(12), "watch", revision=0)
    over = message(moment(12), "watch", sent=moment(12.25), over=True, revision=1)
    later = moment(12.25)
    store_night(store, moment(12), "watch", chain=[first], stages=[stage_row(12, 1, p=0.9)])
    store_night(
        store, moment(12), "none", chain=[first, over], sent=later, revision=1,
        stages=[stage_row(12, 1, p=0.1)],
    )  # fmt: skip
    store_nights(store, "n" * 50, start=13)
    store_readings(store, TWO_FLOODS, asof=ASOF)
    board = make_scoreboard(store, asof=ASOF)
    assert counts(pick(board, "watch")) == (0, 2, 0)
    assert pick(board, "watch", 1)["cases"] == 1
    (bins,) = board.reliability[
        (board.reliability["level"] == "watch") & (board.reliability["lead_days"] == 1)
        & (board.reliability["city"] == "pakse")
    ].to_dict("records")  # fmt: skip
    assert bins["p_mean"] == 0.1
    # Both were sent.
    sent = board.warnings[board.warnings["city"] == "pakse"]
    assert list(zip(sent["change"], sent["messages"], strict=True)) == [("new", 1), ("ended", 1)]
    # Before the revision was made it was not known.
    before = make_scoreboard(store, asof=moment(12.2))
    assert before.warnings["change"].unique().tolist() == ["new"]


def test_a_revision_that_was_never_issued_does_not_count(store: Records) -> None:
    store_nights(store, ONE_WARNED)
    store_readings(store, TWO_FLOODS, asof=ASOF)
    before = write_scoreboard(make_scoreboard(store, asof=ASOF))
    rows = [stage_row(12, 1, p=0.9)]
    store_night(store, moment(12), "none", revision=1, stages=rows, issued=False)
    assert write_scoreboard(make_scoreboard(store, asof=ASOF)) == before


def test_a_late_run_warned_nobody(store: Records) -> None:
    store_nights(store, "n" * 12)
    store_night(store, moment(12), "warning", late=True, chain=[message(moment(12), "warning")])
    store_nights(store, "n" * 57, start=13)
    store_readings(store, TWO_FLOODS, asof=ASOF)
    board = make_scoreboard(store, asof=ASOF)
    assert counts(pick(board, "warning")) == (0, 2, 0)
    assert board.warnings.empty


def test_a_cancelled_message_is_no_warning(store: Records) -> None:
    store_nights(store, ONE_WARNED)
    store_readings(store, TWO_FLOODS, asof=ASOF)
    withdrawn = [message(moment(day), "x")["identifier"] for day in (25, 26)]
    store.add_cancellation(
        {
            "issue_time": moment(26), "revision": 0, "city": "pakse", "hazard": "flood",
            "identifier": f"{withdrawn[-1]}-cancel", "messages": withdrawn, "sent": moment(26.5),
            "reason": "Wrong gauge", "revisions": {}, "content": "",
        }
    )  # fmt: skip
    board = make_scoreboard(store, asof=ASOF)
    assert counts(pick(board, "watch")) == (1, 1, 0), "the false alarm was withdrawn"
    sent = board.warnings[(board.warnings["city"] == "pakse") & (board.warnings["cancelled"] > 0)]
    assert [(row.change, row.messages, row.cancelled) for row in sent.itertuples()] == [
        ("new", 1, 1), ("figures", 1, 1),
    ]  # fmt: skip
    # Before the Cancel it stood.
    early = make_scoreboard(store, asof=moment(26.25))
    assert early.warnings["cancelled"].sum() == 0


def test_nothing_later_than_the_moment_counts(store: Records) -> None:
    store_nights(store, ONE_WARNED)
    store_readings(store, TWO_FLOODS[:38], asof=moment(38))
    before = write_scoreboard(make_scoreboard(store, asof=moment(30)))
    store_readings(store, TWO_FLOODS, asof=ASOF)
    assert write_scoreboard(make_scoreboard(store, asof=moment(30))) == before
    board = make_scoreboard(store, asof=moment(30))
    assert counts(pick(board, "warning")) == (1, 0, 0)
    # The Watch of days 25 and 26 looks ahead until day 33.
    assert counts(pick(board, "watch")) == (1, 0, 0)


def test_virtual_and_measured_nights_never_share_a_row(store: Records) -> None:
    store_nights(store, ONE_WARNED[:20])
    store_nights(store, ONE_WARNED[20:], start=20, origin="measured", status="Actual")
    store_readings(store, TWO_FLOODS, asof=ASOF)
    board = make_scoreboard(store, asof=ASOF)
    names = board.scores[["origin", "status"]].drop_duplicates().to_numpy().tolist()
    assert names == [["virtual", "Exercise"]], "virtual readings settle no measured forecast"
    groups = board.warnings[["origin", "status"]].drop_duplicates().to_numpy().tolist()
    assert groups == [["measured", "Actual"], ["virtual", "Exercise"]]
    assert counts(pick(board, "warning")) == (1, 0, 0)


def test_measured_nights_are_held_against_measured_readings(store: Records) -> None:
    store_nights(store, ONE_WARNED, origin="measured", status="Actual")
    store_readings(store, TWO_FLOODS, asof=ASOF, origin="measured")
    row = pick(make_scoreboard(store, asof=ASOF), "warning")
    assert (row["status"], counts(row)) == ("Actual", (1, 1, 0))


def test_drought_classes_are_held_against_the_class_of_the_night(store: Records) -> None:
    # D1 from day 20 to 30: a week ahead it was said on day 13 and, for nothing, on day 50.
    for day in range(70):
        current = "D1" if 20 <= day <= 30 else "none"
        p = 0.6 if day in {13, 50} else 0.1
        chain = [message(moment(day), "watch", hazard="drought")] if 18 <= day <= 30 else []
        store_night(
            store, moment(day), "watch" if chain else "none", hazard="drought", chain=chain,
            droughts=[drought_row(current, p)],
        )  # fmt: skip
    board = make_scoreboard(store, asof=ASOF)
    row = pick(board, "watch", 7)
    assert (row["hazard"], row["event"], row["cases"], row["reached"]) == ("drought", "D1", 63, 11)
    assert counts(row) == (1, 0, 1)
    # The Watch began two nights before the class.
    assert counts(pick(board, "watch")) == (1, 0, 0)
    assert pick(board, "watch")["lead_times_h"] == "48.0"
    assert counts(pick(board, "warning", 7)) == (0, 0, 2)


def test_warnings_count_by_month_and_change(store: Records) -> None:
    store_nights(store, ONE_WARNED)
    warnings = make_scoreboard(store, asof=ASOF).warnings
    pakse = warnings[warnings["city"] == "pakse"]
    assert [
        (row.month, row.level, row.change, row.messages) for row in pakse.itertuples()
    ] == [
        ("2026-07", "watch", "new", 2), ("2026-07", "watch", "lowered", 1),
        ("2026-07", "watch", "figures", 2), ("2026-07", "watch", "ended", 2),
        ("2026-07", "warning", "raised", 1), ("2026-07", "warning", "lowered", 1),
        ("2026-07", "warning", "figures", 2), ("2026-07", "emergency", "raised", 1),
        ("2026-07", "emergency", "figures", 2),
    ]  # fmt: skip
    every = warnings[warnings["city"] == "all"]
    assert every["messages"].tolist() == pakse["messages"].tolist()


def test_an_empty_archive_gives_tables_of_headers(store: Records) -> None:
    files = write_scoreboard(make_scoreboard(store, asof=ASOF))
    assert {name: content.decode() for name, content in files.items()} == {
        "scoreboard.csv": ",".join(SCORE_COLUMNS) + "\n",
        "misses.csv": ",".join(MISS_COLUMNS) + "\n",
        "reliability.csv": ",".join(RELIABILITY_COLUMNS) + "\n",
        "warnings.csv": ",".join(WARNING_COLUMNS) + "\n",
        "ground_reports.csv": ",".join(REPORT_COLUMNS) + "\n",
    }


def test_the_guide_says_what_the_data_package_says() -> None:
    guide = (ROOT / "docs" / "scoreboard.md").read_text(encoding="utf-8")
    above: set[tuple[str, str]] = set()
    for file in write_scoreboard(make_scoreboard(Records("sqlite://"), asof=ASOF)):
        section = guide.split(f"## `{file}`")[1].split("\n## ")[0]
        rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE)
        meanings = [(column.name, column.meaning) for column in TABLES[file].columns]
        assert rows == [
            (name, "as above" if (name, meaning) in above else meaning)
            for name, meaning in meanings
        ]
        above |= {*meanings}


def test_reports_from_the_ground_are_counted_apart(store: Records) -> None:
    store_nights(store, ONE_WARNED)
    store_readings(store, TWO_FLOODS, asof=ASOF)
    before = write_scoreboard(make_scoreboard(store, asof=ASOF))
    # A Warning is in force on 13 July and nothing on 8 August; the last was received on 31 August.
    seen = [moment(12.25), moment(38.25), moment(38.5), moment(39)]
    reports = [
        GroundReport("s", "pakse", "flooded", None, when, max(when, come), "text", "")
        for when, come in zip(seen, (*seen[:3], moment(61)), strict=True)
    ]
    GroundReports(store.database).add(reports, asof=moment(61))
    board = make_scoreboard(store, asof=ASOF)
    row = board.reports.set_index("city").loc["pakse"]
    assert (row["origin"], row["status"]) == ("virtual", "Exercise")
    assert (row["hits"], row["misses"], row["flood_days"], row["hit_days"]) == (1, 3, 3, 1)
    assert row["missed_days"] == "2026-08-08 2026-08-09"
    after = write_scoreboard(board)
    assert {name for name in after if after[name] != before[name]} == {"ground_reports.csv"}
    early = make_scoreboard(store, asof=moment(60)).reports.set_index("city").loc["pakse"]
    assert early["misses"] == 2, "the last had not come"


def test_the_stage_of_once_in_so_many_years_is_scored_by_f1(store: Records) -> None:
    # Eleven seasons with maxima of 10.1, 10.2, ... 11.1 m: once a year 10.4415 m is reached.
    for number in range(11):
        values = [*CALM[:60], 9.6, 10.1 + 0.1 * number, 9.6, *CALM[60:110], 9.1, *CALM[:40]]
        store_readings(
            store, values, asof=ASOF, first=moment(0).replace(year=2015 + number, month=6, day=1)
        )
    rows = {day: [stage_row(day, 1, q50=10.5 if day == 12 else 9.0)] for day in range(69)}
    store_nights(store, "n" * 70, stages=rows)
    store_readings(store, TWO_FLOODS, asof=ASOF)
    board = make_scoreboard(store, asof=ASOF)
    scores = board.scores[(board.scores["city"] == "pakse") & (board.scores["lead_days"] == 1)]
    once = scores[scores["event"] == "1_year"].to_dict("records")
    # Reached on days 12 and 37; said for day 13.
    assert [counts(row) for row in once] == [(1, 1, 0)]
    (missed,) = board.misses[board.misses["event"] == "1_year"].to_dict("records")
    assert missed["threshold_m"] == pytest.approx(10.1 + 0.1 * (12 * np.exp(-1.0) - 1))
