# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The keys of pools, of advertisements and of what belongs to BGP."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._model.variable import Variable

EXPRESSION = (
    Variable("key", "str", "Key of the label.", required=True),
    Variable(
        "operator",
        "str",
        "How the label is compared.",
        required=True,
        choices=("In", "NotIn", "Exists", "DoesNotExist"),
    ),
    Variable("values", "list", "Values, for V(In) and V(NotIn).", default=[], elements="str"),
)

SELECTOR = (
    Variable("match_labels", "dict", "Labels that all fit.", default={}, elements="str"),
    Variable(
        "match_expressions", "list", "Comparisons that all hold.", default=[], elements="dict", options=EXPRESSION
    ),
)

_SELECTORS: dict[str, t.Any] = {"default": [], "elements": "dict", "options": SELECTOR}
_NODES = Variable("node_selectors", "list", "Which nodes do it, by their labels; none means all.", **_SELECTORS)

POOL = (
    Variable("name", "str", "Name of the pool, an RFC 1123 name.", required=True),
    Variable(
        "addresses",
        "list",
        "Networks or ranges, such as V(192.168.1.240-192.168.1.250).",
        required=True,
        elements="str",
    ),
    Variable(
        "auto_assign",
        "bool",
        "Whether a service gets an address of this pool without asking for it.",
        default=True,
    ),
    Variable("avoid_buggy_ips", "bool", "Leave out addresses ending in .0 and .255.", default=False),
    Variable("interfaces", "list", "Interfaces to announce on by L2; none means all.", default=[], elements="str"),
    Variable(
        "announce",
        "str",
        "How the addresses are announced.",
        computed="O(klubster_load_balancer_mode)",
        choices=("l2", "bgp", "both"),
    ),
    Variable(
        "priority",
        "int",
        "Which of several fitting pools is taken first: the lowest number, then those without one.",
        minimum=1,
        maximum=2147483647,
    ),
    Variable("namespaces", "list", "Namespaces whose services get addresses of it.", default=[], elements="str"),
    Variable("namespace_selectors", "list", "The same, by their labels.", **_SELECTORS),
    Variable("service_selectors", "list", "Services that get addresses of it, by their labels.", **_SELECTORS),
)

L2_ADVERTISEMENT = (
    Variable("name", "str", "Name of the advertisement, an RFC 1123 name.", required=True),
    Variable("pools", "list", "Names of pools; none means all that L2 announces.", default=[], elements="str"),
    Variable("interfaces", "list", "Interfaces to announce on; none means all.", default=[], elements="str"),
    _NODES,
)

BGP_PEER = (
    Variable("name", "str", "Name of the peer, an RFC 1123 name.", required=True),
    Variable("address", "str", "The router's address.", required=True),
    Variable("asn", "int", "Number of the router's autonomous system."),
    Variable(
        "dynamic_asn",
        "str",
        "Instead of O(klubster_bgp.peers.asn), on which side of the border it is; FRR only.",
        choices=("internal", "external"),
    ),
    Variable("port", "int", "The router's port.", default=179, minimum=1, maximum=16384),
    Variable(
        "password",
        "str",
        "It stands elsewhere.",
        elsewhere="Put it into klubster_bgp_passwords, by the name of the peer, and that into a vault.",
    ),
    Variable(
        "hold_time",
        "int",
        "Seconds without a word after which a session has ended; V(0) for never.",
        computed="90",
        minimum=0,
        maximum=65535,
    ),
    Variable(
        "keepalive",
        "int",
        "Seconds between two words; FRR only.",
        computed="a third of O(klubster_bgp.peers.hold_time)",
        minimum=1,
        maximum=21845,
    ),
    Variable("connect_time", "int", "Seconds between two attempts to connect; FRR only.", minimum=1, maximum=65535),
    Variable("ebgp_multihop", "bool", "Whether the router may be further away than the next hop.", default=False),
    Variable("bfd_profile", "str", "How BFD watches the router, one of O(klubster_bgp.bfd_profiles); FRR only."),
    Variable("source_address", "str", "Address of the node from which it speaks."),
    Variable("router_id", "str", "An IPv4 address as the speaker's name.", computed="the node's address"),
    Variable(
        "graceful_restart",
        "bool",
        "Whether routes outlive a restart of the speaker; FRR only.",
        default=False,
    ),
    Variable(
        "dual_stack",
        "bool",
        "Whether it is told addresses of both families, and not only those of its own; FRR only.",
        default=False,
    ),
    _NODES,
)

BGP_ADVERTISEMENT = (
    Variable("name", "str", "Name of the advertisement, an RFC 1123 name.", required=True),
    Variable("pools", "list", "Names of pools; none means all that BGP announces.", default=[], elements="str"),
    Variable("peers", "list", "Names of peers; none means all.", default=[], elements="str"),
    Variable(
        "aggregation_length",
        "int",
        "Length of the prefixes that are announced.",
        computed="32",
        minimum=1,
        maximum=32,
    ),
    Variable("aggregation_length_v6", "int", "The same for IPv6.", computed="128", minimum=1, maximum=128),
    Variable(
        "local_preference",
        "int",
        "How much the own autonomous system likes these routes; the highest wins.",
        default=0,
        minimum=0,
        maximum=4294967295,
    ),
    Variable(
        "communities",
        "list",
        "Communities to send along: names of O(klubster_bgp.communities), or communities themselves.",
        default=[],
        elements="str",
        example="65010:100",
    ),
    _NODES,
)

BFD_PROFILE = (
    Variable("name", "str", "Name of the profile, an RFC 1123 name.", required=True),
    Variable("receive", "int", "Milliseconds between two packets of the router.", minimum=10, maximum=60000),
    Variable("transmit", "int", "Milliseconds between two packets of ours.", minimum=10, maximum=60000),
    Variable("multiplier", "int", "Lost packets after which the router is gone.", minimum=2, maximum=255),
    Variable("echo", "bool", "Send packets that the router sends back.", default=False),
    Variable("echo_interval", "int", "Milliseconds between two of these.", minimum=10, maximum=60000),
    Variable("passive", "bool", "Let the router begin.", default=False),
    Variable("minimum_ttl", "int", "How far packets may have come; for routers further away.", minimum=1, maximum=254),
)

BGP = (
    Variable("asn", "int", "Number of the cluster's own autonomous system."),
    Variable(
        "pods",
        "bool",
        "Whether the routers are told where pods are, too; O(klubster_metallb_speaker) V(cni) only.",
        default=False,
    ),
    Variable("peers", "list", "Routers that the nodes speak to.", default=[], elements="dict", options=BGP_PEER),
    Variable(
        "advertisements",
        "list",
        "What is announced to whom. A pool that none of these names is announced to all peers.",
        default=[],
        elements="dict",
        options=BGP_ADVERTISEMENT,
    ),
    Variable(
        "communities",
        "dict",
        "Names for communities, such as V(65010:100), in quotes.",
        default={},
        elements="str",
        example="65010:100",
    ),
    Variable(
        "bfd_profiles",
        "list",
        "How fast a dead router is noticed; FRR only.",
        default=[],
        elements="dict",
        options=BFD_PROFILE,
    ),
)

__all__ = ("BGP", "L2_ADVERTISEMENT", "POOL")
