"""What a cell and a row of the reference tables may hold."""

from __future__ import annotations

import pytest

from pipeline.geography.reference_schema import TABLES, Column, first_day


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        (Column("integer", 1, 12), "13", "an integer from 1 to 12"),
        (Column("integer", 1, 12), "1.5", "an integer from 1 to 12"),
        (Column("number"), "nan", "a number"),
        (Column("number", 0.0, strict=True), "0", "a number above 0"),
        (Column("flag"), "yes", "one of true, false"),
        (Column(choices=("a", "b"), several=True), "a c", "one of a, b"),
        (Column(choices=("a", "b"), several=True), "b a", ""),
        (Column(), "", "a value"),
        (Column(optional=True), "", ""),
    ],
)
def test_what_a_cell_may_hold(column: Column, cell: str, expected: str) -> None:
    assert column.describe_expected(cell) == expected


@pytest.mark.parametrize("text", ["26", "2026-13-01", "20260501", "2026-5-1", "", "now"])
def test_what_is_no_date(text: str) -> None:
    assert first_day(text) is None


def find_faults(table: str, **cells: str) -> list[str]:
    """Faults of a row whose other cells are empty and right."""
    schema = TABLES[table]
    row = {"as_of": "", **dict.fromkeys(schema.columns, "")} | cells
    names = {*cells, "as_of"}
    return [fault for fault in schema.find_faults(row) if fault.partition(":")[0] in names]


def test_what_a_value_may_be_hangs_on_its_quantity() -> None:
    table = "station_figures.csv"
    assert find_faults(table, quantity="longitude", value="104.9", unit="degree") == []
    assert find_faults(table, quantity="latitude", value="104.9", unit="m") == [
        "value: expected a number from -90 to 90 for latitude, found '104.9'",
        "unit: expected degrees_north or degree for latitude, found 'm'",
    ]
    assert find_faults(table, quantity="gauge_zero", value="104.9", unit="m") == []
    assert find_faults("alert_rules.csv", rule="raise_runs", value="0.5", unit="run") == [
        "value: expected a number from 1 to 10 for raise_runs, found '0.5'"
    ]
    assert find_faults("thresholds.csv", kind="alarm", as_of="1 May 2026") == [
        "as_of: expected a year or a date as 2026-05-01, found '1 May 2026'"
    ]


def test_an_impact_has_a_text_and_a_crest_a_year() -> None:
    table = "impacts.csv"
    assert find_faults(table, kind="impact", text="The market floods", year="") == []
    assert find_faults(table, kind="crest", text="", year="2008") == []
    assert find_faults(table, kind="impact", text="", year="2008") == [
        "text: expected a value for impact, found ''"
    ]
    assert find_faults(table, kind="crest", text="high", year="") == [
        "year: expected a value for crest, found ''"
    ]


def test_a_name_is_neither_a_path_nor_a_formula_nor_the_word_for_all() -> None:
    city = TABLES["cities.csv"].columns
    for name in ("pakse", "M.7", "hue-2", "010501"):
        assert city["id"].describe_expected(name) == ""
    for name in ("default", "..", "a/b", "M..7", ".m7", "pakse "):
        assert city["id"].describe_expected(name).startswith("text like"), name
    for name in ("=1+1", "+84", "@sum", "-x", " Pakse"):
        assert city["name"].describe_expected(name).startswith("text like"), name


@pytest.mark.parametrize("name", TABLES)
def test_a_table_knows_its_key_its_tables_and_all_its_quantities(name: str) -> None:
    table = TABLES[name]
    assert set(table.key) <= set(table.columns)
    assert "as_of" not in table.columns
    assert {column.names for column in table.columns.values()} <= {"", *TABLES}
    if table.by:
        assert table.by in table.key
        assert set(table.bounds) == set(table.units)
        assert {*table.bounds, *table.needs} == set(table.columns[table.by].choices)
        assert {*table.needs.values()} <= {*table.columns}
        assert all(low < high for low, high in table.bounds.values())
