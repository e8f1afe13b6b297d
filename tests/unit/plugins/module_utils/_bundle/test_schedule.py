# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import threading
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import errors, schedule
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.process import Stopped


@dataclass(frozen=True)
class Job:
    name: str
    weight: int = 10
    memory: int = 1000


BIG = Job("big", weight=400, memory=2600)
MIDDLE = Job("middle", weight=100)
SMALL = Job("small", weight=10)

TEST_STARTABLE: list[tuple[list[Job], list[Job], tuple[int, int], Job | None]] = [
    ([SMALL, BIG, MIDDLE], [], (2, 8000), BIG),
    ([SMALL, MIDDLE], [BIG], (2, 8000), MIDDLE),
    ([SMALL, MIDDLE], [BIG], (1, 8000), None),
    ([MIDDLE], [BIG], (2, 3000), None),  # memory for one only
    ([BIG, SMALL], [MIDDLE], (2, 2500), SMALL),  # a smaller one that fits goes first
    ([BIG], [], (2, 100), BIG),  # one always runs
    ([], [], (2, 8000), None),
]


@pytest.mark.parametrize(("waiting", "running", "has", "expected"), TEST_STARTABLE)
def test_starts_the_longest_that_fits(
    waiting: list[Job], running: list[Job], has: tuple[int, int], expected: Job | None
) -> None:
    assert schedule.startable(waiting, running, schedule.Capacity(*has)) == expected


def test_capacity_counts_processors_and_leaves_room(tmp_path: Path) -> None:
    assert schedule.capacity(processors=2, available=8000) == schedule.Capacity(2, 8000 - schedule.RESERVE)
    assert schedule.capacity(processors=64, available=8000).jobs == 8
    assert schedule.capacity(3, processors=2, available=8000).jobs == 3


def test_capacity_knows_the_control_group(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text(f"{1 << 30}\n", encoding="ascii")
    assert schedule.capacity(cgroup=tmp_path).memory == 1024 - schedule.RESERVE
    (tmp_path / "memory.max").write_text("max\n", encoding="ascii")
    assert schedule.capacity(cgroup=tmp_path).memory != 1024 - schedule.RESERVE


def test_runs_everything_never_too_much_at_once() -> None:
    running, peak, lock = set[str](), [0], threading.Lock()

    def work(job: Job) -> str:
        with lock:
            running.add(job.name)
            peak[0] = max(peak[0], len(running))
        with lock:
            running.discard(job.name)
        return job.name.upper()

    jobs = [Job(f"job{number}") for number in range(20)]
    done = schedule.run_all(jobs, work, schedule.Capacity(3, 2500), stop=lambda: None)
    assert done == {job.name: job.name.upper() for job in jobs}
    assert peak[0] <= 2  # three by number, two by memory


def fail(kind: type[errors.BuildError], name: str) -> t.NoReturn:
    raise kind(name, "reason", "remedy")


def test_an_ordinary_failure_lets_the_others_finish() -> None:
    finished: list[str] = []

    def work(job: Job) -> None:
        if job is BIG:
            fail(errors.CompileFailed, job.name)
        finished.append(job.name)

    with pytest.raises(errors.CompileFailed, match="big: reason"):
        schedule.run_all([BIG, MIDDLE, SMALL], work, schedule.Capacity(1, 8000), stop=lambda: None)
    assert finished == ["middle", "small"]


def test_several_failures_are_all_told() -> None:
    def work(job: Job) -> None:
        fail(errors.DownloadFailed, job.name)

    with pytest.raises(schedule.SeveralFailed, match="2 components failed: middle, small") as caught:
        schedule.run_all([MIDDLE, SMALL], work, schedule.Capacity(1, 8000), stop=lambda: None)
    assert "small: reason remedy" in str(caught.value)


def test_a_checksum_mismatch_stops_everything() -> None:
    stopped, begun = threading.Event(), threading.Event()
    started: list[str] = []

    def work(job: Job) -> None:
        started.append(job.name)
        if job is BIG:
            begun.wait(10)
            fail(errors.ChecksumMismatch, job.name)
        begun.set()
        assert stopped.wait(10), "the running build was not stopped"
        raise Stopped("stopped")

    with pytest.raises(errors.ChecksumMismatch):
        schedule.run_all([BIG, MIDDLE, SMALL], work, schedule.Capacity(2, 8000), stop=stopped.set)
    assert started == ["big", "middle"]  # the third never started


def test_an_unexpected_error_stops_everything_too() -> None:
    stopped: list[bool] = []

    def work(job: Job) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        schedule.run_all([BIG, SMALL], work, schedule.Capacity(1, 8000), stop=lambda: stopped.append(True))
    assert stopped
