# SPDX-License-Identifier: Apache-2.0
"""What every part of one start needs."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from pathlib import Path

from k3s_standin.children import Children
from k3s_standin.config import Settings
from k3s_standin.paths import Paths
from k3s_standin.record import Record


@dataclass(frozen=True)
class Start:
    """One start of a server or an agent."""

    settings: Settings
    paths: Paths
    record: Record
    children: Children
    #: folder of the programs
    programs: Path
    stamp: t.Mapping[str, t.Any]


__all__ = ("Start",)
