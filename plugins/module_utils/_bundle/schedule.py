# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Runs the builds: several at a time where processors and memory allow, the longest first."""

from __future__ import annotations

import os
import typing as t
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.errors import BuildError
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.process import Stopped
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError

#: MiB that stay free for everything else
RESERVE = 768
#: one build keeps several processors busy most of the time; a second one fills its serial parts
_BUILDS_PER_PROCESSOR = 1.0
T = t.TypeVar("T")


class Task(t.Protocol):
    """What the planner needs to know of a component."""

    @property
    def name(self) -> str: ...

    @property
    def weight(self) -> int: ...

    @property
    def memory(self) -> int: ...


@dataclass(frozen=True)
class Capacity:
    """What the machine offers: how many builds at most, and MiB for all of them together."""

    jobs: int
    memory: int


class SeveralFailed(KlubsterError):
    """More than one component failed; tells of each."""

    def __init__(self, errors: t.Sequence[BuildError]) -> None:
        self.errors = tuple(errors)
        names = ", ".join(error.component for error in errors)
        super().__init__("\n".join([f"{len(errors)} components failed: {names}.", *(str(error) for error in errors)]))


def capacity(
    jobs: int = 0, *, processors: int = 0, available: int = 0, cgroup: Path = Path("/sys/fs/cgroup")
) -> Capacity:
    """Look at the machine.

    :param jobs: the user's limit; 0 leaves it to processors and memory.
    """
    processors = processors or len(os.sched_getaffinity(0))
    available = available or _available_memory(cgroup)
    limit = jobs or max(1, min(8, int(processors * _BUILDS_PER_PROCESSOR)))
    return Capacity(jobs=limit, memory=max(0, available - RESERVE))


def startable(waiting: t.Sequence[Task], running: t.Sequence[Task], has: Capacity) -> Task | None:
    """The next build to start: the longest that fits. One always runs, even on a machine that is too small."""
    if len(running) >= has.jobs:
        return None
    used = sum(task.memory for task in running)
    for task in sorted(waiting, key=lambda one: (-one.weight, one.name)):
        if not running or used + task.memory <= has.memory:
            return task
    return None


def run_all(
    tasks: t.Sequence[t.Any],
    work: t.Callable[[t.Any], T],
    has: Capacity,
    *,
    stop: t.Callable[[], None],
) -> dict[str, T]:
    """Do the work of all tasks; name → result.

    An ordinary failure lets the others finish, so that the next run has less to do. One that says ``stops_all`` ends
    them at once.

    :raises BuildError: one task failed. SeveralFailed: more than one did.
    """
    waiting = list(tasks)
    running: dict[Future[T], t.Any] = {}
    results: dict[str, T] = {}
    errors: list[BuildError] = []
    halted = False
    with ThreadPoolExecutor(max_workers=max(1, has.jobs)) as pool:
        try:
            while running or (waiting and not halted):
                following = None if halted else startable(waiting, list(running.values()), has)
                if following is not None:
                    waiting.remove(following)
                    running[pool.submit(work, following)] = following
                    continue
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    task = running.pop(future)
                    try:
                        results[task.name] = future.result()
                    except Stopped:
                        pass
                    except BuildError as exc:
                        errors.append(exc)
                        if exc.stops_all and not halted:
                            halted = True
                            stop()
        except BaseException:
            stop()
            raise
    fatal = [error for error in errors if error.stops_all]
    if fatal:
        raise fatal[0]
    if len(errors) > 1:
        raise SeveralFailed(errors)
    if errors:
        raise errors[0]
    return results


def _available_memory(cgroup: Path) -> int:
    """MiB that can be had: of the machine, or of the control group where it is less."""
    found = []
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            found.append(int(line.split()[1]) // 1024)
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            found.append(int((cgroup / name).read_text(encoding="ascii")) >> 20)
        except (OSError, ValueError):
            continue
    return min(found, default=2048)


__all__ = ("RESERVE", "Capacity", "SeveralFailed", "capacity", "run_all", "startable")
