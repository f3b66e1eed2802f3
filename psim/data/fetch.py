"""Fetching a known data set into the cache folder: a text of the LIBSVM site, or an archive.

What has arrived stays in a ``.part`` file, where the next try goes on; the file gets its name only
when its checksum is right: the SHA-256 of the text, the MD5 of an archive.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from psim.data.archives import ARCHIVES, Archive
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


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A file to fetch: its name and where it is, and how a right copy is told.

    ``found`` computes the checksum of a copy (or says why it can't), which is to be in ``right``.
    """

    file: str
    site: str
    largest: int
    checksum: str
    right: tuple[str, ...]
    found: Callable[[Path], str]


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

    ``folder`` is by default the cache, and ``site`` the variable PSIM_DATA_SITE or where the data
    set is published. DataError where the name is unknown, the site does not answer, or what came
    has another checksum.
    """
    wanted = _wanted(name)
    folder = folder or cache_folder()
    target, part = folder / wanted.file, folder / f"{wanted.file}.part"
    if target.is_file() and wanted.found(target) in wanted.right:
        return target
    site = site or os.environ.get("PSIM_DATA_SITE") or wanted.site
    address = f"{site.rstrip('/')}/{wanted.file}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _download(address, part, wanted.largest, progress or _silent)
        _check(part, wanted, address)
        part.replace(target)
    except (OSError, http.client.HTTPException) as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        raise DataError(
            f"{address}: cannot be fetched: {cause}. `psim data get {name}` goes on where it "
            f"stopped; a file {wanted.file} in the folder that PSIM_DATA names does as well"
        ) from None
    return target


def _silent(_here: int, _total: int | None) -> None:
    """Reports nothing."""


def _wanted(name: str) -> _Wanted:
    if name in ARCHIVES:
        return _archive(ARCHIVES[name])
    if name not in KNOWN:
        fetched = [known for known, dataset in KNOWN.items() if not dataset.shipped]
        hint = nearest(name, [*fetched, *ARCHIVES])
        raise DataError(f"{name!r} is no data set that psim fetches; {hint}")
    if KNOWN[name].shipped:
        raise DataError(f"{name} comes with scikit-learn: there is nothing to fetch")
    return _text(name, KNOWN[name])


def _text(name: str, dataset: KnownDataset) -> _Wanted:
    largest = dataset.text_bytes + _SLACK

    def found(path: Path) -> str:
        """Of the text, unpacked where it is packed."""
        try:
            return hashlib.sha256(read_text(path, largest)).hexdigest()
        except DataError as error:
            return f"unknown ({error})"

    return _Wanted(name, SITE, largest, "text's SHA-256", dataset.sha256, found)


def _archive(archive: Archive) -> _Wanted:
    def found(path: Path) -> str:
        """Of the file as it is. MD5 is all that is published; it guards against damage."""
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

    return _Wanted(archive.file, archive.site, archive.largest, "MD5", (archive.md5,), found)


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


def _check(part: Path, wanted: _Wanted, address: str) -> None:
    """DataError, and no part left, unless what came is right."""
    found = wanted.found(part)
    if found in wanted.right:
        return
    part.unlink()
    raise DataError(
        f"{address}: the {wanted.checksum} is {found}, not {wanted.right[0]}: what came was "
        "removed. Try again; if it stays so, the site has another copy"
    )
