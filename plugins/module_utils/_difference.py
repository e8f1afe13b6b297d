# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import typing as t

_MASK = "(masked)"


class Difference:
    """Desired against actual, compared once: *changed*, check mode and diff all read from here."""

    def __init__(self) -> None:
        self._before: dict[str, t.Any] = {}
        self._after: dict[str, t.Any] = {}

    def add(self, name: str, *, want: t.Any, have: t.Any, secret: bool = False) -> bool:
        """Record one property; return whether it differs. A secret's values never leave this class."""
        if want == have:
            return False
        self._before[name] = _shown(have, secret, "before")
        self._after[name] = _shown(want, secret, "after")
        return True

    @property
    def empty(self) -> bool:
        return not self._after

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._after)

    def as_diff(self) -> dict[str, dict[str, t.Any]]:
        """The value of a module's RV(diff)."""
        return {"before": dict(self._before), "after": dict(self._after)}


def _shown(value: t.Any, secret: bool, side: str) -> t.Any:
    if not secret or value is None:
        return value
    return f"{_MASK} {side}"


__all__ = ("Difference",)
