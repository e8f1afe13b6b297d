# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Which ports of a machine who may reach: data, from which every firewall's rules are made."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._model.cni import ports_of

if t.TYPE_CHECKING:
    from ansible_collections.kateskit.klubster.plugins.module_utils._model.spec import ClusterSpec

_LAST_PORT = 65535


@dataclass(frozen=True)
class _Row:
    """One use of ports.

    :param role: where they are open; empty: on every machine.
    :param sources: names of networks.
    :param pods: whether pods reach them, too.
    """

    protocol: str
    ports: str
    sources: tuple[str, ...]
    role: str = ""
    pods: bool = True


_ETCD = _Row("tcp", "2379-2380", ("servers",), "server", pods=False)
_KUBELET = _Row("tcp", "10250", ("machines",))
_METALLB = (_Row("tcp", "7472,7946", ("machines",)), _Row("udp", "7946", ("machines",)))
_OPENELB = _Row("tcp", "50052", ("machines",))
# How its speakers find each other, which they do for L2 only.
_OPENELB_L2 = (_Row("tcp", "7946", ("machines",)), _Row("udp", "7946", ("machines",)))
_FRR_METRICS = _Row("tcp", "7473", ("machines",))
_BGP = _Row("tcp", "179", ("routers",), pods=False)
# One hop away, echo, and further.
_BFD = _Row("udp", "3784-3785,4784", ("routers",), pods=False)
_VRRP = _Row("vrrp", "", ("servers",), "server")
_REGISTRY = _Row("tcp", "5001", ("machines",))


def firewall_of(spec: ClusterSpec) -> dict[str, t.Any]:
    """What the machines' firewalls are told: the same for all of them, so that the plan stays small."""
    rows, routers = _rows(spec), _speaking_routers(spec)
    return {
        "provider": spec.firewall.provider,
        "networks": {
            "servers": [machine.address for machine in spec.servers],
            "machines": [machine.address for machine in spec.machines],
            "pods": list(spec.networks.pod),
            "services": list(spec.networks.service),
            "api": _outside(spec),
            **({"routers": routers} if routers else {}),
        },
        "openings": {role: _openings(rows, role) for role in ("server", "agent")},
        "closed": {role: _closed(rows, role) for role in ("server", "agent")},
    }


def _outside(spec: ClusterSpec) -> list[str]:
    """Who reaches the API besides machines: whom the user names, and a load balancer of theirs."""
    own = [machine.address for machine in spec.machines]
    balancer = [] if spec.api.address in own else [spec.api.address]
    return list(dict.fromkeys([*spec.firewall.api_sources, *balancer]))


def _speaking_routers(spec: ClusterSpec) -> list[str]:
    """Routers that speak first: by BFD, and where Calico or OpenELB listens. MetalLB begins its sessions itself."""
    listens = spec.load_balancer.provider == "openelb" or _by_calico(spec)
    return list(dict.fromkeys(peer.address for peer in spec.load_balancer.bgp.peers if peer.bfd_profile or listens))


def _by_calico(spec: ClusterSpec) -> bool:
    return spec.load_balancer.provider == "metallb" and spec.load_balancer.speaker == "cni"


def _rows(spec: ClusterSpec) -> list[_Row]:
    rows = [_Row("tcp", str(spec.api.port), ("machines", "api"), "server"), _KUBELET]
    if spec.engine.datastore == "etcd":
        rows.append(_ETCD)
    rows += [
        _Row(port.protocol, port.ports, ("machines",), pods=port.pods)
        for port in ports_of(spec.cni.provider, spec.cni.backend)
    ]
    if _by_calico(spec):
        rows.append(_BGP)
    elif spec.load_balancer.provider == "metallb":
        rows += _METALLB
        if spec.load_balancer.speaker == "frr":
            rows.append(_FRR_METRICS)
        if _speaking_routers(spec):
            rows.append(_BFD)
    if spec.load_balancer.provider == "openelb":
        rows.append(_OPENELB)
        if any("l2" in pool.announce for pool in spec.load_balancer.pools):
            rows += _OPENELB_L2
        if spec.load_balancer.bgp.peers:
            rows.append(_Row("tcp", str(spec.bgp_port), ("routers",), pods=False))
    if spec.api.provider == "keepalived":
        rows.append(_VRRP)
    if any(machine.k3s_config.get("embedded-registry") for machine in spec.machines):
        rows.append(_REGISTRY)
    return rows


def _openings(rows: t.Sequence[_Row], role: str) -> list[dict[str, t.Any]]:
    """Rows of one role, ports with the same sources together; then what pods reach on their nodes."""
    merged: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for row in rows:
        if row.role in ("", role):
            merged.setdefault((row.protocol, row.sources), []).append(row.ports)
    found = [
        {"protocol": protocol, "ports": _joined(ports), "sources": list(sources)}
        for (protocol, sources), ports in merged.items()
    ]
    for protocol in ("tcp", "udp"):
        closed = [row.ports for row in rows if row.protocol == protocol and row.role in ("", role) and not row.pods]
        found.append({"protocol": protocol, "ports": _others(_joined(closed)), "sources": ["pods"]})
    return found


def _closed(rows: t.Sequence[_Row], role: str) -> dict[str, str]:
    """The cluster's ports by protocol: closed to everybody else where we decide it."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.ports and row.role in ("", role):
            found.setdefault(row.protocol, []).append(row.ports)
    return {protocol: _joined(ports) for protocol, ports in found.items()}


def _ranges(ports: str) -> list[tuple[int, int]]:
    found = []
    for part in filter(None, ports.split(",")):
        first, dash, last = part.partition("-")
        found.append((int(first), int(last if dash else first)))
    return sorted(found)


def _joined(ports: t.Sequence[str]) -> str:
    text = [
        str(first) if first == last else f"{first}-{last}" for first, last in dict.fromkeys(_ranges(",".join(ports)))
    ]
    return ",".join(text)


def _others(ports: str) -> str:
    """All ports but these."""
    free, begin = [], 1
    for first, last in _ranges(ports):
        if begin < first:
            free.append(f"{begin}-{first - 1}")
        begin = last + 1
    return ",".join([*free, f"{begin}-{_LAST_PORT}"])


__all__ = ("firewall_of",)
