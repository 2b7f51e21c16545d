"""WaterML 2.0 of one gauge, shared by the tests of the layout and of answers."""

from __future__ import annotations

from pathlib import Path

from tests.sources.gauges.table_cases import text

WATERML = """<?xml version="1.0" encoding="UTF-8"?>
<wml2:Collection xmlns:wml2="http://www.opengis.net/waterml/2.0"
  xmlns:om="http://www.opengis.net/om/2.0" xmlns:gml="http://www.opengis.net/gml/3.2"
  xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <wml2:observationMember><om:OM_Observation gml:id="o1">
  <om:procedure xlink:href="http://example.org/process/{procedure}"/>
  <om:observedProperty xlink:href="http://example.org/property/{observed}"/>
  <om:featureOfInterest><wml2:MonitoringPoint gml:id="p">
   <gml:identifier codeSpace="http://example.org/station">{station}</gml:identifier>
   <wml2:timeZone><wml2:TimeZone><wml2:zoneOffset>{zone}</wml2:zoneOffset></wml2:TimeZone>
   </wml2:timeZone></wml2:MonitoringPoint></om:featureOfInterest>
  <om:result><wml2:MeasurementTimeseries gml:id="t">
   <wml2:defaultPointMetadata><wml2:DefaultTVPMeasurementMetadata><wml2:uom code="{uom}"/>
   </wml2:DefaultTVPMeasurementMetadata></wml2:defaultPointMetadata>
   <wml2:point><wml2:MeasurementTVP><wml2:time>2026-08-20T07:00:00+07:00</wml2:time>
    <wml2:value>950</wml2:value></wml2:MeasurementTVP></wml2:point>
   <wml2:point><wml2:MeasurementTVP><wml2:time>2026-08-20T00:30:00Z</wml2:time>
    <wml2:value xsi:nil="true"/></wml2:MeasurementTVP></wml2:point>
   <wml2:point><wml2:MeasurementTVP><wml2:time>2026-08-20T08:00:00</wml2:time>
    <wml2:value>960</wml2:value></wml2:MeasurementTVP></wml2:point>
  </wml2:MeasurementTimeseries></om:result>
 </om:OM_Observation></wml2:observationMember>
</wml2:Collection>"""


def waterml(folder: Path, **change: str) -> Path:
    """Write an answer of Pakse with changes."""
    usual = {"station": "013901", "observed": "WaterLevel", "uom": "cm", "zone": "+07:00",
             "procedure": "sensor"}  # fmt: skip
    return text(folder, "answer.xml", WATERML.format(**usual | change))


HEAD = (
    '<wml2:Collection xmlns:wml2="http://www.opengis.net/waterml/2.0" '
    'xmlns:om="http://www.opengis.net/om/2.0" xmlns:gml="http://www.opengis.net/gml/3.2" '
    'xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:swe="http://www.opengis.net/swe/2.0" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
)
PAIR = ("2026-08-20T00:00:00Z", "9.8")


def pair(time: str, value: str, metadata: str = "") -> str:
    """Pair of a time and a value."""
    value = f"<wml2:value>{value}</wml2:value>" if value else "<wml2:value/>"
    stamp = f"<wml2:time>{time}</wml2:time>" if time else ""
    note = f"<wml2:metadata><wml2:TVPMeasurementMetadata>{metadata}</wml2:TVPMeasurementMetadata></wml2:metadata>"  # noqa: E501
    return (
        f"<wml2:point><wml2:MeasurementTVP>{stamp}{value}{note if metadata else ''}"
        "</wml2:MeasurementTVP></wml2:point>"
    )


def timeseries(*pairs: str, uom: str = '<wml2:uom code="m"/>', more: str = "") -> str:
    """Series of pairs in one unit."""
    return (
        "<wml2:MeasurementTimeseries><wml2:defaultPointMetadata>"
        f"<wml2:DefaultTVPMeasurementMetadata>{more}{uom}"
        "<wml2:interpolationType xlink:title='Instantaneous'/>"
        "</wml2:DefaultTVPMeasurementMetadata></wml2:defaultPointMetadata>"
        f"{''.join(pairs)}</wml2:MeasurementTimeseries>"
    )


def observation(
    *results: str,
    observed: str = 'xlink:title="Gage height"',
    feature: str = '<om:featureOfInterest xlink:href="http://example.org/013901"/>',
    procedure: str = "",
) -> str:
    """Observation of series of Pakse."""
    results = results or (timeseries(pair(*PAIR)),)
    return (
        f"<wml2:observationMember><om:OM_Observation>{procedure}"
        f"<om:observedProperty {observed}/>{feature}"
        f"<om:result>{''.join(results)}</om:result></om:OM_Observation></wml2:observationMember>"
    )
