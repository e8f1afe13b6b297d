# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._compare import figures
from hypothesis import given
from hypothesis import strategies as st

NUMBERS = st.lists(st.floats(min_value=0, max_value=1e12), min_size=1)


def test_the_middle_and_the_spread() -> None:
    assert figures.summary([3.0, None, 1.0, 10.0]) == {"median": 3.0, "low": 1.0, "high": 10.0, "count": 3}
    assert figures.summary([0.0, 0.0]) == {"median": 0.0, "low": 0.0, "high": 0.0, "count": 2}, "a zero is a value"


@pytest.mark.parametrize("values", [[], [None, None]])
def test_nothing_is_never_zero(values: list[float | None]) -> None:
    assert figures.summary(values) is None
    assert figures.ratio(figures.summary(values), figures.summary([1.0])) is None
    assert figures.ratio(figures.summary([1.0]), figures.summary(values)) is None


def test_ratio_of_the_medians() -> None:
    assert figures.ratio(figures.summary([1, 5, 9]), figures.summary([10])) == 0.5
    assert figures.ratio(figures.summary([1]), figures.summary([0])) is None


@pytest.mark.parametrize("share, value", [(0.0, 1.0), (0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.991, 100.0)])
def test_percentile(share: float, value: float) -> None:
    assert figures.percentile([float(number) for number in range(100, 0, -1)], share) == value


@given(NUMBERS)
def test_percentiles_are_values_in_order(values: list[float]) -> None:
    low, high = figures.percentile(values, 0.5), figures.percentile(values, 0.99)
    assert low in values
    assert low <= high <= max(values)
