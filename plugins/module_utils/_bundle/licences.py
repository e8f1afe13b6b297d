# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Gathers the licence texts of everything a component is made of."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.gomodule import Module

_NAMES = re.compile(r"(LICEN[CS]E|COPYING|NOTICE|PATENTS|COPYRIGHT|UNLICENSE)([._-].*)?", re.IGNORECASE)
_NO_TEXT = (".go", ".py", ".sh", ".png")
_RULE = "=" * 100


def texts(directory: Path) -> dict[str, str]:
    """The licence files at the top of a source folder: name → text."""
    found = {}
    for path in sorted(directory.iterdir()):
        if path.is_file() and _NAMES.fullmatch(path.name) and path.suffix not in _NO_TEXT:
            found[path.name] = path.read_text(encoding="utf-8", errors="replace")
    return found


def write(target: Path, modules: t.Sequence[Module]) -> None:
    """Write one text file with the licences of all modules; equal texts stand in it once."""
    holders: dict[str, list[str]] = {}
    for module in modules:
        found = texts(module.directory)
        for name, text in found.items():
            holders.setdefault(text.strip(), []).append(f"{module.path} {module.version} ({name})")
        if not found:
            holders.setdefault("(no licence file at the top of the module)", []).append(
                f"{module.path} {module.version}"
            )
    parts = ["\n".join([_RULE, *names, _RULE, "", text, ""]) for text, names in holders.items()]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(parts), encoding="utf-8")


__all__ = ("texts", "write")
