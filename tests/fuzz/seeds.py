"""Sound files of every kind that a reader knows, small, to be mutated."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.geography.grid import Grid
from pipeline.settings import ROOT
from pipeline.sources import SOURCES
from tests.sources import (
    gk2a_images,
    public_files,
    test_floodmap,
    test_gldas,
    test_imerg,
    test_lis,
    test_smap,
    test_vegetation,
    test_zones,
)

SHARED = ROOT.parent / "shared"


@dataclass(frozen=True)
class Seed:
    """A sound file.

    Parameters
    ----------
    source
        Id of the source whose reader reads it.
    name
        Name of the file, as the provider's.
    content
        Its bytes.
    grid
        Target grid; None where the reader takes the path alone.
    """

    source: str
    name: str
    content: bytes
    grid: Grid | None

    def read(self, path: Path) -> Any:
        """Read a file that takes this one's place."""
        reader = importlib.import_module(SOURCES[self.source].module).read
        return reader(path) if self.grid is None else reader(path, self.grid)


def grids(folder: Path) -> list[Seed]:
    """Write a grid file of every product and layout."""
    box = test_imerg.BOX
    full = np.full(box.shape, 48.0)
    made: list[tuple[str, Callable[[Path], Path], Grid | None]] = [
        ("imerg_late", test_imerg.half_hour, box),
        ("imerg_daily", lambda into: test_imerg.day(into, test_imerg.rates(), full), box),
        ("gk2a", lambda into: gk2a_images.write(into, "ea020lc", Grid(14, 15, 100, 101)),
         Grid(14, 15, 100, 101)),
        ("smap", test_smap.write, Grid(14.0, 15.0, 100.0, 101.0)),
        ("smap_l3", test_smap.level_3, Grid(14.0, 15.0, 100.0, 101.0)),
        ("gldas", test_gldas.write, Grid(14.0, 15.0, 100.0, 101.0)),
        ("gldas_monthly", test_gldas.write_month, Grid(14.0, 15.0, 100.0, 101.0)),
        ("lis", test_lis.write, test_lis.BOX),
        ("ndvi", lambda into: test_vegetation.write(
            into, "ndvi", np.full(test_vegetation.BOX.shape, 0.5)), test_vegetation.BOX),
        ("ndvi", lambda into: test_vegetation.modis(into, "MOD13C2"), test_vegetation.BOX),
        ("lst", lambda into: test_vegetation.write(
            into, "lst", np.full(test_vegetation.BOX.shape, 300.0)), test_vegetation.BOX),
        ("floodmap", lambda into: test_floodmap.hdf5(
            into, "h28v07", test_floodmap.classes()), test_floodmap.BOX),
        ("floodmap", lambda into: test_floodmap.hdf4(
            into, "h28v07", test_floodmap.classes()), test_floodmap.BOX),
        ("chirps", lambda into: public_files.tif(
            into / "chirps-v3.0.rnl.2024.08.20.tif", public_files.pixels()),
         public_files.GRID),
        ("zones", lambda into: test_zones.write(into, test_zones.record()), None),
    ]  # fmt: skip
    found = []
    for number, (source, write, grid) in enumerate(made):
        into = folder / str(number)
        into.mkdir()
        path = write(into)
        found.append(Seed(source, path.name, path.read_bytes(), grid))
    real = SHARED / "real_files"
    for source, name in (
        ("imerg_final", "imerg/3B-HHR.MS.MRG.3IMERG.20000601-S000000-E002959.0000.V07A.HDF5"),
        (
            "imerg_final",
            "imerg/3B-HHR.MS.MRG.3IMERG.20200101-S120000-E122959.0720.V06B.HDF5.dap.nc4",
        ),
        ("smap", "smap/SMAP_L4_SM_aup_comparison.h5"),
        ("lis", "lis/LIS_HIST_201101210000.d01.nc"),
    ):
        path = real / name
        if path.exists():
            found.append(Seed(source, path.name, path.read_bytes(), box))
    return found


def texts() -> list[Seed]:
    """Texts and answers of every layout that gauges come in."""
    days = [f"2024-08-{day:02d}" for day in range(1, 21)]
    stages = [f"{4 + 0.11 * number:.2f}" for number in range(len(days))]
    pairs = list(zip(days, stages, strict=True))
    export = "".join(
        f"LA,013901,Water Level,Manual,{day}T00:00Z,{stage},m,O,Approved,Good data\n"
        for day, stage in pairs
    )
    header = (
        "Country Code,Station Code,Parameter,Label,Timestamp (UTC+07:00),Value,Unit,"
        "Observed or Estimated,Approval Level,Grade\n"
    )
    plain = "".join(f"013901,stage,{day}T07:00:00+07:00,{stage},m\n" for day, stage in pairs)
    hymos = "".join(
        f"LA,13901,HH,M,{day}T07:00:00+07:00,{stage},m     , O\n" for day, stage in pairs
    )
    live = {
        "station": {"stationId": "013901", "name": "Pakse", "waterLevel": 5.1},
        "measurements": [
            {"d": f"{day}T13:45:00Z", "w": float(stage), "r": 0.2, "b": 12.7}
            for day, stage in pairs
        ],
    }
    archive = {
        "Points": [
            {"Timestamp": f"{day}T07:00:00.0000000+07:00", "Value": {"Numeric": float(stage)}}
            for day, stage in pairs
        ],
        "Notes": [],
    }
    thai = {
        "result": "OK",
        "data": {
            "graph_data": [
                {"datetime": f"{day} 07:00", "value": 90.0 + float(stage), "discharge": None}
                for day, stage in pairs
            ]
        },
    }
    korea = {
        "content": [
            {"wlobscd": "1018683", "ymdhm": f"{day.replace('-', '')}0700", "wl": stage, "fw": " "}
            for day, stage in pairs
        ]
    }
    fews = {
        "timeZone": "7.0",
        "timeSeries": [
            {
                "header": {
                    "type": "instantaneous", "locationId": "013901", "parameterId": "H.obs",
                    "timeStep": {"unit": "nonequidistant"}, "missVal": "-999.0", "units": "m",
                },
                "events": [
                    {"date": day, "time": "07:00:00", "value": stage, "flag": "0"}
                    for day, stage in pairs
                ],
            }
        ],
    }  # fmt: skip
    events = "".join(
        f'<event date="{day}" time="07:00:00" value="{stage}" flag="0"/>' for day, stage in pairs
    )
    fews_xml = (
        '<?xml version="1.0" encoding="UTF-8"?><TimeSeries xmlns="http://www.wldelft.nl/fews/PI">'
        "<timeZone>7.0</timeZone><series><header><type>instantaneous</type><locationId>013901"
        "</locationId><parameterId>H.obs</parameterId><timeStep unit='nonequidistant'/><missVal>"
        f"-999.0</missVal><units>m</units></header>{events}</series></TimeSeries>"
    )
    contents = {
        "Water Level.Manual@LA_013901_[Pakse].csv": header + export,
        "agency.csv": f"station,variable,time,value,unit\n{plain}",
        "hymos.csv": hymos,
        "measurement_013901_20240821T0030.json": json.dumps(live),
        "Water Level.Manual@LA_013901_[Pakse]_20240821T0030.json": json.dumps(archive),
        "waterlevel_graph_2752_20240821_20240821T0030.json": json.dumps(thai),
        "hrfco.json": json.dumps(korea),
        "fews.json": json.dumps(fews),
        "fews.xml": fews_xml,
    }
    found = [Seed("gauges", name, text.encode(), None) for name, text in contents.items()]
    cases = SHARED / "cases" / "gauges"
    found += [
        Seed("gauges", path.name, path.read_bytes(), None) for path in sorted(cases.glob("wml2_*"))
    ]
    return found
