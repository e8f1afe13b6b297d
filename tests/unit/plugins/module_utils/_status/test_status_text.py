# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._status.text import (
    age,
    clean,
    clip,
    count,
    day_and_time,
    size,
)


@pytest.mark.parametrize(
    ("then", "text"),
    [
        ("2026-11-21T07:59:15Z", "45s"),
        ("2026-11-21T07:58:01Z", "119s"),
        ("2026-11-21T07:48:00Z", "12m"),
        ("2026-11-21T04:50:00.123456Z", "3h10m"),
        ("2026-11-16T06:00:00Z", "5d2h"),
        ("2026-11-21T08:00:05Z", "0s"),
        ("", ""),
        ("yesterday", ""),
    ],
)
def test_age(then: str, text: str) -> None:
    assert age(then, "2026-11-21T08:00:00Z") == text


@pytest.mark.parametrize(
    ("quantity", "text"),
    [
        ("16375724Ki", "15.6 GiB"),
        ("1Gi", "1.0 GiB"),
        ("512Mi", "512 MiB"),
        ("2Ti", "2.0 TiB"),
        ("1024", "1 KiB"),
        ("5", "5 B"),
        ("1e3", "1e3"),
        ("", ""),
    ],
)
def test_size(quantity: str, text: str) -> None:
    assert size(quantity) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [("a\tb\n\nc ", "a b c"), (None, ""), (7, "7"), ("x\x1b[31my", "x [31my"), ("a\u202eb", "a b"), ("\ud800", "")],
)
def test_clean(value: t.Any, text: str) -> None:
    assert clean(value) == text


def test_clip_and_count() -> None:
    assert [clip("abcdef", width) for width in (6, 5, 2, 0)] == ["abcdef", "abc..", "ab", ""]
    assert [count(1, "pod"), count(2, "pod"), count(0, "address", "addresses")] == ["1 pod", "2 pods", "0 addresses"]


def test_day_and_time() -> None:
    assert day_and_time("2026-11-21T08:00:00Z") == "2026-11-21 08:00:00 UTC"
    assert day_and_time("no time") == "no time"
