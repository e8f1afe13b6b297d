# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What a lab is: machines, segments, disks. Pure: reads no file and runs no program."""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
import json
import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem

Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
DiskKind = t.Literal["block", "folder"]

CONTROLLER = "lab_controller"
BACKENDS = ("container", "memory")
#: systems that machines can have, by the suite of Debian that they are built from
BASES = {"debian-12": "bookworm", "debian-13": "trixie"}
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SIZE = re.compile(r"([1-9][0-9]*)([MGT])i?")
_UNITS = {"M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_MIN_MEMORY = 64 << 20
_LAB_KEYS = ("plugin", "name", "backend", "segments", "machines", "forwarding", "base")
_SEGMENT_KEYS = ("network", "gateway", "mtu")
_MACHINE_KEYS = ("groups", "addresses", "memory", "cpus", "disks", "vars")
_DISK_KEYS = ("name", "kind", "size", "path")


@dataclass(frozen=True)
class Segment:
    """One network of the lab: a bridge that machines are plugged into.

    :param gateways: per network the address machines send everything else to; the lab's unless a machine owns it.
    """

    name: str
    networks: tuple[Network, ...]
    gateways: tuple[Address, ...]
    mtu: int = 1500


@dataclass(frozen=True)
class Disk:
    """A disk of a machine.

    :param kind: ``block`` is a device at ``path`` of ``size`` bytes, ``folder`` one of its own mounted at ``path``.
    """

    name: str
    kind: DiskKind
    path: str
    size: int = 0


@dataclass(frozen=True)
class LabMachine:
    """One machine. The first address of the first segment is the one Ansible talks to."""

    name: str
    addresses: dict[str, tuple[Address, ...]]
    groups: tuple[str, ...] = ()
    memory: int | None = None
    cpus: float | None = None
    disks: tuple[Disk, ...] = ()
    vars: dict[str, t.Any] = field(default_factory=dict)

    @property
    def address(self) -> Address:
        return next(iter(self.addresses.values()))[0]


@dataclass(frozen=True)
class Lab:
    """A whole lab, validated."""

    name: str
    segments: dict[str, Segment]
    machines: dict[str, LabMachine]
    backend: str = "container"
    forwarding: frozenset[frozenset[str]] = frozenset()
    #: the system of machines that are made; those that are there keep theirs
    base: str = "debian-12"

    def forwards(self, one: str, other: str) -> bool:
        """Whether the lab carries traffic between two segments."""
        return frozenset((one, other)) in self.forwarding

    def machine_digest(self, name: str) -> str:
        """Changes when the machine must be started anew to become what the definition says."""
        machine = self.machines[name]
        return _digest(
            {
                "addresses": {segment: [str(one) for one in own] for segment, own in machine.addresses.items()},
                "segments": {
                    segment: [
                        [str(network) for network in self.segments[segment].networks],
                        [str(gateway) for gateway in self.segments[segment].gateways],
                        self.segments[segment].mtu,
                    ]
                    for segment in machine.addresses
                },
                "disks": [dataclasses.asdict(disk) for disk in machine.disks],
            }
        )

    def network_digest(self) -> str:
        """Changes when bridges, their addresses or the forwarding between them change."""
        return _digest(
            {
                "segments": {
                    name: [[str(network) for network in segment.networks], self.lab_addresses(segment), segment.mtu]
                    for name, segment in self.segments.items()
                },
                "forwarding": sorted(sorted(pair) for pair in self.forwarding),
            }
        )

    def lab_addresses(self, segment: Segment) -> list[str]:
        """The lab's own addresses in a segment, with prefix length: its gateway unless a machine is that."""
        taken = {one for m in self.machines.values() for one in m.addresses.get(segment.name, ())}
        found = []
        for network, gateway in zip(segment.networks, segment.gateways):
            own = gateway if gateway not in taken else _last_free(network, taken)
            found.append(f"{own}/{network.prefixlen}")
        return found


def parse_lab(data: t.Any, *, name: str | None = None) -> Lab:
    """Read a lab's definition.

    :param data: what the definition file holds.
    :param name: overrides the name given there, so that one definition serves several labs at a time.
    :raises InvalidInput: with every problem found.
    """
    if not isinstance(data, dict):
        raise InvalidInput([Problem("lab definition", data, "it must be a mapping.", "See docs/lab.md.")])
    reader = _Reader()
    reader.keys("lab definition", data, _LAB_KEYS)
    lab_name = reader.label("name", data.get("name", "lab") if name is None else name, longest=20)
    backend = data.get("backend", "container")
    if backend == "vm":
        reader.add("backend", backend, "virtual machines are not built yet.", "Use container.")
    elif backend not in BACKENDS:
        reader.add("backend", backend, f"it must be one of {', '.join(BACKENDS)}.", "Use container.")
    segments = reader.segments(data.get("segments"))
    machines = reader.machines(data.get("machines"), segments)
    forwarding = reader.forwarding(data.get("forwarding", []), segments)
    base = data.get("base", "debian-12")
    if base not in BASES:
        reader.add("base", base, f"it must be one of {', '.join(BASES)}.", "Leave it out for debian-12.")
    if reader.problems:
        raise InvalidInput(reader.problems)
    return Lab(lab_name, segments, machines, str(backend), forwarding, str(base))


class _Reader:
    """Collects problems while it turns plain data into the model."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, variable: str, value: t.Any, rule: str, remedy: str) -> None:
        self.problems.append(Problem(variable, value, rule, remedy))

    def keys(self, where: str, data: dict[t.Any, t.Any], known: tuple[str, ...]) -> None:
        for key in data:
            if key not in known:
                self.add(where, key, "there is no such key.", f"Use one of {', '.join(known)}.")

    def label(self, where: str, value: t.Any, *, longest: int) -> str:
        if not isinstance(value, str) or not _LABEL.fullmatch(value) or len(value) > longest:
            self.add(
                where,
                value,
                f"it must be a DNS label of at most {longest} characters.",
                "Use small letters, digits and hyphens, with a letter or digit at both ends.",
            )
        return str(value)

    def mapping(self, where: str, value: t.Any, *, empty: bool = False) -> dict[t.Any, t.Any]:
        if isinstance(value, dict) and (value or empty):
            return value
        self.add(
            where, value, "it must be a mapping" + ("." if empty else " with at least one entry."), "See docs/lab.md."
        )
        return {}

    def sequence(self, where: str, value: t.Any) -> list[t.Any]:
        if isinstance(value, list):
            return value
        self.add(where, value, "it must be a list.", "Write [] for none.")
        return []

    def segments(self, value: t.Any) -> dict[str, Segment]:
        found: dict[str, Segment] = {}
        for name, given in self.mapping("segments", value).items():
            where = f"segments.{name}"
            label = self.label(where, name, longest=12)
            entry = self.mapping(where, given)
            self.keys(where, entry, _SEGMENT_KEYS)
            networks = self._networks(f"{where}.network", entry.get("network"))
            self._no_overlap(where, networks, found)
            gateways = self._gateways(f"{where}.gateway", entry.get("gateway"), networks)
            mtu = entry.get("mtu", 1500)
            if isinstance(mtu, bool) or not isinstance(mtu, int) or not 1280 <= mtu <= 9000:
                self.add(f"{where}.mtu", mtu, "it must be a number from 1280 to 9000.", "Leave it out for 1500.")
                mtu = 1500
            found[label] = Segment(label, networks, gateways, mtu)
        return found

    def _networks(self, where: str, value: t.Any) -> tuple[Network, ...]:
        if not isinstance(value, str):
            self.add(where, value, "it must be a network.", "Write it like 10.77.0.0/24.")
            return ()
        found: list[Network] = []
        for part in value.split(","):
            try:
                network = ipaddress.ip_network(part.strip())
            except ValueError as exc:
                self.add(where, part.strip(), f"it is no network: {exc}.", "Write it like 10.77.0.0/24.")
                continue
            if network.num_addresses < 8:
                self.add(where, part.strip(), "it is too small.", "Give it a prefix of /29 or shorter (/125 for IPv6).")
            elif network.version in {one.version for one in found}:
                self.add(where, value, "a segment has at most one network of each family.", "Make another segment.")
            else:
                found.append(network)
        return tuple(found)

    def _no_overlap(self, where: str, networks: tuple[Network, ...], others: dict[str, Segment]) -> None:
        for network in networks:
            for other in others.values():
                for theirs in other.networks:
                    if network.version == theirs.version and network.overlaps(theirs):
                        self.add(
                            f"{where}.network",
                            str(network),
                            f"it overlaps {theirs} of segment {other.name}.",
                            "Choose another.",
                        )

    def _gateways(self, where: str, value: t.Any, networks: tuple[Network, ...]) -> tuple[Address, ...]:
        given: dict[int, Address] = {}
        if value is not None:
            for address in self._addresses(where, value):
                home = [network for network in networks if address in network]
                if home:
                    given[address.version] = address
                else:
                    self.add(where, str(address), "it is not in the segment's network.", "Choose one of its addresses.")
        return tuple(given.get(network.version, network[1]) for network in networks)

    def _addresses(self, where: str, value: t.Any) -> list[Address]:
        if not isinstance(value, str):
            self.add(where, value, "it must be an address.", "Write it like 10.77.0.11, in quotes if need be.")
            return []
        found: list[Address] = []
        for part in value.split(","):
            try:
                found.append(ipaddress.ip_address(part.strip()))
            except ValueError:
                self.add(
                    where, part.strip(), "it is no IP address.", "Write it like 10.77.0.11, without a prefix length."
                )
        return found

    def machines(self, value: t.Any, segments: dict[str, Segment]) -> dict[str, LabMachine]:
        found: dict[str, LabMachine] = {}
        owners: dict[Address, str] = {}
        for name, given in self.mapping("machines", value).items():
            where = f"machines.{name}"
            label = self.label(where, name, longest=63)
            entry = self.mapping(where, given)
            self.keys(where, entry, _MACHINE_KEYS)
            addresses = self._machine_addresses(where, entry.get("addresses"), segments)
            for own in addresses.values():
                for address in own:
                    if address in owners:
                        self.add(
                            f"{where}.addresses",
                            str(address),
                            f"it belongs to {owners[address]}.",
                            "Give each machine its own.",
                        )
                    owners[address] = label
            found[label] = LabMachine(
                name=label,
                addresses=addresses,
                groups=self._groups(where, entry.get("groups", [])),
                memory=self._memory(f"{where}.memory", entry.get("memory")),
                cpus=self._cpus(f"{where}.cpus", entry.get("cpus")),
                disks=self._disks(where, entry.get("disks", [])),
                vars=self.mapping(f"{where}.vars", entry.get("vars", {}), empty=True),
            )
        return found

    def _machine_addresses(
        self, where: str, value: t.Any, segments: dict[str, Segment]
    ) -> dict[str, tuple[Address, ...]]:
        found: dict[str, tuple[Address, ...]] = {}
        for segment, given in self.mapping(f"{where}.addresses", value).items():
            here = f"{where}.addresses.{segment}"
            if segment not in segments:
                self.add(
                    here,
                    segment,
                    "there is no such segment.",
                    f"Use one of {', '.join(segments) or 'those you define'}.",
                )
                continue
            networks = segments[segment].networks
            own = self._addresses(here, given)
            for address in own:
                home = next((network for network in networks if address in network), None)
                if home is None:
                    self.add(here, str(address), "it is not in the segment's network.", "Choose one of its addresses.")
                elif address == home.network_address or (home.version == 4 and address == home.broadcast_address):
                    self.add(here, str(address), f"it names the network {home} itself.", "Choose another address.")
            if len({address.version for address in own}) != len(own):
                self.add(
                    here, given, "one address of each family at most.", "Use a second segment for a second address."
                )
            if own:
                found[str(segment)] = tuple(own)
        return found

    def _groups(self, where: str, value: t.Any) -> tuple[str, ...]:
        found = self.sequence(f"{where}.groups", value)
        for group in found:
            if not isinstance(group, str) or not _GROUP.fullmatch(group) or group in ("all", "ungrouped"):
                self.add(f"{where}.groups", group, "it is no name for a group.", "Use letters, digits and underscores.")
        return tuple(str(group) for group in found)

    def _memory(self, where: str, value: t.Any) -> int | None:
        if value is None:
            return None
        size = self._size(where, value)
        if size is not None and size < _MIN_MEMORY:
            self.add(where, value, "no machine starts with less than 64M.", "Give it more.")
        return size

    def _cpus(self, where: str, value: t.Any) -> float | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.1 <= value <= 1024:
            self.add(where, value, "it must be a number of processors, 0.1 or more.", "Leave it out for no limit.")
            return None
        return float(value)

    def _size(self, where: str, value: t.Any) -> int | None:
        match = _SIZE.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            self.add(where, value, "it must be a size.", "Write it like 512M or 4G.")
            return None
        return int(match[1]) * _UNITS[match[2]]

    def _disks(self, where: str, value: t.Any) -> tuple[Disk, ...]:
        found: list[Disk] = []
        for index, given in enumerate(self.sequence(f"{where}.disks", value)):
            here = f"{where}.disks[{index}]"
            entry = self.mapping(here, given)
            self.keys(here, entry, _DISK_KEYS)
            name = self.label(f"{here}.name", entry.get("name"), longest=32)
            kind = entry.get("kind", "block")
            if kind not in ("block", "folder"):
                self.add(
                    f"{here}.kind",
                    kind,
                    "it must be block or folder.",
                    "Use block for a device, folder for a mounted folder.",
                )
            size = 0
            if kind == "block":
                size = self._size(f"{here}.size", entry.get("size")) or 0
            elif "size" in entry:
                self.add(
                    f"{here}.size",
                    entry["size"],
                    "a folder has no size of its own.",
                    "Leave it out, or use kind block.",
                )
            path = self._disk_path(
                here, entry.get("path", f"/dev/vd{chr(ord('b') + index % 24)}" if kind == "block" else None), kind
            )
            if name in {disk.name for disk in found}:
                self.add(f"{here}.name", name, "another disk of the machine has that name.", "Choose another.")
            if path in {disk.path for disk in found}:
                self.add(f"{here}.path", path, "another disk of the machine is there.", "Choose another.")
            found.append(Disk(name, t.cast(DiskKind, kind), path, size))
        return tuple(found)

    def _disk_path(self, where: str, value: t.Any, kind: t.Any) -> str:
        fine = isinstance(value, str) and re.fullmatch(r"(/[A-Za-z0-9._-]+)+", value) and "/.." not in value
        if not fine:
            self.add(
                f"{where}.path",
                value,
                "it must be an absolute path of plain characters.",
                "Write it like /var/lib/data.",
            )
        elif (kind == "block") != str(value).startswith("/dev/"):
            self.add(f"{where}.path", value, "devices are under /dev, folders are not.", "Move it.")
        return str(value)

    def forwarding(self, value: t.Any, segments: dict[str, Segment]) -> frozenset[frozenset[str]]:
        found = set()
        for pair in self.sequence("forwarding", value):
            if not isinstance(pair, list) or len(pair) != 2 or len({str(one) for one in pair}) != 2:
                self.add("forwarding", pair, "each entry must be a list of two segments.", "Write it like [lan, dmz].")
                continue
            unknown = [one for one in pair if one not in segments]
            if unknown:
                self.add("forwarding", pair, f"there is no segment {unknown[0]}.", "Name segments of this lab.")
            found.add(frozenset(str(one) for one in pair))
        return frozenset(found)


def _last_free(network: Network, taken: set[Address]) -> Address:
    candidate = network[-2]
    while candidate in taken:
        candidate -= 1
    return candidate


def _digest(value: t.Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


__all__ = (
    "BACKENDS",
    "BASES",
    "CONTROLLER",
    "Address",
    "Disk",
    "Lab",
    "LabMachine",
    "Network",
    "Segment",
    "parse_lab",
)
