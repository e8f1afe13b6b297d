# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Whether the machines, as they were found, can become the cluster that is planned."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.kateskit.klubster.plugins.module_utils._engine import upgrade
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import LAYOUTS
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._model.addresses import (
    Span,
    network,
    network_around,
    node_address,
    span,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._model.cni import (
    IPIP,
    PROVIDERS,
    backend_of,
    features_of,
    provider_of,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._model.cni import ports_of as cni_ports
from ansible_collections.kateskit.klubster.plugins.module_utils._model.spec import MOVERS

Plan = t.Mapping[str, t.Any]
Probe = t.Mapping[str, t.Any]

#: of the image that _cluster/metallb.py names by its digest
_FRR_ARCH = "amd64"
#: of what runs in the machines' own network
_METALLB_PORTS: dict[str, tuple[int, ...]] = {"native": (7472, 7946), "frr": (7472, 7473, 7946), "cni": ()}
#: GoBGP's own interface, and metrics
_OPENELB_PORTS = (50051, 50052)
_OPENELB_MEMBERS = 7946
_CONTROLLERS = {
    1: ("cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"),
    2: ("cpu", "cpuset", "memory", "pids"),
}
_FEATURES = (
    "overlay",
    "bridge",
    "br_netfilter",
    "veth",
    "nf_conntrack",
    "nf_tables",
    "xt_comment",
    "xt_statistic",
    "xt_MASQUERADE",
)
# As the kernel cuts them, after 15 characters.
_OUR_PROGRAMS = (
    "containerd",
    "controller",
    "etcd",
    "kube-apiserver",
    "kube-controller",
    "kube-proxy",
    "kube-scheduler",
    "kubelet",
    "openelb-speaker",
    "speaker",
)
_MADE_BY_CLUSTERS = re.compile(r"(cni|flannel|veth|kube|docker|br-|cali|cilium|lxc|podman)")


@dataclass(frozen=True)
class Limits:
    """What a machine must have; the role's variables."""

    server_memory_mib: int = 1700
    agent_memory_mib: int = 700
    server_cpus: int = 2
    agent_cpus: int = 1
    #: seconds between the clocks of two machines
    time_skew: float = 5.0
    #: room for a new node: folder -> MiB
    disk_mib: t.Mapping[str, int] = field(default_factory=dict)
    #: room that a file system of a running node keeps
    running_disk_mib: int = 200
    inodes: int = 10000
    #: whether a machine may be rebooted for its kernel command line
    reboot: bool = False


@dataclass(frozen=True)
class Judged:
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]


def ports_of(plan: Plan, role: str) -> list[int]:
    """TCP ports that the cluster listens on, on a machine of this role."""
    layout = LAYOUTS[plan["engine"]["name"]]
    found = list(layout.node_ports)
    if role == "server":
        found += [plan["api"]["port"] if port == 6443 else port for port in layout.server_ports]
    balancer = plan["load_balancer"]
    if balancer["provider"] == "metallb":
        found += _METALLB_PORTS[balancer["speaker"]]
    if balancer["provider"] == "openelb":
        found += _openelb_ports(balancer)
    return sorted([*found, *_network_ports(plan)])


def _openelb_ports(balancer: Plan) -> list[int]:
    """Of its speakers, which are in the machine's own network."""
    found = list(_OPENELB_PORTS)
    if any("l2" in pool["announce"] for pool in balancer["pools"]):
        found.append(_OPENELB_MEMBERS)
    if balancer["bgp"]["peers"]:
        found.append(balancer["openelb"]["listen_port"])
    return found


def _network_ports(plan: Plan) -> list[int]:
    """TCP ports that the pod network listens on, on all machines."""
    cni = plan["cni"]
    return [int(port.ports) for port in cni_ports(cni["provider"], cni["backend"]) if port.protocol == "tcp"]


def paths_of(plan: Plan, role: str, paths: t.Iterable[str]) -> list[str]:
    """Those of the folders that a machine of this role uses, and the one for volumes."""
    found = [path for path in paths if role == "server" or path != "/var/lib/etcd"]
    local_path = plan["storage"]["local_path"]
    if local_path["enabled"] and local_path["path"] not in found:
        found.append(local_path["path"])
    return found


def request_for(plan: Plan, name: str, paths: t.Iterable[str] = ()) -> dict[str, t.Any]:
    """Arguments of the module node_probe for one machine."""
    machines = {machine["name"]: machine for machine in plan["machines"]}
    role = machines[name]["role"]
    peers = [
        {"name": other["name"], "address": other["address"], "ports": _peer_ports(plan, role, other["role"])}
        for other in plan["machines"]
        if other["name"] != name
    ]
    return {
        "address": machines[name]["address"],
        "paths": paths_of(plan, role, paths),
        "ports": ports_of(plan, role),
        "features": _features_of(plan),
        "peers": peers,
    }


def _features_of(plan: Plan) -> list[str]:
    """What the kernel must have for the cluster, and for the pod network that was chosen."""
    cni = plan["cni"]
    chosen = features_of(cni["provider"], cni["backend"], service_proxy=cni.get("service_proxy", False))
    return list(dict.fromkeys([*_FEATURES, *chosen]))


def _peer_ports(plan: Plan, role: str, other: str) -> list[int]:
    """Ports of another machine that this one talks to."""
    ports = [10250]
    if other == "server":
        ports.append(plan["api"]["port"])
        if role == "server":
            ports += [2379, 2380]
    return ports


def judge(plan: Plan, probes: t.Mapping[str, Probe], limits: Limits, bundle_arch: str = "") -> Judged:
    """Compare what was found on the machines with what the plan needs.

    :param probes: by inventory name; a machine that was left out of the run has none and is not judged.
    :param bundle_arch: architecture of the bundle's programs; empty when there is no bundle.
    """
    judge_ = _Judge(plan, limits, bundle_arch)
    judge_.firewalls(probes)
    for machine in plan["machines"]:
        if machine["name"] in probes:
            judge_.machine(machine, probes[machine["name"]])
    judge_.version(probes)
    judge_.together({name: probe for name, probe in probes.items() if name in judge_.names})
    return Judged(tuple(judge_.problems), tuple(judge_.warnings))


class _Judge:
    def __init__(self, plan: Plan, limits: Limits, bundle_arch: str) -> None:
        self._plan, self._limits, self._bundle_arch = plan, limits, bundle_arch
        self.names = [machine["name"] for machine in plan["machines"]]
        #: machines whose firewalls we let the cluster through
        self._opened: set[str] = set()
        self.problems: list[Problem] = []
        self.warnings: list[str] = []

    def _refuse(self, what: str, machine: str, value: t.Any, rule: str, remedy: str) -> None:
        self.problems.append(Problem(f"{what} of {machine}", value, rule, remedy))

    def machine(self, machine: t.Mapping[str, t.Any], probe: Probe) -> None:
        """Everything that concerns one machine alone."""
        name, role = machine["name"], machine["role"]
        self._size(name, role, probe)
        self._disks(name, probe)
        self._kernel(name, probe)
        self._cgroup(name, probe)
        self._swap(name, probe)
        self._system(name, probe)
        self._ports(name, probe)
        self._remains(name, role, probe)
        self._membership(name, probe)
        self._kept(probe)
        self._network(name, machine["address"], probe)

    def version(self, probes: t.Mapping[str, Probe]) -> None:
        """Whether the servers may go to the plan's version; agents are asked by the engine, which knows theirs."""
        known = {
            name: text
            for name, probe in probes.items()
            if name in self.names and (text := probe["installed"].get("version")) and probe["installed"]["record"]
        }
        try:
            running = [
                upgrade.Running(name, "server", (upgrade.Version.parse(text, f"version of {name}"),))
                for name, text in known.items()
            ]
            self.problems += upgrade.problems_of(self._plan["engine"]["version"], running)
        except InvalidInput as exc:
            self.problems += exc.problems

    # --- one machine

    def _size(self, name: str, role: str, probe: Probe) -> None:
        memory = self._limits.server_memory_mib if role == "server" else self._limits.agent_memory_mib
        if probe["memory_mib"] < memory:
            self._refuse(
                "memory",
                name,
                f"{probe['memory_mib']} MiB",
                f"{_a(role)} has at least {memory} MiB (preflight_{role}_memory_mib).",
                "Give the machine more memory, or another role.",
            )
        cpus = self._limits.server_cpus if role == "server" else self._limits.agent_cpus
        if probe["cpus"] < cpus:
            self._refuse(
                "processors",
                name,
                probe["cpus"],
                f"{_a(role)} has at least {cpus} (preflight_{role}_cpus).",
                "Give the machine more processors, or another role.",
            )

    def _disks(self, name: str, probe: Probe) -> None:
        """Room on each file system for all folders on it together."""
        running = bool(probe["installed"]["role"]) and probe["installed"]["record"]
        by_device: dict[int, list[Probe]] = {}
        for entry in probe["file_systems"]:
            by_device.setdefault(entry["device"], []).append(entry)
        for entries in by_device.values():
            first, paths = entries[0], ", ".join(entry["path"] for entry in entries)
            if first["read_only"]:
                self._refuse(
                    "file system", name, paths, "It is mounted read-only.", "Mount it read-write, or repair it first."
                )
                continue
            needed = sum(self._limits.disk_mib.get(entry["path"], 0) for entry in entries)
            needed = min(needed, self._limits.running_disk_mib) if running else needed
            if first["free_mib"] < needed:
                self._refuse(
                    "free disk space",
                    name,
                    f"{first['free_mib']} MiB",
                    f"The file system of {paths} needs {needed} MiB free (preflight_disk_mib).",
                    "Free space on it, or make it larger.",
                )
            if first["inodes_free"] is not None and first["inodes_free"] < self._limits.inodes:
                self._refuse(
                    "free inodes",
                    name,
                    first["inodes_free"],
                    f"The file system of {paths} needs {self._limits.inodes} free inodes.",
                    "Remove small files from it, or make it anew with more inodes.",
                )

    def _kernel(self, name: str, probe: Probe) -> None:
        features = probe["kernel"]["features"]
        missing = [feature for feature in _features_of(self._plan) if features.get(feature) == "missing"]
        if missing:
            self._refuse(
                "kernel features",
                name,
                probe["kernel"]["release"],
                f"The kernel lacks {', '.join(missing)}.",
                self._without(missing, features),
            )

    def _cni_features(self, backend: str) -> list[str]:
        cni = self._plan["cni"]
        return features_of(cni["provider"], backend, service_proxy=cni.get("service_proxy", False))

    def _without(self, missing: t.Sequence[str], features: t.Mapping[str, str]) -> str:
        """What to do without these features: another backend, where that is all that needs them."""
        cni, boot = self._plan["cni"], "a kernel that has them"
        boot += "; on Debian and Ubuntu that of linux-image or linux-modules-extra."
        if not set(missing).isdisjoint(_FEATURES):
            return f"Boot {boot}"
        row = PROVIDERS[cni["provider"]]
        fitting = [
            backend
            for backend in row.backends
            if all(features.get(one) != "missing" for one in self._cni_features(backend.name))
        ]
        if fitting:
            where = " where all machines are in one network" if fitting[0].one_segment else ""
            return f"Set klubster_cni_backend: {fitting[0].name}{where}, or boot {boot}"
        return f"{row.name} needs them: choose another klubster_cni, or boot {boot}"

    def _cgroup(self, name: str, probe: Probe) -> None:
        version, found = probe["cgroup"]["version"], probe["cgroup"]["controllers"]
        missing = [controller for controller in _CONTROLLERS[version] if controller not in found]
        pi = probe["raspberry_pi"]
        if missing and pi["model"] and "memory" in missing:
            line = f"'cgroup_enable=memory cgroup_memory=1' to {pi['command_line'] or 'its cmdline.txt'} and reboot"
            if self._limits.reboot and pi["command_line"]:
                self.warnings.append(
                    f"{name}: the kernel keeps no account of memory yet; the machine will be rebooted for it."
                )
            else:
                self._refuse(
                    "cgroup controllers",
                    name,
                    ", ".join(found),
                    f"The kernel of this {pi['model']} was booted without the memory controller.",
                    f"Add {line}, or set machine_reboot: true and leave both to us.",
                )
        elif missing:
            self._refuse(
                "cgroup controllers",
                name,
                ", ".join(found),
                f"The controllers {', '.join(missing)} are needed (cgroup v{version}).",
                "Enable them on the kernel's command line (for memory: cgroup_enable=memory), and reboot.",
            )
        if version == 1 and self._plan["engine"]["kubelet_config"].get("failCgroupV1") is not False:
            self._refuse(
                "cgroup version",
                name,
                1,
                "Kubernetes is leaving cgroup v1, and takes it only on request.",
                "Boot with systemd.unified_cgroup_hierarchy=1, or set klubster_kubelet_config: {failCgroupV1: false}.",
            )

    def _swap(self, name: str, probe: Probe) -> None:
        if probe["swap"] and self._plan["engine"]["kubelet_config"].get("failSwapOn"):
            self._refuse(
                "swap",
                name,
                ", ".join(probe["swap"]),
                "klubster_kubelet_config tells kubelet to fail on a machine that swaps (failSwapOn: true).",
                "Leave failSwapOn out (pods then do not swap, the system may), or turn swap off yourself: swapoff -a, "
                "and take it out of fstab or the service that makes it. It is not ours and is never touched.",
            )

    def _system(self, name: str, probe: Probe) -> None:
        if not probe["systemd"]:
            self._refuse(
                "init system", name, "not systemd", "Our programs run as units of systemd.", "Boot with systemd."
            )
        arch = probe["architecture"]
        balancer = self._plan["load_balancer"]
        if balancer["provider"] == "metallb" and balancer["speaker"] == "frr" and arch != _FRR_ARCH:
            rule = f"MetalLB's image of FRR is for {_FRR_ARCH} (klubster_metallb_speaker)."
            self._refuse("architecture", name, arch, rule, "Use klubster_metallb_speaker: native.")
        if self._bundle_arch and arch != self._bundle_arch:
            self._refuse(
                "architecture",
                name,
                arch,
                f"The bundle's programs are for {self._bundle_arch}.",
                f"Build a bundle for {arch}, and name it in klubster_bundle_dir.",
            )
        if self._plan["engine"]["lower_oom_score"] and not probe["may_lower_oom_score"]:
            self._refuse(
                "klubster_lower_oom_score",
                name,
                True,
                "This machine may not protect programs from the out-of-memory killer (no CAP_SYS_RESOURCE).",
                "Set klubster_lower_oom_score: false, or give the container that capability.",
            )
        security = probe["security"]
        told = self._firewall(probe)
        self._carried(name, told)
        if told != security["firewall"]:
            self.warnings.append(
                f"{name}: {security['firewall']} is active, and klubster_firewall = {told!r} leaves it to you to let"
                " the cluster's ports and networks through it."
                if security["firewall"] != "none"
                else f"{name}: {told} is not active yet; our rules for it work when it is."
            )
        if security["selinux"] == "enforcing" and self._plan["engine"]["name"] == "k3s" and not security["k3s_policy"]:
            self._refuse(
                "SELinux",
                name,
                "enforcing",
                "k3s needs its policy to run there, and it is not installed.",
                "Install the package k3s-selinux, of your distribution or of Rancher's repository.",
            )
        elif security["selinux"] == "enforcing":
            self.warnings.append(f"{name}: SELinux is enforcing, which was not tried on a machine yet.")

    def _carried(self, name: str, told: str) -> None:
        """ufw's rules know no protocol but a few, and IP in IP is none of them."""
        openings = self._plan["firewall"]["openings"].values()
        if told == "ufw" and any(entry["protocol"] == IPIP for entries in openings for entry in entries):
            self._refuse(
                "klubster_firewall",
                name,
                told,
                "ufw cannot be told to let IP in IP through, by which klubster_cni_backend carries packets.",
                "Choose another backend, or set klubster_firewall: none and allow protocol 4 in /etc/ufw/before.rules.",
            )

    def firewalls(self, probes: t.Mapping[str, Probe]) -> None:
        """Whose rules will be written; what such a machine does not answer yet is no mistake."""
        self._opened = {name for name, probe in probes.items() if self._firewall(probe) != "none"}

    def _firewall(self, probe: Probe) -> str:
        chosen: str = self._plan["firewall"]["provider"]
        return str(probe["security"]["firewall"]) if chosen == "auto" else chosen

    def _api_sources(self, probes: t.Mapping[str, Probe]) -> None:
        """Who speaks to the API from outside must be let in, or the layers above the engine never come."""
        host = self._plan["api"]["host"]
        behind = [name for name in self._plan["servers"] if name in self._opened]
        if not behind or host in self.names or self._plan["firewall"]["networks"]["api"]:
            return
        told = self._firewall(probes[behind[0]])
        self.problems.append(
            Problem(
                "klubster_api_sources",
                [],
                f"{told} on {behind[0]} will let only machines and pods through to the API, and {host} "
                "(klubster_api_host) is none of them.",
                f"Name the addresses or networks from which {host} and you reach the API, such as [192.168.1.0/24].",
            )
        )

    def _ports(self, name: str, probe: Probe) -> None:
        ours = probe["installed"]["record"] or probe["installed"]["api"] == self._api
        network = _network_ports(self._plan) if probe["installed"]["role"] else []
        for entry in probe["ports"]:
            # On a node of ours it is the pod network itself, by programs of names that change.
            if ours and entry["port"] in network:
                continue
            # k3s is one program for all of them.
            k3s = "k3s" in probe["installed"].get("markers", {})
            if not (ours and (k3s or entry["program"] in _OUR_PROGRAMS)):
                program = entry["program"] or "a program that cannot be seen"
                self._refuse(
                    "TCP port",
                    name,
                    entry["port"],
                    f"The cluster needs it, and {program} listens there.",
                    "Stop that program or give it another port.",
                )

    @property
    def _api(self) -> str:
        return f"{self._plan['api']['name']}:{self._plan['api']['port']}"

    def _remains(self, name: str, role: str, probe: Probe) -> None:
        installed = probe["installed"]
        for other in probe["foreign"]:
            self._refuse(
                "machine state",
                name,
                other,
                f"There are remains of {other} on it.",
                f"Remove {other} with its own uninstaller.",
            )
        if installed["api"] and installed["api"] != self._api:
            self._refuse(
                "machine state",
                name,
                installed["api"],
                f"It belongs to a cluster already, and not to the one at {self._api}.",
                "Take it out of that cluster first, or correct klubster_api_name and klubster_api_port.",
            )
        elif installed["kubeadm"] and not installed["record"] and not installed["api"]:
            self._refuse(
                "machine state",
                name,
                ", ".join(installed["kubeadm"]),
                "There are remains of a cluster on it that is not ours.",
                "Save what you need of them, then run kubeadm reset.",
            )
        elif installed["role"] and installed["role"] != role:
            self._refuse(
                "role",
                name,
                role,
                f"It is a running {installed['role']}, and a node keeps its role.",
                f"Put it back into the group {installed['role']}s, or take the node away first.",
            )

    def _membership(self, name: str, probe: Probe) -> None:
        """What our own markers say of a machine that is a node."""
        installed = probe["installed"]
        for engine, cluster in installed.get("markers", {}).items():
            if engine != self._plan["engine"]["name"] and installed["role"]:
                self._refuse(
                    "klubster_engine",
                    name,
                    self._plan["engine"]["name"],
                    f"It is a node of a cluster by {engine} already ({cluster}).",
                    f"Keep {engine}, or take the machine back first: playbooks/reset.yml.",
                )
            elif cluster != self._plan["name"] and installed["role"]:
                self._refuse(
                    "klubster_name",
                    name,
                    self._plan["name"],
                    f"It is a node of the cluster {cluster!r}.",
                    "Reset it with that cluster's inventory first, or correct the name.",
                )

    def _kept(self, probe: Probe) -> None:
        """What a living cluster would not take, as its servers say; each says the same."""
        look = (probe.get("layers") or {}).get(self._plan["engine"]["name"]) or {}
        known = {problem.variable for problem in self.problems}
        for entry in (look.get("node") or {}).get("refused") or []:
            if entry["variable"] not in known:
                self.problems.append(Problem(**entry))

    def _network(self, name: str, address: str, probe: Probe) -> None:
        if not probe["address_local"]:
            found = ", ".join(one for entry in probe["interfaces"] for one in entry["addresses"]) or "none"
            self._refuse(
                "klubster_address",
                name,
                address,
                f"The machine has no such address; it has {found}.",
                "Give an address of one of its interfaces.",
            )
        blocked: dict[tuple[str, str, str], list[str]] = {}
        for entry in probe["silent_peers"]:
            if entry["name"] in self._opened:
                continue
            blocked.setdefault((entry["name"], entry["address"], entry["reason"]), []).append(str(entry["port"]))
        for (peer, peer_address, reason), ports in blocked.items():
            self._refuse(
                "network",
                name,
                f"{peer} ({peer_address})",
                f"{name} cannot reach it at TCP port {', '.join(ports)}: {reason}.",
                "Check cabling, routes and firewalls between the two.",
            )
        for kind in ("pod", "service"):
            for text in self._plan["networks"][kind]:
                for entry, own in _networks(probe):
                    if network(text).overlaps(own):
                        self._refuse(
                            f"klubster_{kind}_network",
                            name,
                            text,
                            f"It overlaps {own.text}, in which the machine's interface {entry} is.",
                            "Choose a network that is used nowhere else.",
                        )

    # --- all machines together

    def together(self, probes: t.Mapping[str, Probe]) -> None:
        self._unique(probes)
        self._clocks(probes)
        self._pools(probes)
        self._moving_address(probes)
        self._segment(probes)
        self._api_sources(probes)

    def _unique(self, probes: t.Mapping[str, Probe]) -> None:
        addresses = {machine["name"]: machine["address"] for machine in self._plan["machines"]}
        of: dict[str, t.Callable[[str, Probe], str]] = {
            "hostname": lambda _name, probe: probe["hostname"],
            "machine-id": lambda _name, probe: probe["machine_id"],
            "product_uuid": lambda _name, probe: probe["product_uuid"],
            "MAC address": lambda name, probe: _mac(probe, addresses[name]),
        }
        remedies = {
            "hostname": "Give each machine its own with hostnamectl.",
            "machine-id": "Cloned machines: empty /etc/machine-id and reboot.",
            "product_uuid": "Make the virtual machines anew with identities of their own.",
            "MAC address": "Give each virtual network card its own.",
        }
        for what, value_of in of.items():
            owners: dict[str, str] = {}
            for name, probe in probes.items():
                value = value_of(name, probe)
                if value and value in owners:
                    self._refuse(
                        what, name, value, f"{owners[value]} has the same; it tells machines apart.", remedies[what]
                    )
                owners.setdefault(value, name)

    def _clocks(self, probes: t.Mapping[str, Probe]) -> None:
        clocks = {name: probe["clock"] for name, probe in probes.items() if probe.get("clock")}
        if len(clocks) < 2:
            return
        middle = sorted(clocks.values(), key=lambda clock: clock["offset"])[(len(clocks) - 1) // 2]
        for name, clock in clocks.items():
            apart = abs(clock["offset"] - middle["offset"]) - clock["uncertainty"] - middle["uncertainty"]
            if apart > self._limits.time_skew:
                self._refuse(
                    "clock",
                    name,
                    f"{clock['offset'] - middle['offset']:+.1f} s",
                    f"Clocks of a cluster differ by at most {self._limits.time_skew:g} s (preflight_time_skew).",
                    "Set it, and keep it right with systemd-timesyncd or chrony.",
                )

    def _moving_address(self, probes: t.Mapping[str, Probe]) -> None:
        api = self._plan["api"]
        if api["provider"] not in MOVERS:
            return
        wanted = node_address(api["address"])
        for name in self._plan["servers"]:
            if name in probes and not any(own.contains(wanted) for _name, own in _networks(probes[name])):
                self._refuse(
                    "networks",
                    name,
                    ", ".join(own.text for _name, own in _networks(probes[name])),
                    f"{MOVERS[api['provider']]} moves klubster_api_address = {api['address']} between the servers, so "
                    "each has an interface in its network.",
                    "Choose an address of the network that all servers share.",
                )

    def _segment(self, probes: t.Mapping[str, Probe]) -> None:
        """Plain routes lead only to machines of the own network."""
        backend = backend_of(self._plan)
        if backend is None or not backend.one_segment:
            return
        addresses = {machine["name"]: machine["address"] for machine in self._plan["machines"]}
        for name, probe in probes.items():
            own = [net for _name, net in _networks(probe) if net.contains(node_address(addresses[name]))]
            beyond = [
                other
                for other, address in addresses.items()
                if own and not any(net.contains(node_address(address)) for net in own)
            ]
            if beyond:
                others = [one.name for one in provider_of(self._plan).backends if not one.one_segment]
                self._refuse(
                    "klubster_cni_backend",
                    name,
                    backend.name,
                    f"It needs all machines in one network, and {', '.join(beyond)} is not in {own[0].text}.",
                    f"Use one of {', '.join(others)}, or move the machines into one network.",
                )

    def _pools(self, probes: t.Mapping[str, Probe]) -> None:
        balancer = self._plan["load_balancer"]
        near = [own for probe in probes.values() for _name, own in _networks(probe)]
        names = {entry["name"] for probe in probes.values() for entry in probe["interfaces"]}
        if balancer["provider"] not in ("metallb", "openelb") or not near:
            return
        self._peers(balancer["bgp"]["peers"], near)
        if balancer["provider"] == "openelb":
            self._interfaces_of_all(balancer["pools"], probes)
        for index, pool in enumerate(balancer["pools"]):
            if "l2" not in pool["announce"]:
                continue
            for position, text in enumerate(pool["addresses"]):
                if balancer["provider"] == "metallb" and not any(own.contains(span(text)) for own in near):
                    self.warnings.append(
                        f"klubster_pools[{index}].addresses[{position}] = {text}: no machine has an interface in this"
                        " network, so others will find these addresses only over a route that you make."
                    )
            absent = [interface for interface in pool["interfaces"] if interface not in names]
            if absent and len(probes) == len(self.names):
                self.problems.append(
                    Problem(
                        f"klubster_pools[{index}].interfaces",
                        ", ".join(absent),
                        "No machine has an interface of this name.",
                        f"Use one of {', '.join(sorted(name for name in names if not _MADE_BY_CLUSTERS.match(name)))}.",
                    )
                )

    def _interfaces_of_all(self, pools: t.Sequence[t.Mapping[str, t.Any]], probes: t.Mapping[str, Probe]) -> None:
        """OpenELB lets any node answer, and only where the interface is in the pool's network."""
        for index, pool in enumerate(pools):
            interface, text = "".join(pool["interfaces"]), pool["addresses"][0]
            own = {
                name: [network_around(one) for one in entry["addresses"]]
                for name, probe in probes.items()
                for entry in probe["interfaces"]
                if entry["name"] == interface
            }
            if "l2" not in pool["announce"] or not own:
                continue
            without = [name for name in probes if name not in own]
            if without:
                rule = f"{', '.join(without)} has none of this name, and OpenELB may choose any machine to answer."
                remedy = "Use a name that all machines have."
                self.problems.append(Problem(f"klubster_pools[{index}].interfaces", interface, rule, remedy))
            apart = [name for name, networks in own.items() if not any(net.contains(span(text)) for net in networks)]
            if apart:
                where = f"klubster_pools[{index}].addresses[0]"
                rule = f"On {', '.join(apart)} {interface} is in another network, where OpenELB does not answer for it."
                remedy = "Choose addresses of the interface's network, or announce the pool by bgp."
                self.problems.append(Problem(where, text, rule, remedy))

    def _peers(self, peers: t.Sequence[t.Mapping[str, t.Any]], near: t.Sequence[Span]) -> None:
        for index, peer in enumerate(peers):
            if not peer["ebgp_multihop"] and not any(own.contains(node_address(peer["address"])) for own in near):
                self.warnings.append(
                    f"klubster_bgp.peers[{index}].address = {peer['address']}: no machine has an interface in its"
                    " network. A router further away is reached with ebgp_multihop: true, on its side as well."
                )


def _networks(probe: Probe) -> t.Iterator[tuple[str, Span]]:
    """Networks that the machine itself is in, without those that a cluster made."""
    for entry in probe["interfaces"]:
        if _MADE_BY_CLUSTERS.match(entry["name"]):
            continue
        for text in entry["addresses"]:
            yield entry["name"], network_around(text)


def _mac(probe: Probe, address: str) -> str:
    for entry in probe["interfaces"]:
        if any(text.partition("/")[0] == address for text in entry["addresses"]):
            return str(entry["mac"])
    return ""


def _a(role: str) -> str:
    return "A server" if role == "server" else "An agent"


__all__ = ("Judged", "Limits", "judge", "paths_of", "ports_of", "request_for")
