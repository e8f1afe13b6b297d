# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What ``klubster_metallb_speaker: cni`` asks for: Calico's own speaker of BGP, which has fewer words than MetalLB's.

What it has is said by Calico's documentation, "BGP peer", "BGP configuration" and "Advertise Kubernetes service IP
addresses", and by its definitions of these kinds.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._model.load_balancer_spec import (
    BgpAdvertisement,
    BgpPeer,
    LoadBalancer,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._model.schema import WRONG, Complain

if t.TYPE_CHECKING:
    from ansible_collections.kateskit.klubster.plugins.module_utils._model.spec import Machine

Cluster = t.Mapping[str, t.Any]
_VARIABLE = "klubster_metallb_speaker"
_PEERS = "klubster_bgp.peers"
_ADVERTISEMENTS = "klubster_bgp.advertisements"
_LET_METALLB = "Leave it out, or let MetalLB speak: klubster_metallb_speaker: native or frr."
_BGP = "Set klubster_cni: calico and klubster_cni_backend: bgp, or klubster_metallb_speaker: native."

#: keys of a peer that it has no words for, and what they are
_PEER = {
    "bfd_profile": "BFD",
    "dynamic_asn": "a number that it finds out by itself",
    "keepalive": "a time for keepalive of its own",
    "connect_time": "a time for connecting of its own",
    "dual_stack": "sessions with both families",
    "source_address": "a source but the node's own address",
    "router_id": "a name but the node's own address",
}
#: the same of an advertisement
_ADVERTISEMENT = {
    "aggregation_length": "a length: it announces the networks that a pool consists of",
    "aggregation_length_v6": "a length: it announces the networks that a pool consists of",
    "local_preference": "a preference of its own",
    "node_selectors": "a choice of nodes for a pool",
}
#: what Calico's own API server takes (its issue 13494); that of Kubernetes takes more, whatever comes of it
_LAST_ASN = (1 << 31) - 1
#: what BIRD offers; the smaller number of both sides counts
_HOLD_TIME = 240


def refuse(cluster: Cluster, machines: t.Sequence[Machine], balancer: LoadBalancer, complain: Complain) -> None:
    """Complain about what does not go with the choice.

    :param cluster: typed values of the cluster's variables.
    :param balancer: as it was read of them.
    """
    if WRONG in (cluster["klubster_cni"], cluster["klubster_load_balancer"], cluster["klubster_engine"]):
        return
    _choice(cluster, machines, complain)
    pools, l2, bgp = balancer.pools, balancer.l2_advertisements, balancer.bgp
    for index, pool in enumerate(pools):
        if "l2" in pool.announce:
            rule = f"Nobody announces by l2: with {_VARIABLE}: cni MetalLB has no speakers."
            remedy = "Set announce: bgp here, or klubster_load_balancer_mode: bgp."
            complain(f"klubster_pools[{index}].announce", pool.announce[0], rule, remedy)
    if l2:
        rule = f"Nobody announces by l2: with {_VARIABLE}: cni MetalLB has no speakers."
        complain("klubster_l2_advertisements", [one.name for one in l2], rule, "Leave it out.")
    given = cluster["klubster_bgp"]
    if given is WRONG:
        return
    if not bgp.peers and given["peers"] == [] and not any("bgp" in pool.announce for pool in pools):
        complain(_PEERS, [], "There is no router to announce to.", "Add a router's name, address and asn.")
    _number("klubster_bgp.asn", bgp.asn, complain)
    for index, profile in enumerate(bgp.bfd_profiles):
        complain(f"klubster_bgp.bfd_profiles[{index}]", profile.name, "Calico's speaker has no BFD.", _LET_METALLB)
    families = {6 if ":" in text else 4 for text in str(cluster["klubster_pod_network"]).split(",")}
    for index, peer in enumerate(bgp.peers):
        _peer(f"{_PEERS}[{index}]", peer, families, complain)
    for index, one in enumerate(bgp.advertisements):
        _advertisement(f"{_ADVERTISEMENTS}[{index}]", one, bgp.peers, complain)


def _choice(cluster: Cluster, machines: t.Sequence[Machine], complain: Complain) -> None:
    provider, backend = cluster["klubster_cni"], cluster["klubster_cni_backend"]
    if provider != "calico":
        rule = f"The speaker of the pod network is Calico's, and klubster_cni is {provider}."
        complain(_VARIABLE, "cni", rule, _BGP)
    elif backend not in ("bgp", WRONG):
        rule = f"It goes with klubster_cni_backend: bgp, and here that is {backend or 'vxlan'}."
        complain(_VARIABLE, "cni", rule, _BGP)
    if cluster["klubster_load_balancer"] != "metallb":
        rule = "MetalLB gives the addresses that Calico announces."
        complain(_VARIABLE, "cni", rule, "Set klubster_load_balancer: metallb, or klubster_metallb_speaker: native.")
    if cluster["klubster_engine"] == "kubeadm" and machines and all(one.role == "server" for one in machines):
        rule = "kubeadm's servers are left out by their label, as Calico keeps to it, and there are no agents."
        complain(_VARIABLE, "cni", rule, "Add agents, or use klubster_metallb_speaker: native.")


def _peer(where: str, peer: BgpPeer, families: t.Collection[int], complain: Complain) -> None:
    _lacking(where, peer, _PEER, complain)
    _number(f"{where}.asn", peer.asn, complain)
    hold = peer.hold_time
    if isinstance(hold, int) and not 3 <= hold <= _HOLD_TIME and hold not in (1, 2):
        rule = f"Calico offers {_HOLD_TIME} seconds, and the smaller number of both sides counts."
        complain(f"{where}.hold_time", hold, rule, f"Give 3 to {_HOLD_TIME}; bgp_router tells it the router.")
    if peer.address is WRONG:
        return
    family = 6 if ":" in peer.address else 4
    if family not in families:
        rule = f"Nodes have no address of IPv{family} for Calico, as klubster_pod_network has none."
        complain(f"{where}.address", peer.address, rule, "Give the router's address of the other family.")


def _advertisement(where: str, one: BgpAdvertisement, peers: t.Sequence[BgpPeer], complain: Complain) -> None:
    _lacking(where, one, _ADVERTISEMENT, complain)
    if one.communities and one.peers and set(one.peers) != {peer.name for peer in peers}:
        rule = "Calico's speaker sends the communities of a prefix to all peers."
        complain(f"{where}.communities", list(one.communities), rule, "Leave peers out, or the communities.")


def _lacking(where: str, entry: t.Any, table: t.Mapping[str, str], complain: Complain) -> None:
    for key, what in table.items():
        value = getattr(entry, key)
        if value is not WRONG and value not in (None, False, (), 0):
            shown = len(value) if isinstance(value, tuple) else value
            complain(f"{where}.{key}", shown, f"Calico's speaker does not have {what}.", _LET_METALLB)


def _number(where: str, asn: t.Any, complain: Complain) -> None:
    if isinstance(asn, int) and asn > _LAST_ASN:
        complain(where, asn, f"Calico's definitions take numbers up to {_LAST_ASN}.", "Use 64512 to 65534.")


__all__ = ("refuse",)
