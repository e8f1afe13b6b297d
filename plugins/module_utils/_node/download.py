# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Files from HTTP servers to their places: resumed where a run was cut short, verified before they are moved."""

from __future__ import annotations

import contextlib
import errno
import re
import shutil
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, KlubsterError, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._files import sha256_of
from ansible_collections.kateskit.klubster.plugins.module_utils._node.checksums import is_sha256
from ansible_collections.kateskit.klubster.plugins.module_utils._node.file_attributes import FileAttributes
from ansible_collections.kateskit.klubster.plugins.module_utils._node.http_get import (
    Client,
    Deadline,
    GetFailed,
    Response,
    get,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._node.partial import Origin, Partial, server_id
from ansible_collections.kateskit.klubster.plugins.module_utils._node.urls import check_urls, shown

_T = t.TypeVar("_T")

#: stays free on the file system of the file
RESERVE = 64 * 1024 * 1024
#: how often a connection that brought something is taken up again, for each mirror
RESUMES = 5
_CHECK_SPACE_EVERY = 16 * 1024 * 1024
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Attempt:
    """A mirror that did not give the file."""

    url: str
    reason: str


class DownloadError(KlubsterError):
    """No mirror gave the file, or there is no room for it."""

    def __init__(self, message: str, attempts: t.Sequence[Attempt] = ()) -> None:
        self.attempts = tuple(attempts)
        super().__init__("\n".join([message, *(f"  - {attempt.url}: {attempt.reason}" for attempt in attempts)]))


@dataclass(frozen=True)
class Fetched:
    """How a file came.

    :param url: the mirror that gave the last byte, as it may be shown; empty when nothing had to be asked for.
    :param resumed_from: bytes that an earlier run had left.
    :param received: bytes that servers sent in this run.
    """

    url: str
    sha256: str
    size: int
    resumed_from: int
    received: int


class _Mismatch(GetFailed):
    """All has arrived, and it is not the file."""

    def __init__(self, reason: str, *, resumed: bool) -> None:
        self.resumed = resumed
        super().__init__(reason)


class _Broken(GetFailed):
    """The connection ended early, and can be taken up again at once."""


def has_sum(path: Path, sha256: str) -> bool:
    """Whether a regular file with this sum stands there."""
    return path.is_file() and not path.is_symlink() and sha256_of(path) == sha256.lower()


def fetch(
    urls: t.Sequence[str],
    dest: Path,
    sha256: str,
    *,
    attributes: FileAttributes | None = None,
    client: Client | None = None,
    size: int | None = None,
) -> Fetched:
    """Fetch one file. What a run before this one left in ``<name>.partial`` is not fetched again.

    :param urls: mirrors, tried in this order.
    :param sha256: of the whole file, known beforehand; nothing else is ever moved to ``dest``.
    :param attributes: set before the file is moved into place.
    :param size: of the whole file, if known.
    :raises DownloadError: names every mirror with its reason.
    :raises InvalidInput: a URL, the sum or the place cannot be right.
    """
    check(urls, dest, sha256)
    return _Download(
        urls,
        dest,
        sha256.lower(),
        attributes=attributes or FileAttributes(0o644),
        client=client or Client(),
        size=size,
    ).run()


def read(
    urls: t.Sequence[str],
    accept: t.Callable[[bytes, str], _T],
    *,
    what: str,
    client: Client | None = None,
    limit: int = 1 << 20,
) -> _T:
    """Fetch something small, such as a list of sums, into memory.

    :param accept: makes something of the content and its URL as it may be shown. When it refuses with a
        ``KlubsterError``, the next mirror is tried.
    :param what: its name in messages.
    :param limit: bytes; more are refused.
    :raises DownloadError: names every mirror with its reason.
    """
    check_urls(urls, "url")
    client = client or Client()
    deadline = Deadline(client.limits.total)
    attempts = []
    for url in urls:
        try:
            return accept(_whole(url, client, deadline, limit), shown(url))
        except (GetFailed, KlubsterError) as exc:
            attempts.append(Attempt(shown(url), str(exc)))
    raise DownloadError(f"{what} could not be fetched from {_places(urls)}.", attempts)


def _whole(url: str, client: Client, deadline: Deadline, limit: int) -> bytes:
    content = bytearray()
    with get(url, {"Accept-Encoding": "identity"}, client, deadline) as response:
        if response.status != 200:
            raise GetFailed(_answered(response))
        length = _length(response)
        for block in response.chunks():
            content += block
            if len(content) > limit:
                raise GetFailed(f"sent more than {limit} bytes")
    if length is not None and len(content) != length:
        raise GetFailed(f"broke off after {len(content)} of {length} bytes")
    return bytes(content)


class _Download:
    """One call of ``fetch``."""

    def __init__(
        self,
        urls: t.Sequence[str],
        dest: Path,
        sha256: str,
        *,
        attributes: FileAttributes,
        client: Client,
        size: int | None,
    ) -> None:
        self._urls, self._dest, self._client, self._size = urls, dest, client, size
        self._attributes = attributes
        self._deadline = Deadline(client.limits.total)
        self._partial = Partial(dest, sha256)
        self._received = 0

    def run(self) -> Fetched:
        partial = self._partial
        try:
            partial.open(self._deadline.remaining)
            with contextlib.closing(partial):
                return self._fetch()
        except OSError as exc:
            raise DownloadError(f"{self._dest}: {exc.strerror or exc}. Nothing was put in its place.") from exc

    def _fetch(self) -> Fetched:
        partial, found = self._partial, self._partial.size
        if has_sum(self._dest, partial.sha256):
            # Another process may have been faster.
            partial.remove()
            self._attributes.apply(self._dest)
            return Fetched("", partial.sha256, self._dest.stat().st_size, 0, 0)
        url = "" if partial.sum == partial.sha256 else self._from_any()
        place = self._attributes
        partial.finish(place.mode, place.uid, place.gid)
        return Fetched(shown(url), partial.sha256, partial.size, found, self._received)

    def _from_any(self) -> str:
        attempts: list[Attempt] = []
        try:
            for url in self._urls:
                if attempts and self._deadline.passed:
                    attempts.append(Attempt(shown(url), "not tried: no time was left"))
                    continue
                try:
                    self._from(url)
                    return url
                except GetFailed as exc:
                    attempts.append(Attempt(shown(url), str(exc)))
        except OSError as exc:
            if exc.errno in _FULL:
                # A full file system stops more than this download.
                self._partial.remove()
            raise
        except DownloadError:
            self._leave()
            raise
        raise DownloadError(
            f"{self._dest.name} could not be fetched from {_places(self._urls)}; nothing was put at {self._dest}."
            + self._leave(),
            attempts,
        )

    def _leave(self) -> str:
        """Keep what a later run can use."""
        if not self._partial.size:
            self._partial.remove()
            return ""
        return f" {self._partial.size} bytes are kept in {self._partial.path.name}: run again to go on from there."

    def _from(self, url: str) -> None:
        """The file from one mirror.

        A connection that broke is taken up again as long as each brings something. A file with the wrong sum is
        fetched once more as a whole if its beginning came from somewhere else: that may be what is wrong.
        """
        breaks = 0
        again = True
        while True:
            before = self._received
            try:
                self._once(url)
                return
            except _Mismatch as exc:
                self._partial.restart()
                if not (exc.resumed and again):
                    raise
                again = False
            except _Broken:
                breaks += 1
                if self._received == before or breaks > RESUMES or self._deadline.passed:
                    raise

    def _once(self, url: str) -> None:
        partial = self._partial
        headers = {"Accept-Encoding": "identity"}
        known = partial.origin
        if partial.size:
            headers["Range"] = f"bytes={partial.size}-"
            if known.validator and known.server == server_id(url):
                headers["If-Range"] = known.validator
        resumed = bool(partial.size)
        with get(url, headers, self._client, self._deadline) as response:
            if resumed and (response.status == 416 or _elsewhere(response, partial.size)):
                partial.restart()
            else:
                self._receive(url, response, resumed)
                return
        # What is there does not fit to what the server has.
        self._once(url)

    def _receive(self, url: str, response: Response, resumed: bool) -> None:
        partial = self._partial
        if response.status != (206 if resumed else 200):
            if response.status != 200:
                raise GetFailed(_answered(response))
            # The server knows no ranges, or has another version of the file now.
            partial.restart()
        resumes = response.status == 206 or response.headers.get("Accept-Ranges", "").lower() == "bytes"
        length, resumed = _length(response), response.status == 206
        total = None if length is None else partial.size + length
        self._check_size(total)
        self._check_space(length)
        partial.begin(Origin(partial.sha256, server_id(url), _validator(response)))
        self._transfer(response, total, resumes)
        if partial.sum != partial.sha256:
            raise _Mismatch(
                f"its sha256 is {partial.sum}, expected was {partial.sha256} ({partial.size} bytes). It is another "
                "file, or was changed or damaged; what was received was removed",
                resumed=resumed,
            )

    def _transfer(self, response: Response, total: int | None, resumes: bool) -> None:
        partial = self._partial
        unchecked = 0
        broken = _Broken if resumes else GetFailed
        blocks = response.chunks()
        while True:
            try:
                block = next(blocks, b"")
            except GetFailed as exc:
                if partial.sum == partial.sha256:
                    return
                of = f" of {total}" if total is not None else ""
                raise broken(f"{exc}, after {partial.size}{of} bytes") from exc
            if not block:
                break
            partial.append(block)
            self._received += len(block)
            unchecked += len(block)
            if self._size is not None and partial.size > self._size:
                partial.restart()
                raise GetFailed(f"sent more than the {self._size} bytes that the file has")
            if total is None and unchecked >= _CHECK_SPACE_EVERY:
                self._check_space(_CHECK_SPACE_EVERY)
                unchecked = 0
        # With the right sum it is whole, whatever length the server stated.
        if total is not None and partial.size < total and partial.sum != partial.sha256:
            raise broken(f"broke off after {partial.size} of {total} bytes")

    def _check_size(self, total: int | None) -> None:
        if self._size is not None and total is not None and total != self._size:
            raise GetFailed(f"offers {total} bytes, but the file has {self._size}")

    def _check_space(self, length: int | None) -> None:
        free = shutil.disk_usage(self._dest.parent).free
        need = (length or 0) + RESERVE
        if free < need:
            raise DownloadError(
                f"The file system of {self._dest.parent} has {free >> 20} MiB free, {(need >> 20) + 1} MiB are needed "
                f"for {self._dest.name}. Free some space, or choose another folder; nothing was put in its place."
            )


def check(urls: t.Sequence[str], dest: Path, sha256: str | None) -> None:
    """Refuse what can be refused without the network.

    :param sha256: None while it is not known.
    :raises InvalidInput: a URL, the sum or the place cannot be right.
    """
    check_urls(urls, "url")
    problems = []
    if sha256 is not None and not is_sha256(sha256):
        problems.append(Problem("sha256", sha256, "is not 64 hexadecimal digits.", "Give the sum that was published."))
    if not dest.is_absolute() or dest.is_dir():
        problems.append(Problem("dest", str(dest), "is not the absolute path of a file.", "Give the file's full path."))
    if problems:
        raise InvalidInput(problems)


def _elsewhere(response: Response, start: int) -> bool:
    """Whether a part was sent that does not begin where we ended."""
    if response.status != 206:
        return False
    found = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    return not found or int(found[1]) != start


def _length(response: Response) -> int | None:
    text = response.headers.get("Content-Length", "").strip()
    return int(text) if text.isascii() and text.isdigit() else None


def _validator(response: Response) -> str:
    """What may stand in If-Range: a strong ETag. A date is too coarse to prove that nothing changed."""
    tag: str = response.headers.get("ETag", "").strip()
    return tag if tag.startswith('"') and tag.endswith('"') and tag.isascii() else ""


def _answered(response: Response) -> str:
    return f"answered {response.status} {response.reason}".strip()


def _places(urls: t.Sequence[str]) -> str:
    return "its place" if len(urls) == 1 else f"any of {len(urls)} places"


__all__ = ("RESERVE", "RESUMES", "Attempt", "DownloadError", "Fetched", "check", "fetch", "has_sum", "read")
