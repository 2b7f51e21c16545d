"""WaterML 2.0 in the shapes that providers send."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pipeline.sources.base import (
    BadGranule,
    Skipped,
)
from pipeline.sources.gauges import gauge_files
from tests.sources.gauges.table_cases import readings, text
from tests.sources.gauges.waterml_cases import HEAD, PAIR, observation, pair, timeseries, waterml

CASES = Path(__file__).parents[4] / "shared/cases/gauges"


def read(folder: Path, *observations: str) -> pd.DataFrame:
    path = folder / "answer.xml"
    path.write_text(
        f'<?xml version="1.0"?>\n{HEAD}{"".join(observations)}</wml2:Collection>', encoding="utf-8"
    )
    return gauge_files.read(path)


def rows(frame: pd.DataFrame, *columns: str) -> list[list[object]]:
    frame = frame.dropna(subset="value")
    formatted = frame.assign(valid_time=frame["valid_time"].dt.strftime("%Y-%m-%d %H:%M"))
    cells: list[list[object]] = formatted[list(columns)].to_numpy(dtype=object).tolist()
    return cells


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("wml2_empty_pair", ["013901", "stage", "telemetry", "2026-08-20 00:00", 9.8]),
        ("wml2_uom_xlink_title", ["013901", "stage", "telemetry", "2026-08-20 00:00", 9.8]),
        ("wml2_water_course_level", ["410730", "stage", "calculated", "2026-08-19 12:00", 1.507]),
    ],
)
def test_the_shared_cases_are_read(name: str, expected: list[object]) -> None:
    frame = gauge_files.read(CASES / f"{name}.xml")
    assert rows(frame, "station", "variable", "method", "valid_time", "value") == [expected]


@pytest.mark.parametrize(
    ("observed", "uom", "value", "expected"),
    [
        ('xlink:title="Gage height, m"', '<wml2:uom code="m"/>', "9.8", ("stage", 9.8)),
        ('xlink:href="http://x/Water%20Course%20Level"', '<wml2:uom code="cm"/>', "980",
         ("stage", 9.8)),
        ('xlink:href="http://x/parameters/Water Level"', '<wml2:uom xlink:title="metres"/>', "9.8",
         ("stage", 9.8)),
        ('xlink:href="http://x/pmcode=00065"', '<wml2:uom xlink:href="http://x/uom/m"/>', "9.8",
         ("stage", 9.8)),
        ('xlink:title="Water Course Discharge"', '<wml2:uom code="cumec"/>', "412",
         ("discharge", 412.0)),
        ('xlink:title="Streamflow"', '<wml2:uom code="m^3/s"/>', "412", ("discharge", 412.0)),
        ('xlink:title="Streamflow"', '<wml2:uom xlink:title="m³/s"/>', "412",
         ("discharge", 412.0)),
        ('xlink:title="Rainfall"', '<wml2:uom code="mm"/>', "12.5", ("rain", 12.5)),
    ],
)  # fmt: skip
def test_properties_and_units_by_any_of_their_names(
    tmp_path: Path, observed: str, uom: str, value: str, expected: tuple[str, float]
) -> None:
    series = timeseries(pair(PAIR[0], value), uom=uom)
    frame = read(tmp_path, observation(series, observed=observed))
    assert rows(frame, "variable", "value") == [list(expected)]


@pytest.mark.parametrize(
    "observed",
    ["Storage Level", "Storage Volume", "Reservoir water level", "Ground Water Level",
     "Water Temperature", "Tide Level", "Dam water level", "Water level below ground surface",
     "Depth to water level", "Tailwater level, stage", "Forecast water level", "Predicted stage",
     "Simulated discharge", "Maximum water level", "Water level rate of change"],
)  # fmt: skip
def test_levels_of_other_waters_are_no_stage(tmp_path: Path, observed: str) -> None:
    with pytest.raises(Skipped, match=f"{observed} is not used"):
        read(tmp_path, observation(observed=f'xlink:title="{observed}"'))


@pytest.mark.parametrize(
    ("observed", "value"),
    [("Water level above mean sea level", 9.1), ("River gauge: water level (m AMSL)", 9.1),
     ("Water level above gauge datum", 95.59), ("Stage, zero of gauge 86.49 m MSL", 95.59)],
)  # fmt: skip
def test_levels_above_the_sea_are_restated(tmp_path: Path, observed: str, value: float) -> None:
    series = timeseries(pair(PAIR[0], "95.59"))
    frame = read(tmp_path, observation(series, observed=f'xlink:title="{observed}"'))
    assert rows(frame.round({"value": 3}), "value") == [[value]]


@pytest.mark.parametrize(
    "observed",
    ["Stream water level elevation above NAVD 1988", "Water level (m AHD)", "Stage above datum"],
)
def test_levels_above_another_datum_are_refused(tmp_path: Path, observed: str) -> None:
    with pytest.raises(BadGranule, match="above the gauge's zero or the sea, found ") as refused:
        read(tmp_path, observation(observed=f'xlink:title="{observed}"'))
    assert refused.value.found == observed


@pytest.mark.parametrize(
    "uom", ['code="m" xlink:title="ft"', 'code="cm" xlink:title="metres"', 'title="Feet" code="m"']
)
def test_a_unit_of_two_names_is_refused(tmp_path: Path, uom: str) -> None:
    with pytest.raises(BadGranule, match="expected one unit, found "):
        read(tmp_path, observation(timeseries(pair(*PAIR), uom=f"<wml2:uom {uom}/>")))
    same = timeseries(pair(*PAIR), uom='<wml2:uom code="m" xlink:title="Metres (gauge)"/>')
    assert rows(read(tmp_path, observation(same)), "value") == [[9.8]]


@pytest.mark.parametrize("process", ["processType/Simulation", "processType/Forecast", "GFS run"])
def test_what_a_model_made_is_passed_over(tmp_path: Path, process: str) -> None:
    procedure = f'<om:procedure xlink:href="http://x/{process}"/>'
    with pytest.raises(Skipped, match=f"the process http://x/{process.lower()} is not observed"):
        read(tmp_path, observation(procedure=procedure))


@pytest.mark.parametrize(
    ("feature", "station"),
    [
        ('<om:featureOfInterest xlink:href="http://example.org/stations/013901/"/>', "013901"),
        (('<om:featureOfInterest><wml2:MonitoringPoint gml:id="USGS.MP.USGS.05427718"/>'
         "</om:featureOfInterest>"), "05427718"),
        (('<om:featureOfInterest><wml2:MonitoringPoint gml:id="p1"><gml:identifier codeSpace="x">'
         "http://example.org/stations/013901</gml:identifier></wml2:MonitoringPoint>"
         "</om:featureOfInterest>"), "013901"),
        (('<om:featureOfInterest><wml2:MonitoringPoint gml:id="p1"><gml:name>013901 Pakse'
         "</gml:name></wml2:MonitoringPoint></om:featureOfInterest>"), "013901"),
    ],
)  # fmt: skip
def test_where_the_station_stands(tmp_path: Path, feature: str, station: str) -> None:
    frame = read(tmp_path, observation(feature=feature))
    assert rows(frame, "station", "value") == [[station, 9.8]]


@pytest.mark.parametrize(
    ("procedure", "method"),
    [
        ("", "manual"),
        ('<om:procedure xlink:href="http://example.org/process/observer"/>', "manual"),
        ('<om:procedure xlink:title="Sensor"/>', "telemetry"),
        (("<om:procedure><wml2:ObservationProcess><wml2:processType "
         'xlink:href="http://www.opengis.net/def/waterml/2.0/processType/Sensor"/>'
         "</wml2:ObservationProcess></om:procedure>"), "telemetry"),
        (("<om:procedure><wml2:ObservationProcess><wml2:processType "
         'xlink:title="ManualMethod"/></wml2:ObservationProcess></om:procedure>'), "manual"),
        ('<om:procedure xlink:href="http://x/tstypes/DailyMean"/>', "calculated"),
        ('<om:procedure xlink:title="Silicon pressure sensor"/>', "telemetry"),
    ],
)  # fmt: skip
def test_the_process_tells_the_method(tmp_path: Path, procedure: str, method: str) -> None:
    assert rows(read(tmp_path, observation(procedure=procedure)), "method") == [[method]]


def test_empty_pairs_nil_values_and_dates_alone(tmp_path: Path) -> None:
    nil = '<wml2:point><wml2:MeasurementTVP><wml2:time>2026-08-18</wml2:time><wml2:value xsi:nil="true"/></wml2:MeasurementTVP></wml2:point>'  # noqa: E501
    series = timeseries(
        pair("", ""), nil, pair("2026-08-19", "9.7"), pair("2026-08-20", "9.8"),
    )  # fmt: skip
    frame = read(tmp_path, observation(series, procedure='<om:procedure xlink:title="Sensor"/>'))
    assert rows(frame, "method", "valid_time", "value") == [
        ["calculated", "2026-08-19 00:00", 9.7], ["calculated", "2026-08-20 00:00", 9.8]
    ]  # fmt: skip
    assert frame.attrs["bad_rows"] == []


def test_several_series_each_with_its_unit(tmp_path: Path) -> None:
    frame = read(
        tmp_path,
        observation(
            timeseries(pair("2026-08-19T00:00:00Z", "9.7")),
            timeseries(pair("2026-08-20T00:00:00Z", "980"), uom='<wml2:uom code="cm"/>'),
        ),
        observation(
            timeseries(pair(*PAIR)), feature='<om:featureOfInterest xlink:href="x/014901"/>'
        ),
    )
    assert rows(frame, "station", "value") == [["013901", 9.7], ["013901", 9.8], ["014901", 9.8]]


def test_qualifiers_become_flags(tmp_path: Path) -> None:
    note = '<wml2:{} xlink:{}="{}"/>'
    usual = note.format("qualifier", "title", "Provisional data subject to revision")
    series = timeseries(
        pair("2026-08-19T00:00:00Z", "9.5"),
        pair("2026-08-19T06:00:00Z", "9.6", note.format("qualifier", "title", "Estimated")),
        pair("2026-08-19T12:00:00Z", "99.7",
             note.format("quality", "href", "http://www.opengis.net/def/waterml/2.0/quality/suspect")),
        pair("2026-08-19T18:00:00Z", "9.8",
             "<wml2:qualifier><swe:Category><swe:value>approved</swe:value></swe:Category>"
             "</wml2:qualifier>"),
        more=usual,
    )  # fmt: skip
    frame = read(tmp_path, observation(series))
    assert rows(frame, "value", "qc", "version") == [
        [9.5, "good", "Provisional data subject to revision"],
        [9.6, "estimated", "Estimated"],
        [99.7, "suspect", "suspect"],
        [9.8, "good", "approved"],
    ]


@pytest.mark.parametrize(
    ("title", "flag"),
    [("rejected", "suspect"), ("Invalid", "suspect"), ("Doubtful", "suspect"),
     ("Questionable", "suspect"), ("Equipment malfunction", "suspect"), ("Eqp", "suspect"),
     ("quality-E", "suspect"), ("quality-F", "suspect"), ("quality-C", "estimated"),
     ("e", "estimated"), ("A", "good"), ("quality-A", "good"), ("unchecked", "good")],
)  # fmt: skip
def test_what_a_qualifier_says_of_a_value(tmp_path: Path, title: str, flag: str) -> None:
    note = f'<wml2:qualifier xlink:title="P"/><wml2:qualifier xlink:title="{title}"/>'
    frame = read(tmp_path, observation(timeseries(pair(*PAIR, note))))
    assert rows(frame, "value", "qc") == [[9.8, flag]]


def test_a_value_with_a_reason_for_none_is_missing(tmp_path: Path) -> None:
    reason = '<wml2:nilReason xlink:href="http://www.opengis.net/def/nil/OGC/0/missing"/>'
    quality = '<wml2:quality xlink:href="http://www.opengis.net/def/waterml/2.0/quality/missing"/>'
    attribute = pair("2026-08-19T12:00:00Z", "0.0").replace("value>0", 'value nilReason="x">0')
    series = timeseries(
        pair("2026-08-19T00:00:00Z", "0.0", reason), pair("2026-08-19T06:00:00Z", "0.0", quality),
        attribute, pair(*PAIR),
    )  # fmt: skip
    assert rows(read(tmp_path, observation(series)), "value") == [[9.8]]


def test_a_usual_quality_holds_beside_a_qualifier_of_a_pair(tmp_path: Path) -> None:
    note = '<wml2:{} xlink:title="{}"/>'
    series = timeseries(
        pair("2026-08-19T00:00:00Z", "9.5", note.format("qualifier", "Provisional")),
        pair("2026-08-19T06:00:00Z", "9.6", note.format("quality", "good")),
        more=note.format("quality", "suspect"),
    )
    assert rows(read(tmp_path, observation(series)), "qc") == [["suspect"], ["good"]]


def test_one_bad_pair_costs_itself_and_a_bad_series_not_the_others(tmp_path: Path) -> None:
    hours = pd.date_range("2026-08-19", periods=24, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ")
    pairs = [pair(stamp, "9.5") for stamp in hours]
    pairs[3] = pair(hours[3], "high")
    feet = timeseries(pair(*PAIR), uom='<wml2:uom code="ft"/>')
    frame = read(
        tmp_path,
        observation(timeseries(*pairs)),
        observation(feet, feature='<om:featureOfInterest xlink:href="http://x/014901"/>'),
    )
    assert len(frame) == 23
    assert set(frame["station"]) == {"013901"}
    assert frame.attrs["bad_rows"] == [
        "expected unit m or cm or mm, found ft at 014901",
        "expected numbers: a number at '2026-08-19T03:00:00Z', found 'high'",
    ]
    pairs[4] = pair("9999-12-31T00:00:00Z", "9.5")
    pairs[5] = pair("2026-08-19T99:00:00Z", "9.5")
    with pytest.raises(BadGranule, match=r"numbers.*found 'high' \(3 of 24 points are bad\)"):
        read(tmp_path, observation(timeseries(*pairs)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{HEAD}" + "<a>" * 300, "well-formed XML"),
        (f"{HEAD}{'<a>' * 5000}{'</a>' * 5000}</wml2:Collection>", "well-formed XML"),
        (f"{HEAD}</wml2:Collection>", "WaterML 2.0 or a series of Delft-FEWS"),
        (f'<!DOCTYPE x [<!ENTITY a "{"a" * 99}">]>{HEAD}{observation()}</wml2:Collection>',
         "without a document type"),
        (f"{HEAD}{observation(feature='')}</wml2:Collection>", "a monitoring point"),
        (f'{HEAD}{observation(feature="<om:featureOfInterest/>")}</wml2:Collection>',
         "a monitoring point"),
        (f"{HEAD}{observation(timeseries(pair(PAIR[0], '1e999')))}</wml2:Collection>", "finite"),
        (f"{HEAD}{observation(timeseries(pair('soon', '1')))}</wml2:Collection>", "stamps like"),
    ],
)  # fmt: skip
def test_hostile_and_broken_xml(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "answer.xml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BadGranule, match=message):
        gauge_files.read(path)


def test_utf16_is_read(tmp_path: Path) -> None:
    path = tmp_path / "answer.xml"
    head = '<?xml version="1.0" encoding="UTF-16"?>'
    path.write_text(f"{head}{HEAD}{observation()}</wml2:Collection>", encoding="utf-16")
    assert rows(gauge_files.read(path), "value") == [[9.8]]


@pytest.mark.parametrize(
    ("observed", "process", "aggregation", "method"),
    [
        ("Gage height, daily mean", "Observation", "", "calculated"),
        ("Mean gage height", "Observation", "", "calculated"),
        ("Gage height, daily mean", "Sensor", "", "calculated"),
        ("Gage height", "Observation", "Average in Preceding Interval", "calculated"),
        ("Gage height", "Observation", "Instantaneous", "manual"),
        ("Gage height", "Sensor", "Average in Preceding Interval", "telemetry"),
        ("Water level above mean sea level", "Observation", "", "manual"),
    ],
)
def test_a_mean_is_calculated(
    tmp_path: Path, observed: str, process: str, aggregation: str, method: str
) -> None:
    kind = f'<wml2:interpolationType xlink:title="{aggregation}"/>'
    series = timeseries(pair("2026-08-19T00:00:00Z", "9.7"), pair(*PAIR), more=kind)
    procedure = f'<om:procedure xlink:title="{process}"/>'
    title = f'xlink:title="{observed}"'
    frame = read(tmp_path, observation(series, observed=title, procedure=procedure))
    assert set(frame["method"]) == {method}
    late = frame["ended"] - frame["valid_time"]
    assert set(late) == {pd.Timedelta(days=1 if method == "calculated" else 0)}


@pytest.mark.parametrize(
    ("observed", "reason"),
    [
        ("Precipitation, cumulative since 1 January", "accumulated over more than its interval"),
        ("Rainfall, total to date", "accumulated over more than its interval"),
        ("Rainfall intensity", "a rate, and no sum of an interval"),
        ("Antecedent precipitation index", "an index or a statistic"),
        ("Daily min. stage", "an extreme of an interval"),
        ("Lowest stage of the day", "an extreme of an interval"),
        ("Peak discharge", "an extreme of an interval"),
        ("MaxStage", "an extreme of an interval"),
        ("Stage, alarm level", "a mark of the gauge"),
        ("Monthly rainfall", "of a longer interval"),
        ("Depth of water level", "a depth"),
    ],
)
def test_what_is_no_reading_is_passed_over_with_the_reason(
    tmp_path: Path, observed: str, reason: str
) -> None:
    with pytest.raises(Skipped, match=f"{observed} is not used: {reason}$"):
        read(tmp_path, observation(observed=f'xlink:title="{observed}"'))


def test_extremes_by_their_aggregation_are_passed_over(tmp_path: Path) -> None:
    kind = '<wml2:interpolationType xlink:href="http://x/interpolationType/MaxPrec"/>'
    with pytest.raises(Skipped, match=r"MaxPrec.* are not used"):
        read(tmp_path, observation(timeseries(pair(*PAIR), more=kind)))


def test_waterml_with_units_zones_and_nil(tmp_path: Path) -> None:
    frame = gauge_files.read(waterml(tmp_path))
    assert readings(frame, "station", "variable", "method", "valid_time", "value", "raw") == [
        ["013901", "stage", "telemetry", "2026-08-20 00:00", 9.5, "950 cm"],
        ["013901", "stage", "telemetry", "2026-08-20 01:00", 9.6, "960 cm"],
    ]
    frame = gauge_files.read(waterml(tmp_path, zone="+06:30", procedure="observer"))
    assert readings(frame, "method", "valid_time")[1] == ["manual", "2026-08-20 01:30"]
    rain = gauge_files.read(
        waterml(tmp_path, observed="Precipitation", uom="mm", station="kw-1001620")
    )
    assert readings(rain, "station", "variable", "value")[0] == ["kw-1001620", "rain", 950.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"zone": ""}, "stamps like .*found '2026-08-20T08:00:00'"), ({"uom": "ft"}, "unit m or cm"),
     ({"uom": ""}, "or mm, found none at 013901$"), ({"station": "13"}, "of six digits"),
     ({"station": "<"}, "well-formed XML")],
)  # fmt: skip
def test_bad_waterml_says_what_is_wrong(
    tmp_path: Path, change: dict[str, str], message: str
) -> None:
    with pytest.raises(BadGranule, match=rf"(?s)^answer\.xml: .*{message}"):
        gauge_files.read(waterml(tmp_path, **change))


def test_waterml_of_other_properties_is_skipped(tmp_path: Path) -> None:
    with pytest.raises(Skipped, match="WaterTemperature is not used"):
        gauge_files.read(waterml(tmp_path, observed="WaterTemperature"))


def test_an_entity_in_xml_is_not_followed(tmp_path: Path) -> None:
    secret = text(tmp_path, "secret.txt", "013901")
    bomb = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{secret}">]>\n<wml2'
    content = waterml(tmp_path).read_text(encoding="utf-8").replace("<wml2", bomb, 1)
    path = text(tmp_path, "answer.xml", content.replace("013901", "&e;"))
    with pytest.raises(BadGranule, match="station code"):
        gauge_files.read(path)
