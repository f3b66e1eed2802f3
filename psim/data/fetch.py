"""Fetching a known data set from the LIBSVM site into the cache folder.

What has arrived stays in a ``.part`` file, where the next try goes on; the file gets its name only
when the SHA-256 of its text is right.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from psim.data.known import KNOWN, SITE, KnownDataset
from psim.data.libsvm import read_text
from psim.data.locate import cache_folder
from psim.errors import DataError, nearest

Progress = Callable[[int, int | None], None]
"""Told (bytes here so far, bytes in all or None where the server does not say)."""

_SILENCE = 30.0
"""Seconds without a byte after which a transfer is given up."""
_CHUNK = 1 << 16
_SLACK = 1 << 16
"""Bytes that a copy may be longer than the text that is known: line ends, written zeros."""


class _Response(Protocol):
    status: int
    headers: http.client.HTTPMessage

    def read(self, amount: int, /) -> bytes: ...


def fetch(
    name: str,
    folder: Path | None = None,
    site: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """The file of a known data set, fetched unless a right copy is there.

    ``folder`` is by default the cache, and ``site`` the variable PSIM_DATA_SITE or the LIBSVM site.
    DataError where the name is unknown, the site does not answer, or the text is not the right one.
    """
    dataset = _fetchable(name)
    folder = folder or cache_folder()
    target, part = folder / name, folder / f"{name}.part"
    if target.is_file() and _hash(target, dataset) in dataset.sha256:
        return target
    address = f"{(site or os.environ.get('PSIM_DATA_SITE') or SITE).rstrip('/')}/{name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _download(address, part, dataset.text_bytes + _SLACK, progress or _silent)
        _check(part, dataset, address)
        part.replace(target)
    except (OSError, http.client.HTTPException) as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        raise DataError(
            f"{address}: cannot be fetched: {cause}. `psim data get {name}` goes on where it "
            f"stopped; a file {name} in the folder that PSIM_DATA names does as well"
        ) from None
    return target


def _silent(_here: int, _total: int | None) -> None:
    """Reports nothing."""


def _fetchable(name: str) -> KnownDataset:
    if name not in KNOWN:
        raise DataError(f"{name!r} is no data set that psim knows; {nearest(name, KNOWN)}")
    if KNOWN[name].shipped:
        raise DataError(f"{name} comes with scikit-learn: there is nothing to fetch")
    return KNOWN[name]


def _download(address: str, part: Path, largest: int, progress: Progress) -> None:
    """Append what ``part`` lacks; start over where the server can't go on from there."""
    if not address.startswith(("http://", "https://")):
        raise DataError(f"{address}: is no web address: it starts with https:// or http://")
    here = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={here}-"} if here else {}
    request = urllib.request.Request(address, headers=headers)  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=_SILENCE) as response:  # noqa: S310
            _receive(response, part, here, largest, progress)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        # Nothing is left to send: the part is whole, or it is no part of this file. The hash tells.


def _receive(response: _Response, part: Path, here: int, largest: int, progress: Progress) -> None:
    if response.status != http.HTTPStatus.PARTIAL_CONTENT or _start(response) != here:
        here = 0
    length = response.headers["Content-Length"]
    total = here + int(length) if length and length.isdecimal() else None
    if here == 0 and response.status == http.HTTPStatus.PARTIAL_CONTENT:
        raise http.client.HTTPException("the server sent another part than the one asked for")
    with part.open("ab" if here else "wb") as file:
        progress(here, total)
        while chunk := response.read(_CHUNK):
            here += len(chunk)
            if here > largest:
                file.close()
                part.unlink()
                raise DataError(f"{part.stem}: more than {largest} B come: this is another file")
            file.write(chunk)
            progress(here, total)
    if total is not None and here < total:
        raise http.client.HTTPException(f"the connection ended after {here} of {total} B")


def _start(response: _Response) -> int | None:
    """The first byte that a partial answer brings."""
    found = re.match(r"bytes (\d+)-", response.headers["Content-Range"] or "")
    return int(found[1]) if found else None


def _check(part: Path, dataset: KnownDataset, address: str) -> None:
    """DataError, and no part left, unless the text is the right one."""
    found = _hash(part, dataset)
    if found in dataset.sha256:
        return
    part.unlink()
    raise DataError(
        f"{address}: the text's SHA-256 is {found}, not {dataset.sha256[0]}: what came was "
        "removed. Try again; if it stays so, the site has another copy"
    )


def _hash(path: Path, dataset: KnownDataset) -> str:
    """SHA-256 of the file's text, unpacked where it is packed; or why it can't be unpacked."""
    try:
        text = read_text(path, dataset.text_bytes + _SLACK)
    except DataError as error:
        return f"unknown ({error})"
    return hashlib.sha256(text).hexdigest()
