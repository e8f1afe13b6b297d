# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What of the model OpenELB has no word for, and where its manifest is.

What it has is said by the schemas of its Eip, BgpConf and BgpPeer (API network.kubesphere.io/v1alpha2), by its
documentation ("Configure IP Address Pools Using Eip", "Configure OpenELB in BGP Mode", "OpenELB IP address
assignment") and by what its version 0.6 refuses.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_tokens import HIDDEN
from ansible_collections.kateskit.klubster.plugins.module_utils._model import sources
from ansible_collections.kateskit.klubster.plugins.module_utils._model.load_balancer_spec import (
    Bgp,
    BgpPeer,
    L2Advertisement,
    OpenElb,
    Pool,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._model.schema import WRONG, Complain

_MANIFEST, _SUM = "klubster_openelb_manifest", "klubster_openelb_manifest_sha256"
_ENDINGS = (".yaml", ".yml")
#: numbers of autonomous systems are integers of 32 bits with a sign in its schemas
_LARGEST = 2**31 - 1
#: a service carries its pool's name as a label
_LONGEST = 63
_OTHER = "Leave it out, or set klubster_load_balancer: metallb."
#: rule and remedy of a pool's network, and of the interface that answers for it
ONE_RANGE = ("A pool of OpenELB (Eip) is one network or range.", "Make a pool of each.")
ONE_INTERFACE = (
    "OpenELB answers for a pool on one interface, by the same name on all machines.",
    "Name it, such as interfaces: [eth0].",
)
#: keys of a peer, and what they are
_NOT_OF_PEERS = {
    "dynamic_asn": "a number that it finds out by itself",
    "bfd_profile": "BFD",
    "source_address": "an address of its own to speak from",
    "router_id": "a name that differs from peer to peer: each node has its address",
    "graceful_restart": "graceful restart here",
    "dual_stack": "IPv6",
}


class OpenElbReader:
    """Reads what is OpenELB's own, and refuses what it cannot do.

    :param complain: takes variable, value, rule and remedy of each problem.
    """

    def __init__(self, cluster: t.Mapping[str, t.Any], complain: Complain) -> None:
        self._cluster, self._complain = cluster, complain

    def manifest(self) -> OpenElb:
        """Where it is; what is wrong with it is complained about."""
        given, sha256 = self._cluster[_MANIFEST], self._cluster[_SUM]
        if WRONG in (given, sha256):
            return OpenElb()
        if given is None:
            rule = "The manifest of OpenELB is neither in the bundle nor in this collection."
            remedy = "Name the file of its release on the controller (deploy/openelb.yaml), or a URL with its sum."
            self._complain(_MANIFEST, None, rule, remedy)
            return OpenElb()
        if sources.is_url(given):
            found = sources.url(_MANIFEST, given, self._complain, what="manifest", endings=_ENDINGS)
            if sha256 is None:
                sources.needs_sum(_SUM, self._complain)
        else:
            found = sources.path(_MANIFEST, given, self._complain)
        if sha256 is not None:
            sources.is_sum(_SUM, sha256, self._complain)
        return OpenElb(found, sha256 or "")

    def refuse(self, pools: t.Sequence[Pool], l2: t.Sequence[L2Advertisement], bgp: Bgp) -> None:
        """Complain about everything that would be silently left undone."""
        for index, pool in enumerate(pools):
            self._pool(f"klubster_pools[{index}]", pool)
        self._given_out(pools)
        if l2:
            rule = "OpenELB has no advertisements: every node may answer for a pool."
            remedy = "Leave them out, and name the interface in the pool."
            self._complain("klubster_l2_advertisements", [one.name for one in l2], rule, remedy)
        self._bgp(bgp)

    # --- pools

    def _pool(self, where: str, pool: Pool) -> None:
        if pool.name is not WRONG and len(pool.name) > _LONGEST:
            rule = f"A service carries this name as a label, which has at most {_LONGEST} characters."
            self._complain(f"{where}.name", pool.name, rule, "Shorten it.")
        if len(pool.addresses) > 1:
            self._complain(f"{where}.addresses", list(pool.addresses), *ONE_RANGE)
        for position, text in enumerate(pool.addresses):
            if ":" in text:
                rule = "OpenELB announces no IPv6 that can be relied on."
                self._complain(f"{where}.addresses[{position}]", text, rule, _OTHER)
        if len(pool.announce) > 1:
            rule = "A pool of OpenELB is announced in one way."
            self._complain(f"{where}.announce", "both", rule, "Choose l2 or bgp.")
        if "l2" in pool.announce and len(pool.interfaces) != 1:
            self._complain(f"{where}.interfaces", list(pool.interfaces), *ONE_INTERFACE)
        if pool.avoid_buggy_ips is True:
            rule = "OpenELB gives out every address of a pool."
            self._complain(f"{where}.avoid_buggy_ips", True, rule, "Choose a range without .0 and .255.")
        if pool.service_selectors:
            rule = "OpenELB does not choose services by their labels."
            self._complain(f"{where}.service_selectors", _shown(pool.service_selectors), rule, _OTHER)
        if len(pool.namespace_selectors) > 1 or any(one.match_expressions for one in pool.namespace_selectors):
            rule = "OpenELB chooses namespaces by one set of labels."
            remedy = "Give one selector, with match_labels only."
            self._complain(f"{where}.namespace_selectors", _shown(pool.namespace_selectors), rule, remedy)
        if pool.auto_assign is False and _bound(pool):
            rule = "OpenELB gives services of these namespaces addresses of the pool by itself."
            self._complain(f"{where}.auto_assign", False, rule, "Leave it out, or the namespaces.")
        if pool.priority not in (None, WRONG) and not _bound(pool):
            rule = "OpenELB takes pools with namespaces first, in the order of their numbers, and then the one without."
            self._complain(f"{where}.priority", pool.priority, rule, "Leave it out, or give the pool namespaces.")

    def _given_out(self, pools: t.Sequence[Pool]) -> None:
        """It has one default pool."""
        first = None
        for index, pool in enumerate(pools):
            if pool.auto_assign is not True or _bound(pool):
                continue
            if first is not None:
                rule = f"klubster_pools[{first}] gives every service an address already, and OpenELB has one such pool."
                remedy = "Set auto_assign: false in one of them, or give it namespaces."
                self._complain(f"klubster_pools[{index}].auto_assign", True, rule, remedy)
            first = index if first is None else first

    # --- BGP

    def _bgp(self, bgp: Bgp) -> None:
        if self._cluster["klubster_bgp_passwords"] not in (WRONG, {}):
            rule = "OpenELB keeps a password as plain text in its objects and shows it in their status."
            remedy = "Leave the passwords out, or set klubster_load_balancer: metallb, which has Secrets for them."
            self._complain("klubster_bgp_passwords", HIDDEN, rule, remedy)
        for key, entries, rule in (
            ("advertisements", [one.name for one in bgp.advertisements], "announces each address alone to all peers"),
            ("communities", sorted(bgp.communities), "sends no communities"),
            ("bfd_profiles", [one.name for one in bgp.bfd_profiles], "has no BFD"),
        ):
            if entries:
                self._complain(f"klubster_bgp.{key}", entries, f"OpenELB {rule}.", _OTHER)
        self._number("klubster_bgp.asn", bgp.asn)
        for index, peer in enumerate(bgp.peers):
            self._peer(f"klubster_bgp.peers[{index}]", peer, bgp.asn)

    def _peer(self, where: str, peer: BgpPeer, asn: int | None) -> None:
        for key, what in _NOT_OF_PEERS.items():
            value = getattr(peer, key)
            if value not in (None, False, WRONG):
                self._complain(f"{where}.{key}", value, f"OpenELB does not have {what}.", _OTHER)
        if peer.address is not WRONG and ":" in peer.address:
            rule = "OpenELB announces no IPv6 that can be relied on."
            self._complain(f"{where}.address", peer.address, rule, "Give the router's IPv4 address.")
        self._number(f"{where}.asn", peer.asn)
        if asn is not None and peer.asn == asn:
            rule = "OpenELB speaks to routers of other autonomous systems only, and this is the cluster's own."
            self._complain(f"{where}.asn", peer.asn, rule, "Give the cluster another number: klubster_bgp.asn.")
        if peer.hold_time == 0:
            rule = "OpenELB takes 0 for 90 seconds."
            self._complain(f"{where}.hold_time", 0, rule, "Give 3 or more; 9 is short already.")
        if len(peer.node_selectors) > 1:
            rule = "OpenELB chooses nodes by one selector."
            remedy = "Give one; a match_expression with the operator In takes several values."
            self._complain(f"{where}.node_selectors", _shown(peer.node_selectors), rule, remedy)

    def _number(self, where: str, asn: t.Any) -> None:
        if isinstance(asn, int) and asn > _LARGEST:
            rule = f"OpenELB's objects take numbers up to {_LARGEST}."
            self._complain(where, asn, rule, "Take one for private use below that, 64512 to 65534.")


def _bound(pool: Pool) -> bool:
    """Whether the pool is for some namespaces."""
    return bool(pool.namespaces or pool.namespace_selectors)


def _shown(selectors: t.Sequence[t.Any]) -> list[t.Any]:
    return [one.match_labels or [entry.key for entry in one.match_expressions] for one in selectors]


__all__ = ("ONE_INTERFACE", "ONE_RANGE", "OpenElbReader")
