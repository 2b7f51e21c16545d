"""Reference tables are validated as a whole, read as of a moment, and laid over by an agency."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipeline.geography import places
from pipeline.geography.reference_schema import AREAS, TABLES
from pipeline.geography.reference_tables import (
    OUTLINES,
    BadReference,
    ReferenceTables,
    edition,
    reference_digest,
    tables,
)
from pipeline.settings import REFERENCE
from tests.conftest import STAGE_HEAD, LayOver


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(hour=12, tzinfo=UTC)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a copy of the project's tables."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in (*TABLES, OUTLINES):
        shutil.copy(REFERENCE / name, folder)
    return folder


def test_every_table_of_the_folder_has_a_schema() -> None:
    assert {path.name for path in REFERENCE.glob("*.csv")} | {AREAS} == set(TABLES)


def test_a_change_is_a_new_row_with_a_later_date(lay_over: LayOver) -> None:
    lay_over(
        "thresholds.csv",
        STAGE_HEAD,
        "010501,alarm,10.9,m above gauge zero,the agency,2026-10-01,V",
    )
    before, after = day("2026-09-30"), day("2026-10-01")
    assert places.station("010501", asof=before).alarm_m == 11.5
    assert places.station("010501", asof=after).alarm_m == 10.9
    assert places.station("010501").alarm_m == 10.9
    assert places.station("010501", asof=day("2010-08-01")).alarm_m == 11.5
    assert edition(before) == edition(day("2026-02-01")) != edition(after)


def test_a_year_alone_says_when_a_figure_was_looked_up() -> None:
    """Bueng Kan has stages of 2022 and of 2026; the first count for all years before."""
    for moment, alarm_m in (("2005-08-01", 11.4), ("2025-12-31", 11.4), ("2026-01-01", 10.18)):
        assert places.station("012702", asof=day(moment)).alarm_m == alarm_m


def test_rows_of_a_new_gauge_count_from_their_day_on(lay_over: LayOver) -> None:
    lay_over(
        "stations.csv",
        "code,name,river,country,tidal,upstream,basin,as_of",
        "M.7,Ubon,Mun,TH,false,,mun,2026-07-01",
    )
    figure = "M.7,{},{},degree,the agency,2026-07-01,V"
    lay_over(
        "station_figures.csv",
        "station,quantity,value,unit,source,as_of,verified",
        figure.format("latitude", 15.22),
        figure.format("longitude", 104.86),
    )
    assert "M.7" not in places.stations(asof=day("2026-06-30"))
    gauge = places.station("M.7", asof=day("2026-07-01"))
    assert (gauge.lat, gauge.alarm_m, gauge.replaced_by, gauge.note) == (15.22, None, None, "")
    assert list(places.stations())[-1] == "M.7"


def test_an_agency_goes_before_the_project_from_its_day_on(
    lay_over: LayOver, project: Path, tmp_path: Path
) -> None:
    lay_over("thresholds.csv", STAGE_HEAD, "010501,alarm,10.9,m,the agency,2026-03-01,V")
    with (project / "thresholds.csv").open("a", encoding="utf-8") as stream:
        stream.write("010501,alarm,11.1,m,MRC,2026-06-01,V\n")
    both = ReferenceTables(project, tmp_path / "agency")
    alarm = {
        moment: both.in_force("thresholds.csv", date.fromisoformat(moment))["010501", "alarm"]
        for moment in ("2026-02-28", "2026-03-01", "2026-06-02")
    }
    assert [entry.row["value"] for entry in alarm.values()] == ["11.5", "10.9", "10.9"]


def test_a_digest_names_the_table_that_changed(lay_over: LayOver) -> None:
    before = reference_digest(day("2026-08-20"))
    assert set(before) == {*TABLES, OUTLINES}
    assert all(len(digest) == 64 for digest in before.values())
    lay_over("thresholds.csv", STAGE_HEAD, "010501,alarm,10.9,m,the agency,2026-10-01,V")
    assert reference_digest(day("2026-08-20")) == before
    after = reference_digest(day("2026-10-20"))
    assert {name for name in before if before[name] != after[name]} == {"thresholds.csv"}
    assert reference_digest() == after


def test_an_edit_in_place_changes_the_digest_of_every_moment(project: Path) -> None:
    def digest(folder: Path) -> dict[str, list[dict[str, str]]]:
        then = ReferenceTables(folder).edition(day("2020-01-01"))
        return {name: [dict(row) for row in then.rows(name)] for name in TABLES}

    before = digest(project)
    path = project / "cost_loss.csv"
    text = path.read_text(encoding="utf-8").replace("0.25,1", "0.30,1")
    path.write_text(text, encoding="utf-8")
    after = digest(project)
    assert {name for name in TABLES if before[name] != after[name]} == {"cost_loss.csv"}


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "agency"
    folder.mkdir()
    lines = [
        STAGE_HEAD,
        "010501,alarm,118,m,x,2026-05-01,V",
        "999999,flood,5,m,x,2026-05-01,V",
        "010501,danger,5,m,x,2026-05-01,V",
        "010501,flood,five,m,,May 2026,yes",
        "010501,flood,12,m,x,2026-05-01,V,more",
        "011201,flood,12,m,x,2026-05-01,V",
        "011201,flood,13,m,x,2026-05-01,V",
    ]
    (folder / "thresholds.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "cities.csv").write_text("id,name,mayor\npakse,Pakse,x\n", encoding="utf-8")
    (folder / "gauges.csv").write_text("", encoding="utf-8")
    (folder / "flows.csv").write_bytes("station,Größe".encode("latin-1"))
    with pytest.raises(BadReference) as bad:
        ReferenceTables(REFERENCE, folder)
    found = str(bad.value).splitlines()
    assert found[0].startswith("cities.csv line 1: expected columns id, name, country, ")
    assert found[0].endswith("found id, name, mayor")
    assert found[1].startswith("flows.csv: expected a table of text in UTF-8, found: ")
    assert found[2].startswith("gauges.csv: expected one of stations.csv, ")
    assert found[3:] == [
        "thresholds.csv line 2: value: expected a number from -5 to 60 for alarm, found '118'",
        "thresholds.csv line 3: station: expected a row of stations.csv, found '999999'",
        "thresholds.csv line 4: kind: expected one of alarm, flood, bao_dong_2, found 'danger'",
        "thresholds.csv line 5: as_of: expected a year or a date as 2026-05-01, found 'May 2026'",
        "thresholds.csv line 5: source: expected a value, found ''",
        "thresholds.csv line 5: value: expected a number, found 'five'",
        "thresholds.csv line 5: verified: expected one of V, M, found 'yes'",
        "thresholds.csv line 6: expected 7 cells, found another number",
        "thresholds.csv line 8: expected 011201, flood once as of a day, found it in line 7 too",
    ]


def edit_table(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_rows_that_contradict_each_other_are_refused(project: Path) -> None:
    def edit(name: str, old: str, new: str) -> None:
        edit_table(project / name, old, new)

    edit("thresholds.csv", "010501,flood,12.8", "010501,flood,11.5")
    edit("station_figures.csv", "092600,latitude,22.02,degrees_north", "092600,gauge_zero,500,m")
    edit("cost_loss.csv", "default,emergency,false_alarm_budget", "pakse,emergency,cost_loss_ratio")
    edit("travel_times.csv", "033401,019803,2,4", "033401,019803,4,2")
    edit("basins.csv", "lancang_tibet,Upper", "tibet,Upper")
    with pytest.raises(BadReference) as bad:
        ReferenceTables(project)
    assert str(bad.value).splitlines() == [
        "basins.csv line 2: tibet: expected its outline in basins.geojson, found none",
        "cost_loss.csv: expected a row of default for emergency, false_alarm_budget, found none",
        "cost_loss.csv line 7: pakse: expected emergency from at least warning's 0.4, found 0.3",
        "stations.csv line 2: 092600: expected its latitude in station_figures.csv, found none",
        "thresholds.csv line 3: 010501: expected flood above alarm, found 11.5 m and 11.5 m",
        "travel_times.csv line 12: expected value_min up to value_max, found 4 and 2",
    ]


def test_a_city_has_a_language_once_per_stage(project: Path, tmp_path: Path) -> None:
    agency = tmp_path / "agency"
    agency.mkdir()
    lines = [
        "city,kind,stage_m,language,text,year,source,verified",
        "pakse,impact,12,en,The lower market floods,,the city,V",
        "pakse,impact,12.0,lo,The same in Lao,,the city,V",
        "pakse,crest,12.0,en,,1978,MRC,V",
    ]
    (agency / "impacts.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert len(ReferenceTables(project, agency).in_force("impacts.csv", date.max)) == 3
    lines.append("pakse,impact,12.00,en,The market floods,,the city,V")
    (agency / "impacts.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(BadReference) as bad:
        ReferenceTables(project, agency)
    assert str(bad.value) == (
        "impacts.csv line 5: pakse: expected one impact at 12 m in en, found 12 and 12.00"
    )


def test_a_table_of_the_project_must_be_there(project: Path) -> None:
    (project / "flows.csv").unlink()
    with pytest.raises(BadReference, match=r"^flows\.csv: expected among the project's tables"):
        ReferenceTables(project)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadReference, match="expected a folder of reference tables, found none"):
        ReferenceTables(REFERENCE, tmp_path / "nowhere")


def test_spreadsheets_save_with_a_mark_of_byte_order(lay_over: LayOver) -> None:
    lay_over("thresholds.csv", f"\ufeff{STAGE_HEAD}", "010501 , alarm,10.9,m,x,2026,V")
    assert places.station("010501").alarm_m == 10.9


def test_tables_are_read_once() -> None:
    assert tables() is tables()
    assert places.stations() is places.stations(asof=None)


@pytest.mark.parametrize(
    ("name", "before", "after", "finding"),
    [
        ("thresholds.csv", "m above gauge zero", "ft", "expected m above gauge zero or m"),
        ("cost_loss.csv", "0.25,1,", "0.25,%,", "unit: expected one of 1, found '%'"),
        ("cost_loss.csv", "watch,cost_loss_ratio,0.25", "watch,cost_loss_ratio,0.5",
         "default: expected warning from at least watch's 0.5, found 0.4"),
        ("cost_loss.csv", "0.25,1,", "0_0.25,1,", "value: expected a number"),
        ("stations.csv", "010501,Chiang Saen", "010501,=A1", "name: expected text like"),
        ("stations.csv", "Jinghong,Lancang,CN,false,", "Jinghong,Lancang,CN,false,010501",
         "upstream: expected no circle, found "),
        ("stations.csv", "010501,Chiang Saen,Mekong,TH", "010501,Chiang\x01Saen,Mekong,TH",
         "name: expected text without control characters"),
        ("cities.csv", "jinghong,Jinghong,CN", "../jinghong,Jinghong,CN", "id: expected text like"),
        ("cities.csv", "jinghong,Jinghong,CN", "jinghong,Jinghong,China", "country: expected text"),
        ("basins.csv", "gorges,,lancang_yunnan", "gorges,,lancang_tibet",
         "downstream: expected no circle, found lancang_"),
    ],
)  # fmt: skip
def test_a_row_that_would_mislead_is_refused(
    project: Path, name: str, before: str, after: str, finding: str
) -> None:
    edit_table(project / name, before, after)
    with pytest.raises(BadReference, match=f"{re.escape(name)}.*{re.escape(finding)}"):
        ReferenceTables(project)


def write_area(folder: Path, city: str, *corners: tuple[float, float], as_of: str = "") -> None:
    """Write a feature of areas.geojson."""
    properties = {"city": city, "as_of": as_of} if as_of else {"city": city}
    feature = {
        "type": "Feature",
        "properties": properties,
        "geometry": {"type": "Polygon", "coordinates": [corners]},
    }
    path = folder / AREAS
    features = json.loads(path.read_text("utf-8"))["features"] if path.exists() else []
    content = {"type": "FeatureCollection", "features": [*features, feature]}
    path.write_text(json.dumps(content), encoding="utf-8")


AROUND_PAKSE = ((105.7, 15.0), (105.9, 15.0), (105.8, 15.3), (105.7, 15.0))


def test_an_agencys_polygon_replaces_that_of_its_city_from_its_day_on(
    lay_over: LayOver, tmp_path: Path
) -> None:
    drawn, others = places.city("pakse").area, places.city("thakhek")
    before = reference_digest(day("2026-08-20"))
    lay_over("README.md", "ours")
    write_area(tmp_path / "agency", "pakse", *AROUND_PAKSE, as_of="2026-10-01")
    assert places.city("pakse", asof=day("2026-09-30")).area == drawn
    assert reference_digest(day("2026-09-30")) == before
    replaced = places.city("pakse", asof=day("2026-10-01"))
    assert list(replaced.area.exterior.coords) == list(AROUND_PAKSE)
    assert places.city("thakhek", asof=day("2026-10-01")) == others
    after = reference_digest(day("2026-10-01"))
    assert {name for name in before if before[name] != after[name]} == {AREAS}


def test_areas_that_contradict_other_tables_are_refused(tmp_path: Path) -> None:
    square = ((105.0, 15.0), (105.1, 15.0), (105.1, 15.1), (105.0, 15.0))
    write_area(tmp_path, "pakse", *square)
    with pytest.raises(BadReference) as bad:
        ReferenceTables(REFERENCE, tmp_path)
    assert str(bad.value) == (
        "areas.geojson feature 1: pakse: expected its point 15.1, 105.813 in its area, "
        "found it outside"
    )
    write_area(tmp_path, "atlantis", *square)
    write_area(tmp_path, "pakse", *AROUND_PAKSE)
    with pytest.raises(BadReference) as bad:
        ReferenceTables(REFERENCE, tmp_path)
    assert str(bad.value).splitlines() == [
        "areas.geojson feature 2: city: expected a row of cities.csv, found 'atlantis'",
        "areas.geojson feature 3: expected pakse once as of a day, found it in feature 1 too",
    ]


def test_a_city_moved_out_of_its_area_is_refused(project: Path) -> None:
    edit_table(project / "cities.csv", "Pakse,LA,15.1,105.813", "Pakse,LA,16.1,105.813")
    with pytest.raises(BadReference, match=r"pakse: expected its point 16\.1, 105\.813 "):
        ReferenceTables(project)


@pytest.mark.parametrize("text", ["", "[]", '{"type": "FeatureCollection"}', "\xff"])
def test_a_file_that_is_no_map_is_a_finding(tmp_path: Path, text: str) -> None:
    (tmp_path / AREAS).write_bytes(text.encode("latin-1"))
    with pytest.raises(BadReference, match=r"^areas\.geojson: expected a GeoJSON feature coll"):
        ReferenceTables(REFERENCE, tmp_path)


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_what_has_a_tables_name_and_is_no_file_is_a_finding(
    project: Path, tmp_path: Path, kind: str
) -> None:
    agency = tmp_path / "agency"
    agency.mkdir()
    table = agency / "thresholds.csv"
    table.mkdir() if kind == "folder" else table.symlink_to(tmp_path / "nowhere")
    with pytest.raises(BadReference, match=r"^thresholds\.csv: expected a file, found none"):
        ReferenceTables(project, agency)
