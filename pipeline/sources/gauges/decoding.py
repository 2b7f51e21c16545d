"""Decode the JSON and XML of providers within bounds, and check their fields by typed models.

What comes from outside is of no known type until it has passed here: an answer that is too long,
too deep or of another type is a :class:`~pipeline.sources.base.BadGranule`, and never another
exception. One bad point costs itself; too many of them, as of rows of a table, cost the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
import pandas as pd
from lxml import etree
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from pipeline.sources.base import BadGranule, Skipped
from pipeline.sources.formats.tables import BAD_FEW, BAD_SHARE
from pipeline.sources.gauges.numbers import NO_VALUE
from pipeline.sources.gauges.series import NoReadings, settle
from pipeline.sources.gauges.stamps import to_utc, zone_of

LARGEST = 32 << 20
"""Longest JSON or XML file, bytes; decoded it takes about twenty times as much memory."""
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_SHOWN = 60


class Answer(BaseModel):
    """Fields of an answer, or of a part of it; those that are not named here are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


_Model = TypeVar("_Model", bound=Answer)


class _Twice:
    """Two values that one JSON object gives for one key; valid as no field."""

    def __init__(self, first: object, second: object) -> None:
        self.values = (first, second)

    def __repr__(self) -> str:
        return "two values for one key"


def shown(value: object) -> str:
    """Text of a value for a message: short, on one line, without lone surrogates."""
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def code_text(value: object) -> str:
    """Text of a station code or name that was given as text or as a whole number.

    Raises
    ------
    ValueError
        It is neither, or longer than any code.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("expected a code")  # noqa: TRY004  # pydantic takes ValueError
    text = str(value).strip()
    if not text or len(text) > 200 or not text.isprintable():
        raise ValueError("expected a code")
    return text


def plain_text(value: object) -> str | None:
    """Return text that can be stored and shown: no control characters, no lone surrogates.

    Raises
    ------
    ValueError
        It is something else.
    """
    if value is not None and not (isinstance(value, str) and value.isprintable()):
        raise ValueError("expected a line of text")
    return value


def number(value: object) -> float:
    """Return a value as a number; NaN where it is missing.

    Parameters
    ----------
    value
        Number or text as decoded from JSON or XML. Null and the texts that stand for "missing" are
        missing; of numbers that do, only the variable tells.

    Raises
    ------
    ValueError
        It is of another type, no number, or infinite.

    Examples
    --------
    >>> number("3.21"), number(" "), number("NULL")
    (3.21, nan, nan)
    """
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("expected a number")  # noqa: TRY004  # pydantic takes ValueError
    if isinstance(value, str):
        text = value.strip()
        if len(text) > 40 or NO_VALUE.fullmatch(text):
            return _no_value(text)
        if not _NUMBER.fullmatch(text):
            raise ValueError("expected a number")
        value = text
    try:
        found = float(value)
    except OverflowError:
        raise ValueError("expected a finite number") from None
    if np.isinf(found):
        raise ValueError("expected a finite number")
    return found


def _no_value(text: str) -> float:
    """NaN for a text that stands for missing; a long text is none."""
    if len(text) > 40:
        raise ValueError("expected a number")
    return float("nan")


def _stamp(value: object) -> str:
    """Text of a stamp; empty where there is none."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("expected a stamp")  # noqa: TRY004  # pydantic takes ValueError
    text = str(value).strip()
    if len(text) > 40 or not text.isascii():
        raise ValueError("expected a stamp")
    return text


Number = Annotated[float, BeforeValidator(number)]
"""A number, or NaN where it is missing."""
Code = Annotated[str, BeforeValidator(code_text)]
"""A station's code or name."""
Text = Annotated[str, BeforeValidator(plain_text)]
"""A line of text."""
Stamp = Annotated[str, BeforeValidator(_stamp)]
"""A stamp as given, empty where there is none."""


def content_of(path: Path) -> bytes:
    """Bytes of a file that is to be decoded in memory.

    Raises
    ------
    BadGranule
        It is longer than ``LARGEST``.
    """
    with path.open("rb") as stream:
        content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise BadGranule(
            path, expected=f"at most {LARGEST >> 20} MB", found=f"{path.stat().st_size:,} bytes"
        )
    return content


def from_json(path: Path, content: bytes) -> Any:
    """Decode JSON.

    Parameters
    ----------
    path
        Named in the error.
    content
        UTF-8, 16 or 32, with or without its mark.

    Returns
    -------
    object
        As of :func:`json.loads`, with whole numbers of more than 18 digits as floats and an
        object's key that stands twice with two values as a value of no type.

    Raises
    ------
    BadGranule
        Not whole JSON, or nested too deeply.
    """
    try:
        return json.loads(
            content.decode(json.detect_encoding(content), "surrogatepass").strip(),
            parse_int=lambda text: int(text) if len(text) <= 18 else float(text),
            object_pairs_hook=_object,
        )
    except ValueError as error:
        raise BadGranule(path, expected="whole JSON", found=str(error)) from error
    except RecursionError:
        raise BadGranule(path, expected="whole JSON", found="one nested too deeply") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        first: dict[str, Any] = {}
        for key, value in pairs:
            if key in first and first[key] != value:
                found[key] = _Twice(first[key], value)
            first.setdefault(key, value)
    return found


def from_xml(path: Path, content: bytes) -> etree._Element:
    """Decode XML: no entity, no document type, nothing from the network, depth and text bounded.

    Raises
    ------
    BadGranule
        Not well formed, nested too deeply, or with a document type.
    """
    refused = BadGranule(
        path,
        expected="XML of station codes and readings without a document type",
        found="a document type declaration",
    )
    if re.search(rb"<!(?:DOCTYPE|ENTITY)", content[:65536]):
        raise refused
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise BadGranule(path, expected="well-formed XML", found=str(error)) from error
    if root.getroottree().docinfo.doctype:
        raise refused
    return root


def typed(path: Path, model: type[_Model], answer: object, *, at: str = "") -> _Model:
    """Check the fields of an answer.

    Parameters
    ----------
    path
        Named in the error.
    model
        What is expected.
    answer
        Decoded JSON.
    at
        Where in the file it stands.

    Raises
    ------
    BadGranule
        A field is absent or of another type; names the field by its path.
    """
    try:
        return model.model_validate(answer)
    except ValidationError as error:
        raise BadGranule(path, **_wrong(error, at)) from None


def _wrong(error: ValidationError, at: str) -> dict[str, str]:
    """Return what was expected of the first wrong field, and what it held."""
    first = error.errors(include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in (*([at] if at else ()), *first["loc"])) or "the answer"
    if first["type"] == "missing":
        return {"expected": f"a field {field}", "found": "none"}
    wanted = str(first["msg"]).removeprefix("Value error, expected ")
    return {"expected": f"{wanted} as {field}", "found": shown(first["input"])}


class Tally:
    """Points of a file: how many there are, what is wrong with the bad ones, and what else to say.

    Parameters
    ----------
    path
        File.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.total = 0
        self.bad: list[tuple[str, str]] = []
        self.said: list[str] = []

    def points(self, model: type[_Model], rows: Iterable[object], *, at: str) -> list[_Model]:
        """Check points one by one; a bad one is left out and noted, a bad number costs itself.

        Of a point whose rain is no number the stage is kept; one with a wrong stamp, code or flag,
        or without another number, is left out whole.

        Parameters
        ----------
        model
            What each is.
        rows
            Decoded JSON, or attributes of XML.
        at
            Where they stand.
        """
        good = []
        for place, row in enumerate(rows):
            self.total += 1
            try:
                good.append(model.model_validate(row))
            except ValidationError as error:
                wrong = _wrong(error, f"{at}.{place}")
                self.bad.append((wrong["expected"], wrong["found"]))
                fields = {part["loc"][0] for part in error.errors() if part["loc"]}
                if isinstance(row, dict) and fields and fields < _optional_numbers(model):
                    rest = {name: value for name, value in row.items() if name not in fields}
                    good.append(model.model_validate(rest))
        return good

    def timed(
        self, rows: pd.DataFrame, *, offset: str = "", like: str, at: str = ""
    ) -> pd.DataFrame:
        """Turn the stamps of points into times; points without a possible one are noted.

        Parameters
        ----------
        rows
            Column ``time`` with stamps; other columns as they are. Rows with an empty stamp and
            nothing else are no points.
        offset
            Offset from UTC of stamps that have none, as ``+07:00``; empty where they need one.
        like
            Example for the message.

        Returns
        -------
        pandas.DataFrame
            The good rows, with ``time`` in naive UTC.
        """
        values = rows.select_dtypes("number")
        rows = rows[~((rows["time"] == "") & values.isna().all(axis=1))]
        stamps = to_utc(rows["time"], zone=zone_of(offset) if offset else None)
        self.said.extend(stamps.said)
        self.note(rows.loc[stamps.time.isna(), "time"], like=like, at=at)
        return rows.assign(time=stamps.time)[stamps.time.notna()]

    def note(self, stamps: pd.Series[Any], *, like: str, at: str = "") -> None:
        """Note stamps that are none.

        Parameters
        ----------
        stamps
            Text.
        like
            Example for the message.
        at
            Where they stand, for the message.
        """
        place = f" at {at}" if at else ""
        self.bad.extend((f"stamps like {like}", f"{shown(text)}{place}") for text in stamps)

    def finish(self, found: Sequence[pd.DataFrame], *, lost: Sequence[str] = ()) -> pd.DataFrame:
        """Put the series of the file in order.

        Parameters
        ----------
        found
            Series of :func:`~pipeline.sources.gauges.series.series`.
        lost
            What is wrong with series that are left out.

        Returns
        -------
        pandas.DataFrame
            As of :func:`~pipeline.sources.gauges.series.settle`.

        Raises
        ------
        BadGranule
            Too many points are bad, or there is no reading.
        """
        none = all(part.empty for part in found)
        if len(self.bad) > max(BAD_FEW, BAD_SHARE * self.total) or (self.bad and none):
            more = f" ({len(self.bad)} of {self.total} points are bad)" if self.total > 1 else ""
            expected, what = self.bad[0]
            raise BadGranule(self.path, expected=expected, found=what + more)
        points = (f"expected {expected}, found {what}" for expected, what in self.bad)
        return settle(self.path, found, bad_rows=[*lost, *points], said=self.said)


def _optional_numbers(model: type[Answer]) -> set[int | str]:
    """Fields of a model that are NaN where they are absent."""
    return {
        name
        for name, field in model.model_fields.items()
        if isinstance(field.default, float) and np.isnan(field.default)
    }


def read_parts(
    path: Path, tally: Tally, parts: Iterable[Callable[[], pd.DataFrame]]
) -> pd.DataFrame:
    """Read the series of a file each by itself, so that a bad one does not cost the others.

    Parameters
    ----------
    path
        File.
    tally
        Of its points.
    parts
        Readers of one series each.

    Returns
    -------
    pandas.DataFrame
        As of :meth:`Tally.finish`; ``attrs["bad_rows"]`` names the bad series as well, and
        ``attrs["said"]`` those of a kind that the pipeline does not use.

    Raises
    ------
    Skipped
        All series are of a kind that the pipeline does not use.
    BadGranule
        None of the others can be read: what is wrong with the first.
    """
    found, bad, unused = list[pd.DataFrame](), list[BadGranule](), list[str]()
    for read in parts:
        try:
            found.append(read())
        except Skipped as skipped:
            unused.append(str(skipped).removeprefix(f"{path.name}: "))
        except NoReadings:
            continue
        except BadGranule as wrong:
            bad.append(wrong)
    if bad and not found:
        raise bad[0]
    if unused and not found:
        raise Skipped(f"{path.name}: {unused[0]}")
    tally.said.extend(unused)
    lost = [str(wrong).removeprefix(f"{path.name}: ") for wrong in bad]
    return tally.finish(found, lost=lost)
