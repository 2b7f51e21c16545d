"""The river at a city in a language: the sentence, the days, the figure and the other gauges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import NormalDist
from typing import Any

from pipeline.alerts.formats import (
    Templates,
    choose_mark,
    format_date,
    format_metres,
    join_sentences,
    name_marks,
    stage_of_mark,
    tell_position,
)
from pipeline.alerts.gauge_criteria import THRESHOLD_STAGE
from pipeline.alerts.levels import RAISED, Level
from pipeline.alerts.templates import read_templates
from pipeline.figures.pocket_fan import FanDay, MarkLine, draw_pocket_fan
from pipeline.geography import places
from pipeline.geography.names import station_name
from pipeline.pages.edition import Edition
from pipeline.pages.frame import is_of_today, tell_moment
from pipeline.pages.impacts import list_impacts
from pipeline.pages.words import read_words

DATE_STEP = timedelta(days=10)
"""Distance of the dates below the figure."""


@dataclass(frozen=True)
class River:
    """The river at one city as its page tells it.

    Parameters
    ----------
    city
        Content of ``cities/<id>.json``, of a city with a gauge.
    edition
        Tree that it is of.
    language
        Language of the words.
    """

    city: dict[str, Any]
    edition: Edition
    language: str

    @property
    def templates(self) -> Templates:
        """Texts of the messages in the language."""
        return read_templates(self.language)

    @property
    def place(self) -> places.City:
        """City as of the issue time."""
        return places.city(self.city["id"], asof=self.edition.issue_time)

    @property
    def station(self) -> places.Station:
        """Gauge as of the issue time."""
        return places.station(self.city["gauge"]["station"], asof=self.edition.issue_time)

    @property
    def days(self) -> list[dict[str, Any]]:
        """Days of the forecast that are known.

        None where flood or river are not assessed, also while a level stays in force or rain
        raised one: chances without a reading say nothing.
        """
        flood = self.city["flood"]
        if "unknown" in {flood["level"], flood["river_level"]}:
            return []
        return [
            day
            for day in self.city["days"] or []
            if day["highest_m"] and None not in day["day_m"].values()
        ]

    @property
    def peak_m(self) -> float | None:
        """Highest stage to come, m; None without a forecast, or where the river stands as high."""
        peak_m, stage = self.city["flood"]["peak_m"], self.city["stage"]
        if peak_m is None or not self.days or (stage is not None and stage["m"] >= peak_m):
            return None
        return float(peak_m)

    def tell_highest(self) -> str:
        """Highest stage expected, when, and against which mark; on the last day, that it may go on.

        Empty without a forecast, and where the river stands as high already.
        """
        peak_m = self.peak_m
        if peak_m is None:
            return ""
        moment = datetime.fromisoformat(self.city["flood"]["peak_time"])
        highest = read_words(self.language)["highest"].format(
            stage=format_metres(peak_m, self.templates),
            date=format_date(moment, self.place, self.templates),
            position=self._tell_position(peak_m),
        )
        further = self.templates["when"]["further"] if self._is_last(moment) else ""
        return join_sentences([highest, further], self.templates)

    def tell_now(self) -> str:
        """Last stage, against which mark, and its trend; that there is none without a reading.

        With its time where it was not read on the day of issue.
        """
        words, stage = read_words(self.language), self.city["stage"]
        if stage is None:
            return str(self.templates["flood"]["none"])
        told = words["now" if self.is_of_today(stage) else "last"].format(
            stage=format_metres(stage["m"], self.templates),
            position=self._tell_position(stage["m"]),
            trend=words[stage["trend"] or "trend_unknown"],
        )
        if self.is_of_today(stage):
            return told
        return join_sentences([told, self.tell_read_at()], self.templates)

    def _is_last(self, moment: datetime) -> bool:
        """Whether a moment is that of the last day of the forecast."""
        return moment >= datetime.fromisoformat(self.days[-1]["valid_time"])

    def tell_ending(self) -> str:
        """When the river may stand below the mark of the level in force again, as the message does.

        Or that it does not within the days of the forecast. Empty without a forecast or a level,
        where the mark is not reached, and where the river is highest on the last day.
        """
        flood, stage = self.city["flood"], self.city["stage"]
        level = Level(flood["level_in_force"])
        if level not in RAISED or stage is None or flood["peak_m"] is None or not self.days:
            return ""
        mark, phrases = THRESHOLD_STAGE[level], self.templates["when"]
        if not stage_of_mark(self.station, mark) <= max(stage["m"], flood["peak_m"]):
            return ""
        if self.peak_m is not None and self._is_last(datetime.fromisoformat(flood["peak_time"])):
            return ""
        name = self.name_marks()[mark]
        if flood["ending_time"] is None:
            return str(phrases["no_ending"].format(mark=name, days=self.days[-1]["lead_days"]))
        moment = datetime.fromisoformat(flood["ending_time"])
        date = format_date(moment, self.place, self.templates)
        return str(phrases["ending"].format(mark=name, date=date))

    def is_of_today(self, stage: dict[str, Any]) -> bool:
        """Whether a stage, of this gauge or of another, was read on the day of issue."""
        return is_of_today(self.edition, self.place, stage)

    def tell_read_at(self) -> str:
        """When the last stage was read; empty without a reading."""
        if self.city["stage"] is None:
            return ""
        return read_words(self.language)["read_at"].format(
            **tell_moment(
                datetime.fromisoformat(self.city["stage"]["time"]), self.templates, self.place
            )
        )

    def _tell_position(self, stage_m: float) -> str:
        level = Level(self.city["flood"]["level_in_force"])
        event = level if level in RAISED else Level.WATCH
        mark = choose_mark(self.station, stage_m, event)
        return tell_position(
            self.station, stage_m, mark, self.templates, asof=self.edition.issue_time, short=True
        )

    def _tell_position_at(self, station: places.Station, stage_m: float) -> str:
        """Position at another gauge; empty where it has no alarm stage."""
        if station.alarm_m is None:
            return ""
        mark = choose_mark(station, stage_m, Level.WATCH)
        return tell_position(
            station, stage_m, mark, self.templates, asof=self.edition.issue_time, short=True
        )

    def name_marks(self) -> dict[str, str]:
        """Names of alarm and flood stage."""
        marks = name_marks(self.station, self.templates, asof=self.edition.issue_time, short=True)
        return {str(mark): name for mark, name in marks.items()}

    def list_days(self) -> list[dict[str, Any]]:
        """Rows of the table of days."""
        skilful = self.city["skilful_until_day"] or 0
        return [
            {
                "date": self._date(day),
                "expected": format_metres(day["day_m"]["q50"], self.templates),
                "low": format_metres(day["day_m"]["q05"], self.templates),
                "high": format_metres(day["day_m"]["q95"], self.templates),
                "alarm": write_percent(day["p_alarm"]),
                "flood": write_percent(day["p_flood"]),
                "skilful": day["lead_days"] <= skilful,
            }
            for day in self.days
        ]

    def _date(self, day: dict[str, Any]) -> str:
        return format_date(datetime.fromisoformat(day["valid_time"]), self.place, self.templates)

    def collect_chances(self) -> list[dict[str, Any]]:
        """Quantiles of each day for the marks of readers: stages (cm) by normal quantile.

        Between two of these a straight line over the normal quantile is the distribution, which
        the published probabilities of alarm and flood stage confirm to two points. Days
        beyond skill are marked.
        """
        skilful = self.city["skilful_until_day"] or 0
        return [
            {
                "date": self._date(day),
                "day": _quantiles(day["day_m"]),
                "highest": _quantiles(day["highest_m"]),
                "beyond": day["lead_days"] > skilful,
            }
            for day in self.days
        ]

    def draw_fan(self) -> str:
        """Draw the last 30 days and the forecast; empty where there is neither."""
        readings = [
            (datetime.fromisoformat(row["time"]), row["stage_m"])
            for row in self.city["stages"] or []
            if row["stage_m"] is not None
        ]
        skilful = self.city["skilful_until_day"] or 0
        days = [
            FanDay(
                datetime.fromisoformat(day["valid_time"]),
                day["day_m"]["q05"],
                day["day_m"]["q50"],
                day["day_m"]["q95"],
                skilful=day["lead_days"] <= skilful,
            )
            for day in self.days
        ]
        if not readings and not days:
            return ""
        names, marks = self.name_marks(), self.city["marks"] or {}
        now = self.edition.issue_time
        dates = [now - 2 * DATE_STEP, now - DATE_STEP, days[-1].time if days else now]
        words = read_words(self.language)
        return draw_pocket_fan(
            readings,
            days,
            [
                MarkLine(stage, f"{names[kind]} {format_metres(stage, self.templates)}", kind)
                for kind, stage in marks.items()
                if kind in names and stage is not None
            ]
            + [
                MarkLine(crest.stage_m, f"{crest.text} {crest.stage}", crest.kind)
                for crest in list_impacts(self.edition, self.city, self.language)
                if crest.kind == "crest"
            ],
            now=now,
            dates=[(date, format_date(date, self.place, self.templates)) for date in dates],
            alt=join_sentences(
                [
                    f"{words['fan']}.",
                    self.tell_now(),
                    self.tell_highest(),
                    self.tell_ending(),
                ],
                self.templates | {"sentence": " "},
            ),
        )

    def list_upstream(self) -> list[dict[str, Any]]:
        """Gauges upstream with their stage, trend and time of travel, the nearest first."""
        words, rows = read_words(self.language), []
        for gauge in self.city["gauge"]["upstream"]:
            other = self.edition.gauges.get(gauge["station"])
            if other is None or other["stage"] is None:
                continue
            station = places.station(gauge["station"], asof=self.edition.issue_time)
            stage = other["stage"]
            read = datetime.fromisoformat(stage["time"])
            rows.append(
                {
                    "city": other["id"],
                    "name": station_name(station, self.language, asof=self.edition.issue_time),
                    "stage": format_metres(stage["m"], self.templates),
                    "position": self._tell_position_at(station, stage["m"]),
                    "trend": words[stage["trend"] or "trend_unknown"],
                    "date": ""
                    if self.is_of_today(stage)
                    else format_date(read, self.place, self.templates),
                    "days": _span(gauge["travel_time_d"], self.templates),
                }
            )
        return rows


def write_percent(p: float | None) -> str:
    """Write a probability in signs, which are as short in every language; a dash for none.

    Examples
    --------
    >>> [write_percent(p) for p in (0.004, 0.43, 0.999, None)]
    ['< 1 %', '43 %', '> 99 %', '–']
    """
    if p is None:
        return "–"
    return "> 99 %" if p > 0.99 else "< 1 %" if p < 0.01 else f"{100 * p:.0f} %"


def _span(days: list[float] | None, templates: Templates) -> str:
    """Words of a span of days; empty where it is not known."""
    if days is None:
        return ""
    low, high = (f"{day:g}".replace(".", templates["decimal"]) for day in days)
    return low if low == high else f"{low}–{high}"


def _quantiles(stages_m: dict[str, float]) -> list[list[float]]:
    """Pairs of normal quantile and stage (cm) of quantiles in metres."""
    return [
        [round(NormalDist().inv_cdf(_level(name)), 3), round(100 * stage)]
        for name, stage in stages_m.items()
    ]


def _level(name: str) -> float:
    """Level of a quantile by its name.

    Examples
    --------
    >>> _level("q025"), _level("q50"), _level("q005"), _level("q99")
    (0.025, 0.5, 0.005, 0.99)
    """
    return float(f"0.{name.removeprefix('q')}")
