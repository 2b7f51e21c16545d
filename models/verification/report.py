"""Report of a hindcast: one self-contained page for a hydrologist."""

from __future__ import annotations

from datetime import datetime
from html import escape

import numpy as np
import pandas as pd

from models.verification.alarms import (
    LATER_P,
    LEAST_CASES,
    MERGE_D,
    NEXT_DAY_P,
    count_crossings,
    pool_alarms,
)
from models.verification.bootstrap import DRAWS, Interval
from models.verification.cases import ALTERNATIVE, list_methods, prepare, select_scorable
from models.verification.html import CSS, format_interval, format_number, render_table
from models.verification.peaks import find_peaks, pool_peaks
from models.verification.reliability import RATIOS, coverage_table, reliability_table, value_curves
from models.verification.skill import (
    Skill,
    compare_scores,
    median_skill,
    split_regimes,
    tabulate_stations,
)
from pipeline.alerts.thresholds import threshold
from pipeline.figures.hydrograph import draw_highest_flood
from pipeline.figures.verification import draw_reliability, draw_skill, draw_value
from pipeline.geography.places import cities_by_gauge
from pipeline.geography.places import stations as all_stations
from pipeline.times import from_utc64

NAMES = {
    "model": "model",
    "persistence": "persistence",
    "trend": "trend",
    "climatology": "climatology",
    "damped_anomaly": "damped anomaly",
    "ar": "AR",
    "arx": "ARX",
    "reference": "reference",
    "alternative": "alternative",
}
VIRTUAL = """<p class="origin virtual">SYNTHETIC: made on the virtual basin. Nothing here says
anything of the real river.</p>"""
MEASURED = '<p class="origin measured">Measured stages</p>'
ABOUT = """<p>{gauges} gauges, {leads} days ahead, {n:,} forecasts with an observation. The
target is the 00:00 UTC (07:00 local) reading; every forecast was issued at 00:30 UTC from what
was known then. Models were fitted from {train_from} and again each 1 June, on nothing later.
The wet season is June to October; years run from June to May.</p>
<p>The headline is <b>CP</b>, the persistence index 1 − MSE / MSE of persistence: 0 is no better
than saying that the river stays as it is. NSE is in scores.csv and is no headline: persistence
alone exceeds 0.99 in a day on this river. Brackets are 95 % intervals over {draws} samples of
whole years. All baselines are fitted on the same years and scored on the same mornings:
<i>trend</i> goes on as yesterday; <i>climatology</i> is the mean of ±15 days; <i>damped
anomaly</i> fades towards it;
<i>AR</i> is least squares on own changes; <i>ARX</i> adds the next four gauges upstream;
<i>reference</i> is ridge regression on own changes, levels and changes of the four next gauges
upstream and mean rain, with boosted trees on its residual.</p>"""
BEATEN = """<p>Below the line: the model's median less a baseline's, over the same years. ✓
marks where the whole interval lies above 0: only there the model <i>beats</i> it.</p>"""
ALARMS = """<h2>Alarm stage: forecast while still below it</h2>
<p>Pooled over gauges. A case is a forecast issued below alarm stage whose day came at or above
it; it is said where P(alarm) ≥ {next_day:.2f} at 1 d, {later:.2f} later (chosen on 2006–2018).
FAR is a share of what was said. Under {few} cases only counts are given.</p>"""
EVENTS = (
    f"<h3>As events</h3><p>Up-crossings, those less than {MERGE_D} days apart merged, matched one\n"
    "to one within a day (to 3 d ahead) or two.</p>"
)
VALUE = """<h2>What acting is worth, by city</h2>
<p>V = [min(o,a) − F a(1−o) + H o(1−a) − o] / [min(o,a) − o a] of acting when P(alarm stage on
the day) exceeds a = cost / loss: 1 with a perfect forecast, 0 for always or never acting,
whichever is cheaper. o is the base rate, H the hit rate, F the share of quiet days with a false
alarm. The dashed line is the probability at which the city's Watch begins.</p>"""
PEAKS = """<h2>Each year's highest stage</h2><p>Medians over gauges and years: the forecast for
the day of the peak less what came, and the day of the forecast's own highest stage within a
month of it.
</p>"""


def render_report(forecasts: pd.DataFrame, *, train_from: str) -> str:
    """Render the skill of a hindcast as one self-contained HTML page.

    Parameters
    ----------
    forecasts
        From :func:`models.hindcast.run_hindcast`.
    train_from
        First date of training, for the text.

    Returns
    -------
    str
        HTML; the same forecasts give the same page. Without a forecast that can be scored it says
        only that. Alarm stages are those as of each issue time; names, and the probability at
        which a Watch begins, those as of the last.
    """
    virtual = (forecasts["origin"] == "virtual").any()
    first, last = forecasts["issue_time"].min(), forecasts["issue_time"].max()
    head = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width,initial-scale=1'>",
        f"<title>Hindcast {first:%Y}–{last:%Y}</title><style>{CSS}</style></head><body>",
        f"<h1>Stage forecasts as issued, {first:%d %B %Y} to {last:%d %B %Y}</h1>",
        VIRTUAL if virtual else MEASURED,
    ]
    if select_scorable(forecasts).empty:
        return "".join([*head, "<p>No forecast could be scored.</p></body></html>"])
    rows = prepare(forecasts)
    wet = rows[rows["wet"]]
    asof = from_utc64(forecasts["issue_time"].to_numpy().max())
    parts = [
        *head,
        _about(rows, train_from),
        _headline(median_skill(wet)),
        _stations(wet, asof=asof),
        _years(wet),
        _regimes(rows),
        _coverage(rows),
        _reliability(rows),
        _alarms(rows),
        _value(rows, asof=asof),
        _peaks(rows),
        _floods(rows, asof=asof),
        _explained(rows, asof=asof),
        "</body></html>",
    ]
    return "\n".join(parts)


def _name(code: str, *, asof: datetime) -> str:
    place = all_stations(asof=asof).get(code)
    return escape(f"{place.name} ({code})" if place else code)


def _about(rows: pd.DataFrame, train_from: str) -> str:
    alternative = ""
    if ALTERNATIVE in rows:
        name = escape(str(rows[ALTERNATIVE].iloc[0]))
        alternative = (
            f"<p><i>alternative</i> is the same model with another regressor, {name}, fitted and "
            "scored on the same mornings.</p>"
        )
    n = rows["station"].nunique()
    leads = ", ".join(str(lead) for lead in sorted(rows["lead_days"].unique()))
    about = ABOUT.format(
        gauges=n,
        leads=leads,
        n=len(rows),
        train_from=escape(train_from),
        draws=DRAWS,
    )
    return about + alternative


def _skill(skill: Skill | None) -> str:
    """Render the median CP of every method, and mark where the model is significantly better."""
    if skill is None:
        return "<p>Too few forecasts.</p>"
    head = ["median CP", *(f"{lead} d" for lead in skill.leads)]
    body = [
        [NAMES[name], *(format_interval(score) for score in series)]
        for name, series in skill.median.items()
    ]
    body[0] = [f"<span class='best'>{cell}</span>" for cell in body[0]]
    beaten = [
        [
            f"model − {NAMES[name]}",
            *(format_interval(score) + (" ✓" if score.low > 0.0 else "") for score in series),
        ]
        for name, series in skill.margin.items()
    ]
    counts = [
        "gauges / forecasts",
        *(f"{gauges} / {n:,}" for gauges, n in zip(skill.stations, skill.forecasts, strict=True)),
    ]
    return render_table(head, [*body, *beaten, counts])


def _headline(skill: Skill | None) -> str:
    figure = ""
    if skill:
        series = {
            NAMES[name]: np.array([(score.value, score.low, score.high) for score in scores])
            for name, scores in skill.median.items()
        }
        figure = draw_skill(skill.leads, series)
    return f"<h2>Wet season, all gauges</h2><div class='wide'>{figure}</div>{_skill(skill)}{BEATEN}"


def _stations(wet: pd.DataFrame, *, asof: datetime) -> str:
    if wet.empty:
        return ""
    parts = ["<h2>By gauge, wet season</h2>"]
    for lead, part in tabulate_stations(wet).groupby("lead_days"):
        better = int((part["margin"] > 0).sum())
        surely = int((part["margin_low"] > 0).sum())
        parts.append(
            f"<h3>{lead} d ahead: better than the reference at {better} of {len(part)} gauges "
            f"(interval above 0 at {surely}); CP above 0 at {int((part['cp'] > 0).sum())}</h3>"
        )
        baselines = [name for name in list_methods(wet)[2:] if name != "reference"]
        body = [
            [
                _name(row["station"], asof=asof),
                format_interval(Interval(row["cp"], row["low"], row["high"])),
                format_number(row["reference"]),
                format_interval(Interval(row["margin"], row["margin_low"], row["margin_high"])),
                *(format_number(row[name]) for name in baselines),
            ]
            for row in part.to_dict("records")
        ]
        head = [
            "gauge",
            "CP",
            "reference",
            "model − reference",
            *(NAMES[name] for name in baselines),
        ]
        parts.append(render_table(head, body))
    return "".join(parts)


def _years(wet: pd.DataFrame) -> str:
    parts = ["<h2>By year, wet season</h2><p>Median CP over the gauges.</p>"]
    methods = list_methods(wet)
    for lead, part in wet.groupby("lead_days"):
        body = []
        for year, year_rows in part.groupby("year"):
            skill = median_skill(year_rows, draws=2)
            if skill:
                series = [skill.median[name][0].value for name in methods]
                body.append([str(year), *(format_number(value) for value in series)])
        parts.append(f"<h3>{lead} d ahead</h3>")
        parts.append(render_table(["year", *(NAMES[name] for name in methods)], body))
    return "".join(parts)


def _regimes(rows: pd.DataFrame) -> str:
    parts = ["<h2>Reported apart</h2>"]
    for title, part in split_regimes(rows).items():
        parts.append(f"<h3>{title}</h3>{_skill(median_skill(part))}")
    for tier, part in rows[rows["wet"]].groupby("tier"):
        parts.append(f"<h3>Tier {escape(str(tier))}</h3>{_skill(median_skill(part))}")
    return "".join(parts)


def _coverage(rows: pd.DataFrame) -> str:
    parts = ["<h2>Intervals: what they hold, how wide they are</h2>"]
    head = ["tier, lead", "forecasts", "in 80 %", "in 95 %", "80 % width, m", "95 % width, m"]
    for title, part in (("Wet season", rows[rows["wet"]]), ("All year", rows)):
        body = [
            [
                f"{row['tier']}, {row['lead_days']} d",
                f"{row['n']:,}",
                f"{100 * row['cover80']:.0f} %",
                f"{100 * row['cover95']:.0f} %",
                format_number(row["width80_m"]),
                format_number(row["width95_m"]),
            ]
            for row in coverage_table(part).to_dict("records")
        ]
        parts.append(f"<h3>{title}</h3>{render_table(head, body)}")
    return "".join(parts)


def _reliability(rows: pd.DataFrame) -> str:
    table = reliability_table(rows)
    title = "<h2>Can the probability of alarm stage be relied on?</h2>"
    if table.empty:
        return f"{title}<p>No gauge here has an alarm stage.</p>"
    figures = [draw_reliability(part, int(str(lead))) for lead, part in table.groupby("lead_days")]
    body = [
        [
            f"{row['lead_days']} d",
            f"{row['cases']:,}",
            f"{row['reached']:,}",
            format_number(row["score"], 4),
            format_number(row["reference"], 4),
            format_interval(row["skill"]) + (" ✓" if row["skill"].low > 0 else ""),
        ]
        for row in compare_scores(rows, "brier_model", "brier_climatology").to_dict("records")
    ]
    head = ["lead", "forecasts", "days at alarm stage", "Brier", "of climatology", "Brier skill"]
    return (
        f"{title}<p>All seasons, all gauges. Figures in the pictures are the numbers of forecasts."
        f"</p><div class='charts'>{''.join(figures)}</div>{render_table(head, body)}"
    )


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}" + (f" ({part / whole:.2f})" if whole >= LEAST_CASES else "")


def _alarms(rows: pd.DataFrame) -> str:
    parts = [ALARMS.format(next_day=NEXT_DAY_P, later=LATER_P, few=LEAST_CASES)]
    body = [
        [
            f"{row['lead_days']} d",
            _share(row["hits"], row["cases"]),
            _share(row["false"], row["hits"] + row["false"]),
            format_number(row["csi"]) if row["cases"] >= LEAST_CASES else "–",
        ]
        for row in pool_alarms(rows).to_dict("records")
    ]
    parts.append(render_table(["lead", "detected (POD)", "false (FAR)", "CSI"], body))
    events = [
        [
            f"{row['lead_days']} d",
            _share(row["hits"], row["observed"]),
            _share(row["forecast"] - row["hits"], row["forecast"]),
        ]
        for row in count_crossings(rows).to_dict("records")
    ]
    parts.append(
        EVENTS.format(merge_d=MERGE_D)
        + render_table(["lead", "events detected", "false events"], events)
    )
    return "".join(parts)


def _value(rows: pd.DataFrame, *, asof: datetime) -> str:
    by_station = cities_by_gauge(asof=asof)
    figures = []
    by_gauge = value_curves(rows)
    for code, curves in by_gauge.items():
        city = by_station.get(code)
        name = city.name if city else code
        watch_p = threshold(city.id if city else "", "watch", asof=asof)
        figures.append(draw_value(name, RATIOS, curves, watch_p))
    with_alarm = rows.loc[rows["alarm_m"].notna(), "station"].unique()
    few = [_name(code, asof=asof) for code in with_alarm if code not in by_gauge]
    note = f"<p>Under {LEAST_CASES} cases, no curve: {', '.join(few)}.</p>" if few else ""
    return f"{VALUE}<div class='charts'>{''.join(figures)}</div>{note}"


def _peaks(rows: pd.DataFrame) -> str:
    body = [
        [
            f"{row['lead_days']} d",
            str(row["peaks"]),
            format_number(row["error_m"]),
            format_number(row["abs_error_m"]),
            format_number(row["late_d"], 1),
            format_number(row["abs_late_d"], 1),
        ]
        for row in pool_peaks(find_peaks(rows)).reset_index().to_dict("records")
    ]
    head = ["lead", "peaks", "error, m", "|error|, m", "late, days", "|late|, days"]
    return f"{PEAKS}{render_table(head, body)}"


def _middle_lead(rows: pd.DataFrame) -> int:
    leads = sorted(int(lead) for lead in rows["lead_days"].unique())
    return min(leads, key=lambda lead: abs(lead - 3))


def _floods(rows: pd.DataFrame, *, asof: datetime) -> str:
    lead, figures = _middle_lead(rows), []
    for code, part in rows.groupby("station"):
        lead_rows = part[part["lead_days"] == lead].sort_values("valid_time")
        crest = int(lead_rows["observed_m"].to_numpy().argmax())
        issued = from_utc64(lead_rows["issue_time"].to_numpy()[crest])
        place = all_stations(asof=issued).get(str(code))
        thresholds_m = {"alarm": place.alarm_m, "flood": place.flood_m} if place else {}
        name = _name(str(code), asof=asof)
        figures.append(draw_highest_flood(name, part, lead, thresholds_m))
    return (
        "<h2>The biggest flood of each gauge</h2><p>Each day's forecast is the one issued "
        f"{lead} days before it.</p><div class='charts'>{''.join(figures)}</div>"
    )


def _explained(rows: pd.DataFrame, *, asof: datetime) -> str:
    """Render the drivers of the forecast of the greatest rise."""
    known = rows[(rows["lead_days"] == _middle_lead(rows)) & (rows["tier"] != "climatology")]
    known = known[known["wet"]] if known["wet"].any() else known
    title = "<h2>One forecast explained</h2>"
    if known.empty:
        return f"{title}<p>Every forecast was climatology.</p>"
    top = known.iloc[int((known["q50"] - known["stage_m"]).to_numpy().argmax())]
    same = (rows["station"] == top.station) & (rows["issue_time"] == top.issue_time)
    body = []
    for row in rows[same].sort_values("lead_days").to_dict("records"):
        parts = dict(row["drivers_cm"])
        change = 100.0 * (row["q50"] - row["stage_m"])
        cells = [
            format_number(value, 0) for value in (*parts.values(), sum(parts.values()), change)
        ]
        observed = format_number(100.0 * (row["observed_m"] - row["stage_m"]), 0)
        body.append([f"{row['lead_days']} d", *cells, observed])
    names = [name.replace("_", " ") for name in top.drivers_cm]
    return (
        f"{title}<p>{_name(top.station, asof=asof)}, issued {top.issue_time:%d %B %Y %H:%M} UTC at "
        f"{top.stage_m:.2f} m. Centimetres of the change of the median by kind of evidence; "
        "they add up to it. They describe the regression, not causes.</p>"
        + render_table(["lead", *names, "sum", "forecast change", "came"], body)
    )
