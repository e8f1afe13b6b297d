# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What preflight and the plan need to know of a machine; reads only, in a fraction of a second."""

from __future__ import annotations

import contextlib
import errno
import gzip
import json
import os
import platform
import re
import selectors
import shutil
import socket
import time
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed
from ansible_collections.kateskit.klubster.plugins.module_utils._node import firewall_rules, selinux
from ansible_collections.kateskit.klubster.plugins.module_utils._node.kernel import Kernel

_MIB = 1 << 20
_LISTENING = "0A"
_CAP_SYS_RESOURCE = 24

# Feature -> (module, option of the kernel's configuration, file that exists where the feature works)
FEATURES: dict[str, tuple[str, str, str]] = {
    "overlay": ("overlay", "CONFIG_OVERLAY_FS", "sys/module/overlay"),
    "bridge": ("bridge", "CONFIG_BRIDGE", "sys/module/bridge"),
    "br_netfilter": ("br_netfilter", "CONFIG_BRIDGE_NETFILTER", "proc/sys/net/bridge/bridge-nf-call-iptables"),
    "veth": ("veth", "CONFIG_VETH", "sys/module/veth"),
    "vxlan": ("vxlan", "CONFIG_VXLAN", "sys/module/vxlan"),
    "geneve": ("geneve", "CONFIG_GENEVE", "sys/module/geneve"),
    "ipip": ("ipip", "CONFIG_NET_IPIP", "sys/module/ipip"),
    "wireguard": ("wireguard", "CONFIG_WIREGUARD", "sys/module/wireguard"),
    "ip_set": ("ip_set", "CONFIG_IP_SET", "sys/module/ip_set"),
    "ip_vs": ("ip_vs", "CONFIG_IP_VS", "sys/module/ip_vs"),
    "bpf": ("bpf", "CONFIG_BPF_SYSCALL", "sys/fs/bpf"),
    "cls_bpf": ("cls_bpf", "CONFIG_NET_CLS_BPF", "sys/module/cls_bpf"),
    "sch_ingress": ("sch_ingress", "CONFIG_NET_SCH_INGRESS", "sys/module/sch_ingress"),
    "nf_conntrack": ("nf_conntrack", "CONFIG_NF_CONNTRACK", "proc/sys/net/netfilter/nf_conntrack_max"),
    "nf_tables": ("nf_tables", "CONFIG_NF_TABLES", "sys/module/nf_tables"),
    "xt_comment": ("xt_comment", "CONFIG_NETFILTER_XT_MATCH_COMMENT", "sys/module/xt_comment"),
    "xt_statistic": ("xt_statistic", "CONFIG_NETFILTER_XT_MATCH_STATISTIC", "sys/module/xt_statistic"),
    "xt_set": ("xt_set", "CONFIG_NETFILTER_XT_SET", "sys/module/xt_set"),
    "xt_MASQUERADE": ("xt_MASQUERADE", "CONFIG_NETFILTER_XT_TARGET_MASQUERADE", "sys/module/xt_MASQUERADE"),
}

_COMMANDS = ("conntrack", "ip", "iptables", "modprobe", "mount", "nft", "socat", "systemctl")

# What other distributions of Kubernetes leave on a machine.
_FOREIGN = {
    "k3s": ("usr/local/bin/k3s", "etc/rancher/k3s", "var/lib/rancher/k3s"),
    "rke2": ("usr/local/bin/rke2", "etc/rancher/rke2", "var/lib/rancher/rke2"),
    "microk8s": ("var/snap/microk8s",),
    "k0s": ("usr/local/bin/k0s", "var/lib/k0s"),
}
_K3S = "var/lib/rancher/k3s"
# Of kubeadm, ours or another's.
_KUBEADM = (
    "etc/kubernetes/kubelet.conf",
    "etc/kubernetes/manifests",
    "var/lib/etcd/member",
    "var/lib/kubelet/config.yaml",
)

_GO_ARCHES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "riscv64": "riscv64",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
}


@dataclass(frozen=True)
class Peer:
    """Another machine that this one must reach."""

    name: str
    address: str
    ports: tuple[int, ...]


@dataclass(frozen=True)
class Request:
    """What to look at."""

    #: the machine's own address in the cluster
    address: str = ""
    #: folders whose file systems matter
    paths: tuple[str, ...] = ()
    #: TCP ports that the cluster listens on here
    ports: tuple[int, ...] = ()
    #: features of the kernel that are needed; empty: all are looked for, as they are when one of these is missing
    features: tuple[str, ...] = ()
    peers: tuple[Peer, ...] = ()
    #: seconds for all connections to peers together
    peer_timeout: float = 5.0
    #: ask installed programs for their versions, which takes a tenth of a second each
    versions: bool = False


@dataclass(frozen=True)
class System:
    """Where the probe looks; tests give another root and programs of their own."""

    run: Runner
    root: Path = field(default=Path("/"))

    def text(self, name: str) -> str:
        """A file's text; empty when there is none or it may not be read."""
        try:
            return (self.root / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def exists(self, name: str) -> bool:
        return os.path.lexists(self.root / name)


def probe(request: Request, system: System) -> dict[str, t.Any]:
    """Everything at once, as plain data; documented with the module node_probe."""
    # Connections are begun before anything else and looked at in the end, so that they cost no time of their own.
    with _Connections(request.peers, request.peer_timeout) as connections:
        found = {
            "hostname": platform.node() if system.root == Path("/") else system.text("etc/hostname").strip(),
            "machine_id": system.text("etc/machine-id").strip(),
            "container": _container(system),
            "product_uuid": _product_uuid(system),
            "architecture": _GO_ARCHES.get(platform.machine(), platform.machine()),
            "distribution": distribution(system),
            "python": platform.python_version(),
            "cpus": os.cpu_count() or 1,
            "memory_mib": memory_mib(system),
            "systemd": system.exists("run/systemd/system"),
            "cgroup": cgroup(system),
            "kernel": kernel(system, request.features),
            "file_systems": [file_system(path, system) for path in request.paths],
            "interfaces": interfaces(system),
            "default_route": default_route(system),
            "address_local": is_local(request.address) if request.address else True,
            "ports": ports(request.ports, system),
            "swap": Kernel(system.root).swaps(),
            "security": security(system),
            "may_lower_oom_score": may_lower_oom_score(system),
            "raspberry_pi": raspberry_pi(system),
            "missing_commands": [name for name in _COMMANDS if shutil.which(name) is None],
            "foreign": foreign(system),
            "installed": installed(system, versions=request.versions),
        }
        found["silent_peers"] = connections.failures()
        found["time"] = time.time()
    return found


def _container(system: System) -> str:
    """What kind of container this is; empty for a machine of its own."""
    return system.text("run/systemd/container").strip()


def _product_uuid(system: System) -> str:
    # In a container this is the host's, equal in all of them.
    return "" if _container(system) else system.text("sys/class/dmi/id/product_uuid").strip().lower()


def distribution(system: System) -> dict[str, str]:
    """``ID``, ``ID_LIKE`` and ``VERSION_ID`` of os-release."""
    text = system.text("etc/os-release") or system.text("usr/lib/os-release")
    values = dict(re.findall(r"^([A-Z_]+)=[\"']?(.*?)[\"']?$", text, re.MULTILINE))
    return {
        "id": values.get("ID", ""),
        "like": values.get("ID_LIKE", ""),
        "version": values.get("VERSION_ID", ""),
        "name": values.get("PRETTY_NAME", ""),
    }


def memory_mib(system: System) -> int:
    """Memory of the machine, or less where its control group is limited."""
    found = re.search(r"^MemTotal:\s+(\d+) kB", system.text("proc/meminfo"), re.MULTILINE)
    total = int(found.group(1)) // 1024 if found else 0
    for name in ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"):
        limit = system.text(name).strip()
        if limit.isdigit() and 0 < int(limit) // _MIB < total:
            total = int(limit) // _MIB
    return total


def cgroup(system: System) -> dict[str, t.Any]:
    """Version and usable controllers."""
    unified = system.text("sys/fs/cgroup/cgroup.controllers")
    if system.exists("sys/fs/cgroup/cgroup.controllers"):
        return {"version": 2, "controllers": sorted(unified.split())}
    controllers = []
    for line in system.text("proc/cgroups").splitlines():
        fields = line.split()
        if len(fields) == 4 and fields[3] == "1" and system.exists(f"sys/fs/cgroup/{fields[0]}/cgroup.procs"):
            controllers.append(fields[0])
    return {"version": 1, "controllers": sorted(controllers)}


def kernel(system: System, needed: t.Collection[str] = ()) -> dict[str, t.Any]:
    """Release, and how each feature that we need is there: works, loadable, missing or unknown."""
    release = system.text("proc/sys/kernel/osrelease").strip() or platform.release()
    features = _features(release, system, needed or FEATURES)
    if "missing" in features.values():
        # What else there is tells which other choice this kernel can bear.
        features = _features(release, system, FEATURES)
    return {"release": release, "features": features}


def _features(release: str, system: System, names: t.Collection[str]) -> dict[str, str]:
    """Files of modules and configuration are read only for what shows no other sign of itself."""
    available: set[str] | None = None
    configuration: str | None = None
    features: dict[str, str] = {}
    for name, (module, option, evidence) in FEATURES.items():
        if name not in names:
            continue
        if system.exists(evidence):
            features[name] = "works"
            continue
        if available is None:
            available = _modules(release, system)
        if module in available:
            features[name] = "loadable"
        else:
            if configuration is None:
                configuration = _configuration(release, system)
            features[name] = _configured(configuration, option, bool(available))
    return features


def _modules(release: str, system: System) -> set[str]:
    """Modules that modprobe would find, with the built-in ones."""
    names: set[str] = set()
    for name in ("modules.builtin", "modules.dep"):
        text = system.text(f"lib/modules/{release}/{name}")
        names.update(re.findall(r"([^/\s]+)\.ko(?:\.\w+)?(?::.*)?$", text, re.MULTILINE))
    return names


def _configuration(release: str, system: System) -> str:
    with contextlib.suppress(OSError):
        return gzip.decompress((system.root / "proc/config.gz").read_bytes()).decode("utf-8", "replace")
    return system.text(f"boot/config-{release}")


def _configured(configuration: str, option: str, modules_known: bool) -> str:
    if f"\n{option}=y\n" in configuration:
        return "works"
    if configuration or modules_known:
        # Configured as a module, but not to be found among the modules: as good as missing.
        return "missing"
    return "unknown"


def file_system(path: str, system: System) -> dict[str, t.Any]:
    """Room where a folder is, or will be."""
    place = system.root / path.lstrip("/")
    while not place.exists():
        place = place.parent
    room = os.statvfs(place)
    return {
        "path": path,
        "at": "/" + str(place.relative_to(system.root)).lstrip("."),
        "device": place.stat().st_dev,
        "size_mib": room.f_blocks * room.f_frsize // _MIB,
        "free_mib": room.f_bavail * room.f_frsize // _MIB,
        # Some file systems make inodes as they are needed, and say 0 of 0.
        "inodes_free": room.f_favail if room.f_files else None,
        "read_only": bool(room.f_flag & os.ST_RDONLY),
    }


def interfaces(system: System) -> list[dict[str, t.Any]]:
    """Name, MAC and addresses with prefix of each interface but the loopback; none where ``ip`` is missing."""
    found = []
    for entry in _ip(["-json", "address", "show"], system):
        if "LOOPBACK" in entry.get("flags", []):
            continue
        found.append(
            {
                "name": entry["ifname"],
                "mac": entry.get("address", ""),
                "virtual": not system.exists(f"sys/class/net/{entry['ifname']}/device"),
                "addresses": [
                    f"{one['local']}/{one['prefixlen']}"
                    for one in entry.get("addr_info", [])
                    if one.get("scope") == "global"
                ],
            }
        )
    return found


def default_route(system: System) -> str:
    """Interface of the default route; empty when there is none."""
    for family in ("-4", "-6"):
        for entry in _ip(["-json", family, "route", "show", "default"], system):
            return str(entry.get("dev", ""))
    return ""


def _ip(arguments: t.Sequence[str], system: System) -> list[dict[str, t.Any]]:
    try:
        shown = system.run(["ip", *arguments], timeout=5).stdout
        return t.cast("list[dict[str, t.Any]]", json.loads(shown or "[]"))
    except (CommandFailed, ValueError):
        return []


def is_local(address: str) -> bool:
    """Whether the address is on one of this machine's interfaces: only then a socket can be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probing:
            probing.bind((address, 0))
    except OSError:
        return False
    return True


def ports(wanted: t.Sequence[int], system: System) -> list[dict[str, t.Any]]:
    """Ports of the wanted ones that something listens on, with the program where it can be seen."""
    inodes: dict[str, int] = {}
    for name in ("proc/net/tcp", "proc/net/tcp6"):
        for line in system.text(name).splitlines()[1:]:
            fields = line.split()
            port = int(fields[1].rpartition(":")[2], 16)
            if fields[3] == _LISTENING and port in wanted:
                inodes[fields[9]] = port
    if not inodes:
        return []
    programs = _holders(inodes, system)
    busy = {port: programs.get(inode, "") for inode, port in sorted(inodes.items(), key=lambda item: item[1])}
    return [{"port": port, "program": program} for port, program in busy.items()]


def _holders(inodes: t.Mapping[str, int], system: System) -> dict[str, str]:
    """Socket's inode -> name of the program that has it open."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[str, str] = {}
    for process in (system.root / "proc").iterdir():
        if not process.name.isdigit():
            continue
        # Processes end while we look.
        with contextlib.suppress(OSError):
            for descriptor in os.scandir(process / "fd"):
                target = str(Path(descriptor.path).readlink())
                if target in wanted:
                    found[wanted[target]] = (process / "comm").read_text(encoding="utf-8").strip()
        if len(found) == len(wanted):
            break
    return found


def security(system: System) -> dict[str, t.Any]:
    """Frameworks and firewalls that can stand in a cluster's way."""
    return {
        "selinux": selinux.mode(system.root),
        "k3s_policy": selinux.has_k3s_policy(system.root),
        "apparmor": system.text("sys/module/apparmor/parameters/enabled").strip() == "Y",
        "firewall": firewall_rules.active(system.root),
    }


def may_lower_oom_score(system: System) -> bool:
    """Whether programs of this machine may be kept from the out-of-memory killer."""
    found = re.search(r"^CapBnd:\s+([0-9a-f]+)", system.text("proc/1/status"), re.MULTILINE)
    return bool(int(found.group(1), 16) >> _CAP_SYS_RESOURCE & 1) if found else True


def raspberry_pi(system: System) -> dict[str, t.Any]:
    """Model, and what the boot loader was told of control groups."""
    model = system.text("proc/device-tree/model").rstrip("\0\n")
    if not model.startswith("Raspberry Pi"):
        return {"model": "", "command_line": ""}
    at = Kernel(system.root).command_line_file()
    return {"model": model, "command_line": "/" + str(at.relative_to(system.root)) if at else ""}


def foreign(system: System) -> list[str]:
    """Remains of other distributions of Kubernetes; what we put there ourselves is none."""
    ours, made = _recorded(system), _made(system)
    # A run may have been cut short after it made a folder for a file of ours, and before the program came.
    found = [
        name
        for name, paths in _FOREIGN.items()
        if any(system.exists(path) and f"/{path}" not in made for path in paths)
    ]
    return [name for name in found if f"/usr/local/bin/{name}" not in ours]


def installed(system: System, *, versions: bool = False) -> dict[str, t.Any]:
    """What we, or a kubeadm by hand, put on this machine."""
    # A server's kubelet talks to its own API; only the administrator's file has the cluster's name there.
    known = system.text("etc/kubernetes/admin.conf") or system.text("etc/kubernetes/kubelet.conf")
    server = re.search(r"^\s*server:\s*https://(\S+)", known, re.MULTILINE)
    return {
        "record": system.exists("var/lib/klubster/installed.json"),
        "files": _recorded(system),
        "kubeadm": [f"/{path}" for path in _KUBEADM if _filled(system.root / path)],
        #: of the cluster that this machine belongs to
        "api": server.group(1) if server else "",
        "role": _role(system),
        #: of the API server that this machine runs
        "version": _server_version(system),
        #: what our marker says: engine -> cluster
        "markers": _markers(system),
        "versions": _versions(system) if versions else {},
    }


def _filled(path: Path) -> bool:
    try:
        return any(path.iterdir()) if path.is_dir() else path.exists()
    except OSError:
        return False


def _recorded(system: System) -> dict[str, str]:
    """Path -> sha256 of the files that we put in place."""
    with contextlib.suppress(ValueError, AttributeError, KeyError, TypeError):
        files = json.loads(system.text("var/lib/klubster/installed.json") or "{}").get("files", {})
        return {path: entry["sha256"] for path, entry in files.items() if not entry.get("block")}
    return {}


def _made(system: System) -> list[str]:
    """Folders that did not exist before we, or what we installed, made them."""
    with contextlib.suppress(ValueError, AttributeError, KeyError, TypeError):
        return list(json.loads(system.text("var/lib/klubster/installed.json") or "{}").get("directories", []))
    return []


def _markers(system: System) -> dict[str, str]:
    found = {}
    for engine in ("kubeadm", "k3s"):
        with contextlib.suppress(ValueError, AttributeError, KeyError, TypeError):
            found[engine] = str(json.loads(system.text(f"var/lib/klubster/{engine}.json"))["cluster"])
    return found


def _role(system: System) -> str:
    if system.exists("etc/kubernetes/manifests/kube-apiserver.yaml") or system.exists(f"{_K3S}/server/token"):
        return "server"
    node = system.exists("etc/kubernetes/kubelet.conf") or system.exists(f"{_K3S}/agent/etc/containerd")
    return "agent" if node else ""


def _server_version(system: System) -> str:
    manifest = system.text("etc/kubernetes/manifests/kube-apiserver.yaml")
    found = re.search(r"^\s*image:\s*\S+:v(\S+)\s*$", manifest, re.MULTILINE)
    return found.group(1) if found else ""


def _versions(system: System) -> dict[str, str]:
    found = {}
    for name in ("kubelet", "containerd"):
        path = system.root / "usr/local/bin" / name
        if path.exists():
            with contextlib.suppress(CommandFailed):
                said = re.search(r"v?(\d+\.\d+\.\d+\S*)", system.run([str(path), "--version"], timeout=10).stdout)
                found[name] = said.group(1) if said else ""
    return found


class _Connections:
    """TCP connections to all peers at the same time. A refusal is an answer too: the machine is there."""

    def __init__(self, peers: t.Sequence[Peer], timeout: float) -> None:
        self._peers, self._timeout = peers, timeout
        self._selector = selectors.DefaultSelector()
        self._failures: list[dict[str, t.Any]] = []
        self._deadline = 0.0

    def __enter__(self) -> _Connections:
        self._deadline = time.monotonic() + self._timeout
        for peer in self._peers:
            for port in peer.ports:
                self._begin(peer, port)
        return self

    def __exit__(self, *exc: object) -> None:
        for key in list(self._selector.get_map().values()):
            t.cast(socket.socket, key.fileobj).close()
        self._selector.close()

    def failures(self) -> list[dict[str, t.Any]]:
        """Peers and ports from which nothing came back, and why."""
        while self._selector.get_map():
            left = self._deadline - time.monotonic()
            ready = self._selector.select(left) if left > 0 else []
            if not ready:
                break
            for key, _events in ready:
                connection, (peer, port) = t.cast(socket.socket, key.fileobj), key.data
                self._selector.unregister(connection)
                self._judge(peer, port, connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
                connection.close()
        for key in list(self._selector.get_map().values()):
            peer, port = key.data
            self._failures.append(_failure(peer, port, f"no answer in {self._timeout:g} s"))
        order = {peer.name: position for position, peer in enumerate(self._peers)}
        return sorted(self._failures, key=lambda failure: (order[failure["name"]], failure["port"]))

    def _begin(self, peer: Peer, port: int) -> None:
        family = socket.AF_INET6 if ":" in peer.address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        code = connection.connect_ex((peer.address, port))
        if code == _IN_PROGRESS:
            self._selector.register(connection, selectors.EVENT_WRITE, (peer, port))
        else:
            connection.close()
            self._judge(peer, port, code)

    def _judge(self, peer: Peer, port: int, code: int) -> None:
        if code not in _ANSWERS:
            self._failures.append(_failure(peer, port, os.strerror(code)))


def _failure(peer: Peer, port: int, reason: str) -> dict[str, t.Any]:
    return {"name": peer.name, "address": peer.address, "port": port, "reason": reason}


_IN_PROGRESS = errno.EINPROGRESS
#: connected, or refused by the machine itself
_ANSWERS = (0, errno.ECONNREFUSED)

__all__ = ("FEATURES", "Peer", "Request", "System", "probe")
