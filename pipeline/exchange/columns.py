"""Columns of the published tables: name, type, unit, meaning and the values that are allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from pipeline.alerts.decision import Hazard, Status
from pipeline.alerts.evidence import TIERS
from pipeline.alerts.levels import Level
from pipeline.alerts.notice import Phase
from pipeline.choices import Change
from pipeline.indices.drought import CDI

Kind = Literal["string", "number", "integer", "boolean", "datetime", "date", "list"]


@dataclass(frozen=True)
class Column:
    """One column of a published table, or one property of a feature.

    Parameters
    ----------
    name
        Name, with its unit at the end where it has one.
    kind
        Type; a list is of texts.
    description
        What it says, in plain words.
    unit
        Unit, empty where there is none.
    values
        All values that it may have, of a list those of its items; empty where they are not
        counted up.
    bounds
        Least and greatest value.
    required
        Whether it is known in every row.
    """

    name: str
    kind: Kind
    description: str
    unit: str = ""
    values: tuple[str, ...] = ()
    bounds: tuple[float, float] | None = None
    required: bool = False

    @property
    def meaning(self) -> str:
        """Description with the unit, as schemas give it."""
        return f"{self.description} ({self.unit})" if self.unit else self.description


HAZARDS = get_args(Hazard)
STATUSES = get_args(Status)
LEVELS = tuple(level.value for level in Level)
RAIN_LEVELS = (Level.NONE.value, Level.WATCH.value, Level.UNKNOWN.value)
URGENCIES = ("Immediate", "Expected", "Future")
SEVERITIES = ("Extreme", "Severe", "Moderate")
CERTAINTIES = ("Observed", "Likely", "Possible")
DROUGHT_TIERS = ("full", "no_soil", "no_vegetation", "rain_only", "climatology")
ALL_TIERS = tuple(sorted({*TIERS, *DROUGHT_TIERS}))
REASONS = (
    *("cannot_assess", "held", "cancelled"),
    *("seen_flood", "seen_alarm_rising", "seen_alarm", "seen_unconfirmed"),
    *("p_flood_2d", "p_flood_5d", "p_alarm_7d", "rain"),
    *("class_d1", "class_d2", "class_d3", "cdi", "p_d1", "p_d2", "p_d3"),
)
CHANGES = get_args(Change)
PHASES = get_args(Phase)
CLASSES = ("none", "D0", "D1", "D2", "D3")
FLOW_CLASSES = (*CLASSES, "D4")
RAIN_TIERS = ("imerg", "gk2a")
METHODS = ("exact", "substitution")
SUBSTITUTES = ("smap_l3", "gk2a_ndvi", "gk2a_lst")

ALERTS = (
    Column("status", "string", "CAP status of this row", values=STATUSES, required=True),
    Column("issue_time", "datetime", "moment of the run", unit="UTC", required=True),
    Column("city", "string", "identifier of the city", required=True),
    Column("name", "string", "name of the city", required=True),
    Column("country", "string", "ISO 3166-1 code of the country, two letters", required=True),
    Column(
        "lat_deg", "number",
        "latitude of the city",
        unit="degrees",
        bounds=(-90, 90),
        required=True,
    ),
    Column(
        "lon_deg", "number",
        "longitude of the city",
        unit="degrees",
        bounds=(-180, 180),
        required=True,
    ),
    Column("hazard", "string", "flood or drought", values=HAZARDS, required=True),
    Column("level", "string", "level of this run", values=LEVELS, required=True),
    Column("level_in_force", "string", "level in force", values=LEVELS, required=True),
    Column(
        "river_level", "string",
        "level from the river alone: none, watch, warning, emergency, unknown; empty where "
        "the city has no gauge with an alarm stage, and for droughts",
        values=LEVELS,
    ),
    Column(
        "rain_level", "string",
        "level from the rain over the city alone: none, watch, unknown; empty for droughts",
        values=RAIN_LEVELS,
    ),
    Column("headline", "string", "headline, in English", required=True),
    Column("identifier", "string", "CAP message in force"),
    Column(
        "urgency", "string",
        "CAP word for the level in force; empty where none is in force",
        values=URGENCIES,
    ),
    Column(
        "severity", "string",
        "CAP word for the level in force; empty where none is in force",
        values=SEVERITIES,
    ),
    Column(
        "certainty", "string",
        "CAP word for the level in force; empty where none is in force",
        values=CERTAINTIES,
    ),
    Column(
        "probability", "number",
        "probability of the event that the level in force is about; at none of the Watch's; "
        "empty where rain alone raised the level",
        unit="0 to 1",
        bounds=(0, 1),
    ),
    Column("onset", "datetime", "when the event begins", unit="UTC"),
    Column(
        "valid_to", "datetime",
        "end of the window that the level looks at",
        unit="UTC",
        required=True,
    ),
    Column(
        "expires_at", "datetime",
        "when the row says nothing of the present any more, 54 hours after the issue time",
        unit="UTC",
        required=True,
    ),
    Column(
        "reasons", "list",
        "keys of the criteria that reach or hold the level; cancelled where its message was "
        "withdrawn",
        values=REASONS,
        required=True,
    ),
    Column("missing", "list", "evidence that was missing", required=True),
    Column(
        "tier", "string",
        "inputs that the forecast had. Of a flood: full, gk2a_rain (GK2A's rain in place of "
        "IMERG's), no_rain, no_upstream, own_stage, climatology; of a drought: full, no_soil, "
        "no_vegetation, rain_only, climatology",
        values=ALL_TIERS,
    ),
    Column("station", "string", "MRC code; text, with leading zeros"),
    Column("alarm_m", "number", "alarm stage above gauge zero", unit="m"),
    Column("flood_m", "number", "flood stage above gauge zero", unit="m"),
    Column(
        "threshold_verified", "boolean",
        "whether alarm and flood stage were checked against their source",
    ),
    Column("stage_m", "number", "last reading of the stage", unit="m"),
    Column("stage_time", "datetime", "time of the last reading", unit="UTC"),
    Column("change_1d_m", "number", "change of the last reading over the day before", unit="m"),
    Column(
        "p_alarm_7d", "number",
        "P(alarm stage on any day within 7 days)",
        unit="0 to 1",
        bounds=(0, 1),
    ),
    Column("p_flood_5d", "number", "P(flood stage within 5 days)", unit="0 to 1", bounds=(0, 1)),
    Column("p_flood_2d", "number", "P(flood stage within 2 days)", unit="0 to 1", bounds=(0, 1)),
    Column("peak_m", "number", "highest median of the next 7 days", unit="m"),
    Column("peak_q05_m", "number", "5 % quantile of the stage on the day of the peak", unit="m"),
    Column("peak_q95_m", "number", "95 % quantile of the stage on the day of the peak", unit="m"),
    Column("peak_time", "datetime", "day of the peak", unit="UTC"),
    Column(
        "extrapolated", "boolean",
        "whether a forecast lies beyond what the model was trained on",
    ),
    Column(
        "rain_return_period_years", "number",
        "return period of yesterday's rain over the city",
        unit="years",
    ),
    Column(
        "pluvial_index", "number",
        "rain of 1 to 72 h against a return period of two years",
        unit="1",
    ),
    Column(
        "rain_tier", "string",
        "whose rain most of yesterday's is: imerg, or gk2a where IMERG is missing",
        values=RAIN_TIERS,
    ),
    Column(
        "rain_log_error", "number",
        "standard deviation of the logarithm of yesterday's rain over that of IMERG Late; 0 "
        "where Late told all of it",
        unit="1",
    ),
    Column(
        "drought_class", "string",
        "class of the drought: none, D0 to D3; D4 is not told from D3",
        values=CLASSES,
    ),
    Column(
        "cdi", "string",
        "combined drought indicator: none, watch, warning, alert, unknown",
        values=(*CDI, "unknown"),
    ),
    Column("spi1", "number", "SPI of 30 days", unit="1"),
    Column("spi3", "number", "SPI of 90 days", unit="1"),
    Column(
        "soil_moisture_percentile", "number",
        "percentile of the soil moisture for the time of the year",
        unit="%",
        bounds=(0, 100),
    ),
    Column("vhi_percent", "number", "vegetation health index", unit="%", bounds=(0, 100)),
    Column(
        "stands_in", "list",
        "products that stand in for late ones in soil moisture (smap_l3) and vegetation "
        "(gk2a_ndvi, gk2a_lst)",
        values=SUBSTITUTES,
    ),
    Column("p_d1_1w", "number", "P(class D1 or drier in 1 week)", unit="0 to 1", bounds=(0, 1)),
    Column("p_d1_4w", "number", "P(class D1 or drier in 4 weeks)", unit="0 to 1", bounds=(0, 1)),
    Column("p_d1_12w", "number", "P(class D1 or drier in 12 weeks)", unit="0 to 1", bounds=(0, 1)),
    Column("p_d2_1w", "number", "P(class D2 or drier in 1 week)", unit="0 to 1", bounds=(0, 1)),
    Column("p_d2_4w", "number", "P(class D2 or drier in 4 weeks)", unit="0 to 1", bounds=(0, 1)),
    Column("p_d2_12w", "number", "P(class D2 or drier in 12 weeks)", unit="0 to 1", bounds=(0, 1)),
    Column("p_d3_1w", "number", "P(class D3 or drier in 1 week)", unit="0 to 1", bounds=(0, 1)),
    Column("p_d3_4w", "number", "P(class D3 or drier in 4 weeks)", unit="0 to 1", bounds=(0, 1)),
    Column("p_d3_12w", "number", "P(class D3 or drier in 12 weeks)", unit="0 to 1", bounds=(0, 1)),
    Column(
        "driver_height_cm", "number",
        "part of the median's change from the last reading to the peak: how high the river "
        "stands, here and at other gauges; a high river tends to fall",
        unit="cm",
    ),
    Column(
        "driver_own_trend_cm", "number",
        "part of that change from how the river has risen or fallen here",
        unit="cm",
    ),
    Column(
        "driver_upstream_cm", "number",
        "part of that change from the rise or fall upstream",
        unit="cm",
    ),
    Column(
        "driver_rain_cm", "number",
        "part of that change from the rain of the last 7 days",
        unit="cm",
    ),
    Column(
        "driver_wetness_cm", "number",
        "part of that change from the wetness of the ground: rain of 7 to 60 days ago, soil "
        "moisture",
        unit="cm",
    ),
    Column("driver_season_cm", "number", "part of that change from the season", unit="cm"),
    Column("driver_tide_cm", "number", "part of that change from the tide", unit="cm"),
    Column(
        "low_flow_class", "string",
        "class of the week's mean stage at the city's gauge in its season: none, D0 to D4",
        values=FLOW_CLASSES,
    ),
    Column(
        "p_low_flow_1w", "number",
        "P(low-flow class D1 or lower in 1 week)",
        unit="0 to 1",
        bounds=(0, 1),
    ),
    Column(
        "p_low_flow_4w", "number",
        "P(low-flow class D1 or lower in 4 weeks)",
        unit="0 to 1",
        bounds=(0, 1),
    ),
    Column(
        "p_low_flow_8w", "number",
        "P(low-flow class D1 or lower in 8 weeks)",
        unit="0 to 1",
        bounds=(0, 1),
    ),
    Column(
        "p_low_flow_12w", "number",
        "P(low-flow class D1 or lower in 12 weeks)",
        unit="0 to 1",
        bounds=(0, 1),
    ),
    Column(
        "p_below_6a_4w", "number",
        "P(flow below that of MRC's PMFM Article 6A in 4 weeks); December to May, three "
        "gauges",
        unit="0 to 1",
        bounds=(0, 1),
    ),
    Column(
        "track_since", "datetime",
        "first night counted in track_issued and track_came_true",
        unit="UTC",
    ),
    Column(
        "track_issued", "integer",
        "earlier flood warnings of the level in force, or a higher one, that are settled",
    ),
    Column(
        "track_came_true", "integer",
        "hits: those after which the river reached the level's threshold stage",
    ),
    Column(
        "track_of_city", "boolean",
        "whether these are the city's own warnings, or of all gauges",
    ),
    Column(
        "skilful_until_day", "integer",
        "days ahead up to which the river forecast is the model's own: on these it was shown "
        "to be better than saying that the river stays as it is. 0 where it was shown on "
        "none, and at the tier climatology. Later days may be persistence or climatology",
        unit="days",
    ),
    Column(
        "drivers_method", "string",
        "exact: the drivers are the terms of a linear model; substitution: what the forecast "
        "loses where a group of inputs takes its mean",
        values=METHODS,
    ),
    Column(
        "change", "string",
        "how the event differs from what its last message told, as in CAP; empty where none "
        "is open or ends",
        values=CHANGES,
    ),
    Column("incident", "string", "name of the open event, as in CAP"),
    Column(
        "ending_time", "datetime",
        "first day on which the median is below the mark of the level in force again",
        unit="UTC",
    ),
    Column(
        "drought_phase", "string",
        "onset, worsening, partial_recovery or full_recovery of an open or ending drought; "
        "every one ends by the last, unless it is not known any more",
        values=PHASES,
    ),
)  # fmt: skip
"""Columns of ``alerts.csv``, properties of ``alerts.geojson``, in their order."""

SECOND_OPINION = (
    Column("city", "string", "identifier of the city", required=True),
    Column("valid_date", "date", "day of the flow", unit="UTC", required=True),
    Column("available_time", "datetime", "when it was known", unit="UTC", required=True),
    Column("flow_q10_m3s", "number", "10 % quantile of the daily mean flow", unit="m3 s-1"),
    Column("flow_q50_m3s", "number", "median of the daily mean flow", unit="m3 s-1"),
    Column("flow_q90_m3s", "number", "90 % quantile of the daily mean flow", unit="m3 s-1"),
)
"""Columns of ``second_opinion.csv``."""
