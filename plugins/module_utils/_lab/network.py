# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The network of a lab: bridges in a network namespace that has no way out."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import threading
import typing as t
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.connect import enter_network
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.definition import Lab, LabMachine
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.paths import LabPaths

_Value = t.TypeVar("_Value")
_RULES_FROM = 1000


def bridge(segment: str) -> str:
    return f"br-{segment}"


def cable(machine: str, index: int) -> str:
    """The bridge's end of a machine's cable. Interface names have 15 characters at most."""
    name = f"{machine}.{index}"
    return name if len(name) <= 15 else f"{machine[:6]}-{hashlib.sha256(machine.encode()).hexdigest()[:5]}.{index}"


def hardware_address(lab: str, machine: str, index: int) -> str:
    """The same at every start, as a real card's."""
    digest = hashlib.sha256(f"{lab}/{machine}/{index}".encode()).hexdigest()
    return ":".join(["02", *(digest[at : at + 2] for at in range(0, 10, 2))])


def segment_commands(lab: Lab) -> list[str]:
    """`ip -batch` lines, run inside the namespace, that make the segments of an empty namespace."""
    lines = ["link set lo up"]
    for segment in lab.segments.values():
        device = bridge(segment.name)
        lines += [f"link add {device} type bridge", f"link set {device} mtu {segment.mtu}"]
        lines += [f"addr add {address} dev {device}{_now(address)}" for address in lab.lab_addresses(segment)]
        lines.append(f"link set {device} up")
    return lines


def rule_commands(lab: Lab, version: int) -> list[str]:
    """`ip -batch` lines of one address family that keep segments apart which the definition does not join.

    They refuse rather than drop, so that nobody waits for a timeout.
    """
    pairs = [(one, other) for one in lab.segments.values() for other in lab.segments.values() if one is not other]
    return [
        f"rule add priority {priority} iif {bridge(one.name)} to {network} prohibit"
        for priority, (one, other) in enumerate(pairs, _RULES_FROM)
        for network in other.networks
        if network.version == version and not lab.forwards(one.name, other.name)
    ]


def cable_commands(lab: Lab, machine: LabMachine) -> tuple[list[str], list[str]]:
    """`ip -batch` lines for the machine's side and for the lab's side of its cables."""
    inside, outside = ["link set lo up"], []
    routed: set[int] = set()
    for index, (name, addresses) in enumerate(machine.addresses.items()):
        segment = lab.segments[name]
        device, other = f"eth{index}", cable(machine.name, index)
        inside.append(
            f"link add {device} mtu {segment.mtu} address {hardware_address(lab.name, machine.name, index)} type veth "
            f"peer name {other} mtu {segment.mtu} netns klab-{lab.name}"
        )
        prefixes = {network.version: network.prefixlen for network in segment.networks}
        gateways = {gateway.version: gateway for gateway in segment.gateways}
        for address in addresses:
            full = f"{address}/{prefixes[address.version]}"
            inside.append(f"addr add {full} dev {device}{_now(full)}")
        inside.append(f"link set {device} up")
        for address in addresses:
            gateway = gateways[address.version]
            if address.version not in routed and gateway != address:
                inside.append(f"route add default via {gateway} dev {device}")
                routed.add(address.version)
        outside.append(f"link set {other} master {bridge(name)} up")
    return inside, outside


def in_namespace(namespace: Path, function: t.Callable[[], _Value]) -> _Value:
    """Call a function on a thread of its own inside the network namespace."""
    outcome: list[_Value] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            enter_network(str(namespace))
            outcome.append(function())
        except BaseException as exc:
            failure.append(exc)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def greeting(address: str, *, timeout: float) -> bool:
    """Whether an SSH server greets there. For use inside the namespace."""
    try:
        with socket.create_connection((address, 22), timeout=timeout) as connection:
            connection.settimeout(timeout)
            return connection.recv(64).startswith(b"SSH-")
    except OSError:
        return False


class LabNetwork:
    """The network namespace of a lab on this host."""

    def __init__(self, paths: LabPaths, runner: Runner) -> None:
        self._paths, self._run = paths, runner

    def exists(self) -> bool:
        return self._paths.namespace.exists()

    def applied(self) -> str:
        """Digest of what the segments were made from; "" when they are not there as they were made."""
        if not self.exists():
            return ""
        with contextlib.suppress(OSError, ValueError, KeyError):
            note = json.loads((self._paths.runtime / "network.json").read_text())
            identity = self._paths.namespace.stat()
            if note["namespace"] == identity.st_ino and set(note["bridges"]) <= self._devices():
                return str(note["digest"])
        return ""

    def make(self, lab: Lab) -> None:
        """Make or renew the segments. Cables of machines that are plugged into a bridge that stays are kept."""
        name = self._paths.namespace_name
        if not self.exists():
            self._run(["ip", "netns", "add", name])
        for device in self._devices():
            if device.startswith("br-"):
                self._run(["ip", "-n", name, "link", "del", device])
        self._batch(segment_commands(lab))
        for version in (4, 6):
            # The flush spares the rule for the namespace's own addresses only.
            main = "rule add priority 32766 table main"
            self._batch(["rule flush", main, *rule_commands(lab, version)], f"-{version}")
        in_namespace(self._paths.namespace, _forward)
        self._plug_in(lab)
        self._paths.runtime.mkdir(parents=True, exist_ok=True)
        note = {
            "digest": lab.network_digest(),
            "namespace": self._paths.namespace.stat().st_ino,
            "bridges": [bridge(segment) for segment in lab.segments],
        }
        (self._paths.runtime / "network.json").write_text(json.dumps(note))

    def _plug_in(self, lab: Lab) -> None:
        there = self._devices()
        lines = [
            line
            for machine in lab.machines.values()
            for line in cable_commands(lab, machine)[1]
            if line.split()[2] in there
        ]
        self._batch(lines)

    def _batch(self, lines: t.Sequence[str], *options: str) -> None:
        if lines:
            text = "\n".join(lines) + "\n"
            self._run(["ip", *options, "-n", self._paths.namespace_name, "-batch", "-"], stdin=text)

    def unplug(self, machine: str) -> None:
        """Remove what a machine that died hard may have left on the bridges."""
        if not self.exists():
            return
        for device in self._devices():
            if device in {cable(machine, index) for index in range(16)}:
                # The kernel may be faster.
                self._run(["ip", "-n", self._paths.namespace_name, "link", "del", device], check=False)

    def _devices(self) -> set[str]:
        listing = self._run(["ip", "-n", self._paths.namespace_name, "-json", "link", "show"], check=False)
        return (
            {entry["ifname"] for entry in json.loads(listing.stdout or "[]") if "ifname" in entry}
            if listing.rc == 0
            else set()
        )

    def processes(self) -> set[int]:
        """Processes somebody started in the namespace; machines have namespaces of their own."""
        try:
            wanted = self._paths.namespace.stat().st_ino
        except FileNotFoundError:
            return set()
        found = set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if (entry / "ns" / "net").stat().st_ino == wanted:
                        found.add(int(entry.name))
        return found - _ancestry()

    def remove(self) -> None:
        if self.exists():
            self._run(["ip", "netns", "del", self._paths.namespace_name])


def _forward() -> None:
    for path in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        setting = Path("/proc/sys/net") / path
        if setting.exists():
            setting.write_text("1")


def _ancestry() -> set[int]:
    found = set()
    pid = os.getpid()
    while pid > 1:
        found.add(pid)
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            break
        pid = int(fields[1])
    return found


def _now(address: str) -> str:
    # Without it an IPv6 address is not usable for a second or two.
    return " nodad" if ":" in address else ""


__all__ = (
    "LabNetwork",
    "bridge",
    "cable",
    "cable_commands",
    "greeting",
    "hardware_address",
    "in_namespace",
    "rule_commands",
    "segment_commands",
)
