# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Small things about text that came from a cluster: names, times and sizes, fit to be shown."""

from __future__ import annotations

import re
import typing as t
from datetime import datetime, timezone

# Control characters would steer a terminal; those that turn the direction of writing make one name look like another.
_UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]+")
_TIME = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?Z$")
_BYTES = re.compile(r"^(\d+)(Ki|Mi|Gi|Ti)?$")
_UNITS = {"": 0, "Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4}


def clean(value: t.Any) -> str:
    """One line of printable text, whatever a cluster handed out."""
    return " ".join(printable("" if value is None else str(value)).split())


def printable(text: str) -> str:
    """The text without characters that steer whatever shows it; its spaces stay."""
    return _UNSHOWABLE.sub(" ", text)


def clip(text: str, width: int) -> str:
    """At most ``width`` characters; what was left out shows as two dots."""
    if len(text) <= width:
        return text
    return text[: max(width - 2, 0)] + ".." if width > 2 else text[:width]


def moment(text: str) -> datetime | None:
    """A time as the API writes it; nothing when there is none."""
    found = _TIME.match(text or "")
    if not found:
        return None
    return datetime.strptime(found.group(1), "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)


def seconds_between(then: str, now: str) -> float | None:
    """Seconds from one time to another; nothing unless both are there."""
    first, last = moment(then), moment(now)
    return (last - first).total_seconds() if first and last else None


def age(then: str, now: str) -> str:
    """``45s``, ``12m``, ``3h10m``, ``5d2h``; empty when unknown."""
    passed = seconds_between(then, now)
    if passed is None:
        return ""
    seconds = max(int(passed), 0)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 2:
        return f"{seconds}s"
    if hours < 2:
        return f"{minutes}m"
    if days < 2:
        return f"{hours}h{minutes % 60}m"
    return f"{days}d{hours % 24}h"


def day_and_time(text: str) -> str:
    """``2026-11-21 07:58:03 UTC``, or the text itself when it is no time."""
    found = moment(text)
    return found.strftime("%Y-%m-%d %H:%M:%S UTC") if found else clean(text)


def size(quantity: t.Any) -> str:
    """A quantity of bytes in the unit people think in: ``16375724Ki`` is ``15.6 GiB``."""
    found = _BYTES.match(str(quantity))
    if not found:
        return clean(quantity)
    amount = float(int(found.group(1)) * 1024 ** _UNITS[found.group(2) or ""])
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB" if amount < 1024 else f"{amount / 1024:.1f} TiB"


def count(number: int, one: str, many: str = "") -> str:
    """``1 pod``, ``3 pods``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


__all__ = ("age", "clean", "clip", "count", "day_and_time", "moment", "printable", "seconds_between", "size")
