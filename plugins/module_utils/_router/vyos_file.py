# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The file that VyOS starts with, as paths.

Its form is that of the renderer in VyOS's sources (vyos1x-config), which escapes values as it does in JSON; what stands
before it is of ``show file``.
"""

from __future__ import annotations

import json
import re

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._router.vyos_paths import Path

_DATA = re.compile(r"^#+ FILE DATA #+$", re.MULTILINE)
_COMMENT = re.compile(r"^\s*/\*.*?\*/\s*$", re.MULTILINE | re.DOTALL)


class Unreadable(KlubsterError):
    """This is not what ``show file`` prints of a configuration."""


def parse(shown: str) -> frozenset[Path]:
    """The paths of the configuration that ``show file`` prints.

    :raises Unreadable: with nothing of it, for it may be a secret.
    """
    head = _DATA.search(shown)
    if head is None:
        raise Unreadable("There is no file in what the router printed.")
    found: set[Path] = set()
    open_nodes: list[Path] = [()]
    for line in _COMMENT.sub("", shown[head.end() :]).splitlines():
        text = line.strip()
        if not text or text.startswith("//"):
            continue
        if text == "}":
            if len(open_nodes) == 1:
                raise Unreadable("A node ends in the router's file that did not begin.")
            open_nodes.pop()
            continue
        # A node with something below it is told by that.
        found.discard(open_nodes[-1])
        if text.endswith("{"):
            path = (*open_nodes[-1], *text[:-1].split())
            open_nodes.append(path)
        else:
            path = (*open_nodes[-1], *_leaf(text))
        found.add(path)
    if len(open_nodes) > 1:
        raise Unreadable("The router's file ends within a node.")
    return frozenset(found)


def _leaf(text: str) -> Path:
    """A name, and its value if it has one."""
    name, gap, value = text.partition(" ")
    if not gap:
        return (name,)
    if not value.startswith('"'):
        return (name, value)
    try:
        return (name, str(json.loads(value, strict=False)))
    except ValueError as exc:
        raise Unreadable("A value in the router's file has quotes that do not fit.") from exc


__all__ = ("Unreadable", "parse")
