# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""URLs of files: which are taken, and how they may be shown."""

from __future__ import annotations

import typing as t
from urllib.parse import unquote, urlsplit, urlunsplit

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem


def shown(url: str) -> str:
    """The URL as it may be shown: no user, no password, no query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(a URL that cannot be read)"
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(
        (parts.scheme, f"***@{place}" if "@" in parts.netloc else place, parts.path, "***" if parts.query else "", "")
    )


def secrets_in(url: str) -> set[str]:
    """Parts of a URL that nobody shall read in an output."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return {url}
    user = parts.netloc.rpartition("@")[0]
    password = user.partition(":")[2]
    return {text for text in (user, password, unquote(password), parts.query) if text}


def check_urls(urls: t.Sequence[str], variable: str) -> None:
    """Refuse what is no http or https URL.

    :raises InvalidInput: names each.
    """
    problems = []
    for position, url in enumerate(urls):
        if not is_url(url):
            problems.append(
                Problem(
                    f"{variable}[{position}]",
                    shown(url),
                    "is not an http or https URL with a host, in printable ASCII.",
                    "Write it like https://mirror.example.org/k3s/file, with %20 for a space.",
                )
            )
    if not urls:
        problems.append(Problem(variable, [], "is empty.", "Give at least one URL."))
    if problems:
        raise InvalidInput(problems)


def is_url(url: str) -> bool:
    """Whether it is an http or https URL with a host, in printable ASCII."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url
    return plain and parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0


__all__ = ("check_urls", "is_url", "secrets_in", "shown")
