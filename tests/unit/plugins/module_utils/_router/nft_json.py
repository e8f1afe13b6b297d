# SPDX-License-Identifier: Apache-2.0
"""What ``nft --json list table`` prints of a table, as seen with nftables 1.0.6."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._router.nft import Rule, Table

PRIORITIES = {"filter": 0, "dstnat": -100, "srcnat": 100}


def printed(table: Table) -> dict[str, t.Any]:
    entries: list[dict[str, t.Any]] = [
        {"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}},
        {"table": {"family": table.family, "name": table.name, "handle": 1}},
    ]
    for chain in table.chains:
        made: dict[str, t.Any] = {"family": table.family, "table": table.name, "name": chain.name, "handle": 2}
        if chain.hook:
            kind, hook, priority = chain.hook.split(" ")
            made.update(type=kind, hook=hook, prio=PRIORITIES[priority], policy="accept")
        entries.append({"chain": made})
    for chain in table.chains:
        for rule in chain.rules:
            one = {
                "family": table.family,
                "table": table.name,
                "chain": chain.name,
                "handle": 3,
                "expr": expressions(rule),
            }
            entries.append({"rule": {**one, **({"comment": rule.comment} if rule.comment else {})}})
    return {"nftables": entries}


def match(left: dict[str, t.Any], values: t.Sequence[t.Any], op: str = "==") -> dict[str, t.Any]:
    right = values[0] if len(values) == 1 else {"set": list(values)}
    return {"match": {"op": op, "left": left, "right": right}}


def expressions(rule: Rule) -> list[dict[str, t.Any]]:
    found = []
    for key, names in (("iifname", rule.incoming), ("oifname", rule.outgoing)):
        if names:
            found.append(match({"meta": {"key": key}}, names))
    if rule.family:
        found.append(match({"meta": {"key": "nfproto"}}, [f"ipv{rule.family}"]))
    for field, networks, op in (
        ("saddr", rule.source, "!=" if rule.other_source else "=="),
        ("daddr", rule.destination, "=="),
    ):
        if networks:
            left = {"payload": {"protocol": "ip6" if ":" in networks[0] else "ip", "field": field}}
            found.append(match(left, [network(one) for one in networks], op))
    ports = [(word, value) for word, value in (("sport", rule.source_port), ("dport", rule.destination_port)) if value]
    if rule.protocol == "tcp_udp":
        found.append(match({"meta": {"key": "l4proto"}}, ["tcp", "udp"]))
    elif rule.protocol and not ports:
        found.append(match({"meta": {"key": "l4proto"}}, [rule.protocol]))
    protocol = "th" if rule.protocol == "tcp_udp" else rule.protocol
    for word, value in ports:
        found.append(match({"payload": {"protocol": protocol, "field": word}}, [port(one) for one in value.split(",")]))
    if rule.states:
        found.append(match({"ct": {"key": "state"}}, rule.states, "in") if len(rule.states) == 1 else many(rule.states))
    if rule.log:
        found.append({"log": None})
    return [*found, verdict(rule.verdict)]


def many(states: t.Sequence[str]) -> dict[str, t.Any]:
    return {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": list(states)}}


def network(text: str) -> t.Any:
    address, slash, length = text.partition("/")
    return {"prefix": {"addr": address, "len": int(length)}} if slash else text


def port(text: str) -> t.Any:
    low, dash, high = text.partition("-")
    return {"range": [int(low), int(high)]} if dash else int(low)


def verdict(text: str) -> dict[str, t.Any]:
    words = text.split(" ")
    if words[0] == "jump":
        return {"jump": {"target": words[1]}}
    if words[0] in ("snat", "dnat"):
        address, colon, number = words[2].partition(":")
        return {words[0]: {"addr": address, **({"port": int(number)} if colon else {})}}
    if words[0] == "reject":
        return {"reject": {"type": "icmpx", "expr": "port-unreachable"}}
    return {words[0]: None}
