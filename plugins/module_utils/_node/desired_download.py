# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""One file that shall be somewhere: where its sum comes from, what differs, and what is done about it."""

from __future__ import annotations

import contextlib
import os
import typing as t
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ansible_collections.kateskit.klubster.plugins.module_utils._difference import Difference
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._files import sha256_of, write_atomically
from ansible_collections.kateskit.klubster.plugins.module_utils._node import checksums, download
from ansible_collections.kateskit.klubster.plugins.module_utils._node.file_attributes import FileAttributes
from ansible_collections.kateskit.klubster.plugins.module_utils._node.http_get import Client, Limits


@dataclass(frozen=True)
class WantedDownload:
    """What the user wrote.

    :param sha256: empty when it comes from a list.
    :param sums: mirrors of the list.
    :param sums_dest: where the list is kept, if it is.
    """

    urls: tuple[str, ...]
    dest: Path
    attributes: FileAttributes
    client: Client
    sha256: str = ""
    name: str = ""
    sums: tuple[str, ...] = ()
    sums_dest: Path | None = None


@dataclass(frozen=True)
class Plan:
    """What differs. ``content`` is the list of sums when it is to be kept."""

    sha256: str
    right: bool
    difference: Difference
    content: bytes | None = None


def parse(given: t.Mapping[str, t.Any]) -> WantedDownload:
    """The module's options.

    :raises InvalidInput: names what cannot be right.
    """
    problems = [
        Problem(name, given[name], "is not more than 0.", "Give seconds.")
        for name in ("stall_timeout", "timeout")
        if not given[name] > 0
    ]
    name = given.get("sha256_name") or unquote(
        urlsplit(given["url"][0]).path.rpartition("/")[2] if given["url"] else ""
    )
    if given.get("sha256_list") and not name:
        problems.append(Problem("sha256_name", None, "does not follow from the URL.", "Give the name in the list."))
    kept = given.get("sha256_list_dest")
    if kept and (not Path(kept).is_absolute() or kept == given["dest"]):
        problems.append(Problem("sha256_list_dest", kept, "is not an absolute path of its own.", "Give another path."))
    if problems:
        raise InvalidInput(problems)
    return WantedDownload(
        urls=tuple(given["url"]),
        dest=Path(given["dest"]),
        attributes=FileAttributes.parse(given["mode"], given.get("owner"), given.get("group")),
        client=Client(
            {str(key): str(value) for key, value in (given.get("headers") or {}).items()},
            Path(given["ca_file"]) if given.get("ca_file") else None,
            Limits(stall=given["stall_timeout"], total=given["timeout"]),
        ),
        sha256=(given.get("sha256") or "").strip().lower(),
        name=name,
        sums=tuple(given.get("sha256_list") or ()),
        sums_dest=Path(kept) if kept else None,
    )


def compare(wanted: WantedDownload) -> Plan:
    """Compare with what is there; a list of sums is fetched when none is kept.

    :raises InvalidInput: URLs, sum or path cannot be right.
    :raises DownloadError: no mirror gave a list that names the file.
    """
    download.check(wanted.urls, wanted.dest, wanted.sha256 if not wanted.sums else None)
    difference = Difference()
    sha256, content = (wanted.sha256, None) if wanted.sha256 else _listed(wanted)
    if content is not None:
        difference.add("sha256_list", want="usable", have="missing")
    have = sha256_of(wanted.dest) if wanted.dest.is_file() and not wanted.dest.is_symlink() else None
    right = not difference.add("sha256", want=sha256, have=have)
    wanted.attributes.compare(wanted.dest, difference)
    return Plan(sha256, right, difference, content)


def apply(wanted: WantedDownload, plan: Plan) -> download.Fetched | None:
    """Make it so. Of a download, nothing is in its place before all of it is verified.

    :raises DownloadError: no mirror gave the file.
    """
    try:
        if plan.content is not None and wanted.sums_dest is not None:
            write_atomically(wanted.sums_dest, plan.content, uid=os.geteuid(), gid=os.getegid())
        if plan.right:
            wanted.attributes.apply(wanted.dest)
            return None
    except OSError as exc:
        raise download.DownloadError(f"{exc.filename or wanted.dest}: {exc.strerror or exc}.") from exc
    attributes = wanted.attributes.like(wanted.dest)
    return download.fetch(wanted.urls, wanted.dest, plan.sha256, attributes=attributes, client=wanted.client)


def _listed(wanted: WantedDownload) -> tuple[str, bytes | None]:
    """The sum from the list, and the list's content where it is to be kept."""

    def accept(content: bytes, source: str) -> tuple[str, bytes]:
        return checksums.pick(checksums.parse(content, source), wanted.name, source), content

    kept = wanted.sums_dest
    if kept is not None and kept.is_file():
        # One that is damaged, or of something else, is fetched again.
        with contextlib.suppress(checksums.ChecksumListError):
            return accept(kept.read_bytes(), str(kept))[0], None
    sha256, content = download.read(wanted.sums, accept, what="The list of sums", client=wanted.client)
    return sha256, content if kept is not None else None


__all__ = ("Plan", "WantedDownload", "apply", "compare", "parse")
