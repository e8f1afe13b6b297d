# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The load balancer in the validated cluster: pools, who announces them, and to whom."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

LoadBalancerName = t.Literal["metallb", "openelb", "servicelb", "none"]
LoadBalancerMode = t.Literal["l2", "bgp"]
SpeakerName = t.Literal["native", "frr", "cni"]


@dataclass(frozen=True)
class Expression:
    """One comparison of a selector."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Selector:
    """Objects by their labels, as Kubernetes selects them."""

    match_labels: dict[str, str] = field(default_factory=dict)
    match_expressions: tuple[Expression, ...] = ()


@dataclass(frozen=True)
class Pool:
    """Addresses for services of type LoadBalancer."""

    name: str
    #: networks or ranges ``10.77.0.200-10.77.0.220``
    addresses: tuple[str, ...]
    auto_assign: bool = True
    avoid_buggy_ips: bool = False
    #: interfaces to announce on by L2; empty: all
    interfaces: tuple[str, ...] = ()
    #: ``l2``, ``bgp`` or both
    announce: tuple[LoadBalancerMode, ...] = ("l2",)
    priority: t.Optional[int] = None
    namespaces: tuple[str, ...] = ()
    namespace_selectors: tuple[Selector, ...] = ()
    service_selectors: tuple[Selector, ...] = ()


@dataclass(frozen=True)
class L2Advertisement:
    """From where pools are announced in their own network."""

    name: str
    #: empty: all that are announced by L2
    pools: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    node_selectors: tuple[Selector, ...] = ()


@dataclass(frozen=True)
class BgpPeer:
    """A router that nodes speak to. Times are in seconds."""

    name: str
    address: str
    #: of the router; None: ``dynamic_asn`` says on which side of the border it is
    asn: t.Optional[int] = None
    dynamic_asn: t.Optional[str] = None
    port: int = 179
    #: whether it has one; the password itself is never here
    password: bool = False
    hold_time: t.Optional[int] = None
    keepalive: t.Optional[int] = None
    connect_time: t.Optional[int] = None
    ebgp_multihop: bool = False
    bfd_profile: t.Optional[str] = None
    source_address: t.Optional[str] = None
    router_id: t.Optional[str] = None
    graceful_restart: bool = False
    #: whether it is told addresses of both families
    dual_stack: bool = False
    node_selectors: tuple[Selector, ...] = ()


@dataclass(frozen=True)
class BgpAdvertisement:
    """What is announced to whom."""

    name: str
    #: empty: all that are announced by BGP
    pools: tuple[str, ...] = ()
    #: empty: all
    peers: tuple[str, ...] = ()
    aggregation_length: t.Optional[int] = None
    aggregation_length_v6: t.Optional[int] = None
    local_preference: int = 0
    #: names of the cluster's own, or ``65010:100``, ``large:65010:1:2``
    communities: tuple[str, ...] = ()
    node_selectors: tuple[Selector, ...] = ()


@dataclass(frozen=True)
class BfdProfile:
    """How fast a dead router is noticed. Times are in milliseconds."""

    name: str
    receive: t.Optional[int] = None
    transmit: t.Optional[int] = None
    multiplier: t.Optional[int] = None
    echo: bool = False
    echo_interval: t.Optional[int] = None
    passive: bool = False
    minimum_ttl: t.Optional[int] = None


@dataclass(frozen=True)
class Bgp:
    """The cluster's part in BGP."""

    #: None where nothing is announced by BGP
    asn: t.Optional[int] = None
    peers: tuple[BgpPeer, ...] = ()
    advertisements: tuple[BgpAdvertisement, ...] = ()
    communities: dict[str, str] = field(default_factory=dict)
    bfd_profiles: tuple[BfdProfile, ...] = ()
    #: whether routers are told where pods are, too
    pods: bool = False


@dataclass(frozen=True)
class OpenElb:
    """Where OpenELB comes from."""

    #: file on the controller, or a URL; empty where OpenELB is not used
    manifest: str = ""
    manifest_sha256: str = ""


@dataclass(frozen=True)
class LoadBalancer:
    """Who gives services addresses."""

    provider: LoadBalancerName
    #: how a pool is announced that does not say it
    mode: LoadBalancerMode = "l2"
    pools: tuple[Pool, ...] = ()
    #: who speaks BGP; ``cni``: the pod network's own speaker
    speaker: SpeakerName = "native"
    l2_advertisements: tuple[L2Advertisement, ...] = ()
    bgp: Bgp = field(default_factory=Bgp)
    openelb: OpenElb = field(default_factory=OpenElb)


__all__ = (
    "BfdProfile",
    "Bgp",
    "BgpAdvertisement",
    "BgpPeer",
    "Expression",
    "L2Advertisement",
    "LoadBalancer",
    "LoadBalancerMode",
    "LoadBalancerName",
    "OpenElb",
    "Pool",
    "Selector",
    "SpeakerName",
)
