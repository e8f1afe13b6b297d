# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Lab machines as containers: systemd-nspawn over a shared root, each with systemd, network and control groups."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import time
import typing as t
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner, run
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, KlubsterError, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._files import write_atomically
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.backend import Changes, Found, Observed, plan
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.base import BaseRoot, recipe_for, remove_folder
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.cgroups import (
    ControlGroups,
    end_processes,
    wait_for_end,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.definition import BASES, Disk, Lab, LabMachine
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.host import HostSettings
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.lock import locked_folder
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.machine_start import FOLDERS, start_script
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.network import (
    LabNetwork,
    cable_commands,
    greeting,
    in_namespace,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.paths import LabPaths
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.ssh import client_files, make_key

PROGRAMS = (
    "debootstrap", "ip", "losetup", "nsenter", "rm", "setpriv", "ssh", "ssh-keygen", "systemd-nspawn",
    "umount", "unshare",
)  # fmt: skip
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HOST_KEY = "etc/ssh/ssh_host_ed25519_key.pub"
_SIGRTMIN = 34
_POWER_OFF = _SIGRTMIN + 4
_BLOCK = Path("/sys/block")


class ContainerBackend:
    """Machines by systemd-nspawn.

    :param cache: the collection's folder in the cache.
    :param mirror: where the packages of the root file system come from; empty: as apt of this host.
    :param ready_timeout: seconds a machine may take to start.
    """

    def __init__(
        self,
        cache: Path,
        *,
        runner: Runner = run,
        mirror: str = "",
        ready_timeout: float = 120,
        groups: ControlGroups | None = None,
        base: BaseRoot | None = None,
        host: HostSettings | None = None,
    ) -> None:
        self._cache, self._run, self._ready_timeout = cache, runner, ready_timeout
        self._groups = groups or ControlGroups()
        self._given_base, self._mirror = base, mirror
        self._host = host or HostSettings()

    # --- the verbs ---

    def up(self, lab: Lab, *, check: bool = False) -> Changes:
        paths = self._paths(lab.name)
        self._refuse_foreign(paths)
        if check:
            changes = plan(lab, self.observe(lab.name))
            self._compare_client_files(lab, paths, changes)
            return changes
        self._base_of(lab).build()
        with locked_folder(paths.state):
            changes = plan(lab, self.observe(lab.name))
            self._compare_client_files(lab, paths, changes)
            self._host.take(lab.name)
            (paths.runtime / "owner").write_text(str(paths.state))
            for name in (*changes.remove, *changes.restart):
                self._stop(paths, name)
            for name in changes.remove:
                self._forget(paths, name)
            if changes.network:
                LabNetwork(paths, self._run).make(lab)
            self._prepare(lab, paths)
            for name in (*changes.limit, *changes.restart, *changes.start):
                self._apply_limits(lab, paths, name)
            self._start(paths, (*changes.restart, *changes.start))
            self._wait_for_ssh(lab, paths, changes)
        return changes

    def down(self, name: str, *, check: bool = False) -> bool:
        paths = self._paths(name)
        self._refuse_foreign(paths)
        if not self.exists(name) or check:
            return self.exists(name)
        with locked_folder(paths.state):
            network = LabNetwork(paths, self._run)
            for socket_path in self._controls(paths):
                self._end_ssh(socket_path)
            end_processes(lambda: self._groups.processes(name) | network.processes() | _ssh_masters(paths))
            self._groups.remove(name)
            self._detach_disks(paths.state)
            network.remove()
            self._host.give_back(name, lambda path: self._run(["umount", str(path)]))
            remove_folder(paths.state, self._run)
        with contextlib.suppress(OSError):
            paths.state.parent.rmdir()
        return True

    def power_off(
        self, name: str, machines: t.Sequence[str], *, orderly: bool = False, check: bool = False
    ) -> tuple[str, ...]:
        paths = self._paths(name)
        running = tuple(one for one in self._known(paths, machines) if self._groups.init_of(name, one) is not None)
        if not check and running:
            with locked_folder(paths.state):
                if orderly:
                    self._shut_down(paths, running)
                for machine in running:
                    self._stop(paths, machine)
        return running

    def power_on(self, name: str, machines: t.Sequence[str], *, check: bool = False) -> tuple[str, ...]:
        paths = self._paths(name)
        off = tuple(one for one in self._known(paths, machines) if self._groups.init_of(name, one) is None)
        if not check and off:
            with locked_folder(paths.state):
                self._start(paths, off)
        return off

    def exists(self, name: str) -> bool:
        return bool(self.leftovers(name))

    def observe(self, name: str) -> Observed:
        paths = self._paths(name)
        names = self._groups.machines(name)
        with contextlib.suppress(FileNotFoundError):
            names |= {one.name for one in paths.machines.iterdir() if one.is_dir()}
        machines = {}
        for machine in sorted(names):
            note = self._note(paths, machine)
            running = self._groups.init_of(name, machine) is not None
            machines[machine] = Found(
                "running" if running else "off", note.get("digest", ""), note.get("memory"), note.get("cpus")
            )
        return Observed(LabNetwork(paths, self._run).applied(), machines)

    def leftovers(self, name: str) -> list[str]:
        paths = self._paths(name)
        found = [f"process {pid}" for pid in sorted(self._groups.processes(name))]
        found += [f"process {pid} in the network namespace" for pid in sorted(LabNetwork(paths, self._run).processes())]
        found += [f"process {pid}: kept SSH connection" for pid in sorted(_ssh_masters(paths))]
        found += [f"control group {tree}" for tree in self._groups.trees(name) if tree.exists()]
        found += [f"network namespace {paths.namespace}"] if paths.namespace.exists() else []
        found += [f"mount {point}" for point in _mounts_of(paths)]
        found += [f"loop device {device}" for device in _loop_devices(paths.state)]
        found += [f"folder {path}" for path in (paths.state, paths.runtime) if path.exists()]
        return found

    # --- preparing ---

    def _paths(self, name: str) -> LabPaths:
        return LabPaths(name, self._cache)

    def _base_of(self, lab: Lab) -> BaseRoot:
        if self._given_base is not None:
            return self._given_base
        recipe = recipe_for(BASES[lab.base])
        return BaseRoot(self._cache / "lab", self._run, recipe=recipe, mirror=self._mirror)

    def _refuse_foreign(self, paths: LabPaths) -> None:
        with contextlib.suppress(FileNotFoundError):
            owner = (paths.runtime / "owner").read_text()
            # When that folder is gone, nobody can take the lab down but under this name.
            if owner != str(paths.state) and Path(owner).exists():
                raise InvalidInput(
                    [
                        Problem(
                            "name", paths.name, f"a lab of this name runs on this host, kept in {owner}.",
                            "Choose another name (KLUBSTER_LAB_NAME), or take that lab down.",
                        )
                    ]
                )  # fmt: skip

    def _prepare(self, lab: Lab, paths: LabPaths) -> None:
        """Keys, folders and files of machines; what is there already is kept."""
        paths.key.parent.mkdir(parents=True, exist_ok=True)
        paths.key.parent.chmod(0o700)
        public = make_key(paths.key, f"klubster lab {lab.name}", self._run)
        with ThreadPoolExecutor(max_workers=8) as pool:
            keys = dict(
                zip(
                    lab.machines,
                    pool.map(lambda one: self._prepare_machine(lab, one, paths, public), lab.machines.values()),
                )
            )
        for path, (content, mode) in self._stale_client_files(lab, paths, keys).items():
            write_atomically(path, content.encode(), mode=mode)

    def _stale_client_files(self, lab: Lab, paths: LabPaths, keys: t.Mapping[str, str]) -> dict[Path, tuple[str, int]]:
        return {
            path: wanted
            for path, wanted in client_files(lab, paths, keys).items()
            if not path.exists() or path.read_text() != wanted[0]
        }

    def _compare_client_files(self, lab: Lab, paths: LabPaths, changes: Changes) -> None:
        """The way to machines that are there already may have changed too, for example with the controller's Python."""
        try:
            keys = {name: (paths.machines / name / "upper" / _HOST_KEY).read_text() for name in lab.machines}
        except FileNotFoundError:
            return
        for path in self._stale_client_files(lab, paths, keys):
            changes.difference.add(str(path), want="renewed", have="outdated")

    def _prepare_machine(self, lab: Lab, machine: LabMachine, paths: LabPaths, public: str) -> str:
        home = paths.machines / machine.name
        upper = home / "upper"
        if not upper.exists():
            # Made elsewhere and renamed, so that no machine starts with half of its files.
            partial = home / "upper.partial"
            remove_folder(partial, self._run)
            self._fill(partial, lab, machine, public)
            partial.rename(upper)
        for folder in ("work", "root", "disks", *(f"data/{one}" for one in FOLDERS)):
            (home / folder).mkdir(parents=True, exist_ok=True)
        note = self._note(paths, machine.name)
        base = note.get("base", str(self._base_of(lab).path))
        inside, outside = cable_commands(lab, machine)
        script = start_script(
            lab=lab.name,
            machine=machine,
            home=home,
            base=Path(base),
            trees=self._groups.trees(lab.name, machine.name),
            devices=[device for device in ("/dev/kmsg", "/dev/fuse") if Path(device).exists()],
            unified=self._groups.unified,
            inside=inside,
            outside=outside,
        )
        write_atomically(home / "start", script.encode(), mode=0o700)
        for disk in machine.disks:
            self._make_disk(home, disk)
        # What was plugged in before must not come back with the next start.
        self._write_note(paths, machine.name, {**note, "base": base, "digest": lab.machine_digest(machine.name)})
        return (upper / _HOST_KEY).read_text().strip()

    def _fill(self, upper: Path, lab: Lab, machine: LabMachine, public: str) -> None:
        files = {
            "etc/hostname": (f"{machine.name}\n", 0o644),
            "etc/machine-id": (f"{uuid.uuid4().hex}\n", 0o444),
            "etc/hosts": (
                f"127.0.0.1 localhost\n127.0.1.1 {machine.name}\n::1 localhost ip6-localhost ip6-loopback\n",
                0o644,
            ),
            # Nothing answers there, and says so at once; a missing file or an empty one would break pods in other ways.
            "etc/resolv.conf": (
                f"nameserver {next(iter(lab.segments[next(iter(machine.addresses))].gateways))}\n",
                0o644,
            ),
            "root/.ssh/authorized_keys": (f"{public}\n", 0o600),
        }
        for name, (content, mode) in files.items():
            path = upper / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            path.chmod(mode)
        for private in ("root", "root/.ssh"):
            (upper / private).chmod(0o700)
        make_key(upper / "etc/ssh/ssh_host_ed25519_key", machine.name, self._run)

    def _make_disk(self, home: Path, disk: Disk) -> None:
        path = home / "disks" / disk.name
        if disk.kind == "folder":
            path.mkdir(exist_ok=True)
            return
        with path.open("ab") as stream:
            if stream.tell() < disk.size:
                stream.truncate(disk.size)

    def _apply_limits(self, lab: Lab, paths: LabPaths, name: str) -> None:
        machine = lab.machines[name]
        if all(tree.exists() for tree in self._groups.trees(lab.name, name)):
            self._groups.limit(lab.name, name, machine.memory, machine.cpus)
        note = {**self._note(paths, name), "memory": machine.memory, "cpus": machine.cpus}
        self._write_note(paths, name, note)

    # --- starting ---

    def _start(self, paths: LabPaths, names: t.Sequence[str]) -> None:
        """Start machines together and wait until systemd in each says that it is done."""
        waiting: dict[socket.socket, tuple[str, int]] = {}
        by_handle: dict[int, socket.socket] = {}
        try:
            for name in names:
                listener, pid = self._launch(paths, name)
                waiting[listener] = (name, pid)
                by_handle[os.pidfd_open(pid)] = listener
            self._await_ready(paths, waiting, by_handle)
        finally:
            for handle in by_handle:
                os.close(handle)
            for listener in waiting:
                listener.close()
            for name in names:
                (paths.runtime / f"{name}.notify").unlink(missing_ok=True)

    def _launch(self, paths: LabPaths, name: str) -> tuple[socket.socket, int]:
        home = paths.machines / name
        note = self._note(paths, name)
        # Whatever is still there of an earlier life would share the machine's disk.
        end_processes(lambda: self._groups.processes(paths.name, name))
        LabNetwork(paths, self._run).unplug(name)
        self._groups.remove(paths.name, name)
        self._groups.make(paths.name, name)
        self._groups.limit(paths.name, name, note.get("memory"), note.get("cpus"))
        self._detach_disks(home)
        self._attach_disks(home)
        address = paths.runtime / f"{name}.notify"
        address.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.bind(str(address))
        # Not subprocess: the machine shall outlive this program.
        # pylint: disable-next=ansible-bad-function
        pid = os.posix_spawn(
            "/bin/sh",
            ["/bin/sh", str(home / "start")],
            {"PATH": _PATH, "LC_ALL": "C.UTF-8", "NOTIFY_SOCKET": str(address)},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(home / "console.log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        return listener, pid

    def _await_ready(
        self,
        paths: LabPaths,
        waiting: t.Mapping[socket.socket, tuple[str, int]],
        by_handle: t.Mapping[int, socket.socket],
    ) -> None:
        deadline = time.monotonic() + self._ready_timeout
        pending = set(waiting)
        while pending:
            rest = max(deadline - time.monotonic(), 0)
            handles = [handle for handle, listener in by_handle.items() if listener in pending]
            readable = select.select([*(one.fileno() for one in pending), *handles], [], [], rest)[0]
            if not readable:
                names = sorted(waiting[listener][0] for listener in pending)
                raise KlubsterError(
                    f"Not started within {self._ready_timeout:g} s: {', '.join(names)}. "
                    f"{self._console(paths, names[0])} "
                    "Look with `journalctl -b` in the machine, or give it more time (lab_ready_timeout)."
                )
            for listener in [one for one in pending if one.fileno() in readable]:
                if b"READY=1" in listener.recv(4096).split(b"\n"):
                    pending.discard(listener)
            for handle in set(handles).intersection(readable):
                if by_handle[handle] in pending:
                    name, pid = waiting[by_handle[handle]]
                    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    raise KlubsterError(
                        f"Machine {name} ended while it started (status {status}). {self._console(paths, name)}"
                    )

    def _console(self, paths: LabPaths, name: str) -> str:
        try:
            lines = (paths.machines / name / "console.log").read_text(errors="replace").splitlines()[-8:]
        except OSError:
            lines = []
        return "Its console: " + (" | ".join(line.strip() for line in lines if line.strip()) or "nothing.")

    def _wait_for_ssh(self, lab: Lab, paths: LabPaths, changes: Changes) -> None:
        """Every machine must greet, also one that ran before: another run may have been cut short."""
        deadline = time.monotonic() + self._ready_timeout

        def silent() -> list[str]:
            return [one.name for one in lab.machines.values() if not greeting(str(one.address), timeout=2)]

        missing = in_namespace(paths.namespace, silent)
        while missing:
            if time.monotonic() > deadline:
                raise KlubsterError(
                    f"No SSH server answers on {', '.join(missing)}. {self._console(paths, missing[0])} "
                    "A machine that does not recover can be started anew: power it off, then run lab_up again."
                )
            dead = [name for name in missing if self._groups.init_of(lab.name, name) is None]
            for name in dead:
                # It was about to end when it was looked at.
                changes.difference.add(f"machine {name}", want="running", have="off")
            self._start(paths, dead)
            select.select([], [], [], 0.1)
            missing = in_namespace(paths.namespace, silent)

    # --- stopping ---

    def _stop(self, paths: LabPaths, machine: str) -> None:
        """Pull the plug."""
        self._end_ssh(paths.control(machine))
        end_processes(lambda: self._groups.processes(paths.name, machine))
        self._groups.remove(paths.name, machine)
        LabNetwork(paths, self._run).unplug(machine)
        self._detach_disks(paths.machines / machine)

    def _shut_down(self, paths: LabPaths, machines: t.Sequence[str], *, timeout: float = 60) -> None:
        """Let systemd stop everything; those that take too long are cut off afterwards."""
        handles = []
        try:
            for machine in machines:
                pid = self._groups.init_of(paths.name, machine)
                if pid is not None:
                    with contextlib.suppress(ProcessLookupError):
                        handles.append(os.pidfd_open(pid))
                        signal.pidfd_send_signal(handles[-1], _POWER_OFF)
            wait_for_end(handles, time.monotonic() + timeout)
        finally:
            for handle in handles:
                os.close(handle)

    def _forget(self, paths: LabPaths, machine: str) -> None:
        remove_folder(paths.machines / machine, self._run)

    def _end_ssh(self, control: Path) -> None:
        """Ansible keeps connections open for a while; one to a machine that is gone would make the next task wait."""
        if control.exists():
            self._run(
                ["ssh", "-F", "none", "-o", f"ControlPath={control}", "-O", "exit", "lab"], check=False, timeout=10
            )
            control.unlink(missing_ok=True)

    def _controls(self, paths: LabPaths) -> list[Path]:
        return list(paths.runtime.glob("*.ssh")) if paths.runtime.exists() else []

    # --- disks ---

    def _attach_disks(self, home: Path) -> None:
        """Give each disk file a loop device and tell the start script which."""
        lines = []
        for link in sorted((home / "disks").glob("*")):
            if link.is_file():
                device = self._run(["losetup", "--find", "--show", "--direct-io=off", str(link)]).stdout.strip()
                lines.append(f"{link.name} {device}\n")
        (home / "devices").write_text("".join(lines))

    def _detach_disks(self, below: Path) -> None:
        for device in _loop_devices(below):
            self._run(["losetup", "--detach", device])

    # --- notes ---

    def _note(self, paths: LabPaths, machine: str) -> dict[str, t.Any]:
        try:
            found = json.loads((paths.machines / machine / "note.json").read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write_note(self, paths: LabPaths, machine: str, note: t.Mapping[str, t.Any]) -> None:
        if note != self._note(paths, machine):
            write_atomically(paths.machines / machine / "note.json", json.dumps(note).encode())

    def _known(self, paths: LabPaths, machines: t.Sequence[str]) -> tuple[str, ...]:
        there = sorted(self.observe(paths.name).machines)
        unknown = [one for one in machines if one not in there]
        if unknown:
            raise InvalidInput(
                [
                    Problem(
                        "machines",
                        one,
                        f"lab {paths.name} has no such machine.",
                        f"It has {', '.join(there) or 'none'}.",
                    )
                    for one in unknown
                ]
            )
        return tuple(machines)


def missing_programs() -> list[str]:
    """Programs the backend needs and this host lacks."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return [program for program in PROGRAMS if shutil.which(program, path=path) is None]


def check_host(groups: ControlGroups | None = None) -> None:
    """Refuse a host that cannot have container machines.

    :raises KlubsterError: with the reason.
    """
    if os.geteuid() != 0:
        raise KlubsterError(
            "Lab machines are containers that only root can start. Run the playbook as root (--become)."
        )
    missing = missing_programs()
    if missing:
        raise KlubsterError(
            f"This host lacks {', '.join(missing)}. Let the role lab install them (lab_install_packages: true), "
            "or install debootstrap, systemd-container, openssh-client, iproute2 and util-linux."
        )
    if not (groups or ControlGroups()).has_memory():
        raise KlubsterError(
            "This host has no control group for memory, without which Kubernetes does not run. "
            "Enable it on the kernel's command line (cgroup_enable=memory)."
        )


def _loop_devices(below: Path) -> list[str]:
    """Loop devices whose file is below a folder, also when the file is deleted."""
    found = []
    for device in sorted(_BLOCK.glob("loop*")):
        with contextlib.suppress(OSError):
            backing = (device / "loop" / "backing_file").read_text().strip()
            if backing.startswith(f"{below}/"):
                found.append(f"/dev/{device.name}")
    return found


def _mounts_of(paths: LabPaths) -> list[str]:
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split()[4]
        if point == str(paths.namespace) or point.startswith((f"{paths.state}/", f"{paths.runtime}/")):
            found.append(point)
    return found


def _ssh_masters(paths: LabPaths) -> set[int]:
    """Processes of SSH that keep a connection of this lab open; they show their socket in their title."""
    mark = f"{paths.runtime}/".encode()
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                title = (entry / "cmdline").read_bytes()
                if title.startswith(b"ssh: " + mark):
                    found.add(int(entry.name))
    return found


__all__ = ("ContainerBackend", "check_host", "missing_programs")
