"""Skill, reliability and the page made of them, on forecasts whose scores are known by hand."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.hindcast import PEERS
from models.stage.model import QUANTILES
from models.verification import reliability as rely
from models.verification import skill
from models.verification.bootstrap import interval, skill_over_years
from models.verification.report import report
from tests.models.conftest import TOWN, UPSTREAM

LEADS = (1, 3)


def made(*, years: int = 4, origin: str = "measured", peer_error_m: float = 0.2) -> pd.DataFrame:
    """A river of summer floods; the model errs by 0.1 m, persistence by the change, peers by more.

    Alarm stage is 12 m at the town (Mukdahan), 11.5 m at the gauge above (Nakhon Phanom).
    """
    rng = np.random.default_rng(4)
    days = pd.date_range("2013-06-01", periods=365 * years)
    parts = []
    for station in (UPSTREAM, TOWN):
        wave = 8.0 + 3.0 * np.sin(2 * np.pi * (days.day_of_year.to_numpy() - 120) / 365)
        noise = np.convolve(rng.normal(0, 0.5, len(days) + 6), np.ones(7), "valid")
        stage = pd.Series(wave + noise, days)
        for lead in LEADS:
            came = stage.shift(-lead)
            middle = came + np.where(np.arange(len(days)) % 2 == 0, 0.1, -0.1)
            p = np.clip((middle - 11.0) / 2.0, 0.001, 0.999)
            frame = pd.DataFrame(
                {
                    "issue_time": days + pd.Timedelta(minutes=30),
                    "station": station,
                    "lead_days": lead,
                    "valid_time": days + pd.Timedelta(days=lead),
                    "stage_m": stage.to_numpy(),
                    "observed_m": came.to_numpy(),
                    "tier": np.where(days.day == 5, "no_rain", "full"),
                    "p_alarm": p.to_numpy(),
                    "climatology_p_alarm": 0.1,
                    "origin": origin,
                    **{name: (middle + (q - 0.5)).to_numpy() for name, q in QUANTILES.items()},
                    "mean_m": middle.to_numpy(),
                    **{f"{name}_m": (came + peer_error_m).to_numpy() for name in PEERS},
                }
            )
            change = 100.0 * (middle - stage)
            parts_cm = [{"own_trend": 0.25 * one, "rain": 0.75 * one} for one in change]
            frame["drivers_cm"] = pd.Series(parts_cm)
            parts.append(frame)
    return pd.concat(parts, ignore_index=True).iloc[::-1].reset_index(drop=True)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return skill.prepared(made())


def test_skill_by_hand(rows: pd.DataFrame) -> None:
    wet = rows[rows["wet"]]
    found = skill.skill(wet, draws=200)
    assert found is not None
    expected = []
    for station in (UPSTREAM, TOWN):
        one = wet[(wet["station"] == station) & (wet["lead_days"] == 1)]
        expected.append(1 - 0.01 / ((one["stage_m"] - one["observed_m"]) ** 2).mean())
    assert found.median["model"][0].value == pytest.approx(np.mean(expected))
    assert found.median["persistence"][0].value == 0.0
    assert found.stations == [2, 2]
    # The model's squared error is a quarter of every peer's on every day, so it beats them surely.
    assert all(found.margin[name][0].low > 0.0 for name in PEERS)
    own, peer = found.median["model"][1].value, found.median["reference"][1].value
    assert (1 - own) * 4 == pytest.approx(1 - peer)


def test_who_is_worse_beats_nobody() -> None:
    found = skill.skill(skill.prepared(made(peer_error_m=0.05)), draws=200)
    assert found is not None
    assert all(one.high < 0.0 for one in found.margin["reference"])


def test_equals_are_not_beaten() -> None:
    frame = made()
    frame["reference_m"] = frame["mean_m"]
    found = skill.skill(skill.prepared(frame), draws=200)
    assert found is not None
    assert [(one.low, one.high) for one in found.margin["reference"]] == [(0.0, 0.0)] * 2
    by_station = skill.by_station(skill.prepared(frame), draws=50)
    assert not (by_station["margin_low"] > 0).any()


def test_two_years_give_no_interval() -> None:
    found = skill.skill(skill.prepared(made(years=2)), draws=50)
    assert found is not None
    assert np.isnan(found.median["model"][0].low)
    assert np.isnan(skill_over_years(np.ones(2), np.ones(2)).low)


def test_the_interval_leaves_a_fortieth_on_either_side() -> None:
    one = interval(5.0, np.arange(1001.0))
    assert (one.value, one.low, one.high) == (5.0, 25.0, 975.0)
    assert np.isnan(interval(5.0, np.full(10, np.nan)).low)


def test_regimes_are_known_when_the_forecast_is_issued(rows: pd.DataFrame) -> None:
    frame = made()
    frame["observed_m"] += 5.0  # another outcome
    again = skill.prepared(frame)
    assert (again[["rising", "near", "wet"]] == rows[["rising", "near", "wet"]]).all().all()
    one: Any = rows[(rows["station"] == TOWN) & (rows["lead_days"] == 1)]
    one = one.set_index("issue_time")
    day = pd.Timestamp("2014-07-10 00:30")
    before = one.loc[day - pd.Timedelta(days=1), "stage_m"]
    assert one.loc[day, "change_m"] == pytest.approx(one.loc[day, "stage_m"] - before)
    assert (rows.loc[rows["near"], "stage_m"] - rows.loc[rows["near"], "alarm_m"]).abs().max() <= 1
    assert set(skill.subsets(rows)["Years after 2014 (large dams upstream)"]["year"]) == {
        2015, 2016,
    }  # fmt: skip


def test_reliability_counts_every_forecast_once(rows: pd.DataFrame) -> None:
    table = rely.reliability(rows)
    assert table.groupby("lead_days")["count"].sum().tolist() == [
        len(rows[rows["lead_days"] == lead]) for lead in LEADS
    ]
    came = rows["observed_m"] >= rows["alarm_m"]
    assert table["events"].sum() == came.sum()
    top = table[(table["lead_days"] == 1)].iloc[-1]
    inside = rows[(rows["lead_days"] == 1) & (rows["p_alarm"] >= 0.95)]
    assert top["share"] == pytest.approx((inside["observed_m"] >= inside["alarm_m"]).mean())


def test_brier_by_hand(rows: pd.DataFrame) -> None:
    one = rely.brier(rows, draws=100).set_index("lead_days").loc[1]
    part = rows[rows["lead_days"] == 1]
    came = (part["observed_m"] >= part["alarm_m"]).astype(float)
    assert one["brier"] == pytest.approx(((part["p_alarm"] - came) ** 2).mean())
    assert one["brier_climatology"] == pytest.approx(((0.1 - came) ** 2).mean())
    assert one["skill"].value == pytest.approx(1 - one["brier"] / one["brier_climatology"])
    assert one["skill"].low <= one["skill"].value <= one["skill"].high


def test_coverage_and_width_by_tier(rows: pd.DataFrame) -> None:
    found: Any = rely.coverage(rows).set_index(["tier", "lead_days"])
    assert found.loc[("every", 1), "width80_m"] == pytest.approx(0.8)
    assert (found["cover80"] == 1.0).all()  # ±0.4 m about an error of 0.1 m
    tiers = found.loc[("full", 1), "n"] + found.loc[("no_rain", 1), "n"]
    assert tiers == found.loc[("every", 1), "n"]


def test_value_by_hand() -> None:
    came = np.array([True] * 2 + [False] * 8)
    p = np.array([0.9, 0.3] + [0.3] * 2 + [0.0] * 6)
    curve = dict(zip(rely.RATIOS.tolist(), rely.value(p, came).tolist(), strict=True))
    # At a = 0.1 both are caught and two of eight quiet days cost: (0.1 − F a(1−o) + …) by hand.
    base, hit, false, a = 0.2, 1.0, 0.25, 0.1
    top = min(base, a) - false * a * (1 - base) + hit * base * (1 - a) - base
    assert curve[0.1] == pytest.approx(top / (min(base, a) - base * a))
    # At a = 0.5 one of two is caught without a false alarm.
    assert curve[0.5] == pytest.approx((0.2 - 0 + 0.5 * 0.2 * 0.5 - 0.2) / (0.2 - 0.1))
    assert np.isnan(rely.value(np.ones(3), np.zeros(3, dtype=bool))).all()


def test_false_alarms_are_told_apart_from_false_days() -> None:
    """Trap 18: a rare event with many quiet days: FAR is high while POFD is low."""
    came = np.zeros(1000, dtype=bool)
    came[:2] = True
    p = np.where(np.arange(1000) < 10, 0.5, 0.0)
    value = rely.value(p, came)[rely.RATIOS.tolist().index(0.2)]
    far, pofd = 8 / 10, 8 / 998
    base = 0.002

    def by(false: float) -> float:
        return (base - false * 0.2 * (1 - base) + base * 0.8 - base) / (base - base * 0.2)

    assert value == pytest.approx(by(pofd))
    assert value != pytest.approx(by(far))


def test_events_are_matched_one_to_one() -> None:
    assert skill.matched([10, 20], [11, 12, 22], 1) == 1
    assert skill.matched([10, 20], [11, 12, 22], 2) == 2
    assert skill.matched([10, 11], [10], 1) == 1
    days = np.arange(12)
    over = np.isin(days, [1, 2, 6, 11])
    assert skill.starts(days, over) == [1, 11]  # 4 days apart is one event, 5 are two


def test_peaks_by_hand() -> None:
    frame = made(years=1)
    frame["q50"] = frame["observed_m"].groupby([frame["station"], frame["lead_days"]]).shift(-2)
    rows = skill.prepared(frame.fillna({"q50": 0.0}))
    found = rely.peaks(rows)
    assert len(found) == 2 * len(LEADS)
    # The rows run backwards in time, so the forecast says what came two days before: late by two.
    assert set(found["late_d"]) == {2}
    assert (found["error_m"] < 0.0).all()


class Page(HTMLParser):
    """Tags that are left open, and what the page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "br", "link", "img", "hr"}:
            self.open.append(tag)
        for name, value in attrs:
            if name in {"src", "href"} and not (value or "").startswith("#"):
                self.outside.append(f"{tag} {value}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"src", "href"} and not (value or "").startswith("#"):
                self.outside.append(f"{tag} {value}")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def text() -> str:
    return report(made(), train_from="1992-01-01")


def test_the_page_stands_by_itself(text: str) -> None:
    page = Page()
    page.feed(text)
    assert page.open == []
    assert page.outside == []
    assert "@import" not in text
    assert "url(#" in text
    assert not re.search(r"url\((?!#)", text)
    for word in (
        "Measured stages", "Mukdahan", "reference", "damped anomaly", "Years after 2014",
        "Rising limb", "Within 1 m of alarm stage", "Tier no_rain", "Brier skill",
        "What acting is worth", "highest stage", "One forecast explained", "The biggest flood",
    ):  # fmt: skip
        assert word in text, word
    assert "SYNTHETIC" not in text
    assert report(made(), train_from="1992-01-01") == text


def test_synthetic_scores_say_so_first() -> None:
    text = report(made(years=1, origin="virtual"), train_from="1999-01-01")
    assert "SYNTHETIC: made on the virtual basin." in text[: text.index("<h2>")]


def test_an_explanation_adds_up_to_the_forecast(text: str) -> None:
    part = text[text.index("One forecast explained") :]
    for line in re.findall(r"<tr><td>\d+ d</td>(.*?)</tr>", part):
        cells = [float(c.replace("−", "-")) for c in re.findall(r"<td>(.*?)</td>", line)]
        own, rain, total, change, _ = cells
        assert total == change
        assert own + rain == pytest.approx(total, abs=1.01)  # whole centimetres


def test_nothing_to_score_is_said() -> None:
    frame = made(years=1).assign(observed_m=np.nan)
    text = report(frame, train_from="1992-01-01")
    assert "No forecast could be scored." in text
