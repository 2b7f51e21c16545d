from __future__ import annotations

from pipeline.figures.canvas import new_figure, to_svg


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
