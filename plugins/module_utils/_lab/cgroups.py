# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Control groups of a lab: one tree per lab, one below it per machine, in every hierarchy."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import time
import typing as t
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError

ROOT = Path("/sys/fs/cgroup")
_QUOTA_PERIOD = 100_000
# PF_EXITING of the kernel: the process is on its way out, but is still in its groups.
_EXITING = 0x4


class ControlGroups:
    """The control groups of the host.

    :param root: where they are mounted; tests pass a folder of their own.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root

    @property
    def unified(self) -> bool:
        """Whether all controllers are in the one hierarchy of version 2."""
        return (self._root / "cgroup.controllers").exists()

    def hierarchies(self) -> list[Path]:
        if self.unified:
            return [self._root]
        try:
            entries = sorted(self._root.iterdir())
        except FileNotFoundError:
            return []
        return [one for one in entries if not one.is_symlink() and (one / "cgroup.procs").exists()]

    def has_memory(self) -> bool:
        """Whether memory can be limited."""
        if self.unified:
            return "memory" in (self._root / "cgroup.controllers").read_text().split()
        return (self._root / "memory" / "cgroup.procs").exists()

    def trees(self, lab: str, machine: str | None = None) -> list[Path]:
        """The folder of the lab, or of one of its machines, in each hierarchy."""
        below = Path(f"klab-{lab}") if machine is None else Path(f"klab-{lab}") / machine
        return [hierarchy / below for hierarchy in self.hierarchies()]

    def make(self, lab: str, machine: str) -> list[Path]:
        """Make a machine's groups. cpuset refuses processes until its two files are filled."""
        for tree in self.trees(lab, machine):
            tree.mkdir(parents=True, exist_ok=True)
            for folder in (tree.parent, tree):
                if self.unified:
                    self._hand_down(folder.parent)
                for name in ("cpuset.cpus", "cpuset.mems"):
                    own, above = folder / name, folder.parent / name
                    if not self.unified and own.exists() and not own.read_text().strip():
                        own.write_text(above.read_text())
        return self.trees(lab, machine)

    def _hand_down(self, folder: Path) -> None:
        offered = (folder / "cgroup.controllers").read_text().split()
        (folder / "cgroup.subtree_control").write_text(" ".join(f"+{one}" for one in offered))

    def limit(self, lab: str, machine: str, memory: int | None, cpus: float | None) -> None:
        """Set what a machine may use; None lifts the limit."""
        if self.unified:
            tree = self._root / f"klab-{lab}" / machine
            (tree / "memory.max").write_text("max" if memory is None else str(memory))
            quota = "max" if cpus is None else str(int(cpus * _QUOTA_PERIOD))
            (tree / "cpu.max").write_text(f"{quota} {_QUOTA_PERIOD}")
            return
        for hierarchy, name, value in (
            ("memory", "memory.limit_in_bytes", -1 if memory is None else memory),
            ("cpu", "cpu.cfs_quota_us", -1 if cpus is None else int(cpus * _QUOTA_PERIOD)),
        ):
            path = self._root / hierarchy / f"klab-{lab}" / machine / name
            # A combined mount has another name; the symlink of the single one leads there.
            if path.exists():
                path.write_text(str(value))

    def machines(self, lab: str) -> set[str]:
        """Machines that have a group somewhere."""
        found: set[str] = set()
        for tree in self.trees(lab):
            with contextlib.suppress(FileNotFoundError):
                found.update(one.name for one in tree.iterdir() if one.is_dir())
        return found

    def processes(self, lab: str, machine: str | None = None) -> set[int]:
        """Every process in the groups, in whichever hierarchy it is."""
        found: set[int] = set()
        for tree in self.trees(lab, machine):
            for folder, _folders, _files in os.walk(tree):
                with contextlib.suppress(OSError):
                    found.update(int(line) for line in (Path(folder) / "cgroup.procs").read_text().split())
        # 0 stands for a process of another process namespace, which none of ours is.
        return found - {0}

    def init_of(self, lab: str, machine: str) -> int | None:
        """The machine's process 1, as the host numbers it."""
        for pid in self.processes(lab, machine):
            if _is_living_init(pid):
                return pid
        return None

    def remove(self, lab: str, machine: str | None = None, *, timeout: float = 10) -> None:
        """Remove the groups, empty of processes. The kernel lets go of them a moment after the last one."""
        deadline = time.monotonic() + timeout
        pending = self.trees(lab, machine)
        while pending:
            pending = [tree for tree in pending if not _remove_tree(tree)]
            if pending and time.monotonic() > deadline:
                raise KlubsterError(
                    f"These control groups cannot be removed: {', '.join(map(str, pending))}. "
                    "Look at their cgroup.procs."
                )
            if pending:
                select.select([], [], [], 0.01)


def end_processes(find: t.Callable[[], set[int]], *, timeout: float = 15) -> int:
    """Kill what ``find`` finds until it finds nothing; return how many there were.

    Killing the first process of a process namespace ends all in it, so mostly one round is enough.
    """
    deadline = time.monotonic() + timeout
    seen: set[int] = set()
    while True:
        alive = find() - {os.getpid()}
        if not alive:
            return len(seen)
        if time.monotonic() > deadline:
            raise KlubsterError(f"These processes do not end: {', '.join(map(str, sorted(alive)))}.")
        seen |= alive
        handles = {}
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                handles[os.pidfd_open(pid)] = pid
        try:
            # Through the handle, and only what is still found: a number may have been given anew meanwhile.
            still = find()
            for handle, pid in handles.items():
                if pid in still:
                    with contextlib.suppress(ProcessLookupError):
                        signal.pidfd_send_signal(handle, signal.SIGKILL)
            wait_for_end([handle for handle, pid in handles.items() if pid in still], deadline)
        finally:
            for handle in handles:
                os.close(handle)
        _reap(alive)


def wait_for_end(handles: t.Iterable[int], deadline: float) -> bool:
    """Wait until all processes have ended; return whether they did in time."""
    poller = select.poll()
    open_handles = set(handles)
    for handle in open_handles:
        poller.register(handle, select.POLLIN)
    while open_handles:
        rest = deadline - time.monotonic()
        if rest <= 0:
            return False
        for handle, _event in poller.poll(rest * 1000):
            poller.unregister(handle)
            open_handles.discard(handle)
    return True


def _reap(pids: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def _is_living_init(pid: int) -> bool:
    """Whether a process is the first of a process namespace right below ours, and not about to end."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        flags = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[6])
    except OSError:
        return False
    status = {name: value.split() for name, _colon, value in (line.partition(":") for line in lines)}
    numbers = status.get("NSpid", [])
    killed = any(int(status[name][0], 16) & 1 << (signal.SIGKILL - 1) for name in ("SigPnd", "ShdPnd"))
    return len(numbers) == 2 and numbers[1] == "1" and not killed and not flags & _EXITING


def _remove_tree(tree: Path) -> bool:
    for folder, _folders, _files in os.walk(tree, topdown=False):
        try:
            Path(folder).rmdir()
        except FileNotFoundError:
            continue
        except OSError as exc:
            if exc.errno in (errno.EBUSY, errno.ENOTEMPTY):
                return False
            raise
    return not tree.exists()


__all__ = ("ROOT", "ControlGroups", "end_processes", "wait_for_end")
