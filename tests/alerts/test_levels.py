from __future__ import annotations

from itertools import product

from pipeline.alerts.levels import ORDER, RAISED, Level, higher


def test_levels_in_order_leave_unknown_out() -> None:
    assert [level.value for level in ORDER] == ["none", "watch", "warning", "emergency"]
    assert set(ORDER) == set(Level) - {Level.UNKNOWN}
    assert ORDER[1:] == RAISED


def test_the_higher_of_two_levels() -> None:
    for first, second in product(range(4), repeat=2):
        assert higher(ORDER[first], ORDER[second]) is ORDER[max(first, second)]
