# Note that this plugin util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence, Set


def plain(value: t.Any) -> t.Any:
    """Ansible's tagged and lazy values as Python's own, recursively, so that pure code never meets them."""
    if value is None or isinstance(value, bool):
        return value
    kind: t.Any
    for kind in (int, float, str, bytes):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, Mapping):
        return {plain(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (Sequence, Set)):
        return [plain(entry) for entry in value]
    return str(value)


__all__ = ("plain",)
