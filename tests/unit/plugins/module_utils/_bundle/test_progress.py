# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.progress import Progress, duration, remaining


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_lines_of_a_build() -> None:
    clock, lines = Clock(), list[str]()
    progress = Progress({"kubernetes": 400.0, "runc": 20.0}, lines.append, clock=clock)
    progress.start("kubernetes")
    progress.start("runc")
    clock.now += 20
    progress.end("runc")
    clock.now += 29
    progress.tick()
    clock.now += 1
    progress.tick()
    progress.tick()
    clock.now += 150
    progress.end("kubernetes")
    assert lines == [
        "[ 0:00] kubernetes ...  (0 of 2, about 7:00 left)",
        "[ 0:00] runc ...  (0 of 2, about 7:00 left)",
        "[ 0:20] runc done in 0:20  (1 of 2, about 3:10 left)",
        "[ 0:50] running: kubernetes (0:50)  (1 of 2, about 4:10 left)",
        "[ 3:20] kubernetes done in 3:20  (2 of 2)",
    ]


def test_a_failure_is_shown_as_one() -> None:
    clock, lines = Clock(), list[str]()
    progress = Progress({"runc": 20.0}, lines.append, clock=clock)
    progress.start("runc")
    clock.now += 2
    progress.end("runc", "FAILED")
    assert lines[-1].startswith("[ 0:02] runc FAILED in 0:02")


@pytest.mark.parametrize(
    ("done", "started", "now", "expected"),
    [
        ((), {}, 0.0, 420.0),  # nothing known: the catalogue's seconds
        ((), {}, 300.0, 420.0),  # downloading says nothing about the pace of building
        ((), {"b": 300.0}, 300.1, 419.9),
        (("a",), {"a": 0.0}, 40.0, 800.0),  # twice as slow as the catalogue's machine
        (("a",), {"a": 0.0}, 20.0, 400.0),
        (("a",), {"a": 100.0}, 140.0, 800.0),  # the pace counts from the first start
        ((), {"b": 0.0}, 1000.0, 40.0 / 380.0 * 1000.0),  # what runs too long never counts as finished
        (("a", "b"), {"a": 0.0, "b": 0.0}, 100.0, 0.0),
    ],
)
def test_remaining(done: tuple[str, ...], started: dict[str, float], now: float, expected: float) -> None:
    assert remaining({"a": 20.0, "b": 400.0}, done, started, now) == pytest.approx(expected)


def test_duration() -> None:
    assert [duration(value) for value in (0, 65, 3600, 3725.9)] == ["0:00", "1:05", "1:00:00", "1:02:05"]
