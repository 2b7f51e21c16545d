"""Level shifts: undone, or water."""

from __future__ import annotations

import numpy as np

from pipeline.quality.checks import Jump


def test_a_jump_lasts_until_it_is_undone_or_has_lasted_six_hours() -> None:
    hours = np.arange(4 * 24 * 50) / 4.0
    level = 5.0 + 0.3 * np.sin(hours / 200.0)
    back = level.copy()
    back[200:900] += 0.8
    assert np.flatnonzero(Jump().check(hours, back)).tolist() == list(range(200, 900))
    slowly = back.copy()
    slowly[900:903] += [0.5, 0.3, 0.1]
    faulty_rows = np.flatnonzero(Jump().check(hours, slowly))
    assert (faulty_rows[0], faulty_rows[-1]) == (200, 900)
    gap = np.concatenate([np.arange(800), np.arange(1000, len(hours))])
    assert np.flatnonzero(Jump().check(hours[gap], back[gap])).tolist() == list(range(200, 800))
    for_good = level.copy()
    for_good[200:] += 0.8
    assert not Jump().check(hours, for_good).any(), "then it is the river, or the gauge's datum"
    faulty_rows = np.flatnonzero(Jump().check(hours[:224], for_good[:224]))
    assert faulty_rows.tolist() == list(range(200, 224)), "5 h 45 min: not decided yet"
    assert not Jump().check(hours[:225], for_good[:225]).any()
    contradicted = Jump().track(hours, for_good, lambda _start: False).faulty
    assert np.flatnonzero(contradicted).tolist() == list(range(200, 200 + 4 * 24 * 30))
    assert not Jump().track(hours[:210], for_good[:210], lambda _start: True).faulty.any()
    assert not Jump().check(hours[:205], for_good[:205]).any(), "not known before it stays"
    assert not Jump().check(hours, level).any()
