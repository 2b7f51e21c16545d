from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.alerts.flood import decide_flood
from pipeline.alerts.levels import Level
from pipeline.alerts.thresholds import DEFAULT, FILE, costs, rules_for, threshold
from pipeline.geography import places
from tests.alerts.alert_cases import CITY, DRY, STATION, T0, ramp, river


def with_rows(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "cost_loss.csv"
    path.write_text(FILE.read_text(encoding="utf-8") + "".join(f"{row}\n" for row in rows), "utf-8")
    return path


def test_until_a_city_states_its_own_nothing_changes() -> None:
    for city in places.cities():
        assert rules_for(city) == DEFAULT


def test_every_figure_has_its_provenance() -> None:
    head, *rows = FILE.read_text(encoding="utf-8").splitlines()
    assert head == "city,level,quantity,value,unit,source,as_of,verified"
    assert all(row.endswith(",2026,M") for row in rows)
    assert {row.split(",")[0] for row in rows} <= {"default", *places.cities()}


def test_the_ratio_or_the_budget_whichever_asks_for_more(tmp_path: Path) -> None:
    path = with_rows(
        tmp_path,
        "vientiane,watch,cost_loss_ratio,0.10,1,the city,2026,M",
        "vientiane,warning,cost_loss_ratio,0.55,1,the city,2026,M",
        "pakse,watch,cost_loss_ratio,0.10,1,the city,2026,M",
        "pakse,watch,false_alarm_budget,0.90,1,the city,2026,M",
    )
    # Vientiane acts for a tenth of the loss, but no more than 3 in 4 warnings may be false.
    assert threshold("vientiane", "watch", path=path) == 0.25
    assert threshold("vientiane", "warning", path=path) == 0.55
    assert threshold("pakse", "watch", path=path) == pytest.approx(0.10)
    assert rules_for("kratie", path=path) == DEFAULT


def test_a_city_is_warned_by_its_own_threshold(tmp_path: Path) -> None:
    path = with_rows(
        tmp_path,
        "vientiane,watch,cost_loss_ratio,0.10,1,the city,2026,M",
        "vientiane,watch,false_alarm_budget,0.90,1,the city,2026,M",
    )
    p_alarm, p_flood = ramp(0.12, 0.0, 0.0)
    found = [
        decide_flood(
            CITY, issue_time=T0, station=STATION, rain=DRY, state=None, rules=rules,
            river=river(p_alarm=p_alarm, p_flood=p_flood),
        ).level
        for rules in (DEFAULT, rules_for("vientiane", path=path))
    ]  # fmt: skip
    assert found == [Level.NONE, Level.WATCH]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("pakse,watch,cost_loss_ratio,25,1,x,2026,M", "value between 0 and 1, found .*25"),
        ("pakse,alarm,cost_loss_ratio,0.2,1,x,2026,M", "found alarm"),
        ("default,watch,cost_loss_ratio,0.2,1,x,2026,M", "each row once"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        costs(with_rows(tmp_path, row))


def test_every_level_needs_a_default(tmp_path: Path) -> None:
    path = tmp_path / "cost_loss.csv"
    path.write_text("\n".join(FILE.read_text(encoding="utf-8").splitlines()[:-1]) + "\n", "utf-8")
    with pytest.raises(ValueError, match=r"missing .*emergency.*false_alarm_budget"):
        costs(path)
