# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Takes a machine back to what it was: looks at what is left, and removes exactly that."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import time
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import kube_vip
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.engine_layout import EngineLayout
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.marker import read_marker
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, KlubsterError, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._model.cni import LEFTOVERS
from ansible_collections.kateskit.klubster.plugins.module_utils._node import firewall, firewall_rules, managed_files
from ansible_collections.kateskit.klubster.plugins.module_utils._node.kernel import Kernel, KernelError
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import STATE_DIRECTORY, Record, locked

# kube-router names its tunnels so, by the other node's address; the kernel says that they carry IP in IP.
_TUNNEL = re.compile(r"tun-[0-9a-f]{4,11}")
_ARPHRD_TUNNEL = "768"
_OUR_FOLDERS = (Path("/etc/klubster"), Path("/run/klubster"))


class ResetError(KlubsterError):
    """The machine may not be reset, or something does not go."""


def refuse_unless_confirmed(cluster: str, confirmation: str) -> None:
    """:raises InvalidInput: the user did not give the cluster's name as their word."""
    if confirmation != cluster or not cluster:
        raise InvalidInput(
            [
                Problem(
                    "klubster_reset",
                    confirmation,
                    "A reset destroys the cluster and the data on its machines, so it is asked for by name.",
                    f"If you mean it, add -e klubster_reset={cluster}.",
                )
            ]
        )


@dataclass
class Reset:
    """One machine on its way back."""

    layout: EngineLayout
    cluster: str
    run: Runner
    #: how the engine itself gives the machine up; says in words what it did
    farewell: t.Callable[[], t.Sequence[str]] = tuple
    directory: Path = STATE_DIRECTORY
    kernel: Kernel = field(default_factory=Kernel)
    #: what was done, or would be, in words
    done: list[str] = field(default_factory=list)

    def refuse_strangers(self) -> None:
        """:raises ResetError: the machine belongs to another cluster, or to one that this collection did not make."""
        marker = read_marker(self.directory, self.layout.marker)
        if marker is not None and marker.cluster != self.cluster:
            raise ResetError(
                f"This machine belongs to the cluster {marker.cluster!r}, not to {self.cluster!r}. It was left alone. "
                "Use that cluster's inventory."
            )
        sign = next((path for path in self.layout.signs if Path(path).exists()), "")
        if marker is None and sign:
            raise ResetError(
                f"This machine is a node of a cluster that this collection did not make ({sign} exists, our marker "
                f"does not). It was left alone. If it may go, take it down with what made it ({self.layout.name})."
            )

    def plan(self) -> list[str]:
        """For check mode: what would be done; nothing on a machine that has nothing of ours."""
        if not self.directory.exists():
            return []
        record = Record.load(self.directory)
        steps = [f"stop {unit}" for unit in self._units(record)]
        steps += [f"empty {folder}" for folder in record.data or {} if Path(folder).exists()]
        steps += [f"take away or restore {path}" for path in sorted(record.entries)]
        return [*steps, f"remove {self.directory}"]

    def perform(self) -> None:
        """Everything. The record goes last, so that a reset that is cut short can be done again."""
        if not self.directory.exists():
            return
        with locked(self.directory):
            record = Record.load(self.directory)
            self._leave_cluster()
            self._stop(record)
            self._unmount()
            self._network(record)
            self._data(record)
            self._files(record)
            self._settings(record)
            self._folders(record)
            shutil.rmtree(self.directory)
        self.done.append(f"removed {self.directory}")

    # --- steps

    def _leave_cluster(self) -> None:
        if read_marker(self.directory, self.layout.marker) is not None:
            self.done += self.farewell()

    def _stop(self, record: Record) -> None:
        for unit in self._units(record):
            if self.run(["systemctl", "cat", unit], check=False).rc == 0:
                self.run(["systemctl", "disable", "--now", "--quiet", unit], check=False, timeout=120)
                self.run(["systemctl", "reset-failed", unit], check=False)
                self.done.append(f"stopped {unit}")
            if unit == self.layout.node_units[-1]:
                end_containers()
        self.run(["systemctl", "stop", "kubepods.slice"], check=False)

    def _units(self, record: Record) -> list[str]:
        """The node's first, then its runtime's, then whatever else of ours was started here."""
        engine = [*self.layout.node_units, *self.layout.runtime_units]
        return [*engine, *(unit for unit in sorted(record.services) if unit not in engine)]

    def _unmount(self) -> None:
        for place in mounts_below(self.layout.mounts):
            if self.run(["umount", place], check=False).rc != 0:
                # Whatever still looks at it keeps it until it closes its files.
                self.run(["umount", "--lazy", place])
            self.done.append(f"unmounted {place}")

    def _network(self, record: Record) -> None:
        pod = kube_vip.held() if kube_vip.POD in record.entries else None
        if pod is not None:
            # Its containers were killed, so nobody else takes the address from the interface.
            kube_vip.release(pod, self.run)
            self.done.append(f"released {pod.address}")
        for namespace in sorted(Path("/run/netns").glob("cni-*")):
            namespace.unlink()
        for name in interfaces_of(self.layout.interfaces):
            self.run(["ip", "link", "delete", name])
            self.done.append(f"deleted interface {name}")
        steps = firewall.removals(self.run)
        firewall.remove(steps, self.run)
        # Rules refer to sets, so sets go after them.
        self.done += [f"destroyed {name}" for name in firewall.remove_sets(self.run)]
        self.done += [f"removed the cluster's rules from {step.program}" for step in steps]
        if record.firewall_tables is not None:
            surplus = firewall.surplus_tables(record.firewall_tables, self.run)
            firewall.remove_tables(surplus, self.run)
            self.done += [f"deleted firewall table {name}" for name in surplus]

    def _data(self, record: Record) -> None:
        # CNI plugins of others may be configured beside ours.
        self.done += [f"removed {name}" for name in remove_leftovers(LEFTOVERS)]
        for name, mode in (record.data or {}).items():
            if empty(Path(name)):
                self.done.append(f"emptied {name}")
            if mode is not None and Path(name).is_dir():
                Path(name).chmod(mode)

    def _files(self, record: Record) -> None:
        self.done += firewall_rules.remove(record, self.run)
        for path in sorted(record.entries):
            managed_files.remove(record, path)
            self.done.append(f"took away or restored {path}")
        self.run(["systemctl", "daemon-reload"])

    def _settings(self, record: Record) -> None:
        for key, value in sorted(record.sysctls.items()):
            have = self.kernel.setting(key)
            if have is None or have == value:
                continue
            # A container may read what it may not write; then it was not set from there either.
            with contextlib.suppress(KernelError):
                self.kernel.set(key, value)
                self.done.append(f"set {key} back to {value}")
        remove_cgroups(Path("/sys/fs/cgroup"))

    def _folders(self, record: Record) -> None:
        for folder in _OUR_FOLDERS:
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(folder)
        for name in sorted(record.directories, key=lambda path: path.count("/"), reverse=True):
            place = Path(name)
            # Not empty: somebody else uses it. Busy: it is a mount point.
            with contextlib.suppress(OSError):
                if place.is_file() and place.stat().st_size == 0:
                    place.unlink()
                else:
                    place.rmdir()


def interfaces_of(names: t.Sequence[str], folder: Path = Path("/sys/class/net")) -> list[str]:
    """Those of the names that are there, and kube-router's tunnels."""
    found = [name for name in names if (folder / name).exists()]
    for place in sorted(folder.glob("tun-*")):
        with contextlib.suppress(OSError):
            kind = (place / "type").read_text(encoding="ascii").strip()
            if _TUNNEL.fullmatch(place.name) and kind == _ARPHRD_TUNNEL:
                found.append(place.name)
    return found


def remove_leftovers(patterns: t.Sequence[str], root: Path = Path("/")) -> list[str]:
    """Remove files and folders that providers of the pod network made; returns what was there."""
    found = [place for pattern in patterns for place in sorted(root.glob(pattern.lstrip("/")))]
    for place in found:
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink()
    return [f"/{place.relative_to(root)}" for place in found]


def mounts_below(prefixes: t.Sequence[str], table: Path = Path("/proc/self/mounts")) -> list[str]:
    """Mount points strictly below folders, the innermost first."""
    places = []
    for line in table.read_text(encoding="utf-8").splitlines():
        place = line.split()[1].encode().decode("unicode_escape")
        if any(place.startswith(f"{prefix}/") for prefix in prefixes):
            places.append(place)
    return sorted(places, key=lambda place: place.count("/"), reverse=True)


def empty(folder: Path) -> bool:
    """Remove all in a folder, not crossing into other file systems; whether there was anything."""
    if not folder.is_dir() or folder.is_symlink():
        return False
    entries = list(folder.iterdir())
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            # Another data folder inside may be a mount point; it is emptied by itself.
            shutil.rmtree(entry, ignore_errors=os.path.ismount(entry))
        else:
            entry.unlink()
    return bool(entries)


def end_containers(proc: Path = Path("/proc"), deadline: float = 10.0) -> int:
    """Kill what containerd's shims left running: containers outlive containerd and kubelet. Returns how many.

    Only shims of the namespace in which kubelet works: those of Docker go on.
    """
    victims = _container_processes(proc)
    for pid in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + deadline
    while any((proc / str(pid)).exists() and not _is_zombie(proc / str(pid)) for pid in victims):
        if time.monotonic() > end:
            raise ResetError("Processes of containers do not end. Reboot the machine, then run again.")
        time.sleep(0.05)
    return len(victims)


def _container_processes(proc: Path) -> list[int]:
    children: dict[int, list[int]] = {}
    shims = []
    for folder in proc.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            argv = (folder / "cmdline").read_bytes().split(b"\0")
            # The command's name stands in parentheses and may hold anything.
            parent = int((folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        children.setdefault(parent, []).append(int(folder.name))
        if argv[0].endswith(b"containerd-shim-runc-v2") and b"k8s.io" in argv:
            shims.append(int(folder.name))
    victims: list[int] = []
    queue = list(shims)
    while queue:
        pid = queue.pop()
        victims.append(pid)
        queue += children.get(pid, [])
    return victims


def _is_zombie(folder: Path) -> bool:
    try:
        return (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return True


def remove_cgroups(root: Path) -> None:
    """Remove control groups of pods; the kernel lets only empty ones go."""
    for top in [root / "kubepods", *root.glob("*/kubepods")]:
        if top.is_dir():
            for folder, dummy, dummy in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()


__all__ = (
    "Reset",
    "ResetError",
    "empty",
    "end_containers",
    "interfaces_of",
    "mounts_below",
    "refuse_unless_confirmed",
    "remove_cgroups",
    "remove_leftovers",
)
