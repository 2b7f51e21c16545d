"""NASA LANCE flood maps of MODIS (MCDWD) and VIIRS (VCDWD), 250 m, near-real-time: flooded share.

Files: tiles of 10 x 10 degrees, 4800 x 4800 pixels, on EPSG:4326:
`MCDWD_L3_NRT.AYYYYDDD.hHHvVV.061.hdf` (HDF4), `VCDWD_L3_NRT.AYYYYDDD.hHHvVV.002.<production>.h5`
(HDF5) and the 3-day layer alone, `[MV]CDWD_L3_F3_NRT.AYYYYDDD.hHHvVV.061.tif`. The 3-day composite
is read, the one that is least misled by cloud shadows: 0 no water, 1 water of the reference, 2
flood that recurs, 3 unusual flood, 255 not seen, **which is not dry**.

The tiles of a day are one field: reading the newest tile reads the others with it, and the older
tiles are skipped. A tile that is not sound is left out and named. LANCE rewrites tiles in place for
some hours, and the field is read anew each time; it keeps a week. VIIRS is fetched, because MODIS
ends with its satellites. The layout of the VIIRS files is from public code that reads them, not
from a file.

References
----------
Slayback 2025, MODIS/VIIRS NRT Global Flood Products User Guide, revision F.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from pipeline.geography.grid import MEKONG, Grid
from pipeline.sources.access.client import Client
from pipeline.sources.access.earthdata import HDF
from pipeline.sources.base import (
    BadGranule,
    Granule,
    HttpError,
    NotPublished,
    Skipped,
    time_steps,
)
from pipeline.sources.formats.cf import read_fills
from pipeline.sources.formats.field import read_text
from pipeline.sources.formats.geotiff import has_unwritten_blocks, open_geotiff
from pipeline.sources.formats.hdf import get_variable, open_eos_grid
from pipeline.sources.formats.names import parse_stamp
from pipeline.sources.upstream import describe_unreadable

_NAME = re.compile(
    r"^(?P<product>[MV]CDWD_L3(?:_F3)?(?:_NRT)?)\.A(?P<day>\d{7})\.h(?P<h>\d\d)v(?P<v>\d\d)"
    r"\.(?P<version>\d{3})\.(?:\d+\.)?(?P<form>hdf|h5|tiff?)$",
    re.ASCII,
)
_LAYERS = ("Flood_3Day_250m", "Flood 3-Day 250m")
_PIXELS, _DEGREES = 4800, 10.0
_NOT_SEEN, _FLOODED, _CLASSES = 255, (2, 3), (0, 1, 2, 3, 255)
_FOLDER = "allData/5200/VCDWD_L3_NRT"


def granules(source: str, start: datetime, end: datetime, asof: datetime) -> Iterator[Granule]:
    """List the days of VIIRS tiles that start in an interval and have ended by a moment.

    Parameters
    ----------
    source
        ``floodmap``.
    start, end
        Half-open interval, UTC.
    asof
        No granule that ends later is listed.
    """
    for day, after in time_steps(start, end, asof, timedelta(days=1)):
        name = f"VCDWD_L3_NRT.A{day:%Y%j}.h??v??.*.h5"
        yield Granule(source, f"{_FOLDER}/{day:%Y/%j}", name, day, after)


def fetch(granule: Granule, upstream: Path, *, client: Client, grid: Grid = MEKONG) -> Path:
    """Fetch the tiles of a day that touch a grid; tiles that are there only where newer ones exist.

    Parameters
    ----------
    granule
        From :func:`granules`.
    upstream
        Root of the upstream folder.
    client
        HTTP client.
    grid
        Window.

    Returns
    -------
    Path
        The tile that was published last.

    Raises
    ------
    NotPublished
        No tile of the grid is there yet.
    NeedsCredentials
        ``EARTHDATA_TOKEN`` is not set.
    HttpError
        LANCE does not answer as it should.
    """
    bearer = {"Authorization": f"Bearer {client.secret('EARTHDATA_TOKEN')}"}
    address = f"{client.endpoint('lance')}/archive/{granule.folder}"
    listed = client.json(f"{address}.json", headers=bearer)
    try:
        names = sorted(str(entry["name"]) for entry in listed["content"])
    except (KeyError, TypeError) as odd:
        raise HttpError(f"{address}.json: expected names in content, found {odd!r}") from None
    tiles = {}
    for name in names:
        match = _NAME.search(name)
        if match is not None and fnmatchcase(name, granule.pattern) and _touches(match, grid):
            tiles[match["h"], match["v"]] = name  # of several the last produced
    if not tiles:
        raise NotPublished(f"{granule.folder} has no tile of the grid")
    folder = upstream / granule.folder
    paths = [
        client.download(f"{address}/{name}", folder / name, magic=HDF, headers=bearer)
        for name in tiles.values()
    ]
    return max(paths, key=lambda path: (path.stat().st_mtime, path.name))


def read(path: Path, grid: Grid = MEKONG) -> xr.Dataset:
    """Read the tiles of a day as shares of each cell.

    Parameters
    ----------
    path
        The newest tile of its day in its folder; the others are read with it. Where it is not
        sound, the others are the day.
    grid
        Target grid.

    Returns
    -------
    xarray.Dataset
        One time step, the last day of the composite: ``flood_share`` (1, flooded share of the area
        that was seen; NaN where nothing was) and ``seen_share`` (1, share of the cell that was
        seen; NaN where there is no tile). The attribute ``said``, where there is one, names the
        tiles that are left out.

    Raises
    ------
    BadGranule
        Not such a file, cut short, without the 3-day layer or never written, not 4800 x 4800 on
        its tile, with classes that have no meaning, or off the grid; and no tile beside it is
        sound.
    Skipped
        Another tile of the day is sound, newer, and reads this one.
    """
    name = _NAME.search(path.name)
    if name is None:
        raise BadGranule(path, expected="a MCDWD or VCDWD 3-day tile name", found=path.name)
    time = parse_stamp(name["day"], "%Y%j", path)
    counts = np.zeros((3, *grid.shape))  # pixels, seen ones, flooded ones
    virtual, is_newer = False, True
    corners: set[tuple[float, float]] = set()
    left_out: dict[Path, BadGranule] = {}
    for tile, match in _list_day_tiles(path, name):
        is_newer &= tile != path
        corner = west, north = _corner(match)
        field = None
        if corner not in corners and _touches(match, grid):
            try:
                field = _read_classes(tile, west, north)
            except BadGranule as bad:
                left_out[tile] = bad
                continue
        if is_newer:
            raise Skipped(
                f"a tile of {name['product']}.A{name['day']} is read with the day's newest"
            )
        if field is not None:
            corners.add(corner)
            virtual |= field[1]
            counts += _count_pixels(field[0], west, north, grid)
    pixels, seen_pixels, flooded = counts
    if not pixels.any() and path in left_out:
        raise left_out[path]
    if not pixels.any():
        raise BadGranule(
            path,
            expected=f"a tile in {grid.lat_min}..{grid.lat_max} N, "
            f"{grid.lon_min}..{grid.lon_max} E",
            found=f"h{name['h']}v{name['v']}",
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = {"flood_share": flooded / seen_pixels, "seen_share": seen_pixels / pixels}
    ds = grid.dataset(
        np.array([time]), **{key: share[None].astype("f4") for key, share in shares.items()}
    )
    if left_out:
        ds.attrs["said"] = [f"a tile is left out: {bad}" for bad in left_out.values()]
    return ds.assign_attrs(version=name["version"], origin="virtual" if virtual else "measured")


def _list_day_tiles(path: Path, name: re.Match[str]) -> list[tuple[Path, re.Match[str]]]:
    """List the readable tiles of a file's day in its folder with their names, newest first.

    A file's time of publication is its time of modification.
    """
    tiles = []
    for tile in path.parent.glob(f"{name['product']}.A{name['day']}.h??v??.*"):
        match = _NAME.search(tile.name)
        if (
            match is not None
            and match["form"] == name["form"]
            and (tile == path or not describe_unreadable(tile, path.parent))
        ):
            tiles.append((tile.stat().st_mtime, tile.name, tile, match))
    tiles.sort(key=lambda row: row[:2], reverse=True)
    return [(tile, match) for *_, tile, match in tiles]


def _corner(name: re.Match[str]) -> tuple[float, float]:
    """West and north edge of a tile, degrees."""
    return _DEGREES * int(name["h"]) - 180, 90 - _DEGREES * int(name["v"])


def _touches(name: re.Match[str], grid: Grid) -> bool:
    """Return whether a tile and a grid share an area."""
    west, north = _corner(name)
    across = west < grid.lon_max and west + _DEGREES > grid.lon_min
    return across and north > grid.lat_min and north - _DEGREES < grid.lat_max


def _read_classes(path: Path, west: float, north: float) -> tuple[NDArray[np.uint8], bool]:
    """Read the classes of the 3-day layer, north-up, and whether the file is virtual.

    Pixels with the declared fill value become not seen.
    """
    if path.suffix.startswith(".tif"):
        values, mark, fills = _read_geotiff(path, west, north)
    else:
        with open_eos_grid(path) as (fields, file):
            data = get_variable(fields, _LAYERS, path)
            _check_tile(tuple(data.shape), path)
            values, mark = np.asarray(data[:, :]), read_text(file, "ProcessingEnvironment")
            fills = read_fills(data, path)
            if data.has_unwritten_chunks and int(data.fillvalue) not in {_NOT_SEEN, *fills}:
                raise BadGranule(
                    path,
                    expected="a layer that was written whole",
                    found=f"parts that were not, which read as {data.fillvalue}",
                )
    if values.dtype != np.uint8:
        raise BadGranule(path, expected="classes of one byte", found=str(values.dtype))
    values[np.isin(values, fills)] = _NOT_SEEN
    if strange := set(np.flatnonzero(np.bincount(values.ravel()))) - set(_CLASSES):
        raise BadGranule(
            path,
            expected="classes 0, 1, 2, 3 and 255",
            found=", ".join(str(number) for number in sorted(strange)),
        )
    return values, "virtual" in mark.lower()


def _check_tile(shape: tuple[int, ...], path: Path) -> None:
    """Raise unless an array has the shape of a tile."""
    if shape != (_PIXELS, _PIXELS):
        raise BadGranule(path, expected="4800 x 4800 pixels", found=str(shape))


def _read_geotiff(
    path: Path, west: float, north: float
) -> tuple[NDArray[np.uint8], str, list[float]]:
    """Read the classes of an image, its tag of origin, and its fill values."""
    step = _DEGREES / _PIXELS
    wanted = (step, 0.0, west, 0.0, -step, north)
    with open_geotiff(path) as image:
        transform = tuple(image.transform)[:6]
        if (
            image.crs is None
            or image.crs.to_epsg() != 4326
            or not np.allclose(transform, wanted, atol=1e-6)
        ):
            raise BadGranule(
                path,
                expected=f"EPSG:4326 and transform {wanted}",
                found=f"{image.crs} and {transform}",
            )
        _check_tile(image.shape, path)
        if image.count != 1 or image.dtypes[0] != "uint8":
            raise BadGranule(
                path, expected="one band of bytes", found=f"{image.count} of {image.dtypes[0]}"
            )
        fills = [] if image.nodata is None else [image.nodata]
        if not fills and has_unwritten_blocks(image):
            raise BadGranule(
                path,
                expected="a layer that was written whole",
                found="blocks that were not, which read as 0",
            )
        return image.read(1), image.tags().get("ORIGIN", ""), fills


def _count_pixels(
    classes: NDArray[np.uint8], west: float, north: float, grid: Grid
) -> NDArray[np.float64]:
    """Count the pixels of a tile in each cell: all, seen, flooded; shape (3, row, column)."""
    middle = (np.arange(_PIXELS) + 0.5) * _DEGREES / _PIXELS
    width = grid.shape[1]
    row = grid.cell(north - middle, np.full(_PIXELS, grid.lon[0]))
    column = grid.cell(np.full(_PIXELS, grid.lat[0]), west + middle)
    down, across = np.flatnonzero(row >= 0), np.flatnonzero(column >= 0)
    counts = np.zeros((3, *grid.shape))
    if down.size == 0 or across.size == 0:
        return counts
    inside = classes[down[0] : down[-1] + 1, across[0] : across[-1] + 1]
    rows, first_rows = np.unique(row[down] // width, return_index=True)
    columns, first_columns = np.unique(column[across], return_index=True)
    masks = (np.ones_like(inside), inside != _NOT_SEEN, np.isin(inside, _FLOODED))
    for count, mask in zip(counts, masks, strict=True):
        by_row = np.add.reduceat(mask, first_rows, axis=0, dtype=np.int32)
        count[np.ix_(rows, columns)] = np.add.reduceat(by_row, first_columns, axis=1)
    return counts
