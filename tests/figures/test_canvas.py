from __future__ import annotations

import re

import matplotlib as mpl
import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure

from pipeline.figures.canvas import (
    FONT,
    Provenance,
    complete_figure,
    new_figure,
    styled,
    to_png,
    to_svg,
    write_title,
)
from tests.figures.figure_cases import ACTUAL, EXERCISE, ISSUED, legend, texts


def test_the_same_figure_gives_the_same_text_and_fills_its_place() -> None:
    texts = []
    for _ in range(2):
        figure, axes = new_figure("Pakse")
        axes.plot([1, 2], [3, 4])
        texts.append(to_svg(figure, 'stage & "alarm" <12 m'))
    assert texts[0] == texts[1]
    assert texts[0].startswith(
        '<svg role="img" aria-label="stage &amp; &quot;alarm&quot; &lt;12 m"'
    )
    head = texts[0][: texts[0].index(">")]
    assert "viewBox" in head
    assert "width=" not in head
    assert "metadata" not in texts[0]


@styled
def draw(provenance: Provenance, *, width: float = 8.0, unknown: bool = False) -> Figure:
    figure = Figure(figsize=(width, 5.0), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([1, 2], [3, 4], label="reading")
    axes.plot([1, 2], [4, 5], label="reading")
    write_title(axes, "Pakse", ["thresholds not verified"])
    complete_figure(figure, provenance, alt="Pakse: stages", unknown=unknown)
    return figure


@pytest.mark.parametrize(("status", "mark"), [("Exercise", "EXERCISE"), ("Test", "TEST")])
def test_a_status_that_is_not_actual_stands_across_the_figure(status: str, mark: str) -> None:
    figure = draw(Provenance(status, ISSUED, "virtual basin"))  # type: ignore[arg-type]
    (across,) = [text for text in figure.texts if text.get_text() == mark]
    assert 20.0 < across.get_rotation() < 70.0
    assert float(across.get_fontsize()) > 80.0
    assert figure.get_label() == f"{mark}. Pakse: stages"
    assert f"{mark}. Issued 2026-08-20 00:30 UTC. Source: virtual basin." in texts(figure)


@pytest.mark.parametrize("provenance", [ACTUAL, Provenance(None, ISSUED, "hindcast")])
def test_what_is_actual_or_no_message_has_no_mark(provenance: Provenance) -> None:
    figure = draw(provenance)
    assert len(figure.texts) == 1, "the footer alone"
    assert figure.get_label() == "Pakse: stages"
    assert figure.texts[0].get_text().startswith("Issued 2026-08-20 00:30 UTC. Source: ")


def test_the_legend_has_each_label_once_and_says_what_a_hatch_is() -> None:
    assert legend(draw(EXERCISE)) == ["reading"]
    assert legend(draw(EXERCISE, unknown=True)) == ["reading", "not known"]
    assert "thresholds not verified" in texts(draw(EXERCISE))


@pytest.mark.parametrize("width", [4.0, 12.0])
def test_nothing_is_cut_off_or_lies_on_something_else(width: float) -> None:
    figure = draw(EXERCISE, width=width, unknown=True)
    to_png(figure)
    whole = figure.bbox
    footer, key = figure.texts[0].get_window_extent(), figure.legends[0].get_window_extent()
    plot = figure.axes[0].get_tightbbox()
    assert plot is not None
    assert footer.y1 <= key.y0 + 2.0
    assert key.y1 <= plot.y0 + 2.0
    for box in (footer, key, plot):
        assert whole.x0 <= box.x0
        assert box.x1 <= whole.x1
        assert whole.y0 <= box.y0
        assert box.y1 <= whole.y1


def test_a_figure_without_the_layout_is_refused() -> None:
    with pytest.raises(TypeError, match="expected a figure with a constrained layout"):
        complete_figure(Figure(), EXERCISE, alt="")


def test_the_font_is_the_one_that_matplotlib_brings() -> None:
    assert font_manager.findfont(FONT, fallback_to_default=False).startswith(mpl.get_data_path())
    families = re.findall(r'font-family: ([^;"]*)', to_svg(draw(EXERCISE), "stages"))
    assert set(families) == {"'DejaVu Sans', sans-serif"}


def test_a_notebook_s_own_style_changes_nothing() -> None:
    plain = to_png(draw(EXERCISE))
    with mpl.rc_context({"font.size": 20.0, "axes.facecolor": "black", "font.family": "serif"}):
        assert to_png(draw(EXERCISE)) == plain
    assert plain[16:24] == (800).to_bytes(4, "big") + (500).to_bytes(4, "big"), "width, height"


def test_a_notebook_that_cuts_the_margins_keeps_legend_and_footer() -> None:
    figure = draw(EXERCISE)
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    (key,) = figure.legends
    (footer,) = [text for text in figure.texts if "Issued" in text.get_text()]
    for part in (key, footer):
        corners = part.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
        assert box.x0 <= corners.x0 + 1e-6
        assert box.y0 <= corners.y0 + 1e-6
