# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What goes wrong while building, told by component, reason and way on."""

from __future__ import annotations

import errno
import re
import typing as t
from contextlib import contextmanager

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError

_RESUME = "Run the same command again: finished components and downloads are kept."


class BuildError(KlubsterError):
    """A component could not be built.

    :param component: its name in the catalogue.
    :param reason: one sentence.
    :param remedy: what to do, and how to go on.
    :param output: the end of what the tool said.
    """

    #: True where nothing else may be built either
    stops_all: t.ClassVar[bool] = False

    def __init__(self, component: str, reason: str, remedy: str, output: str = "") -> None:
        self.component, self.reason, self.remedy, self.output = component, reason, remedy, output
        text = f"{component}: {reason} {remedy}"
        if output.strip():
            text += "\n" + "\n".join(f"    {line}" for line in output.strip().splitlines()[-12:])
        super().__init__(text)


class ChecksumMismatch(BuildError):
    """A source is not the one that the committed go.sum or the checksum database names."""

    stops_all = True


class DiskFull(BuildError):
    """No space is left."""

    stops_all = True


class DownloadFailed(BuildError):
    """A source could not be fetched."""


class SumsOutdated(BuildError):
    """The committed go.mod and go.sum do not fit the catalogue."""


class CompileFailed(BuildError):
    """The compiler or linker failed."""


_Kind = t.Type[BuildError]  # noqa: UP006 (type[...] as a value needs no quotes only from Python 3.9.2 on)

# The first that matches wins: what the Go tools, the compiler and the system say → error, reason, remedy.
_TABLE: tuple[tuple[re.Pattern[str], _Kind, str, str], ...] = (
    (
        re.compile(r"SECURITY ERROR|checksum mismatch|invalid checksum database|go\.sum database", re.IGNORECASE),
        ChecksumMismatch,
        "CHECKSUM MISMATCH: a source differs from the one that was verified. Nothing more is built.",
        (
            "Do not override this: find out who changed the source, the proxy or go.sum. "
            "`go clean -modcache` empties a damaged download cache."
        ),
    ),
    (
        re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE),
        DiskFull,
        "The disk is full.",
        f"Make room (a whole build needs about 12 GB in the cache folders). {_RESUME}",
    ),
    (
        re.compile(r"missing go\.sum entry|updates to go\.mod needed|no required module provides package"),
        SumsOutdated,
        "The committed go.mod and go.sum do not fit the catalogue.",
        (
            "After a change of a version refresh them: "
            "ansible-playbook kateskit.klubster.bundle -e source_bundle_refresh={component}"
        ),
    ),
    (
        re.compile(r"requires go >= ?[0-9.]+|go\.mod requires go"),
        CompileFailed,
        "The installed Go is too old for this component.",
        f"Install the Go version named below. {_RESUME}",
    ),
    (
        re.compile(r"40[134] |403 Forbidden|404 Not Found|410 Gone|not available", re.IGNORECASE),
        DownloadFailed,
        "The module proxy does not serve a source it needs.",
        f"Choose a version that the proxy has, or another proxy (go env -w GOPROXY=<address>). {_RESUME}",
    ),
    (
        re.compile(
            r"dial tcp|no such host|i/o timeout|TLS handshake|connection (refused|reset)|unexpected EOF|proxyconnect"
            r"|50[0234] |Could not resolve|unable to access|Temporary failure|network is unreachable",
            re.IGNORECASE,
        ),
        DownloadFailed,
        "A source could not be downloaded.",
        f"Look at the network and the proxy. {_RESUME}",
    ),
    (
        re.compile(r"signal: killed|out of memory|cannot allocate memory", re.IGNORECASE),
        CompileFailed,
        "The machine ran out of memory.",
        f"Build fewer components at the same time: source_bundle_jobs: 1. {_RESUME}",
    ),
    (
        re.compile(r"exec: \"pkg-config\""),
        CompileFailed,
        "There is no pkg-config, by which Go finds C libraries.",
        f"Install the package pkg-config. {_RESUME}",
    ),
    (
        re.compile(r"seccomp\.h|cannot find -lseccomp|libseccomp", re.IGNORECASE),
        CompileFailed,
        "The C library libseccomp is missing or has no static version.",
        f"Install the package libseccomp-dev. {_RESUME}",
    ),
    (
        re.compile(r"C compiler .* not found|exec: \"gcc\""),
        CompileFailed,
        "There is no C compiler.",
        f"Install the packages gcc and libc6-dev. {_RESUME}",
    ),
)


def explain(component: str, output: str, *, fetching: bool = False) -> BuildError:
    """Turn what a tool said into an error with reason and remedy.

    :param fetching: the tool was only to download, so an unknown failure is one of the download.
    """
    for pattern, kind, reason, remedy in _TABLE:
        if pattern.search(output):
            return kind(component, reason, remedy.format(component=component), output)
    if fetching:
        remedy = f"Look at the network and at the address in the catalogue. {_RESUME}"
        return DownloadFailed(component, "A source could not be downloaded.", remedy, output)
    return CompileFailed(component, "The build failed.", f"The tool's last words follow. {_RESUME}", output)


@contextmanager
def disk_full_of(component: str) -> t.Iterator[None]:
    """Tell of a full disk as an error of a component."""
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise explain(component, f"{exc.filename or ''}: no space left on device") from exc
        raise


__all__ = (
    "BuildError",
    "ChecksumMismatch",
    "CompileFailed",
    "DiskFull",
    "DownloadFailed",
    "SumsOutdated",
    "disk_full_of",
    "explain",
)
