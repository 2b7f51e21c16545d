"""What a check of an agency's folder says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.geography.reference_check import check_reference


def write(folder: Path, name: str, *lines: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_what_each_row_does_is_said(tmp_path: Path) -> None:
    stages = "station,kind,value,unit,source,as_of,verified"
    write(tmp_path, "thresholds.csv", stages,
          "010501,alarm,10.9,m,x,2026-10-01,V", "092600,flood,542,m,x,,M")  # fmt: skip
    (wrong,) = check_reference(tmp_path)
    assert wrong.wrong
    write(tmp_path, "thresholds.csv", stages, "010501,alarm,10.9,m,x,2026-10-01,V")
    cities = "id,name,country,lat,lon,unit,source,verified,ascn,in_basin,hazards,utc_offset_h"
    write(tmp_path, "cities.csv", cities,
          "hue,Hue,VN,16.46,107.59,degree,x,V,false,false,pluvial drought,7",
          "perth,Perth,AU,-31.9,115.9,degree,x,V,false,false,drought,8")  # fmt: skip
    write(tmp_path, "README.md", "ours")
    found = check_reference(tmp_path)
    assert [str(finding) for finding in found] == [
        "thresholds.csv line 2: 010501, alarm: in place of the project's row from 2026-10-01 on",
        "cities.csv line 2: hue: new, seen in mekong and asean",
        "cities.csv line 3: perth: new, seen in no region: it is outside of their grids",
    ]
    assert not any(finding.wrong for finding in found)


def test_what_an_area_does_is_said(tmp_path: Path) -> None:
    ring = "[[105.7,15.0],[105.9,15.0],[105.8,15.3],[105.7,15.0]]"
    feature = (
        '{"type": "Feature", "properties": {"city": "pakse"},'
        f' "geometry": {{"type": "Polygon", "coordinates": [{ring}]}}}}'
    )
    write(tmp_path, "areas.geojson", f'{{"type": "FeatureCollection", "features": [{feature}]}}')
    (finding,) = check_reference(tmp_path)
    assert str(finding) == "areas.geojson feature 1: pakse: in place of the project's row"
    assert not finding.wrong
    path = tmp_path / "areas.geojson"
    path.write_text(path.read_text(encoding="utf-8").replace("15.3", "95.3"), encoding="utf-8")
    (finding,) = check_reference(tmp_path)
    assert str(finding) == (
        "areas.geojson feature 1: pakse: expected pairs of longitude and latitude, found others"
    )
    assert finding.wrong


@pytest.mark.parametrize(
    ("row", "finding"),
    [
        ("watch,cost_loss_ratio,0.9", "expected warning from at least watch's 0.9, found 0.4"),
        ("watch,false_alarm_budget,0.5", "expected warning from at least watch's 0.5, found 0.4"),
        ("emergency,cost_loss_ratio,0.1", None),  # the default's budget asks for 0.7 all the same
        ("warning,cost_loss_ratio,0.1", None),
        (
            "warning,cost_loss_ratio,0.8",
            "expected emergency from at least warning's 0.8, found 0.7",
        ),
    ],
)
def test_a_level_never_needs_more_than_the_one_above(
    tmp_path: Path, row: str, finding: str | None
) -> None:
    columns = "city,level,quantity,value,unit,source,as_of,verified"
    write(tmp_path, "cost_loss.csv", columns, f"pakse,{row},1,x,2026,M")
    (remark,) = check_reference(tmp_path)
    assert remark.wrong is (finding is not None)
    if finding is not None:
        assert str(remark) == f"cost_loss.csv line 2: pakse: {finding}"


def test_a_finding_names_the_agencys_row(tmp_path: Path) -> None:
    columns = "station,kind,value,unit,source,as_of,verified"
    write(tmp_path, "thresholds.csv", columns, "010501,alarm,13.0,m,x,2026,V")
    (remark,) = check_reference(tmp_path)
    assert str(remark) == (
        "thresholds.csv line 2: 010501: expected flood above alarm, found 12.8 m and 13 m"
    )


def test_an_empty_folder_changes_nothing(tmp_path: Path) -> None:
    assert check_reference(tmp_path) == []
