# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What a router needs to hear a cluster, from the cluster's own plan: one source for both sides of a session.

The result is a part of a router's model, plain data for ``_router.parse``. What belongs to the router's other side
(interfaces, routes, further neighbours) is the user's, laid over it.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import announcing, calico
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._model.rules import one_of
from ansible_collections.kateskit.klubster.plugins.module_utils._model.selectors import HOST_NAME
from ansible_collections.kateskit.klubster.plugins.module_utils._router import words

Plain = t.Mapping[str, t.Any]
Data = dict[str, t.Any]

_EVERYTHING = {4: "0.0.0.0/0", 6: "::/0"}
_BGP_PORT = 179
# FRR and VyOS spread traffic over at most so many next hops here.
_MOST_PATHS = 64
_MOST_PREFIXES = (1 << 32) - 1
#: Calico gives a node so much of the pods' network at once, as _cluster/calico.py tells it; a single pod's address goes
#: out where it is taken from another node's share
_POD_BLOCKS = calico.BLOCKS
#: as far as packets go, which is what MetalLB says with ebgpMultiHop
_FAR = 255


def router_data(plan: Plain, peer: str, *, asn: t.Optional[int] = None, listen: t.Sequence[str] = ()) -> Data:
    """The part of a router's model that is about a cluster.

    :param plan: the cluster's.
    :param peer: the router's name among the cluster's peers.
    :param asn: of the router, where the cluster does not know it.
    :param listen: networks from which nodes come, instead of every node's address.
    :raises InvalidInput: the cluster does not speak to this router, or in a way that routers have no words for.
    """
    balancer = plan["load_balancer"]
    told = _peer(balancer["bgp"], peer)
    own = _own_asn(told, balancer["bgp"], asn)
    name = f"klubster-{plan['name']}"
    accepted = {family: _rules(plan, peer, family) for family in (4, 6)}
    families = [family for family, rules in accepted.items() if rules] or [words.family_of(told["address"])]
    lists: Data = {}
    group: Data = {"remote_as": int(balancer["bgp"]["asn"])}
    for family in families:
        suffix = "" if family == 4 else "6"
        nothing = {"prefix": _EVERYTHING[family], "le": announcing.WHOLE[family], "action": "deny"}
        lists[f"{name}-in{suffix}"] = accepted[family] or [nothing]
        lists[f"{name}-out{suffix}"] = [nothing]
        group[f"ipv{family}"] = {
            "prefix_list_in": f"{name}-in{suffix}",
            "prefix_list_out": f"{name}-out{suffix}",
            "maximum_prefix": _count(accepted[family], _ways(balancer)),
        }
    data: Data = {"prefix_lists": lists}
    if told["ebgp_multihop"]:
        group["multihop"] = _FAR
    if told["bfd_profile"]:
        group |= {"bfd": True, "bfd_profile": f"{name}-{told['bfd_profile']}"}
        data["bfd_profiles"] = {group["bfd_profile"]: _profile(balancer["bgp"], told["bfd_profile"])}
    speakers = [told["source_address"] or node["address"] for node in plan["machines"] if _may_speak(node, told)]
    paths = min(max(len(speakers), _ways(balancer)), _MOST_PATHS)
    inside = "paths_internal" if own == group["remote_as"] else "paths"
    data["bgp"] = {
        "asn": own,
        "peer_groups": {name: group},
        **{f"ipv{family}": {inside: paths} for family in families},
        **_members(name, told, speakers, listen),
    }
    return data


def _peer(bgp: Plain, name: str) -> Plain:
    known: dict[str, Plain] = {str(entry["name"]): entry for entry in bgp["peers"]}
    if name not in known:
        remedy = one_of(name, list(known)) if known else "Add it there."
        raise InvalidInput([Problem("peer", name, "It is not in klubster_bgp.peers.", remedy)])
    found = known[name]
    if found["port"] != _BGP_PORT:
        rule = f"klubster_bgp says port {found['port']}, and the model of a router has {_BGP_PORT} only."
        raise InvalidInput([Problem("peer", name, rule, "Leave the port out.")])
    return found


def _own_asn(told: Plain, bgp: Plain, given: t.Optional[int]) -> int:
    known = bgp["asn"] if told["dynamic_asn"] == "internal" else told["asn"]
    if known is None and given is None:
        rule = f"The cluster does not know the number of {told['name']} (dynamic_asn)."
        raise InvalidInput([Problem("asn", None, rule, "Give the number of the router's autonomous system.")])
    if known is not None and given not in (None, known):
        rule = f"klubster_bgp says {known} for {told['name']}."
        raise InvalidInput([Problem("asn", given, rule, "Leave it out here.")])
    return int(known if given is None else given)


def _rules(plan: Plain, peer: str, family: int) -> list[Data]:
    """Prefixes that the cluster may announce to this peer, and no other."""
    balancer = plan["load_balancer"]
    by_calico = balancer["speaker"] == "cni"
    pools = {pool["name"]: pool for pool in balancer["pools"]}
    found = _pods(plan, family) if by_calico and balancer["bgp"]["pods"] else []
    for one in announcing.bgp_advertisements(balancer):
        if one.get("peers") and peer not in one["peers"]:
            continue
        length = announcing.aggregation_of(one, family)
        for text in (text for name in one["pools"] for text in pools[name]["addresses"]):
            for net in announcing.networks_of(text):
                if net.version != family:
                    continue
                rule: Data = {"prefix": str(net), "ge": length, "le": length}
                if by_calico and net.prefixlen < length:
                    # As a whole, and single addresses of services whose own nodes answer.
                    rule = {"prefix": str(net), "le": length}
                elif length <= net.prefixlen:
                    rule = {"prefix": str(net.supernet(new_prefix=length))}
                if rule not in found:
                    found.append(rule)
    return sorted(found, key=lambda rule: (words.address_order(rule["prefix"]), rule.get("ge", 0)))


def _pods(plan: Plain, family: int) -> list[Data]:
    networks = [text for text in plan["networks"]["pod"] if words.family_of(text) == family]
    return [{"prefix": text, "ge": _POD_BLOCKS[family], "le": announcing.WHOLE[family]} for text in networks]


def _ways(balancer: Plain) -> int:
    """Next hops that one node announces for an address: of OpenELB every node announces all."""
    return int(balancer["openelb"]["paths"]) if balancer["provider"] == "openelb" else 1


def _count(rules: t.Sequence[Data], ways: int) -> int:
    """How many prefixes fit: a cluster that announces more is out of its mind.

    :param ways: by which each may come from one neighbour; routers count them all.
    """
    total = 0
    for rule in rules:
        own = int(rule["prefix"].partition("/")[2])
        last = rule.get("le", own)
        total += sum(1 << (length - own) for length in range(rule.get("ge", own), last + 1))
    return min(max(total, 1) * ways, _MOST_PREFIXES)


def _profile(bgp: Plain, name: str) -> Data:
    found = next(entry for entry in bgp["bfd_profiles"] if entry["name"] == name)
    return {key: found[key] for key in ("receive", "transmit", "multiplier") if found[key] is not None}


def _members(group: str, told: Plain, speakers: t.Sequence[str], listen: t.Sequence[str]) -> Data:
    if listen:
        return {"listen": {network: {"peer_group": group} for network in listen}, "listen_limit": len(speakers) or 1}
    hold = told["hold_time"]
    timers = {"keepalive": told["keepalive"] or hold // 3, "hold_time": hold} if hold else {}
    return {"neighbors": {address: {"peer_group": group, **timers} for address in dict.fromkeys(speakers)}}


def _may_speak(node: Plain, told: Plain) -> bool:
    """Whether the node speaks to the router, as far as its labels are known here: others may have given it more."""
    selectors = told["node_selectors"]
    labels = {HOST_NAME: node["node_name"], **node["labels"]}
    return not selectors or any(_may_fit(one, labels) for one in selectors)


def _may_fit(selector: Plain, labels: t.Mapping[str, str]) -> bool:
    if any(labels.get(key, value) != value for key, value in selector["match_labels"].items()):
        return False
    for entry in selector["match_expressions"]:
        value = labels.get(entry["key"])
        if value is None:
            continue
        operator, values = entry["operator"], entry["values"]
        if operator == "DoesNotExist" or (operator == "In") > (value in values):
            return False
        if operator == "NotIn" and value in values:
            return False
    return True


__all__ = ("router_data",)
