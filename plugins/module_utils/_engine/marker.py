# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The file that says what was begun on a machine, and whether it came to its end.

So a machine on which a run was cut short is told from one that belongs to the cluster.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import asdict, dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._files import write_atomically

Action = t.Literal["init", "join"]


@dataclass(frozen=True)
class Marker:
    """What was begun on this machine.

    :param url: where it joined, for engines that ask there again at each start.
    """

    cluster: str
    action: Action
    complete: bool
    url: str = ""


def read_marker(directory: Path, name: str) -> Marker | None:
    """None when nothing was begun."""
    try:
        data = json.loads((directory / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Marker(data["cluster"], data["action"], data["complete"], data.get("url", ""))


def write_marker(directory: Path, name: str, marker: Marker) -> None:
    write_atomically(directory / name, (json.dumps(asdict(marker)) + "\n").encode(), mode=0o600)


__all__ = ("Action", "Marker", "read_marker", "write_marker")
