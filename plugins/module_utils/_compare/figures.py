# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""A few numbers of many: the middle, the spread, and shares."""

from __future__ import annotations

import math
import statistics
import typing as t


class Summary(t.TypedDict):
    median: float
    low: float
    high: float
    #: how many values it stands for
    count: int


def summary(values: t.Iterable[float | None]) -> Summary | None:
    """Nothing when there is no value: a missing number is never a zero."""
    found = [value for value in values if value is not None]
    if not found:
        return None
    return {"median": statistics.median(found), "low": min(found), "high": max(found), "count": len(found)}


def percentile(values: t.Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all do not exceed.

    :param share: between 0 and 1.
    """
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def ratio(value: Summary | None, base: Summary | None) -> float | None:
    """Of the medians."""
    if value is None or base is None or base["median"] == 0:
        return None
    return value["median"] / base["median"]


__all__ = ("Summary", "percentile", "ratio", "summary")
