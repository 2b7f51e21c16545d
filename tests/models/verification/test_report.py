"""The report stands by itself and says what is synthetic."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from models.verification import report
from models.verification.report import render_report
from tests.conftest import STAGE_HEAD, LayOver
from tests.models.conftest import TOWN
from tests.models.verification.conftest import add_issued, flood_of_mukdahan, made_hindcast

CITIES_HEAD = (
    "id,name,country,lat,lon,unit,source,as_of,verified,station,ascn,in_basin,basin,hazards,"
    "utc_offset_h"
)


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
    return render_report(made_hindcast(), train_from="1992-01-01")


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
    assert render_report(made_hindcast(), train_from="1992-01-01") == text


def test_pictures_come_first_and_long_tables_are_folded(text: str) -> None:
    assert text.startswith("<!doctype html>")
    assert text.rindex("<svg") < text.index("<table")
    folded = "".join(re.findall(r"<details>.*?</details>", text, re.DOTALL))
    assert folded.count("<th>gauge</th>") == text.count("<th>gauge</th>") == 2, "one per lead"
    assert folded.count("<th>year</th>") == text.count("<th>year</th>") == 2
    assert "of each morning, 1 June 2013 to " in text


def test_what_is_issued_stands_beside_the_models_own(text: str) -> None:
    assert "What its licence lets issue" not in text
    licensed = render_report(add_issued(made_hindcast()), train_from="1992-01-01")
    part = licensed[licensed.index("What its licence lets issue") :]
    rows = re.findall(r"<tr><td>(\d) d</td>(.*?)</tr>", part[: part.index("</table>")])
    cells = {int(lead): re.findall(r"<td>(.*?)</td>", row) for lead, row in rows}
    assert cells[1][0] == "100 %"
    assert cells[3][0] == "0 %"
    assert cells[1][1] == cells[1][2] != "0.00"
    assert cells[3][2] == "0.00", "CP of persistence"
    assert cells[3][1] != "0.00"
    assert cells[1][3::2] == cells[1][4::2]
    assert cells[3][5:7] != cells[3][6:8]
    assert "<td>model − issued</td>" in licensed


def test_synthetic_scores_say_so_first_and_on_every_picture() -> None:
    text = render_report(made_hindcast(years=1, origin="virtual"), train_from="1999-01-01")
    assert "SYNTHETIC: made on the virtual basin." in text[: text.index("<h2>")]
    assert text.count("<figcaption>SYNTHETIC</figcaption>") == text.count("<svg") > 3


def test_an_explanation_adds_up_to_the_forecast(text: str) -> None:
    part = text[text.index("One forecast explained") :]
    for line in re.findall(r"<tr><td>\d+ d</td>(.*?)</tr>", part):
        cells = [float(c.replace("−", "-")) for c in re.findall(r"<td>(.*?)</td>", line)]
        own, rain, total, change, _ = cells
        assert total == change
        assert own + rain == pytest.approx(total, abs=1.01)  # whole centimetres


def read_tables(page: str) -> dict[str, list[list[str]]]:
    """Cells of the first table after each heading or summary, as text."""
    tables = {}
    parts = re.split(r"<h2[^>]*>|<h3>|<summary>", page)[1:]
    for title, body in (re.split(r"</h2>|</h3>|</summary>", part, maxsplit=1) for part in parts):
        rows = re.findall(r"<tr[^>]*>(.*?)</tr>", body.partition("</table>")[0], re.DOTALL)
        cells = [re.findall(r"<t[dh]>(.*?)</t[dh]>", row, re.DOTALL) for row in rows]
        tables[title] = [[re.sub(r"<[^>]*>", "", cell).strip() for cell in row] for row in cells]
    return tables


def test_tiers_tail_and_missed_peaks_stand_in_tables() -> None:
    """One summer of 120 days: the median is perfect, persistence three days late."""
    frame = flood_of_mukdahan(late_d=0, lead=3)
    frame["drivers_cm"] = pd.Series([{"rain": 0.0}] * len(frame))
    tables = read_tables(render_report(frame, train_from="1992-01-01"))
    (_, firm) = tables["Tiered warnings at each city’s cost/loss ratio (FIRM)"]
    # Alarm stage (12 m) came on the days 58 to 62, persistence has it on 61 to 65: three misses of
    # 0.75 and three false alarms of 0.25. Flood stage (12.5 m) on 59 to 61, and 62 to 64: three of
    # 0.6 and of 0.4. Climatology never warns: 5 × 0.75 + 3 × 0.6.
    assert firm == ["3 d", "120", "5", "0.0000", "0.0500", "0.0463", "1.00", "1.00"]
    assert tables["By city: skill against climatology"][1] == ["Mukdahan", "0.25, 0.40", "1.00"]
    (_, tail) = tables["The forecast above alarm stage (threshold-weighted CRPS)"]
    # Above 12 m came 0.2, 0.6, 1.0, 0.6, 0.2 m; persistence is off by the first three, by 0.4 on
    # the two days on which both are above it, then by 1.0, 0.6 and 0.2 m.
    assert tail[4:6] == [f"{4.4 / 120:.4f}", f"{2.6 / 120:.4f}"]
    assert float(tail[3]) < 0.01
    (_, peaks) = tables["Each year’s highest stage"]
    assert peaks[1:] == [
        "1", "0.00", "0.00", "0.0", "0.0", "0.0 to 0.0", "0 of 1", "0 of 1",
    ]  # fmt: skip
    late = flood_of_mukdahan(late_d=4, lead=3).assign(drivers_cm=frame["drivers_cm"])
    (_, peaks) = read_tables(render_report(late, train_from="x"))["Each year’s highest stage"]
    assert peaks[4:] == ["4.0", "4.0", "4.0 to 4.0", "1 of 1", "0 of 1"]


def test_without_an_alarm_stage_what_rests_on_it_is_left_out() -> None:
    frame = made_hindcast(years=1).query("station == @TOWN").reset_index(drop=True)
    page = render_report(frame.assign(station="092600"), train_from="1992-01-01")
    assert "No gauge here has an alarm stage." in page
    assert "FIRM" not in page
    assert "Each year’s highest stage" in page


def test_nothing_to_score_is_said() -> None:
    frame = made_hindcast(years=1).assign(observed_m=np.nan)
    text = render_report(frame, train_from="1992-01-01")
    assert "No forecast could be scored." in text


def test_what_changed_after_the_last_issue_time_changes_nothing(lay_over: LayOver) -> None:
    frame = made_hindcast(years=1)
    text = render_report(frame, train_from="1992-01-01")
    lay_over(
        "cities.csv",
        CITIES_HEAD,
        f"mukdahan,New Mukdahan,TH,16.583,104.733,degree,x,2018-01-01,M,{TOWN},false,true,mukdahan,"
        "river,7",
    )
    lay_over("thresholds.csv", STAGE_HEAD, f"{TOWN},alarm,9.0,m,the agency,2018-01-01,V")
    lay_over(
        "cost_loss.csv",
        "city,level,quantity,value,unit,source,as_of,verified",
        "mukdahan,watch,cost_loss_ratio,0.6,1,x,2018-01-01,M",
        "mukdahan,warning,cost_loss_ratio,0.6,1,x,2018-01-01,M",
    )
    assert render_report(frame, train_from="1992-01-01") == text


def test_names_are_the_last_and_stages_those_of_the_flood(
    lay_over: LayOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The town's crest is before 2017, from when on it has another name and another stage."""
    frame = made_hindcast()
    of_town = frame[(frame["station"] == TOWN) & (frame["lead_days"] == 3)]
    crest = of_town.sort_values("observed_m", na_position="first")["issue_time"].iloc[-1]
    assert crest < np.datetime64("2017-01-01")
    lay_over("thresholds.csv", STAGE_HEAD, f"{TOWN},alarm,9.0,m,the agency,2017-01-01,V")
    lay_over(
        "stations.csv",
        "code,name,river,country,tidal,upstream,basin,as_of",
        f"{TOWN},New Mukdahan,Mekong,TH,false,013101,mukdahan,2017-01-01",
    )
    lay_over(
        "cities.csv",
        CITIES_HEAD,
        f"mukdahan,New Mukdahan,TH,16.583,104.733,degree,x,2017-01-01,M,{TOWN},false,true,mukdahan,"
        "river,7",
    )
    lay_over(
        "cost_loss.csv",
        "city,level,quantity,value,unit,source,as_of,verified",
        "mukdahan,watch,cost_loss_ratio,0.6,1,x,2017-01-01,M",
        "mukdahan,warning,cost_loss_ratio,0.6,1,x,2017-01-01,M",
    )
    floods: dict[str, object] = {}
    watches: dict[str, float] = {}

    def note_flood(name: str, _forecasts: object, _lead: int, thresholds_m: object) -> str:
        floods[name] = thresholds_m
        return ""

    def note_value(name: str, _ratios: object, _curves: object, watch_p: float) -> str:
        watches[name] = watch_p
        return ""

    monkeypatch.setattr(report, "draw_highest_flood", note_flood)
    monkeypatch.setattr(report, "draw_value", note_value)
    page = render_report(frame, train_from="1992-01-01")
    assert floods[f"New Mukdahan ({TOWN})"] == {"alarm": 12.0, "flood": 12.5}
    assert watches["New Mukdahan"] == 0.6
    assert "Mukdahan" not in page.replace("New Mukdahan", "")


def test_an_alternative_is_named_and_stands_in_every_table_of_methods(text: str) -> None:
    frame = made_hindcast()
    frame["alternative_m"] = frame["reference_m"]
    page = render_report(frame.assign(alternative="<Trees>"), train_from="2003-01-01")
    assert "<i>alternative</i> is the same model with another regressor, &lt;Trees&gt;, " in page
    assert "model − alternative" in page
    assert "alternative" not in text
    assert page.count("<th>alternative</th>") > 2
    assert re.search(r"<text[^>]*>alternative</text>", page), "the picture has a line for it"
