# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Loads on the network, bounded in time and in number, and what the network's own programs take meanwhile."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import socket
import sys
import time
import typing as t
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._compare import figures, iperf
from ansible_collections.kateskit.klubster.plugins.module_utils._compare.iperf import Unmeasured
from ansible_collections.kateskit.klubster.plugins.module_utils._compare.network import (
    PROC,
    inside,
    is_uid,
    network_of,
    prefix,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import (
    CommandFailed,
    InvalidInput,
    KlubsterError,
    Problem,
)

#: programs that carry, route or filter packets of pods; those of k3s hold Flannel, kube-proxy and much else
PROGRAMS = (
    "calico-node",
    "calico-typha",
    "cilium-agent",
    "cilium-envoy",
    "cilium-operator",
    "flanneld",
    "k3s-agent",
    "k3s-server",
    "kube-proxy",
    "kube-router",
)
#: variable -> least and most
BOUNDS = {
    "port": (1024, 65534),
    "rounds": (1, 20),
    "seconds": (1, 60),
    "round_trips": (10, 100_000),
    "connections": (1, 1000),
    "timeout": (1, 120),
    "lifetime": (10, 7200),
}
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
_PATIENCE = 2.0
_PAUSE = 0.1
_WARM_UP = 20
_MESSAGE = b"x" * 64
_TCP_LISTEN = "0A"

# The other side of round trips. It answers until systemd ends it.
_ECHO = """\
import socket, socketserver, sys
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = b"-"
        while data:
            data = self.request.recv(4096)
            self.request.sendall(data)
class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
    allow_reuse_address = daemon_threads = True
    request_queue_size = 128
Server((sys.argv[1], int(sys.argv[2])), Echo).serve_forever()
"""


@dataclass(frozen=True)
class Target:
    """Whom a load is for. ``port`` is iperf3's, the next one is that of round trips."""

    address: str
    port: int
    #: UID of the pod in whose network the load begins; empty: the machine's own
    pod: str = ""

    @property
    def echo(self) -> tuple[str, int]:
        return self.address, self.port + 1


@dataclass(frozen=True)
class Amount:
    """How much of it."""

    seconds: int
    round_trips: int
    connections: int
    timeout: int


@dataclass
class Sample:
    """One load's numbers; what could not be had is None, and ``error`` says why."""

    bits_per_second: float | None = None
    sender_cpu: float | None = None
    receiver_cpu: float | None = None
    retransmits: int | None = None
    round_trip_p50: float | None = None
    round_trip_p99: float | None = None
    connect_p50: float | None = None
    connect_p99: float | None = None
    error: str = ""


@dataclass
class Cost:
    """What programs of the network have taken since they started."""

    #: by name, seconds of the processor
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    #: by name, bytes; shared memory counts as the share of each
    memory: dict[str, int] = field(default_factory=dict)
    #: the machine's clock, to tell how long lies between two looks
    at: float = 0.0


def out_of_bounds(params: t.Mapping[str, t.Any], prefix: str = "") -> list[Problem]:
    """Numbers that are too small or too large.

    :param prefix: what stands before the names where the user writes them.
    """
    problems = []
    for name, (least, most) in BOUNDS.items():
        value = params.get(name)
        if value is not None and not least <= value <= most:
            rule = f"it must be between {least} and {most}, so that a load ends and leaves the machine some room."
            problems.append(Problem(f"{prefix}{name}", value, rule, "Give a number in that range."))
    return problems


def check(params: t.Mapping[str, t.Any]) -> None:
    """Everything that was given, before anything is done.

    :raises InvalidInput: with every problem.
    """
    problems = out_of_bounds(params)
    address = params.get("address") or ""
    if address:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            problems.append(Problem("address", address, "it is no IP address.", "Give one, not a name."))
    elif params["work"] in ("load", "reach"):
        problems.append(Problem("address", "", "a load needs somebody to go to.", "Give the address of what serves."))
    pod = params.get("pod") or ""
    if pod and not is_uid(pod):
        rule = "it is not the UID of a pod."
        problems.append(Problem("pod", pod, rule, "Give metadata.uid of a pod on this machine, or nothing."))
    name = params.get("name") or ""
    if params["work"] in ("serve", "stop") and not _NAME.fullmatch(name):
        rule = "it must be small letters, digits and hyphens, 32 at most: units are named by it."
        problems.append(Problem("name", name, rule, "Give such a name."))
    if problems:
        raise InvalidInput(problems)


def _units(name: str) -> tuple[str, str]:
    return f"klubster-load-iperf3-{name}", f"klubster-load-echo-{name}"


def serve(run: Runner, name: str, target: Target, lifetime: int) -> None:
    """Both servers as units of systemd, which ends them after ``lifetime`` whatever becomes of us."""
    network = network_of(target.pod) if target.pod else None
    everywhere = "::" if ":" in target.address else "0.0.0.0"  # noqa: S104 - in the namespace that is measured
    stop(run, name)
    programs = (
        ["iperf3", "--server", "--port", str(target.port)],
        [sys.executable, "-I", "-c", _ECHO, everywhere, str(target.port + 1)],
    )
    for unit, program in zip(_units(name), programs):
        options = ["--quiet", "--collect", f"--unit={unit}", f"--property=RuntimeMaxSec={lifetime}"]
        run(["systemd-run", *options, "--", *prefix(network), *program], timeout=30)
    _until_listening(network, (target.port, target.port + 1))


def stop(run: Runner, name: str) -> bool:
    """Whether anything ran."""
    running = [unit for unit in _units(name) if run(["systemctl", "is-active", "--quiet", unit], check=False).rc == 0]
    for unit in running:
        run(["systemctl", "stop", unit], timeout=60)
    return bool(running)


def _until_listening(network: Path | None, ports: t.Sequence[int]) -> None:
    # A connection would be a test to iperf3, so its socket is looked up instead.
    tables = (network.parents[1] if network else PROC / "self") / "net"
    deadline = time.monotonic() + 10
    while True:
        there = listening("\n".join(_text(tables / name) for name in ("tcp", "tcp6")))
        if there.issuperset(ports):
            return
        if time.monotonic() > deadline:
            missing = ", ".join(str(port) for port in ports if port not in there)
            raise KlubsterError(
                f"Nothing listens on TCP {missing}. Read: journalctl --since -1min -u 'klubster-load-*'"
            )
        time.sleep(_PAUSE)


def listening(table: str) -> set[int]:
    """Ports, of the kernel's table of sockets."""
    rows = [line.split() for line in table.splitlines()]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if len(row) > 3 and row[3] == _TCP_LISTEN}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def load(run: Runner, target: Target, amount: Amount) -> Sample:
    """Throughput, round trips and new connections, one after the other. What fails is told in the sample."""
    sample = Sample()
    try:
        network = network_of(target.pod) if target.pod else None
        with inside(network):
            if not reach(target, wanted=True, timeout=amount.timeout):
                raise Unmeasured(f"{target.address} did not answer within {amount.timeout} s.")
            trips = round_trips(target.echo, amount.round_trips, float(amount.seconds))
            opened = connections(target.echo, amount.connections, float(amount.seconds))
        sample.round_trip_p50, sample.round_trip_p99 = (figures.percentile(trips, share) for share in (0.5, 0.99))
        sample.connect_p50, sample.connect_p99 = (figures.percentile(opened, share) for share in (0.5, 0.99))
        found = throughput(run, target, network, amount.seconds)
        sample.bits_per_second = found.bits_per_second
        sample.sender_cpu, sample.receiver_cpu = found.sender_cpu, found.receiver_cpu
        sample.retransmits = found.retransmits
    except (KlubsterError, OSError) as exc:
        sample.error = str(exc)
    return sample


def throughput(run: Runner, target: Target, network: Path | None, seconds: int) -> iperf.Throughput:
    """The first second is left out: TCP is still finding its pace."""
    argv = [*prefix(network), "iperf3", "--client", target.address, "--port", str(target.port), "--json"]
    argv += ["--time", str(seconds), "--omit", "1", "--connect-timeout", "3000"]
    try:
        done = run(argv, check=False, timeout=seconds + 20)
    except CommandFailed as exc:
        raise Unmeasured(str(exc)) from exc
    return iperf.parse(done.stdout or done.stderr)


def round_trips(address: tuple[str, int], count: int, seconds: float) -> list[float]:
    """Microseconds of each, over one connection that is open already."""
    found: list[float] = []
    with socket.create_connection(address, timeout=_PATIENCE) as stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        deadline = time.monotonic() + seconds
        for index in range(_WARM_UP + count):
            began = time.perf_counter_ns()
            stream.sendall(_MESSAGE)
            _receive(stream, len(_MESSAGE))
            if index >= _WARM_UP:
                found.append((time.perf_counter_ns() - began) / 1000)
            if found and time.monotonic() > deadline:
                break
    return found


def _receive(stream: socket.socket, size: int) -> None:
    while size > 0:
        data = stream.recv(size)
        if not data:
            raise Unmeasured("The other side closed the connection.")
        size -= len(data)


def connections(address: tuple[str, int], count: int, seconds: float) -> list[float]:
    """Microseconds until each of so many new connections was open."""
    found: list[float] = []
    deadline = time.monotonic() + seconds
    while len(found) < count and (not found or time.monotonic() < deadline):
        began = time.perf_counter_ns()
        with socket.create_connection(address, timeout=_PATIENCE):
            found.append((time.perf_counter_ns() - began) / 1000)
    return found


def reach(target: Target, *, wanted: bool, timeout: float) -> bool:
    """Whether a new connection comes about, once it is as wanted or the time is over."""
    deadline = time.monotonic() + timeout
    while True:
        reached = False
        with contextlib.suppress(OSError), socket.create_connection(target.echo, timeout=1.0):
            reached = True
        if reached is wanted or time.monotonic() > deadline:
            return reached
        time.sleep(_PAUSE)


def cost(proc: Path = PROC, clock: t.Callable[[], float] = time.monotonic) -> Cost:
    """Of all programs of that kind on this machine."""
    found = Cost(at=clock())
    tick = os.sysconf("SC_CLK_TCK")
    for folder in sorted(proc.glob("[0-9]*")):
        try:
            name = (folder / "comm").read_text(encoding="utf-8", errors="replace").strip()
            if name not in PROGRAMS:
                continue
            # The name may hold spaces and brackets; numbers begin behind its last bracket.
            words = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            spent = (int(words[11]) + int(words[12])) / tick
            memory = _memory(folder)
        except (OSError, IndexError, ValueError):
            # It ended while we looked.
            continue
        found.cpu_seconds[name] = found.cpu_seconds.get(name, 0.0) + spent
        found.memory[name] = found.memory.get(name, 0) + memory
    return found


def _memory(folder: Path) -> int:
    for name, key in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        for line in _text(folder / name).splitlines():
            if line.startswith(key):
                return int(line.split()[1]) * 1024
    return 0


def as_data(found: Sample | Cost) -> dict[str, t.Any]:
    return asdict(found)


__all__ = (
    "BOUNDS",
    "PROGRAMS",
    "Amount",
    "Cost",
    "Sample",
    "Target",
    "as_data",
    "check",
    "connections",
    "cost",
    "listening",
    "load",
    "out_of_bounds",
    "reach",
    "round_trips",
    "serve",
    "stop",
    "throughput",
)
