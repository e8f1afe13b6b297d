# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Load-balancer addresses: the pools, who uses them, who answers for them, and why a service waits for one."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import calico_bgp
from ansible_collections.kateskit.klubster.plugins.module_utils._status import openelb
from ansible_collections.kateskit.klubster.plugins.module_utils._status.model import (
    LoadBalancedService,
    Object,
    Pool,
    Snapshot,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._status.observe import (
    annotations_of,
    labels_of,
    name_of,
    namespace_of,
    spec_of,
    status_of,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._status.text import clean, count

_POOL_OF = ("metallb.io/ip-allocated-from-pool", "metallb.universe.tf/ip-allocated-from-pool")
_ASKED_POOL = ("metallb.io/address-pool", "metallb.universe.tf/address-pool", "eip.openelb.kubesphere.io/v1alpha2")
_ASKED_ADDRESS = (
    "metallb.io/loadBalancerIPs",
    "metallb.universe.tf/loadBalancerIPs",
    "eip.openelb.kubesphere.io/v1alpha1",
)
_SERVICE_OF_SLICE = "kubernetes.io/service-name"

Range = tuple[int, int, int]


def pools_of(snapshot: Snapshot) -> list[Pool]:
    used = {address for service in _balanced(snapshot) for address in _addresses(service)}
    found = []
    for obj in snapshot["pools"] or []:
        texts = [clean(text) for text in spec_of(obj).get("addresses") or []]
        ranges = [found_range for text in texts for found_range in [parse_range(text)] if found_range]
        whole = sum(_size(entry, bool(spec_of(obj).get("avoidBuggyIPs"))) for entry in ranges)
        taken = sum(1 for address in used if any(_within(address, entry) for entry in ranges))
        found.append(
            Pool(
                name=name_of(obj),
                addresses=texts,
                size=whole,
                used=taken,
                free=max(whole - taken, 0),
                auto_assign=spec_of(obj).get("autoAssign", True) is not False,
                announced=any(_covers(entry, obj) for entry in snapshot["advertisements"] or [])
                or bool(texts and all(calico_block(snapshot, _first_of(text)) for text in texts)),
            )
        )
    return sorted(found, key=lambda pool: pool["name"])


def parse_range(text: str) -> Range | None:
    """First and last address as numbers and the family, of ``10.7.0.0/24`` or ``10.7.0.10-10.7.0.20``."""
    try:
        if "-" in text:
            first, last = (ipaddress.ip_address(part.strip()) for part in text.split("-", 1))
            return (int(first), int(last), first.version) if first.version == last.version else None
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None
    return int(network.network_address), int(network.broadcast_address), network.version


def _size(entry: Range, without_buggy: bool) -> int:
    first, last, family = entry
    whole = max(last - first + 1, 0)
    if not without_buggy or family != 4:
        return whole
    return whole - _ending_in(first, last, 0) - _ending_in(first, last, 255)


def _ending_in(first: int, last: int, octet: int) -> int:
    """How many addresses between two end in this octet."""
    return (last - octet) // 256 - (first - 1 - octet) // 256


def _within(address: str, entry: Range) -> bool:
    try:
        number = ipaddress.ip_address(address)
    except ValueError:
        return False
    return number.version == entry[2] and entry[0] <= int(number) <= entry[1]


def _covers(advertisement: Object, pool: Object) -> bool:
    spec = spec_of(advertisement)
    names, selectors = spec.get("ipAddressPools") or [], spec.get("ipAddressPoolSelectors") or []
    if not names and not selectors:
        return True
    if (pool.get("metadata") or {}).get("name") in names:
        return True
    # Only labels are compared; a selector with expressions counts as covering: better silent than wrong.
    return any(
        selector.get("matchExpressions") or (selector.get("matchLabels") or {}).items() <= labels_of(pool).items()
        for selector in selectors
    )


def lengths_by_bgp(snapshot: Snapshot, pool: str) -> list[dict[int, int]]:
    """In which lengths a pool's addresses are announced by BGP, by their family; empty when they are not."""
    found = next((obj for obj in snapshot["pools"] or [] if name_of(obj) == pool), None)
    if found is None:
        return []
    return [
        {4: int(spec.get("aggregationLength") or 32), 6: int(spec.get("aggregationLengthV6") or 128)}
        for entry in snapshot["advertisements"] or []
        if entry.get("kind") == "BGPAdvertisement" and _covers(entry, found)
        for spec in [spec_of(entry)]
    ]


def communities_by_bgp(snapshot: Snapshot, pool: str) -> t.Optional[set[str]]:
    """The communities of a pool's addresses; None where its announcements differ in them."""
    found = next((obj for obj in snapshot["pools"] or [] if name_of(obj) == pool), None)
    given = [
        {clean(one) for one in spec_of(entry).get("communities") or []}
        for entry in snapshot["advertisements"] or []
        if entry.get("kind") == "BGPAdvertisement" and found is not None and _covers(entry, found)
    ]
    return given[0] if given and all(one == given[0] for one in given) else None


def calico_block(snapshot: Snapshot, address: str) -> str:
    """The network in which Calico announces an address as a whole, by its settings of all nodes; empty: it does not."""
    for entry in snapshot["calico_bgp"]:
        if entry.get("kind") != "BGPConfiguration" or name_of(entry) != calico_bgp.DEFAULT:
            continue
        for one in spec_of(entry).get("serviceLoadBalancerIPs") or []:
            try:
                # What is written into Calico's own definitions nobody has checked.
                network = ipaddress.ip_network(clean(one.get("cidr")), strict=False)
            except ValueError:
                continue
            found = parse_range(str(network))
            if found and _within(address, found):
                return str(network)
    return ""


def _first_of(text: str) -> str:
    """The first address of a network or range."""
    return re.split("[-/]", text)[0].strip()


def announcers_by_bgp(snapshot: Snapshot, service: LoadBalancedService) -> dict[str, list[str]]:
    """Nodes that announce a service by BGP, and to which peers."""
    return {
        clean(status_of(entry).get("node")): [clean(peer) for peer in status_of(entry).get("peers") or []]
        for entry in snapshot["announcements"] or []
        if entry.get("kind") == "ServiceBGPStatus"
        and clean(status_of(entry).get("serviceName")) == service["name"]
        and clean(status_of(entry).get("serviceNamespace")) == service["namespace"]
    }


def services_of(snapshot: Snapshot, pools: t.Sequence[Pool], *, within: bool = False) -> list[LoadBalancedService]:
    """:param within: whether the engine itself hands out addresses, those of the nodes."""
    found = []
    for service in _balanced(snapshot):
        addresses = _addresses(service)
        found.append(
            LoadBalancedService(
                namespace=namespace_of(service),
                name=name_of(service),
                addresses=addresses,
                ports=[_port(entry) for entry in spec_of(service).get("ports") or []],
                pool=_pool_of(service, addresses, pools),
                announced_by=_announced_by(service, snapshot),
                endpoints=_endpoints(service, snapshot),
                why="" if addresses else _why_waiting(service, snapshot, pools, within=within),
            )
        )
    return sorted(found, key=lambda service: (service["namespace"], service["name"]))


def _balanced(snapshot: Snapshot) -> list[Object]:
    return [service for service in snapshot["services"] if spec_of(service).get("type") == "LoadBalancer"]


def _addresses(service: Object) -> list[str]:
    ingress = (status_of(service).get("loadBalancer") or {}).get("ingress") or []
    return [clean(entry.get("ip") or entry.get("hostname")) for entry in ingress]


def _port(entry: t.Mapping[str, t.Any]) -> str:
    protocol = clean(entry.get("protocol") or "TCP")
    return clean(entry.get("port")) + ("" if protocol == "TCP" else f"/{protocol}")


def _pool_of(service: Object, addresses: t.Sequence[str], pools: t.Sequence[Pool]) -> str:
    named = _first(service, _POOL_OF)
    if named:
        return named
    for pool in pools:
        ranges = [entry for text in pool["addresses"] for entry in [parse_range(text)] if entry]
        if any(_within(address, entry) for address in addresses for entry in ranges):
            return pool["name"]
    return ""


def _announced_by(service: Object, snapshot: Snapshot) -> list[str]:
    # A node may announce it in both ways.
    return sorted(
        {
            clean(status_of(entry).get("node"))
            for entry in snapshot["announcements"] or []
            if clean(status_of(entry).get("serviceName")) == name_of(service)
            and clean(status_of(entry).get("serviceNamespace")) == namespace_of(service)
        }
    )


def _endpoints(service: Object, snapshot: Snapshot) -> int:
    """Ready pods behind a service; with two address families each stands in two slices."""
    found = set()
    for entry in snapshot["endpoint_slices"]:
        if labels_of(entry).get(_SERVICE_OF_SLICE) != name_of(service) or namespace_of(entry) != namespace_of(service):
            continue
        for endpoint in entry.get("endpoints") or []:
            if (endpoint.get("conditions") or {}).get("ready") is not False:
                found.add((endpoint.get("targetRef") or {}).get("name") or str(endpoint.get("addresses")))
    return len(found)


def _why_waiting(service: Object, snapshot: Snapshot, pools: t.Sequence[Pool], *, within: bool) -> str:
    """Why a service has no address yet; whoever hands them out says it only in an event."""
    other = clean(spec_of(service).get("loadBalancerClass"))
    if other:
        return f"it waits for a load balancer of class {other}"
    if within or snapshot["pools"] is None:
        nobody = "the cluster has no load balancer that hands out addresses"
        return "no node has taken it; its port may be taken on all of them" if within else nobody
    if not pools:
        return "there is no pool of addresses"
    passed_over = _passed_over(service, snapshot["pools"])
    return passed_over or _why_not_of_these(service, pools)


def _passed_over(service: Object, pools: t.Sequence[Object]) -> str:
    """MetalLB serves every service, OpenELB those that name it."""
    key, value = openelb.ASKS
    if annotations_of(service).get(key) == value or not any(pool.get("kind") == openelb.KIND for pool in pools):
        return ""
    return f"OpenELB serves only those with the annotation {key}: {value}"


def _why_not_of_these(service: Object, pools: t.Sequence[Pool]) -> str:
    asked = _first(service, _ASKED_ADDRESS) or clean(spec_of(service).get("loadBalancerIP"))
    ranges = [entry for pool in pools for text in pool["addresses"] for entry in [parse_range(text)] if entry]
    outside = [
        text.strip()
        for text in asked.split(",")
        if text.strip() and not any(_within(text.strip(), entry) for entry in ranges)
    ]
    if outside:
        return f"it asks for {', '.join(outside)}, which is in no pool"
    named = _first(service, _ASKED_POOL)
    if named and named not in [pool["name"] for pool in pools]:
        return f"it asks for the pool {named}, which does not exist"
    return _why_pools_do_not_serve(
        [pool for pool in pools if not named or pool["name"] == named], chosen=bool(named or asked)
    )


def _why_pools_do_not_serve(pools: t.Sequence[Pool], *, chosen: bool) -> str:
    usable = [pool for pool in pools if chosen or pool["auto_assign"]]
    if not usable:
        return "no pool hands out addresses by itself (auto_assign)"
    if all(pool["free"] == 0 for pool in usable):
        taken = sum(pool["used"] for pool in usable)
        names = ", ".join(pool["name"] for pool in usable)
        return f"all addresses are taken ({count(taken, 'address', 'addresses')} in {names})"
    return "the load balancer has not given it an address"


def _first(obj: Object, keys: t.Sequence[str]) -> str:
    for key in keys:
        if annotations_of(obj).get(key):
            return clean(annotations_of(obj)[key])
    return ""


__all__ = (
    "Range",
    "announcers_by_bgp",
    "calico_block",
    "communities_by_bgp",
    "lengths_by_bgp",
    "parse_range",
    "pools_of",
    "services_of",
)
