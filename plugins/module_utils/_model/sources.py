# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Where a file of the user's is: on the controller, or at a URL together with its sum."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path
from urllib.parse import urlsplit

from ansible_collections.kateskit.klubster.plugins.module_utils._model.rules import Refused, absolute_path
from ansible_collections.kateskit.klubster.plugins.module_utils._model.schema import Complain

_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_url(text: str | None) -> bool:
    return "://" in (text or "")


def path(where: str, text: str, complain: Complain) -> str:
    """An absolute path, which may begin with the home folder; empty when it is none."""
    try:
        found = text[:1] + absolute_path(text[1:]) if text.startswith("~/") else absolute_path(text)
    except Refused as exc:
        complain(where, text, exc.rule, exc.remedy)
        return ""
    return str(Path(found).expanduser())


def url(where: str, text: str, complain: Complain, *, what: str, endings: t.Sequence[str]) -> str:
    """An address that may be shown.

    :param what: is fetched from there.
    :param endings: of its name, the usual one first.
    """
    try:
        parts = urlsplit(text)
        secret, host = parts.username is not None, parts.hostname
    except ValueError:
        secret, host, parts = False, None, urlsplit("")
    if secret:
        shown = f"{parts.scheme}://…@{host}{parts.path}"
        complain(where, shown, "The plan shows this address, so no password may be in it.", "Remove it.")
    elif parts.scheme not in ("https", "http") or not host:
        remedy = f"Name the address of its {endings[0]}, or fetch it yourself and name the file."
        complain(where, text, f"A {what} is fetched by https or http.", remedy)
    elif not parts.path.endswith(tuple(endings)):
        rule = f"A {what} that is fetched is one file."
        complain(where, text, rule, f"Name the address of its {endings[0]}.")
    return text


def needs_sum(where: str, complain: Complain) -> None:
    rule = "What is fetched is used only when its sum is known."
    complain(where, None, rule, "Give the sha256 that its publisher states, 64 hexadecimal digits.")


def is_sum(where: str, text: str, complain: Complain) -> bool:
    if _SHA256.fullmatch(text):
        return True
    complain(where, text, "A sha256 has 64 digits 0-9 and a-f.", "Copy it from the publisher's list of sums.")
    return False


__all__ = ("is_sum", "is_url", "needs_sum", "path", "url")
