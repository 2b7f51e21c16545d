"""Files of a hindcast, its forecasts, scores and report, and the median skill by lead."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from models.verification.cases import prepare
from models.verification.report import render_report
from models.verification.scores import score_forecasts
from models.verification.skill import tabulate_stations


@dataclass(frozen=True)
class Hindcast:
    """A hindcast that was written.

    Parameters
    ----------
    folder
        Folder of its files.
    forecasts
        Number of forecasts.
    origin
        ``virtual`` or ``measured``.
    median_cp, median_reference_cp
        Median persistence index of the gauges in the wet season by lead (days), of the model and
        of the benchmark.
    """

    folder: str
    forecasts: int
    origin: str
    median_cp: dict[int, float]
    median_reference_cp: dict[int, float]


def write_hindcast(forecasts: pd.DataFrame, folder: Path, *, train_from: str) -> Hindcast:
    """Write ``scores.csv``, ``forecasts.parquet`` and ``report.html``.

    Parameters
    ----------
    forecasts
        From :func:`models.hindcast.run_hindcast`.
    folder
        Made if absent.
    train_from
        First day of training, ``YYYY-MM-DD``.
    """
    scores = score_forecasts(forecasts)
    folder.mkdir(parents=True, exist_ok=True)
    scores.to_csv(folder / "scores.csv", index=False)
    forecasts.to_parquet(folder / "forecasts.parquet")
    page = render_report(forecasts, train_from=train_from)
    (folder / "report.html").write_text(page, encoding="utf-8")
    wet = scores[scores["season"] == "wet"]
    stations = tabulate_stations(prepare(forecasts).query("wet"), draws=1)
    return Hindcast(
        folder=str(folder),
        forecasts=len(forecasts),
        origin=str(forecasts["origin"].iloc[0]),
        median_cp=_median_by_lead(wet, "cp"),
        median_reference_cp=_median_by_lead(stations, "reference"),
    )


def _median_by_lead(table: pd.DataFrame, column: str) -> dict[int, float]:
    medians = table.groupby("lead_days")[column].median()
    return {int(str(lead)): float(cp) for lead, cp in medians.items()}
