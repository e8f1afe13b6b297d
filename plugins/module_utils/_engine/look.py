# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What a look at a machine for its engine says: which parts differ, and what it takes to change them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

#: what changing a running node means: nothing to do; nothing that runs notices; a service starts anew; pods must go
Change = t.Literal["none", "live", "restart", "drain"]
_RANK: tuple[Change, ...] = ("none", "live", "restart", "drain")


@dataclass(frozen=True)
class Look:
    """The parts that are not as they shall be, by the engine's names for them.

    A file that was touched counts, even if its content is right: the task then looks at it and writes that down.
    """

    parts: t.Mapping[str, Change]

    @property
    def lacking(self) -> list[str]:
        return [name for name, change in self.parts.items() if change != "none"]

    @property
    def change(self) -> Change:
        """The gravest change of all parts."""
        return max(self.parts.values(), key=_RANK.index, default="none")


def look_of(parts: t.Mapping[str, Change], *, is_node: bool) -> Look:
    """What is no node yet is changed without anybody noticing."""
    if is_node:
        return Look(parts)
    return Look({name: "none" if change == "none" else "live" for name, change in parts.items()})


__all__ = ("Change", "Look", "look_of")
