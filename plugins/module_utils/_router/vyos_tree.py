# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""VyOS's configuration by nodes, for reading it back."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._router import table
from ansible_collections.kateskit.klubster.plugins.module_utils._router.vyos_paths import Path

_GAP = "\x1f"


class Tree:
    """Paths by what is below them."""

    def __init__(self, paths: t.Iterable[Path]) -> None:
        self.paths = list(paths)

    def below(self, *base: str) -> Tree:
        return Tree(path[len(base) :] for path in self.paths if path[: len(base)] == base and len(path) > len(base))

    def names(self) -> dict[str, Tree]:
        found: dict[str, list[Path]] = {}
        for path in self.paths:
            found.setdefault(path[0], [])
            if len(path) > 1:
                found[path[0]].append(path[1:])
        return {name: Tree(paths) for name, paths in found.items()}


def read(forms: t.Sequence[table.Form], tree: Tree) -> tuple[dict[str, t.Any], list[Path]]:
    """The fields that a node's paths say, and the paths that no form fits."""
    fields, rest = table.read(forms, [_GAP.join(path) for path in tree.paths], _GAP)
    return fields, [tuple(line.split(_GAP)) for line in rest]


def whole(base: Path, forms: t.Sequence[table.Form], tree: Tree, strange: list[Path]) -> dict[str, t.Any]:
    """The fields of a node that is ours; what no form fits is added to ``strange``."""
    fields, rest = read(forms, tree)
    strange += [(*base, *path) for path in rest]
    return fields


__all__ = ("Tree", "read", "whole")
