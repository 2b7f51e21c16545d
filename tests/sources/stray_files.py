"""What lies beside granules in a folder, shared by the tests of the upstream and of an intake."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def lay_beside(folder: Path, outside: Path) -> dict[str, str]:
    """Lay what is no granule into a folder; return by name what is to be said of it."""
    outside.write_text("another folder's\n")
    for name in ("a.nc4.xml", "a.HDF5.md5", "b.tif.aux.xml", "c.cmr.json", "d.h5.dmrpp", "e.met",
                 "f.SHA256", "g.nc.part", ".hidden.nc4"):  # fmt: skip
        (folder / name).write_text("beside\n")
    (folder / "folder.nc4").mkdir()
    os.mkfifo(folder / "pipe.nc4")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(folder / "s.nc4"))
    (folder / "out.nc4").symlink_to(outside)
    (folder / "nothing.nc4").symlink_to(folder / "gone")
    (folder / "loop.nc4").symlink_to(folder / "loop.nc4")
    return {
        "a.nc4.xml": ".xml", "a.HDF5.md5": ".md5", "b.tif.aux.xml": ".xml", "c.cmr.json": ".json",
        "d.h5.dmrpp": ".dmrpp", "e.met": ".met", "f.SHA256": ".sha256", "g.nc.part": ".part",
        ".hidden.nc4": "a hidden file", "folder.nc4": "a folder", "pipe.nc4": "a pipe",
        "s.nc4": "a socket", "out.nc4": "a link that leaves the folder",
        "nothing.nc4": "a link to nothing", "loop.nc4": "a link to nothing",
    }  # fmt: skip
