"""Ways to damage a file: its bytes, the structure of HDF5, the words of a text."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import h5py
import numpy as np
from numpy.random import Generator

ODD_NUMBERS = (
    0, -1, 1e30, -1e30, 1e38, 9.969209968386869e36, -32767, 65535, 255, -2147483647, 2**63 - 1,
    np.nan, np.inf, -np.inf, -9999.9, 1e-45,
)  # fmt: skip
ODD_WORDS = (
    b"", b" ", b"-9999", b"-999.9", b"999", b"1e308", b"NaN", b"inf", b"NULL", b"***", b"\x00",
    b"\xff\xfe", b'"', b"2569-08-01", b"0001-01-01", b"9999-12-31T23:59:60Z", b"../../etc", b"1,5",
    b"0x10", b"\xe0\xb9\x91\xe0\xb9\x92", b"days since 1980-01-06 ", b"mm", b"<x>", b"&e;", b"{",
    b"[" * 2000, b"9" * 400, b"T", b"Z", b"+99:00",
)  # fmt: skip


def damage_bytes(content: bytes, random: Generator) -> bytes:
    """Flip, cut, repeat, blank or shuffle some bytes."""
    data = bytearray(content)
    size = len(data)
    start = int(random.integers(size))
    length = int(min(size - start, random.geometric(1 / 64)))
    kind = int(random.integers(6))
    if kind == 0:
        for at in random.integers(size, size=int(random.integers(1, 30))):
            data[at] ^= 1 << int(random.integers(8))
    elif kind == 1:
        del data[start:]
    elif kind == 2:
        del data[start : start + length]
    elif kind == 3:
        data[start:start] = data[start : start + length] * int(random.integers(1, 5))
    elif kind == 4:
        data[start : start + length] = bytes([int(random.choice([0, 255]))]) * length
    else:
        data[start : start + length] = random.bytes(length)
    return bytes(data)


def damage_hdf5(content: bytes, random: Generator) -> bytes:
    """Change values, attributes, types or shapes of an HDF5 file, so that it still opens."""
    image = io.BytesIO(content)
    with h5py.File(image, "r+") as file:
        names: list[str] = []
        file.visititems(
            lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None
        )
        for _ in range(int(random.integers(1, 4))):
            name = str(random.choice(names))
            if file.get(name, getclass=True, getlink=True) is h5py.HardLink and isinstance(
                file[name], h5py.Dataset
            ):
                change: Callable[[Any, str, Generator], None] = CHANGES[
                    int(random.integers(len(CHANGES)))
                ]
                change(file, name, random)
    return image.getvalue()


def _values(file: Any, name: str, random: Generator) -> None:
    data = file[name]
    if data.size and data.ndim and data.dtype.kind in "iuf" and data.size < 1e7:
        odd = np.array(ODD_NUMBERS)[int(random.integers(len(ODD_NUMBERS)))]
        values = data[...]
        most = max(2, values.size // 3)
        places = random.integers(values.size, size=int(random.integers(1, most)))
        with np.errstate(all="ignore"):
            values.ravel()[places] = np.array(odd).astype(values.dtype)
        data[...] = values


def _attribute(file: Any, name: str, random: Generator) -> None:
    attributes = file[name].attrs
    usual = ["units", "_FillValue", "scale_factor", "add_offset", "missing_value", "valid_range"]
    key = str(random.choice([*attributes, *usual]))
    values: list[Any] = [
        *ODD_NUMBERS, *ODD_WORDS[:8], "", "seconds since 9999-99-99", np.zeros(0), np.arange(3),
        h5py.Empty("f4"), "hours since 2024-08-01 00:00:00.0  UTC ",
    ]  # fmt: skip
    value = values[int(random.integers(len(values) + 1)) - 1]
    with suppress(KeyError):
        del attributes[key]
    if random.random() < 0.8:
        attributes[key] = np.bytes_(value) if isinstance(value, bytes) else value


def _removed(file: Any, name: str, random: Generator) -> None:  # noqa: ARG001
    del file[name]


def _replaced(file: Any, name: str, random: Generator) -> None:
    shape = file[name].shape
    kept = {key: value for key, value in file[name].attrs.items() if key in {"units", "_FillValue"}}
    del file[name]
    kind = int(random.integers(8))
    if kind == 0:
        file[name] = h5py.SoftLink("/nowhere")
    elif kind == 1:
        file[name] = h5py.ExternalLink("/etc/passwd", "/")
    elif kind == 2:
        file.create_group(name)
    elif kind == 3:
        file.create_dataset(name, shape=(3_000_000_000,), dtype="f4", chunks=(1024,))
    elif kind == 4:
        file[name] = np.array(["text"] * 3, dtype=object)
    elif kind == 5:
        file.create_dataset(name, shape=tuple(reversed(shape)), dtype="f4")
    elif kind == 6:
        file.create_dataset(name, data=np.zeros(shape, "i8"))
    else:
        file.create_dataset(name, data=np.float32(1.0))
    if name in file and isinstance(file.get(name, getlink=True), h5py.HardLink):
        for key, value in kept.items():
            file[name].attrs[key] = value


CHANGES = (_values, _values, _attribute, _attribute, _removed, _replaced)


def damage_text(content: bytes, random: Generator) -> bytes:
    """Change cells, lines, delimiters or the encoding of a text."""
    kind = int(random.integers(7))
    lines = content.split(b"\n")
    at = int(random.integers(len(lines)))
    if kind == 0:
        cells = lines[at].split(b",")
        cells[int(random.integers(len(cells)))] = _word(random)
        lines[at] = b",".join(cells)
    elif kind == 1:
        lines.insert(at, lines[int(random.integers(len(lines)))])
    elif kind == 2:
        lines[at] = lines[at][: int(random.integers(len(lines[at]) + 1))]
    elif kind == 3:
        return content.replace(b",", [b";", b"\t", b", ", b"|"][int(random.integers(4))])
    elif kind == 4:
        return content.decode("utf-8", "replace").encode(
            ["utf-16", "utf-16-le", "utf-8-sig", "utf-32"][int(random.integers(4))]
        )
    elif kind == 5:
        start = int(random.integers(len(content) + 1))
        return content[:start] + _word(random) + content[start:]
    else:
        return damage_bytes(content, random) if content else b"?"
    return b"\n".join(lines)


def damage_json(content: bytes, random: Generator) -> bytes:
    """Put something of another kind in the place of some part of an answer in JSON."""
    answer = json.loads(content)
    odd: list[Any] = [
        None, True, -1, 1e308, 10**400, "x", "", [], {}, [[]] * 3, {"a": {}},
        "2569-08-01T00:00:00Z", "../../x", "-9999", "\x00", float("nan"),
    ]  # fmt: skip
    holder: Any = answer
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = keys[int(random.integers(len(keys)))]
        deeper = isinstance(holder[key], dict | list) and len(holder[key]) and random.random() < 0.8
        if not deeper:
            break
        holder = holder[key]
    if random.random() < 0.2 and isinstance(holder, dict):
        del holder[key]
    else:
        holder[key] = odd[int(random.integers(len(odd)))]
    return json.dumps(answer).encode()


def _word(random: Generator) -> bytes:
    return ODD_WORDS[int(random.integers(len(ODD_WORDS)))]


def damage(content: bytes, random: Generator) -> bytes:
    """Damage a file in one of the ways that fit what it is."""
    if content.startswith(b"\x89HDF") and random.random() < 0.6:
        try:
            return damage_hdf5(content, random)
        except (OSError, RuntimeError, ValueError, KeyError, TypeError):
            return damage_bytes(content, random)  # HDF5 would not make it
    if content.startswith(b"{") and random.random() < 0.6:
        with suppress(ValueError):  # damaged before, it may be no JSON any more
            return damage_json(content, random)
    if content[:1] in b"{<" or (content[:40].isascii() and b"\x00" not in content[:100]):
        return damage_text(content, random)
    return damage_bytes(content, random)
