"""Exports and own tables on their way from a folder to the table of readings."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from pipeline import __main__ as cli
from pipeline import steps
from pipeline.ingest.run import Ingested
from pipeline.settings import Settings
from pipeline.sources.base import (
    WrongOption,
)
from pipeline.sources.gauges.own_table import OwnLayout
from pipeline.storage.records import Records
from tests.sources.gauge_servers import LIVE, POINTS
from tests.sources.gauges.table_cases import PLAIN, readings, text
from tests.sources.gauges.waterml_cases import waterml
from tests.sources.portal_exports import NAME, make_export, make_row

NIGHT = datetime(2026, 8, 20, 0, 30, tzinfo=UTC)
OWN = "Code;Datum der Messung;Pegel\n13901;20/08/2569 07:00;9,80\n13901;19/08/2569 07:00;9,40\n"
COLUMNS = ["--station", "a", "--time", "b", "--value", "c", "--unit", "m"]


def settings(folder: Path) -> Settings:
    return Settings(data_dir=folder / "data", upstream="archive", records_url=None)


def stages(data: Settings, asof: datetime) -> dict[str, float]:
    rows = Records(data.database).readings.read("stage", asof=asof)
    return dict(
        zip(rows["valid_time"].dt.strftime("%Y-%m-%d %H:%M:%S"), rows["value"], strict=True)
    )


def test_a_shifted_reading_becomes_known_at_its_own_morning(tmp_path: Path) -> None:
    """A hindcast gains nothing: what was stamped at 17:00Z is known at 00:20Z, not at 17:20Z."""
    folder = tmp_path / "exports"
    folder.mkdir()
    rows = [
        make_row(f"{at:%Y-%m-%dT%H:%MZ}", 5 + number / 10)
        for number, at in enumerate(pd.date_range("2021-02-20T17:00", periods=6, freq="12h"))
    ]
    (folder / NAME).write_text(make_export(*rows), encoding="utf-8")
    data = settings(tmp_path)
    steps.ingest("gauges", asof=NIGHT, settings=data, folder=folder)
    morning = datetime(2021, 2, 22, 0, 30, tzinfo=UTC)
    assert list(stages(data, morning)) == [
        "2021-02-21 00:00:00", "2021-02-21 12:00:00", "2021-02-22 00:00:00"
    ]  # fmt: skip
    assert stages(data, morning)["2021-02-22 00:00:00"] == 5.2
    before = datetime(2021, 2, 22, 0, 19, tzinfo=UTC)
    assert list(stages(data, before)) == ["2021-02-21 00:00:00", "2021-02-21 12:00:00"]
    stored = Records(data.database).readings.read("stage", asof=NIGHT)
    assert set(stored["available_time"] - stored["valid_time"]) == {pd.Timedelta(minutes=20)}
    assert set(stored["qc"]) == {"shifted"}


def test_a_table_refused_before_is_read_once_its_layout_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "ministry"
    folder.mkdir()
    (folder / "own.csv").write_text(OWN, encoding="utf-8")
    data = settings(tmp_path)
    first = steps.ingest("gauges", asof=NIGHT, settings=data, folder=folder)
    assert (first.read, len(first.rejected)) == (0, 1)
    layout = OwnLayout("Code", "Datum der Messung", "Pegel", "m", zone="Asia/Vientiane")
    done = steps.ingest("gauges", asof=NIGHT, settings=data, folder=folder, layout=layout)
    assert (done.read, done.added, done.rejected) == (1, 2, ())
    again = steps.ingest("gauges", asof=NIGHT, settings=data, folder=folder, layout=layout)
    assert (again.read, again.known) == (0, 1)
    assert stages(data, NIGHT) == {"2026-08-19 00:00:00": 9.4, "2026-08-20 00:00:00": 9.8}


def test_one_file_of_other_columns_does_not_stop_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "ministry"
    folder.mkdir()
    (folder / "other.csv").write_text(OWN.replace("Code", "Site"), encoding="utf-8")
    data = settings(tmp_path)
    layout = OwnLayout("Code", "Datum der Messung", "Pegel", "m", zone="Asia/Vientiane")
    with pytest.raises(WrongOption, match="expected a column of the file or a known code"):
        steps.ingest("gauges", asof=NIGHT, settings=data, folder=folder, layout=layout)
    (folder / "own.csv").write_text(OWN, encoding="utf-8")
    done = steps.ingest("gauges", asof=NIGHT, settings=data, folder=folder, layout=layout)
    assert (done.read, done.added) == (1, 2)
    (rejected,) = done.rejected
    assert rejected.startswith("other.csv: expected a column of the file or a known code as --st")
    right = OwnLayout("Site", "Datum der Messung", "Pegel", "m", zone="Asia/Vientiane")
    again = steps.ingest("gauges", asof=NIGHT, settings=data, folder=folder, layout=right)
    assert again.read == 1, "what was refused with the wrong names is read with the right ones"


def run(monkeypatch: pytest.MonkeyPatch, data: Path, *arguments: str) -> int | str | None:
    monkeypatch.setenv("MEKONG_DATA_DIR", str(data))
    monkeypatch.setenv("MEKONG_UPSTREAM", "archive")
    monkeypatch.setattr(sys, "argv", ["mekong", "ingest", *arguments])
    try:
        cli.main()
    except SystemExit as done:
        return done.code
    return 0


def test_the_options_of_an_own_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "ministry"
    folder.mkdir()
    (folder / "own.csv").write_text(OWN, encoding="utf-8")
    code = run(
        monkeypatch, tmp_path / "data", "gauges", "--from", str(folder), "--date", "2026-08-20",
        "--station", "code", "--time", "Datum der Messung", "--value", "pegel", "--unit", "m",
        "--tz", "+07:00", "--decimal", ",",
    )  # fmt: skip
    assert not code
    stored = Records(f"sqlite:///{tmp_path}/data/records.db").readings.read("stage", asof=NIGHT)
    assert stored["value"].tolist() == [9.4, 9.8]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gauges", "--station", "a"], "expected --station, --time, --value and --unit together"),
        (["gauges", "--tz", "+07:00"], "expected --station, --time, --value and --unit together"),
        (["gauges", *COLUMNS, "--tz", "ICT"],
         "expected a time zone like Asia/Bangkok or +07:00, found 'ICT'"),
        (["gauges", *COLUMNS, "--decimal", ";"], "expected a decimal sign . or ',', found ';'"),
        (["gauges", *COLUMNS], "expected a ministry's own layout with readings and --from alone"),
        (["imerg_late", "--from", ".", *COLUMNS],
         "expected a ministry's own layout with readings and --from alone"),
    ],
)  # fmt: skip
def test_mistakes_in_the_options_are_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    arguments: list[str], message: str,
) -> None:  # fmt: skip
    assert run(monkeypatch, tmp_path, *arguments) == 2
    error = capsys.readouterr().err
    assert message in " ".join(error.split())
    assert "Traceback" not in error


MEAN = """<?xml version="1.0"?><wml2:Collection xmlns:om="http://www.opengis.net/om/2.0"
 xmlns:wml2="http://www.opengis.net/waterml/2.0" xmlns:xlink="http://www.w3.org/1999/xlink">
<wml2:observationMember><om:OM_Observation><om:procedure xlink:title="Observation"/>
<om:observedProperty xlink:title="Gage height, daily mean"/>
<om:featureOfInterest xlink:href="http://example.org/013101"/><om:result>
<wml2:MeasurementTimeseries><wml2:defaultPointMetadata><wml2:DefaultTVPMeasurementMetadata>
<wml2:uom code="m"/></wml2:DefaultTVPMeasurementMetadata></wml2:defaultPointMetadata>
<wml2:point><wml2:MeasurementTVP><wml2:time>2026-08-19</wml2:time><wml2:value>12.1</wml2:value>
</wml2:MeasurementTVP></wml2:point>
<wml2:point><wml2:MeasurementTVP><wml2:time>2026-08-20</wml2:time><wml2:value>11.2</wml2:value>
</wml2:MeasurementTVP></wml2:point></wml2:MeasurementTimeseries></om:result></om:OM_Observation>
</wml2:observationMember></wml2:Collection>"""


def test_a_daily_mean_of_a_day_not_over_lowers_no_morning(tmp_path: Path) -> None:
    folder = tmp_path / "agency"
    folder.mkdir()
    (folder / "observer.csv").write_text(
        "station,variable,time,value,unit\n013101,stage,2026-08-20T07:00:00+07:00,12.67,m\n",
        encoding="utf-8",
    )
    data = settings(tmp_path)
    steps.ingest("gauges", asof=NIGHT, settings=data, folder=folder)
    (folder / "mean.xml").write_text(MEAN, encoding="utf-8")
    done = steps.ingest("gauges", asof=NIGHT, settings=data, folder=folder)
    assert done.added == 1
    assert "1 dated later" in done.rejected[0]
    assert stages(data, NIGHT) == {"2026-08-19 00:00:00": 12.1, "2026-08-20 00:00:00": 12.67}
    stored = Records(data.database).readings.read_all("stage", asof=NIGHT)
    mean = stored[stored["method"] == "calculated"]
    assert mean["available_time"].astype("str").tolist() == ["2026-08-20 00:20:00"]
    morning = NIGHT + timedelta(days=1)
    steps.ingest("gauges", asof=morning, settings=data, folder=folder)
    assert stages(data, morning)["2026-08-20 00:00:00"] == 12.67


def test_a_column_that_is_not_there_is_a_mistake_of_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "ministry"
    folder.mkdir()
    text = "Station Code,When,Level\n13901,2026-08-20 07:00,9.8\n13101,2026-08-20 07:00,7.8\n"
    (folder / "own.csv").write_text(text, encoding="utf-8")
    code = run(
        monkeypatch, tmp_path / "data", "gauges", "--from", str(folder), "--date", "2026-08-20",
        "--station", "Station", "--time", "When", "--value", "Level", "--unit", "m",
        "--tz", "+07:00",
    )  # fmt: skip
    assert code == 2
    assert "known code as --station, found 'Station'; its columns are" in capsys.readouterr().err
    stored = Records(f"sqlite:///{tmp_path}/data/records.db").readings.read("stage", asof=NIGHT)
    assert stored.empty


def test_a_later_file_withdraws_a_reading_and_says_so(tmp_path: Path) -> None:
    """A missing code in a file that also has values; not in an older file, nor in one of codes."""
    folder = tmp_path / "agency"
    folder.mkdir()
    data = settings(tmp_path)
    head = "station,variable,time,value,unit"

    def bring(name: str, asof: datetime, *values: str) -> Ingested:
        rows = [
            f"013402,stage,2026-08-{19 + day}T07:00:00+07:00,{value},m"
            for day, value in enumerate(values)
            if value != "none"
        ]
        (folder / name).write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
        return steps.ingest("gauges", asof=asof, settings=data, folder=folder)

    bring("a.csv", NIGHT, "12.33", "12.46")
    alone = bring("b.csv", NIGHT + timedelta(hours=1), "none", "-9999")
    assert alone.added == 0, "a file without a value says nothing of another's"
    old = bring("c.csv", NIGHT - timedelta(minutes=5), "12.33", "-9999")
    assert old.added == 0
    noon = NIGHT + timedelta(hours=12)
    done = bring("d.csv", noon, "12.33", "-9999")
    assert done.added == 1
    line = "Mukdahan (013402): withdraws 1 reading of stage (12.46 m at 2026-08-20 00:00Z)"
    assert line in done.remarks
    assert stages(data, noon - timedelta(minutes=1))["2026-08-20 00:00:00"] == 12.46
    stored = Records(data.database).readings.read("stage", asof=noon)
    assert stored["value"].dropna().tolist() == [12.33]
    assert stored["qc"].tolist() == ["good", "missing"]
    again = bring("e.csv", noon + timedelta(hours=1), "12.33", "12.47")
    assert again.added == 1
    assert stages(data, noon + timedelta(hours=1))["2026-08-20 00:00:00"] == 12.47


def test_every_interface_goes_through_the_ingest(tmp_path: Path) -> None:
    """Files of all kinds in one folder; the observer stands before the sensor."""
    text(tmp_path, "measurement_013901.json", json.dumps(LIVE))
    text(tmp_path, "Water Level.Manual@LA_013901_[Pakse].json", json.dumps(POINTS))
    text(tmp_path, "agency.csv", PLAIN, "014901,stage,2026-08-20T00:00:00Z,17.2,m")
    waterml(tmp_path, station="019802")
    text(tmp_path, "other.csv", "a,b", "1,2")
    text(
        tmp_path, "Water Level.Manual@LA_013901_[Pakse]__metadata.txt", "# generated for this test"
    )
    settings = Settings(data_dir=tmp_path / "data", upstream="archive", records_url=None)
    done = steps.ingest("gauges", asof=NIGHT, settings=settings, folder=tmp_path)
    assert done.read == 4
    first, second = done.rejected
    assert "answer.xml: expected readings up to 2026-08-20 00:30Z, found 1 dated later" in first
    assert "other.csv: expected the header" in second
    stored = Records(settings.database).readings.read("stage", asof=NIGHT)
    assert readings(stored, "station", "method", "valid_time", "value") == [
        ["013901", "manual", "2026-08-19 00:00", 9.0],
        ["013901", "telemetry", "2026-08-19 23:45", 9.08],
        ["013901", "manual", "2026-08-20 00:00", 9.1],
        ["014901", "manual", "2026-08-20 00:00", 17.2],
        ["019802", "telemetry", "2026-08-20 00:00", 9.5],
    ]
