"""Blocks of water years left out in turn, and the last years forecast by those before them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold

from models.climatology import FROM_APRIL_BY_DAYS, water_year
from models.stage.splits import WaterYearSplit, list_splits


def days(first: str, last: str) -> tuple[pd.DataFrame, np.ndarray]:
    dates = pd.date_range(first, last)
    return pd.DataFrame({"x": np.arange(len(dates))}, dates), water_year(dates, FROM_APRIL_BY_DAYS)


def test_each_day_is_forecast_once_by_other_years() -> None:
    table, year = days("2000-04-01", "2012-03-31")
    splitter = WaterYearSplit(n_blocks=5)
    pairs = list(splitter.split(table, groups=year))
    assert len(pairs) == splitter.get_n_splits(table, groups=year) == splitter.get_n_splits()
    assert sorted(np.concatenate([test for _, test in pairs])) == list(range(len(table)))
    for train, test in pairs:
        assert not set(year[train]) & set(year[test])
        assert {number % 5 for number in year[test]} == {year[test][0] % 5}


def test_the_first_days_of_a_water_year_teach_no_other() -> None:
    table, year = days("2000-04-01", "2006-03-31")
    train, _ = next(WaterYearSplit(purge_d=37).split(table, groups=year))
    used = pd.DatetimeIndex(table.index[train])
    assert used[(used.year == 2002) & (used.month == 5)].day.min() == 8
    assert not (used.month == 4).any()


def test_years_of_one_block_learn_from_themselves() -> None:
    table, year = days("2000-04-01", "2001-03-31")
    ((train, test),) = WaterYearSplit().split(table, groups=year)
    assert len(test) == 365
    assert set(train) < set(test)


def test_the_last_years_are_also_forecast_by_those_before() -> None:
    table, year = days("2000-04-01", "2010-03-31")
    known = np.ones(len(table), dtype=bool)
    splits = list_splits(WaterYearSplit(), table, year, known=known, forward_years=3)
    assert splits.n_judged == 6
    assert splits.names[:2] == [("without", 0), ("without", 1)]
    assert splits.names[6:] == [("before", 2007), ("before", 2008), ("before", 2009)]
    before, of_2008 = splits.train[7], splits.test[7]
    assert set(year[before]) == set(range(2000, 2008))
    assert set(year[of_2008]) == {2008}
    known[1461:] = False
    short = list_splits(WaterYearSplit(), table, year, known=known, forward_years=3)
    assert [name for name, _ in short.names].count("before") == 2, "at most half of all years"


@pytest.mark.parametrize("form", ["number", "splitter", "pairs"])
def test_any_splits_of_scikit_learn_serve(form: str) -> None:
    table, year = days("2000-04-01", "2004-03-31")
    pairs = list(KFold(3).split(table))
    cv = {"number": 3, "splitter": KFold(3), "pairs": pairs}[form]
    known = np.ones(len(table), dtype=bool)
    splits = list_splits(cv, table, year, known=known, forward_years=0)
    assert splits.names == [("without", 0), ("without", 1), ("without", 2)]
    for number, (train, test) in enumerate(pairs):
        assert np.flatnonzero(splits.train[number]).tolist() == train.tolist()
        assert np.flatnonzero(splits.test[number]).tolist() == test.tolist()


def test_pairs_of_all_rows_are_cut_to_the_known_ones() -> None:
    table, year = days("2000-04-01", "2000-04-10")
    known = np.array([True, False] * 5)
    early, late = np.arange(4), np.arange(4, 10)
    pairs = [(early, late), (late, early)]
    splits = list_splits(pairs, table, year, known=known, forward_years=0)
    assert splits.train.tolist() == [
        [True, True, False, False, False],
        [False, False, True, True, True],
    ]
    assert splits.test.tolist() == splits.train.tolist()[::-1]


def test_splits_that_do_not_forecast_each_row_once_are_refused() -> None:
    table, year = days("2000-04-01", "2000-04-10")
    known, early, late = np.ones(10, dtype=bool), np.arange(4), np.arange(4, 10)
    with pytest.raises(ValueError, match="found 4 of 10 rows that are not"):
        list_splits([(early, late)], table, year, known=known, forward_years=0)
    with pytest.raises(ValueError, match="found 6 of 10 rows that are not"):
        twice = [(early, late), (late, np.arange(10))]
        list_splits(twice, table, year, known=known, forward_years=0)
