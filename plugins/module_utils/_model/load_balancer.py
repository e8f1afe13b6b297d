# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""From the variables of the load balancer to what is validated of it."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._model import addresses, cni_speaker, rules, selectors
from ansible_collections.kateskit.klubster.plugins.module_utils._model.bgp import BgpReader
from ansible_collections.kateskit.klubster.plugins.module_utils._model.entries import Complain, EntryReader, Place
from ansible_collections.kateskit.klubster.plugins.module_utils._model.load_balancer_spec import (
    Bgp,
    L2Advertisement,
    LoadBalancer,
    OpenElb,
    Pool,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._model.openelb import OpenElbReader
from ansible_collections.kateskit.klubster.plugins.module_utils._model.schema import WRONG

if t.TYPE_CHECKING:
    from ansible_collections.kateskit.klubster.plugins.module_utils._model.spec import Machine

_WAYS = {"l2": ("l2",), "bgp": ("bgp",), "both": ("l2", "bgp")}
_WITHOUT = {
    "none": "and klubster_load_balancer is none.",
    "servicelb": "and ServiceLB gives services the addresses of the nodes, and knows no pools.",
}


class BalancerReader(EntryReader):
    """Reads what belongs to ``klubster_load_balancer``."""

    def __init__(self, cluster: dict[str, t.Any], complain: Complain, place: Place) -> None:
        super().__init__(cluster, complain, place)
        self._mode = cluster["klubster_load_balancer_mode"]

    def read(self, machines: t.Sequence[Machine]) -> LoadBalancer:
        """The load balancer; what was complained of is missing or wrong in it."""
        provider = self._cluster["klubster_load_balancer"]
        pools = tuple(self._pool(where, entry) for where, entry in self._entries("klubster_pools"))
        self._names("klubster_pools", pools)
        nodes = [machine.node_name for machine in machines]
        selecting = selectors.Reader(self._complain, nodes)
        l2 = tuple(
            self._l2_advertisement(where, entry, pools, selecting)
            for where, entry in self._entries("klubster_l2_advertisements")
        )
        self._names("klubster_l2_advertisements", l2)
        self._own_names("klubster_l2_advertisements", l2, pools, "l2")
        bgp = BgpReader(self._cluster, self._complain, self._place).read(pools, selecting, len(machines))
        self._needed(provider, pools, l2, bgp)
        self._strict_arp(provider, pools)
        openelb = OpenElb()
        if self._openelb:
            reader = OpenElbReader(self._cluster, self._complain)
            openelb = reader.manifest()
            reader.refuse(pools, l2, bgp)
        speaker = self._cluster["klubster_metallb_speaker"]
        found = LoadBalancer(provider, self._mode, pools, speaker, l2, bgp, openelb)
        if speaker == "cni":
            cni_speaker.refuse(self._cluster, machines, found, self._complain)
        return found

    def _strict_arp(self, provider: t.Any, pools: t.Sequence[Pool]) -> None:
        """IPVS puts the addresses of services on every node, and every node would answer for them.

        https://metallb.io/installation/#preparation; OpenELB's guide on its Layer 2 mode says the same.
        """
        proxy = self._cluster["klubster_kube_proxy_config"]
        if provider in _WITHOUT or proxy is WRONG or proxy.get("mode") != "ipvs":
            return
        # Then there is no kube-proxy, which is said elsewhere.
        if self._cluster["klubster_cni_service_proxy"] is True:
            return
        ipvs = proxy.get("ipvs")
        strict = ipvs.get("strictARP") if isinstance(ipvs, dict) else None
        if strict is not True and any("l2" in pool.announce for pool in pools):
            self._complain(
                "klubster_kube_proxy_config.ipvs.strictARP",
                strict,
                "With IPVS all nodes have the addresses of services, and all would answer for them.",
                "Set it to true, or announce the pools by bgp.",
            )

    def _needed(self, provider: t.Any, pools: t.Sequence[Pool], l2: t.Sequence[L2Advertisement], bgp: Bgp) -> None:
        """What makes no sense without the other."""
        if provider in _WITHOUT:
            for variable, found in (
                ("klubster_pools", [pool.name for pool in pools]),
                ("klubster_l2_advertisements", [one.name for one in l2]),
                ("klubster_bgp", [peer.name for peer in bgp.peers]),
            ):
                if found:
                    rule = f"{_SUBJECT[variable]} need a load balancer, {_WITHOUT[provider]}"
                    self._complain(variable, found, rule, "Set klubster_load_balancer: metallb, or remove it.")
            return
        given = self._cluster["klubster_bgp"]
        if given is WRONG or WRONG in (given["asn"], given["peers"]):
            return
        by_bgp = [pool.name for pool in pools if "bgp" in pool.announce]
        if not by_bgp and self._mode != "bgp" and not given["peers"]:
            return
        who = f"The pool {by_bgp[0]!r} is announced by BGP" if by_bgp else "Announcing by BGP needs it"
        if given["asn"] is None:
            self._complain(
                "klubster_bgp.asn",
                None,
                f"{who}, and the cluster has no number." if by_bgp else "The cluster needs a number of its own.",
                "Give it one for private use, 64512 to 65534.",
            )
        if not given["peers"]:
            rule = f"{who}, and there is no router to tell it." if by_bgp else "There is no router to announce to."
            self._complain("klubster_bgp.peers", [], rule, "Add a router's name, address and asn, or announce by l2.")

    # --- pools and L2

    def _pool(self, where: str, entry: dict[str, t.Any]) -> Pool:
        name = self._rule(f"{where}.name", entry["name"], rules.dns_name)
        given = entry["addresses"]
        if given == []:
            remedy = "Add a range such as '192.168.1.240-192.168.1.250'."
            self._complain(f"{where}.addresses", given, "A pool has addresses.", remedy)
        texts = []
        for position, text in enumerate([] if given is WRONG else given):
            place = f"{where}.addresses[{position}]"
            span = self._rule(place, text, addresses.usable_span)
            if span is not WRONG:
                self._place("pool", place, span)
                texts.append(span.text)
        interfaces = self._each(f"{where}.interfaces", entry["interfaces"], rules.interface)
        announce = self._mode if entry["announce"] in (None, WRONG) else entry["announce"]
        ways = _WAYS.get(announce, ("l2",))
        if "bgp" in ways and self._native:
            for position, text in enumerate(texts):
                if ":" in text:
                    rule = "MetalLB's native speaker announces no IPv6 by BGP."
                    remedy = "Announce it by l2, or set klubster_metallb_speaker: frr."
                    self._complain(f"{where}.addresses[{position}]", text, rule, remedy)
        selecting = selectors.Reader(self._complain)
        namespaces = self._each(f"{where}.namespaces", entry["namespaces"], rules.dns_label)
        self._known(f"{where}.namespaces", namespaces, namespaces, "")
        return Pool(
            name,
            tuple(texts),
            entry["auto_assign"],
            entry["avoid_buggy_ips"],
            interfaces,
            t.cast("t.Any", ways),
            entry["priority"],
            namespaces,
            selecting.read(f"{where}.namespace_selectors", entry["namespace_selectors"]),
            selecting.read(f"{where}.service_selectors", entry["service_selectors"]),
        )

    def _l2_advertisement(
        self, where: str, entry: dict[str, t.Any], pools: t.Sequence[Pool], selecting: selectors.Reader
    ) -> L2Advertisement:
        named = self._pools_of(f"{where}.pools", entry["pools"], pools, "l2")
        for pool in pools:
            if pool.interfaces and "l2" in pool.announce and (pool.name in named or not entry["pools"]):
                rule = f"The pool {pool.name!r} has interfaces, and this advertisement speaks for it too."
                remedy = "Give interfaces in the advertisement only."
                self._complain(f"{where}.interfaces", entry["interfaces"], rule, remedy)
        return L2Advertisement(
            self._rule(f"{where}.name", entry["name"], rules.dns_name),
            named,
            self._each(f"{where}.interfaces", entry["interfaces"], rules.interface),
            selecting.read(f"{where}.node_selectors", entry["node_selectors"]),
        )


_SUBJECT = {
    "klubster_pools": "Pools",
    "klubster_l2_advertisements": "Advertisements",
    "klubster_bgp": "Peers",
}

__all__ = ("BalancerReader",)
