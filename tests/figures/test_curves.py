from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.figures.curves import plot_double_mass, plot_flow_duration
from tests.figures.figure_cases import EXERCISE, PHONE_PX, compare, legend, line, texts

MONTHS = pd.date_range("2020-01-01", periods=24, freq="MS")
REFERENCE = pd.Series(100.0, MONTHS)
TESTED = pd.Series([100.0] * 12 + [150.0] * 12, MONTHS)
"""Half as much again from 2021 on."""


def test_sums_stand_against_each_other_and_a_change_of_ratio_is_a_bend() -> None:
    figure = plot_double_mass(("IMERG", "gauge"), REFERENCE, TESTED, provenance=EXERCISE)
    sums = line(figure.axes[0], "sums")
    assert sums.index[[0, 12, 24]].tolist() == pytest.approx([0.0, 1.2, 2.4])
    assert sums.iloc[[0, 12, 24]].tolist() == pytest.approx([0.0, 1.2, 3.0])
    assert line(figure.axes[0], "the same ratio").tolist() == pytest.approx([0.0, 3.0])
    assert {"sum of IMERG, m", "sum of gauge, m", "2020", "2021"} <= {*texts(figure).split("\n")}


def test_a_step_that_one_does_not_know_is_left_out_of_both_and_counted() -> None:
    tested = TESTED.copy()
    tested.iloc[[3, 15]] = np.nan
    figure = plot_double_mass(("IMERG", "gauge"), REFERENCE[1:], tested, provenance=EXERCISE)
    sums = line(figure.axes[0], "sums")
    assert (sums.index[-1], sums.iloc[-1]) == (pytest.approx(2.1), pytest.approx(2.65))
    assert "21 steps; 3 left out, not known in one of them" in texts(figure)
    with pytest.raises(ValueError, match="expected steps known of both IMERG and gauge"):
        plot_double_mass(("IMERG", "gauge"), REFERENCE[:5], TESTED[5:], provenance=EXERCISE)


def test_flow_duration_leaves_out_what_is_not_known_and_counts_it() -> None:
    flows = pd.Series([400.0, np.nan, 100.0, 300.0, 200.0])
    figure = plot_flow_duration(
        "Pakse",
        {"2019": flows, "2020": flows * 2},
        provenance=EXERCISE,
        marks_m3s={"today": 250.0},
    )
    curve = line(figure.axes[0], "2019: 4 days, 1 not known")
    assert curve.index.tolist() == pytest.approx([20.0, 40.0, 60.0, 80.0])
    assert curve.tolist() == [400.0, 300.0, 200.0, 100.0]
    assert legend(figure) == ["2019: 4 days, 1 not known", "2020: 4 days, 1 not known"]
    styles = [artist.get_linestyle() for artist in figure.axes[0].lines[:2]]
    assert styles == ["-", "--"], "they differ without colour too"
    assert figure.axes[0].get_yscale() == "log"
    words = texts(figure)
    assert "today 250 m³/s" in words
    assert "daily flow, m³/s" in words
    assert "share of the days that reach or exceed it, %" in words


@pytest.mark.parametrize(("flow", "lowest"), [(0.0, "0"), (-5.0, "-5"), (np.nan, "none")])
def test_flows_that_no_logarithm_has_are_refused(flow: float, lowest: str) -> None:
    with pytest.raises(ValueError, match=f"2019: expected flows above 0 m3/s, found {lowest}"):
        plot_flow_duration("Pakse", {"2019": pd.Series([flow])}, provenance=EXERCISE)


def test_the_picture_of_double_mass(tmp_path: Path) -> None:
    rain = REFERENCE + 80.0 * np.sin(np.arange(24) / 12.0 * 2.0 * np.pi)
    mass = plot_double_mass(
        ("IMERG", "gauge"), rain, rain * TESTED / 100.0, provenance=EXERCISE, width_px=PHONE_PX
    )
    compare(mass, "double_mass", tmp_path)


def test_the_picture_of_flow_duration(tmp_path: Path) -> None:
    flow = pd.Series(np.exp(8.5 + np.sin(np.arange(365) / 365.0 * 2.0 * np.pi)))
    duration = plot_flow_duration(
        "Pakse",
        {"2019": flow, "2020": flow * 1.3},
        provenance=EXERCISE,
        marks_m3s={"today": 9000.0},
        width_px=PHONE_PX,
    )
    compare(duration, "flow_duration", tmp_path)
