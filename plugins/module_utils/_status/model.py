# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The shape of a status report: plain data, so that it travels from the module to the table and to the page."""

from __future__ import annotations

import typing as t

Object = dict[str, t.Any]
Severity = t.Literal["error", "warning"]
#: of a machine: ``missing`` stands in the inventory but has not joined, ``unknown`` no longer speaks to the API
NodeState = t.Literal["ready", "not ready", "unknown", "missing"]
#: of a router: ``silent`` was not reached, FRR is ``stopped``, ``unseen`` is of a kind that nobody looks at
RouterState = t.Literal["ready", "silent", "stopped", "unseen"]
PeerKind = t.Literal["router", "node", "other"]
LayerState = t.Literal["ready", "not ready", "missing", "off", "within"]

SCHEMA = 1


class Snapshot(t.TypedDict):
    """What the API said, objects as they came but each with its ``kind``; None: the API does not serve that kind."""

    server: str
    #: the API server's clock, ``2026-11-21T07:58:03Z``: the one that the objects' times were taken from
    now: str
    version: str
    #: checks of ``/readyz`` that fail
    failing_checks: list[str]
    nodes: list[Object]
    pods: list[Object]
    workloads: list[Object]
    services: list[Object]
    endpoint_slices: list[Object]
    claims: list[Object]
    storage_classes: list[Object]
    service_networks: list[str]
    pools: t.Optional[list[Object]]
    advertisements: t.Optional[list[Object]]
    announcements: t.Optional[list[Object]]
    #: MetalLB's BGPPeer objects, or what OpenELB's say in their words; asked for only where BGP is used
    bgp_peers: list[Object]
    #: Calico's BGPConfiguration and BGPPeer objects; asked for only where MetalLB announces nothing
    calico_bgp: list[Object]
    events: list[Object]


class ExpectedNode(t.TypedDict):
    name: str
    role: str
    address: str


class Expected(t.TypedDict):
    """What the inventory says; empty values say nothing."""

    name: str
    version: str
    nodes: list[ExpectedNode]
    pod_networks: list[str]
    service_networks: list[str]
    dns_address: str
    cni: str
    #: who does kube-proxy's work
    proxy: str
    #: layers that the engine has within itself: no object of the cluster tells of them
    within: list[str]
    load_balancer: str
    pools: list[str]
    storage_classes: list[str]
    #: zone in which services have names
    zone: str
    aliases: list[str]


#: how ``why`` of a router begins that was not asked, because the inventory does not say how
UNASKED = "a variable of it cannot be computed"


class RouterLook(t.TypedDict):
    """What is known of a router of the inventory."""

    name: str
    kind: str
    #: as the inventory has them, with or without the length of their network
    addresses: list[str]
    #: why there is no look; empty when there is one
    why: str
    #: by ``router_info``
    look: Object


class Api(t.TypedDict):
    server: str
    answers: bool
    version: str
    #: why it does not answer: refused, timeout, name, certificate, … or nothing
    cause: str
    why: str
    failing_checks: list[str]


class Problem(t.TypedDict):
    severity: Severity
    #: the likely cause, a sentence
    cause: str
    #: what it was seen on
    subject: str
    #: what was seen
    detail: str
    remedy: str
    #: what else is not well because of it
    consequences: list[str]


class Node(t.TypedDict):
    name: str
    role: str
    state: NodeState
    why: str
    addresses: list[str]
    pod_networks: list[str]
    version: str
    runtime: str
    system: str
    created: str
    age: str
    cordoned: bool
    pressure: list[str]
    cpu: str
    memory: str
    pods: int
    pods_max: int


class Component(t.TypedDict):
    name: str
    node: str
    ready: bool
    why: str


class Layer(t.TypedDict):
    name: str
    title: str
    provider: str
    state: LayerState
    why: str
    workloads: list[str]
    #: pods of it that are not ready, and the machines they are on
    pods: list[str]
    machines: list[str]


class Networks(t.TypedDict):
    pod: list[str]
    service: list[str]
    dns_address: str


class Pool(t.TypedDict):
    name: str
    addresses: list[str]
    size: int
    used: int
    free: int
    auto_assign: bool
    announced: bool


class LoadBalancedService(t.TypedDict):
    namespace: str
    name: str
    addresses: list[str]
    ports: list[str]
    pool: str
    #: machines that answer for the addresses
    announced_by: list[str]
    #: ready pods behind it
    endpoints: int
    why: str


class Claim(t.TypedDict):
    namespace: str
    name: str
    phase: str
    size: str
    storage_class: str
    volume: str
    why: str


class StorageClass(t.TypedDict):
    name: str
    provisioner: str
    default: bool
    binding: str


class PodTrouble(t.TypedDict):
    namespace: str
    name: str
    node: str
    reason: str
    detail: str
    age: str


class Pods(t.TypedDict):
    total: int
    ready: int
    finished: int
    #: younger than a minute and not ready yet
    starting: int
    troubles: list[PodTrouble]


class Event(t.TypedDict):
    time: str
    age: str
    count: int
    reason: str
    about: str
    message: str


class Segment(t.TypedDict):
    """A network that routers have an interface in."""

    network: str
    machines: list[str]


class Router(t.TypedDict):
    name: str
    kind: str
    state: RouterState
    why: str
    asn: int
    addresses: list[str]
    #: sessions that are up, and all
    up: int
    sessions: int


class Session(t.TypedDict):
    """A session of BGP, once for both of its sides; its cause is empty when it is well."""

    router: str
    peer: str
    peer_kind: PeerKind
    #: of the peer, as the router sees it
    address: str
    router_asn: int
    peer_asn: int
    state: str
    up: bool
    #: prefixes that the router took from the peer, and that it sent
    received: int
    sent: int
    severity: str
    cause: str
    seen: str
    remedy: str


class Way(t.TypedDict):
    """How a router reaches an address."""

    router: str
    prefix: str
    #: over how many ways at once
    width: int
    next_hops: list[str]


class Announced(t.TypedDict):
    address: str
    service: str
    ways: list[Way]
    #: routers with a session that know no way
    unknown_to: list[str]


class Routing(t.TypedDict):
    networks: list[Segment]
    routers: list[Router]
    sessions: list[Session]
    announced: list[Announced]


class ServiceNames(t.TypedDict):
    """Who tells the networks around the cluster the names of its services."""

    zone: str
    addresses: list[str]
    aliases: list[str]
    ready: bool
    why: str


class Report(t.TypedDict):
    schema: int
    name: str
    generated: str
    healthy: bool
    problems: list[Problem]
    api: Api
    nodes: list[Node]
    control_plane: list[Component]
    layers: list[Layer]
    networks: Networks
    pools: list[Pool]
    services: list[LoadBalancedService]
    routing: Routing
    names: t.Optional[ServiceNames]
    storage_classes: list[StorageClass]
    claims: list[Claim]
    pods: Pods
    events: list[Event]


__all__ = (
    "SCHEMA",
    "UNASKED",
    "Announced",
    "Api",
    "Claim",
    "Component",
    "Event",
    "Expected",
    "ExpectedNode",
    "Layer",
    "LayerState",
    "LoadBalancedService",
    "Networks",
    "Node",
    "NodeState",
    "Object",
    "PeerKind",
    "PodTrouble",
    "Pods",
    "Pool",
    "Problem",
    "Report",
    "Router",
    "RouterLook",
    "RouterState",
    "Routing",
    "Segment",
    "ServiceNames",
    "Session",
    "Severity",
    "Snapshot",
    "StorageClass",
    "Way",
)
