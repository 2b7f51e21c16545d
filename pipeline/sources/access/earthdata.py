"""NASA Earthdata: find granules in CMR, log in, fetch a window or a whole file.

A token (``EARTHDATA_TOKEN``) is sent where it is set. Without one, or with an expired one, name and
password log in through the redirects and cookies of ``urs.earthdata.nasa.gov``. A token is refused
by a 401, by a redirect to the login, or by the login page under 200. OPeNDAP is an application of
its own in a profile: where it refuses, the whole file is fetched.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import BaseModel, Field, ValidationError

from pipeline.sources.access.client import Client
from pipeline.sources.base import (
    HDF5_MAGIC,
    Granule,
    HttpError,
    NeedsCredentials,
    NotPublished,
)
from pipeline.storage.atomic import set_published

HDF = (HDF5_MAGIC, b"\x0e\x03\x13\x01")
"""First bytes of files of HDF5 (so of netCDF-4) and of HDF4."""
_PAGE = "2000"
"""Most granules in one answer of CMR; a day has 48 of one run and version."""
_PLAIN = re.compile(r"\w[\w.+-]{0,199}", re.ASCII)
"""Form of a file name; a name of the catalogue of another form is never used as a path."""


class _Link(BaseModel):
    """Where a granule, or a service for it, is."""

    url: str = Field(alias="URL")
    kind: str = Field("", alias="Type")
    subtype: str | None = Field(None, alias="Subtype")


class _Date(BaseModel):
    """When a provider did something with a granule."""

    kind: str = Field("", alias="Type")
    date: str = Field("", alias="Date")


class _Granule(BaseModel):
    """A granule in UMM-G, as far as it is used."""

    name: str = Field(alias="GranuleUR")
    links: list[_Link] = Field([], alias="RelatedUrls")
    dates: list[_Date] = Field([], alias="ProviderDates")


class _Meta(BaseModel):
    """Metadata of a granule in the catalogue."""

    collection: str = Field(alias="collection-concept-id")
    revised: str | None = Field(None, alias="revision-date")


class _Item(BaseModel):
    """An item of CMR's answer."""

    meta: _Meta
    umm: _Granule


class _Answer(BaseModel):
    """CMR's answer; an invalid item is skipped."""

    items: list[Any]


@dataclass(frozen=True)
class Entry:
    """A granule in the catalogue.

    Parameters
    ----------
    name
        Name of the file.
    url, opendap
        Addresses of the whole file and, to be completed by a suffix, of its OPeNDAP service.
    published
        When its provider put it there, if the catalogue says so.
    """

    name: str
    url: str
    opendap: str
    published: datetime | None


def fetch(granule: Granule, upstream: Path, *, client: Client, window: str | None = None) -> Path:
    """Fetch one granule: a window by OPeNDAP (DAP4), or the whole file where that fails.

    Parameters
    ----------
    granule
        Granule to fetch; its product is the short name in CMR, of which the last version is taken.
        With a window its pattern matches the suffix ``.dap.nc4`` too.
    upstream
        Root of the upstream folder.
    client
        HTTP client.
    window
        Constraint of DAP4, naming variables and ranges of their indices.

    Returns
    -------
    Path
        The file, its time of modification that of its publication.

    Raises
    ------
    NotPublished
        The catalogue does not know it yet.
    NeedsCredentials
        Neither a token nor a name and password is set.
    HttpError
        Neither a window nor the whole came.
    """
    _check_login(client)
    entry = find(granule, client=client)
    whole_file = upstream / granule.folder / entry.name
    path = None
    if window is not None:
        cut = whole_file.with_name(f"{entry.name}.dap.nc4")
        try:
            path = _download(client, f"{entry.opendap}.dap.nc4", cut, {"dap4.ce": window})
        except (HttpError, NotPublished):  # OPeNDAP fails often and needs its own approval
            path = None
    path = path or _download(client, entry.url, whole_file)
    # The change time of the inode is the time of receipt: a later publication is an error.
    if entry.published is not None and entry.published.timestamp() <= path.stat().st_ctime:
        set_published(path, entry.published)
    return path


def find(granule: Granule, *, client: Client) -> Entry:
    """Look a granule up in CMR; all of a day, or of a month if they are daily, in one request.

    Parameters
    ----------
    granule
        Its file name matches the pattern; its product is the short name in CMR.
    client
        HTTP client.

    Raises
    ------
    NotPublished
        The catalogue does not know it yet.
    HttpError
        CMR does not answer as it should.
    """
    first = last = granule.start.date()
    if granule.end - granule.start >= timedelta(days=1):
        first = first.replace(day=1)
        last = first.replace(day=monthrange(first.year, first.month)[1])
    params = {
        "short_name": granule.product,
        "temporal": f"{first}T00:00:00Z,{last}T23:59:59Z",
        "page_size": _PAGE,
    }
    address = f"{client.endpoint('cmr')}/search/granules.umm_json"
    try:
        items = _Answer.model_validate(client.json(address, params=params, keep=True)).items
    except ValidationError as odd:
        raise HttpError(
            f"{address}: expected granules in UMM-G, found {_describe_first(odd)}", passing=True
        ) from None
    entries, odd_one = list[Entry](), ""
    for item in items:
        try:
            entry = _build_entry(_Item.model_validate(item), base=client.endpoint("opendap"))
        except ValidationError as odd:
            odd_one = odd_one or _describe_first(odd)
            continue
        if entry is not None and fnmatchcase(entry.name, granule.pattern):
            entries.append(entry)
    if entries:
        return max(entries, key=lambda entry: entry.name)
    if odd_one:
        raise HttpError(f"{address}: expected granules in UMM-G, found {odd_one}", passing=True)
    raise NotPublished(f"{granule.product} {granule.pattern} is not in the catalogue")


def _describe_first(odd: ValidationError) -> str:
    """Describe the first error of a validation, without the value."""
    error = odd.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(str(step) for step in error['loc'])[:80] or 'it'}: {error['msg'][:120]}"


def _build_entry(item: _Item, *, base: str) -> Entry | None:
    """Build the entry of an item of CMR's answer; None where it has no file."""
    granule = item.umm
    for link in granule.links:
        name = _parse_url(link.url).raw_path.decode().partition("?")[0].rpartition("/")[2]
        if link.kind == "GET DATA" and link.url.startswith("http") and _PLAIN.fullmatch(name):
            break
    else:
        return None
    services = [record.url for record in granule.links if record.subtype == "OPENDAP DATA"]
    default = f"{base}/collections/{item.meta.collection}/granules/{quote(granule.name, safe='')}"
    service = services[0] if services else default
    dates = {record.kind: record.date for record in granule.dates}
    return Entry(
        name=name,
        url=link.url,
        opendap=service.removesuffix(".html").removesuffix(".dmr"),
        published=_parse_moment(dates.get("Insert") or dates.get("Create") or item.meta.revised),
    )


def _parse_moment(text: str | None) -> datetime | None:
    """Parse a moment, in UTC where it has no offset; None where the text is none."""
    try:
        moment = datetime.fromisoformat(text or "")
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _parse_url(text: str) -> httpx.URL:
    """Parse an address; empty where the text is none."""
    try:
        return httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        return httpx.URL()


def _check_login(client: Client) -> None:
    """Raise unless a token, or a name and password, are set."""
    try:
        client.secret("EARTHDATA_TOKEN")
    except NeedsCredentials:
        if not _has_password(client):
            raise


def _has_password(client: Client) -> bool:
    """Return whether a name and password are set."""
    try:
        client.secret("EARTHDATA_USERNAME")
        client.secret("EARTHDATA_PASSWORD")
    except NeedsCredentials:
        return False
    return True


def _download(
    client: Client, url: str, path: Path, params: Mapping[str, str] | None = None
) -> Path:
    """Download with the token; where it is refused, once more with name and password."""
    host = _parse_url(url).host
    if host != _parse_url(client.endpoint("opendap")).host and not host.endswith(".nasa.gov"):
        return client.download(url, path, magic=HDF, params=params)
    try:
        bearer = {"Authorization": f"Bearer {client.secret('EARTHDATA_TOKEN')}"}
    except NeedsCredentials:
        return client.download(url, path, magic=HDF, params=params)
    try:
        return client.download(url, path, magic=HDF, params=params, headers=bearer)
    except HttpError as error:
        if error.status not in {401, 403}:
            raise
        refused = error
    if _has_password(client):
        return client.download(url, path, magic=HDF, params=params)
    raise HttpError(
        "EARTHDATA_TOKEN is refused, perhaps expired, or its profile has not approved the "
        f"application: {refused}",
        status=refused.status,
        refused="EARTHDATA_TOKEN",
    )
