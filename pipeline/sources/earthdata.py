"""NASA Earthdata: finding granules in CMR, logging in, bringing a window or a whole file.

Who has a token (``EARTHDATA_TOKEN``) sends it; who has none, or an expired one, is logged in by
name and password through the redirects and cookies of ``urs.earthdata.nasa.gov``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from pipeline.sources.base import HttpError, NeedsCredentials, NotPublished

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.sources.base import Granule
    from pipeline.sources.http import Client

HDF = (b"\x89HDF\r\n\x1a\n", b"\x0e\x03\x13\x01")
"""What files of HDF5 (so of netCDF-4) and of HDF4 begin with."""
_PAGE = "2000"
"""Most granules in one answer of CMR; a day has 48 of one run and version."""


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


def fetch(
    granule: Granule, upstream: Path, *, client: Client, product: str, window: str | None = None
) -> Path:
    """Bring one granule: a window by OPeNDAP (DAP4), where that fails the whole file.

    Parameters
    ----------
    granule
        What to bring; its pattern lets the suffix ``.dap.nc4`` through where there is a window.
    upstream
        Root folder of the upstream.
    client
        Asks.
    product
        Short name in CMR; of several versions the last is taken.
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
    _ready(client)
    entry = find(granule, client=client, product=product)
    whole = upstream / granule.folder / entry.name
    path = None
    if window is not None:
        cut = whole.with_name(f"{entry.name}.dap.nc4")
        try:
            path = _download(client, f"{entry.opendap}.dap.nc4", cut, {"dap4.ce": window})
        except (HttpError, NotPublished) as error:  # it has bad days that the files have not
            if isinstance(error, HttpError) and error.status == 401:
                raise
    path = path or _download(client, entry.url, whole)
    if entry.published is not None:
        os.utime(path, (entry.published.timestamp(),) * 2)
    return path


def find(granule: Granule, *, client: Client, product: str) -> Entry:
    """Look a granule up in CMR; all of a day, or of a month if they are daily, are asked for once.

    Parameters
    ----------
    granule
        Its file name matches the pattern.
    client
        Asks.
    product
        Short name in CMR.

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
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    params = {
        "short_name": product,
        "temporal": f"{first}T00:00:00Z,{last}T23:59:59Z",
        "page_size": _PAGE,
    }
    address = f"{client.endpoint('cmr')}/search/granules.umm_json"
    found = client.json(address, params=params, keep=True)
    try:
        entries = [
            entry
            for item in found["items"]
            if (entry := _entry(item, base=client.endpoint("opendap")))
            and fnmatchcase(entry.name, granule.pattern)
        ]
    except (KeyError, TypeError, ValueError) as odd:
        raise HttpError(f"{address}: expected granules in UMM-G, found {odd!r}") from None
    if not entries:
        raise NotPublished(f"{product} {granule.pattern} is not in the catalogue")
    return max(entries, key=lambda entry: entry.name)


def _entry(item: dict[str, Any], *, base: str) -> Entry | None:
    """Granule of an item of CMR's answer, None where it has no file to get."""
    meta, umm = item["meta"], item["umm"]
    links = umm.get("RelatedUrls", ())
    files = [
        one["URL"] for one in links if one["Type"] == "GET DATA" and one["URL"].startswith("http")
    ]
    if not files:
        return None
    services = [one["URL"] for one in links if one.get("Subtype") == "OPENDAP DATA"]
    collection, name = meta["collection-concept-id"], quote(umm["GranuleUR"], safe="")
    service = services[0] if services else f"{base}/collections/{collection}/granules/{name}"
    dates = {one["Type"]: one["Date"] for one in umm.get("ProviderDates", ())}
    date = dates.get("Insert") or dates.get("Create") or meta.get("revision-date")
    return Entry(
        name=files[0].rpartition("/")[2],
        url=files[0],
        opendap=service.removesuffix(".html").removesuffix(".dmr"),
        published=datetime.fromisoformat(date) if date else None,
    )


def _ready(client: Client) -> None:
    """Raise unless there is a token or a name and password."""
    try:
        client.secret("EARTHDATA_TOKEN")
    except NeedsCredentials:
        try:
            client.secret("EARTHDATA_USERNAME")
            client.secret("EARTHDATA_PASSWORD")
        except NeedsCredentials:
            raise NeedsCredentials("EARTHDATA_TOKEN") from None


def _download(
    client: Client, url: str, path: Path, params: Mapping[str, str] | None = None
) -> Path:
    """Download with the token, and where that is refused once more by logging in anew."""
    ours = {urlsplit(client.endpoint("opendap")).hostname}
    host = urlsplit(url).hostname or ""
    refused = None
    if host in ours or host.endswith(".nasa.gov"):
        try:
            bearer = {"Authorization": f"Bearer {client.secret('EARTHDATA_TOKEN')}"}
            return client.download(url, path, magic=HDF, params=params, headers=bearer)
        except NeedsCredentials:
            pass
        except HttpError as error:
            if error.status not in {401, 403}:
                raise
            refused = error
    try:
        return client.download(url, path, magic=HDF, params=params)
    except NeedsCredentials:
        if refused is None:
            raise
    said = f"EARTHDATA_TOKEN is refused, perhaps expired: {refused}"
    raise HttpError(said, status=refused.status)
