"""Columns of the stage regression: drivers, products, priors and gaps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from models.stage.design import PRIOR, PRODUCT_PRIOR, StageDesign
from models.stage.features import StageInputs, build_library
from models.stage.model import StageModel
from models.stage.neighbours import Neighbours, select_neighbours
from tests.models.conftest import TOWN, UPSTREAM


def test_height_and_wetness_are_told_from_rise_and_rain(trained: StageModel) -> None:
    design = trained.stations[TOWN].design_
    driver = dict(zip(design.names_, design.drivers(), strict=True))
    unit = design.neighbours.units[0]
    assert driver[f"level:{TOWN}"] == driver[f"level:{UPSTREAM}"] == "height"
    assert driver[f"above:{TOWN}:10"] == driver[f"level:{TOWN}*season:0"] == "height"
    assert driver[f"change:{TOWN}:0"] == driver[f"since:{TOWN}:30"] == "own_trend"
    rise = f"change:{UPSTREAM}:0"
    assert driver[rise] == driver[f"{rise}*level:{TOWN}"] == "upstream"
    assert driver["mean:5:7"] == driver[f"rain:{unit}:3"] == driver["mean:0:1*mean:7:37"] == "rain"
    assert driver["mean:7:10"] == driver[f"rain:{unit}:7"] == driver[f"wet:{unit}"] == "wetness"


def test_products_are_of_standardised_columns(trained: StageModel, made_up: StageInputs) -> None:
    design = trained.stations[TOWN].design_
    rows = np.flatnonzero(made_up.stage.index < "2010-01-01")[60:]
    matrix = design.transform(build_library(made_up).table().iloc[rows])
    own, change = f"level:{TOWN}", f"change:{UPSTREAM}:0"
    z = [matrix[:, design.names_.index(name)] / PRIOR[key]
         for name, key in ((own, "level"), (change, "near change"))]  # fmt: skip
    product = matrix[:, design.names_.index(f"{change}*{own}")]
    inner = np.abs(product) < 2.0
    assert np.corrcoef(product[inner], (z[0] * z[1])[inner])[0, 1] > 0.9999
    assert design.names_ == tuple(sorted(design.names_, key=lambda name: "*" in name))


def test_priors_know_whose_gauge_it_is(trained: StageModel) -> None:
    upper, town = (trained.stations[code].design_ for code in (UPSTREAM, TOWN))
    expected = {
        f"since:{TOWN}:7": PRIOR["own since"],
        f"since:{UPSTREAM}:7": 1.0,
        f"change:{TOWN}:0": 1.0,
        f"change:{UPSTREAM}:0": PRIOR["near change"],
        f"rise:{TOWN}": PRIOR["rise"],
        f"level:{UPSTREAM}": PRIOR["level"],
        f"level:{TOWN}*level:{TOWN}*level:{TOWN}": PRIOR["own level*level"],
        f"level:{UPSTREAM}*level:{UPSTREAM}": PRODUCT_PRIOR,
        "mean:0:1*season:2": PRIOR["mean*season"],
        f"mean:0:1*level:{TOWN}": PRODUCT_PRIOR,
        "rain:basin:songkhram:0": PRIOR["rain"],
    }
    found = dict(zip(town.names_, town.pipeline_[-1].priors, strict=True))
    assert {name: found[name] for name in expected} == expected
    found = dict(zip(upper.names_, upper.pipeline_[-1].priors, strict=True))
    assert found[f"level:{TOWN}"] == PRIOR["downstream level"]


def test_what_is_missing_is_what_the_rest_leads_to_expect(
    trained: StageModel, made_up: StageInputs
) -> None:
    """The town of today is the upper gauge of yesterday, so it tells where that one stood."""
    design = trained.stations[TOWN].design_
    rows = np.flatnonzero(made_up.stage.index >= "2010-06-01")
    whole = design.transform(build_library(made_up).table().iloc[rows])
    gone = replace(made_up, stage=made_up.stage.assign(**{UPSTREAM: np.nan}))
    filled = design.transform(build_library(gone).table().iloc[rows])
    known, level, product = (
        design.names_.index(name)
        for name in (f"level:{TOWN}", f"level:{UPSTREAM}", f"level:{UPSTREAM}*season:0")
    )
    assert filled[:, known].tolist() == whole[:, known].tolist()
    for column in (level, product):
        assert np.corrcoef(filled[:, column], whole[:, column])[0, 1] > 0.9
    nothing = replace(gone, stage=gone.stage * np.nan, rain=gone.rain * np.nan)
    assert np.isfinite(design.transform(build_library(nothing).table().iloc[rows])).all()


def test_rain_that_has_ended_fills_the_years_before_a_younger_gauge(made_up: StageInputs) -> None:
    old = made_up.rain["basin:songkhram"].rename("old")
    young = (2.0 * old).where(old.index >= "2006-01-01").rename("young")
    inputs = replace(
        made_up, rain=pd.concat([old.where(old.index < "2009-01-01"), young], axis=1)
    ).until(pd.Timestamp("2009-12-31"))
    lib = build_library(inputs)
    neighbours = select_neighbours(lib, TOWN)
    assert (neighbours.units, neighbours.ended_units) == (("young",), ("old",))
    rows = np.isfinite(lib.columns[f"level:{TOWN}"]) & (lib.dates >= pd.Timestamp("2003-06-01"))
    design = StageDesign(Neighbours(TOWN, (UPSTREAM,), units=("young",), ended_units=("old",)))
    matrix = design.fit_transform(lib.table()[rows])
    assert {name.split(":")[1] for name in design.auxiliary_} == {"old"}
    column = matrix[:, design.names_.index("rain:young:0")]
    early = lib.dates[rows] < pd.Timestamp("2006-01-01")
    assert np.corrcoef(column[early], lib.columns["rain:old:0"][rows][early])[0, 1] > 0.95
    assert matrix.shape == (rows.sum(), len(design.names_))


def test_columns_are_called_by_the_place_of_their_gauge(trained: StageModel) -> None:
    upper, town = (trained.stations[code].design_ for code in (UPSTREAM, TOWN))
    called = dict(zip(town.names_, town.shared_names(), strict=True))
    assert called[f"change:{TOWN}:0"] == "change:own:0"
    assert called[f"change:{UPSTREAM}:1*level:{TOWN}"] == "change:up0:1*level:own"
    assert called["rain:basin:songkhram:0"] == "rain:basin:songkhram:0"
    assert f"level:{TOWN}" in upper.names_
    assert upper.shared_names()[upper.names_.index(f"level:{TOWN}")] == "level:down"
