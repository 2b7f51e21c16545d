"""Decode the JSON and XML of providers within bounds, and check their fields by typed models.

An answer that is too long, too deep or of another type raises
:class:`~pipeline.sources.base.BadGranule`, and never another exception. A bad point is left out;
an answer with too many of them is refused, as is a table with too many bad rows.
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
from pipeline.sources.gauges.series import NoReadings, merge_series
from pipeline.sources.gauges.stamps import parse_zone, to_utc

LARGEST = 32 << 20
"""Size of the largest JSON or XML file, bytes; decoded it takes about twenty times the memory."""
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_LONGEST_SHOWN = 60


class Answer(BaseModel):
    """Fields of an answer or a part of it; undeclared fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


_Model = TypeVar("_Model", bound=Answer)


class _Contradiction:
    """Two values that one JSON object gives for one key; invalid as any field."""

    def __init__(self, earlier: object, later: object) -> None:
        self.values = (earlier, later)

    def __repr__(self) -> str:
        return "two values for one key"


def abbreviate(value: object) -> str:
    """Abbreviate a value for a message: short, on one line, without lone surrogates."""
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def parse_code(value: object) -> str:
    """Parse a station code or name that is given as text or as a whole number.

    Raises
    ------
    ValueError
        The value is neither, or longer than any code.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("expected a code")  # noqa: TRY004  # pydantic takes ValueError
    text = str(value).strip()
    if not text or len(text) > 200 or not text.isprintable():
        raise ValueError("expected a code")
    return text


def check_text(value: object) -> str | None:
    """Check that a text can be stored and shown: no control characters, no lone surrogates.

    Raises
    ------
    ValueError
        The value is something else.
    """
    if value is not None and not (isinstance(value, str) and value.isprintable()):
        raise ValueError("expected a line of text")
    return value


def parse_number(value: object) -> float:
    """Parse a number; NaN where it is missing.

    Parameters
    ----------
    value
        Number or text as decoded from JSON or XML. Null and the texts for "missing" give NaN; codes
        for missing depend on the variable and are left as they are.

    Raises
    ------
    ValueError
        The value is of another type, no number, or infinite.

    Examples
    --------
    >>> parse_number("3.21"), parse_number(" "), parse_number("NULL")
    (3.21, nan, nan)
    """
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("expected a number")  # noqa: TRY004  # pydantic takes ValueError
    if isinstance(value, str):
        text = value.strip()
        if len(text) > 40 or NO_VALUE.fullmatch(text):
            return _parse_no_value(text)
        if not _NUMBER.fullmatch(text):
            raise ValueError("expected a number")
        value = text
    try:
        number = float(value)
    except OverflowError:
        raise ValueError("expected a finite number") from None
    if np.isinf(number):
        raise ValueError("expected a finite number")
    return number


def _parse_no_value(text: str) -> float:
    """Return NaN for a text that means missing; refuse a long text."""
    if len(text) > 40:
        raise ValueError("expected a number")
    return float("nan")


def _parse_stamp(value: object) -> str:
    """Parse the text of a stamp; empty where there is none."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("expected a stamp")  # noqa: TRY004  # pydantic takes ValueError
    text = str(value).strip()
    if len(text) > 40 or not text.isascii():
        raise ValueError("expected a stamp")
    return text


Number = Annotated[float, BeforeValidator(parse_number)]
"""A number, or NaN where it is missing."""
Code = Annotated[str, BeforeValidator(parse_code)]
"""A station's code or name."""
Text = Annotated[str, BeforeValidator(check_text)]
"""A line of text."""
Stamp = Annotated[str, BeforeValidator(_parse_stamp)]
"""A stamp as given, empty where there is none."""


def read_content(path: Path) -> bytes:
    """Read the bytes of a file to decode.

    Raises
    ------
    BadGranule
        The file is larger than ``LARGEST``.
    """
    with path.open("rb") as stream:
        content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise BadGranule(
            path, expected=f"at most {LARGEST >> 20} MB", found=f"{path.stat().st_size:,} bytes"
        )
    return content


def decode_json(path: Path, content: bytes) -> Any:
    """Decode JSON.

    Parameters
    ----------
    path
        Path for the error message.
    content
        UTF-8, 16 or 32, with or without byte order mark.

    Returns
    -------
    object
        As of :func:`json.loads`, with whole numbers of more than 18 digits as floats, and with an
        invalid value for a key that an object repeats with another value.

    Raises
    ------
    BadGranule
        The JSON is incomplete or nested too deeply.
    """
    try:
        return json.loads(
            content.decode(json.detect_encoding(content), "surrogatepass").strip(),
            parse_int=lambda text: int(text) if len(text) <= 18 else float(text),
            object_pairs_hook=_build_object,
        )
    except ValueError as error:
        raise BadGranule(path, expected="whole JSON", found=str(error)) from error
    except RecursionError:
        raise BadGranule(path, expected="whole JSON", found="one nested too deeply") from None


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        first_values: dict[str, Any] = {}
        for key, value in pairs:
            if key in first_values and first_values[key] != value:
                fields[key] = _Contradiction(first_values[key], value)
            first_values.setdefault(key, value)
    return fields


def decode_xml(path: Path, content: bytes) -> etree._Element:
    """Decode XML: no entity, no document type, nothing from the network, depth and text bounded.

    Raises
    ------
    BadGranule
        The XML is not well formed, nested too deeply, or has a document type.
    """
    doctype_error = BadGranule(
        path,
        expected="XML of station codes and readings without a document type",
        found="a document type declaration",
    )
    if re.search(rb"<!(?:DOCTYPE|ENTITY)", content[:65536]):
        raise doctype_error
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
        raise doctype_error
    return root


def validate(path: Path, model: type[_Model], answer: object, *, at: str = "") -> _Model:
    """Check the fields of an answer.

    Parameters
    ----------
    path
        Path for the error message.
    model
        Model of the answer.
    answer
        Decoded JSON.
    at
        Its place in the file.

    Raises
    ------
    BadGranule
        A field is absent or of another type; the message names the field by its path.
    """
    try:
        return model.model_validate(answer)
    except ValidationError as error:
        raise BadGranule(path, **_describe_error(error, at)) from None


def _describe_error(error: ValidationError, at: str) -> dict[str, str]:
    """Describe the first wrong field: what was expected, and what was found."""
    first = error.errors(include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in (*([at] if at else ()), *first["loc"])) or "the answer"
    if first["type"] == "missing":
        return {"expected": f"a field {field}", "found": "none"}
    expected = str(first["msg"]).removeprefix("Value error, expected ")
    return {"expected": f"{expected} as {field}", "found": abbreviate(first["input"])}


class Tally:
    """Tally of the points of a file: their number, the errors of bad ones, and remarks.

    Parameters
    ----------
    path
        File.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.total = 0
        self.bad: list[tuple[str, str]] = []
        self.remarks: list[str] = []

    def points(self, model: type[_Model], rows: Iterable[object], *, at: str) -> list[_Model]:
        """Check points one by one; a bad point is noted and left out, a bad number becomes missing.

        A point whose rain is no number keeps its stage; a point with a wrong stamp, code or flag,
        or without another number, is left out as a whole.

        Parameters
        ----------
        model
            Model of a point.
        rows
            Decoded JSON, or attributes of XML.
        at
            Their place in the file.
        """
        good = []
        for place, row in enumerate(rows):
            self.total += 1
            try:
                good.append(model.model_validate(row))
            except ValidationError as error:
                problem = _describe_error(error, f"{at}.{place}")
                self.bad.append((problem["expected"], problem["found"]))
                fields = {part["loc"][0] for part in error.errors() if part["loc"]}
                if isinstance(row, dict) and fields and fields < _optional_numbers(model):
                    other_fields = {
                        name: value for name, value in row.items() if name not in fields
                    }
                    good.append(model.model_validate(other_fields))
        return good

    def timed(
        self, rows: pd.DataFrame, *, offset: str = "", like: str, at: str = ""
    ) -> pd.DataFrame:
        """Parse the stamps of points; points without a valid stamp are noted and left out.

        Parameters
        ----------
        rows
            Column ``time`` with stamps; other columns are kept. Rows with an empty stamp and
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
        stamps = to_utc(rows["time"], zone=parse_zone(offset) if offset else None)
        self.remarks.extend(stamps.remarks)
        self.note(rows.loc[stamps.time.isna(), "time"], like=like, at=at)
        return rows.assign(time=stamps.time)[stamps.time.notna()]

    def note(self, stamps: pd.Series[Any], *, like: str, at: str = "") -> None:
        """Note invalid stamps.

        Parameters
        ----------
        stamps
            Text.
        like
            Example for the message.
        at
            Their place in the file, for the message.
        """
        place = f" at {at}" if at else ""
        self.bad.extend((f"stamps like {like}", f"{abbreviate(text)}{place}") for text in stamps)

    def finish(
        self, tables: Sequence[pd.DataFrame], *, bad_series: Sequence[str] = ()
    ) -> pd.DataFrame:
        """Merge the series of the file.

        Parameters
        ----------
        tables
            Series of :func:`~pipeline.sources.gauges.series.make_series`.
        bad_series
            Errors of series that are left out.

        Returns
        -------
        pandas.DataFrame
            As of :func:`~pipeline.sources.gauges.series.merge_series`.

        Raises
        ------
        BadGranule
            Too many points are bad, or there is no reading.
        """
        none = all(part.empty for part in tables)
        if len(self.bad) > max(BAD_FEW, BAD_SHARE * self.total) or (self.bad and none):
            more = f" ({len(self.bad)} of {self.total} points are bad)" if self.total > 1 else ""
            expected, content = self.bad[0]
            raise BadGranule(self.path, expected=expected, found=content + more)
        points = (f"expected {expected}, found {content}" for expected, content in self.bad)
        return merge_series(
            self.path, tables, bad_rows=[*bad_series, *points], remarks=self.remarks
        )


def _optional_numbers(model: type[Answer]) -> set[int | str]:
    """Return the fields of a model that are NaN where they are absent."""
    return {
        name
        for name, field in model.model_fields.items()
        if isinstance(field.default, float) and np.isnan(field.default)
    }


def read_parts(
    path: Path, tally: Tally, parts: Iterable[Callable[[], pd.DataFrame]]
) -> pd.DataFrame:
    """Read each series of a file by itself, so that a bad one does not affect the others.

    Parameters
    ----------
    path
        File.
    tally
        Tally of its points.
    parts
        Readers of one series each.

    Returns
    -------
    pandas.DataFrame
        As of :meth:`Tally.finish`; ``attrs["bad_rows"]`` also lists the bad series, and
        ``attrs["said"]`` those of a kind that the pipeline does not use.

    Raises
    ------
    Skipped
        All series are of a kind that the pipeline does not use.
    BadGranule
        No series can be read; the error is that of the first.
    """
    tables, bad, unused = list[pd.DataFrame](), list[BadGranule](), list[str]()
    for reader in parts:
        try:
            tables.append(reader())
        except Skipped as skipped:
            unused.append(str(skipped).removeprefix(f"{path.name}: "))
        except NoReadings:
            continue
        except BadGranule as error:
            bad.append(error)
    if bad and not tables:
        raise bad[0]
    if unused and not tables:
        raise Skipped(f"{path.name}: {unused[0]}")
    tally.remarks.extend(unused)
    bad_series = [str(error).removeprefix(f"{path.name}: ") for error in bad]
    return tally.finish(tables, bad_series=bad_series)
