# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Tables of nftables: written as text for ``nft -f``, read from what ``nft --json list table`` prints.

A rule is read strictly: what is not in it is strange, and a strange rule is equal to none of ours.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

#: hook and priority, by kind of chain; nft prints the number
_PRIORITIES = {"dstnat": -100, "filter": 0, "srcnat": 100}


class Unreadable(Exception):
    """An expression that none of our rules has."""


@dataclass(frozen=True)
class Rule:
    """One rule: what a packet has to be, and what becomes of it.

    :param source, destination: one of these networks; with ``other_source`` none of them.
    :param verdict: ``accept``, ``jump lan``, ``dnat to 10.0.0.5:443`` and so on.
    """

    verdict: str
    incoming: tuple[str, ...] = ()
    outgoing: tuple[str, ...] = ()
    family: t.Optional[int] = None
    source: tuple[str, ...] = ()
    other_source: bool = False
    destination: tuple[str, ...] = ()
    protocol: t.Optional[str] = None
    source_port: t.Optional[str] = None
    destination_port: t.Optional[str] = None
    states: tuple[str, ...] = ()
    log: bool = False
    comment: str = ""

    def text(self) -> str:
        """As a line for ``nft -f``."""
        said = [f"iifname {_quoted(self.incoming)}"] if self.incoming else []
        said += [f"oifname {_quoted(self.outgoing)}"] if self.outgoing else []
        said += [f"meta nfproto ipv{self.family}"] if self.family else []
        for word, networks, other in (
            ("saddr", self.source, self.other_source),
            ("daddr", self.destination, False),
        ):
            if networks:
                head = "ip6" if ":" in networks[0] else "ip"
                said.append(f"{head} {word} {'!= ' if other else ''}{_listed(networks)}")
        said += self._transport()
        said += [f"ct state {','.join(self.states)}"] if self.states else []
        said += ["log"] if self.log else []
        said.append(self.verdict)
        said += [f'comment "{self.comment}"'] if self.comment else []
        return " ".join(said)

    def _transport(self) -> list[str]:
        ports = [
            (word, value)
            for word, value in (("sport", self.source_port), ("dport", self.destination_port))
            if value is not None
        ]
        if self.protocol is None:
            return []
        if self.protocol == "tcp_udp":
            return ["meta l4proto { tcp, udp }", *(f"th {word} {_listed(value.split(','))}" for word, value in ports)]
        if not ports:
            return [f"meta l4proto {self.protocol}"]
        return [f"{self.protocol} {word} {_listed(value.split(','))}" for word, value in ports]


@dataclass(frozen=True)
class Chain:
    """Rules; a chain with a hook is where packets come in.

    :param hook: ``filter forward filter``: type, hook, priority; empty for a chain that others jump to.
    """

    name: str
    rules: tuple[Rule, ...] = ()
    hook: str = ""

    def text(self) -> str:
        lines = [f"  chain {self.name} {{"]
        if self.hook:
            kind, hook, priority = self.hook.split(" ")
            lines.append(f"    type {kind} hook {hook} priority {priority}; policy accept;")
        lines += [f"    {rule.text()}" for rule in self.rules]
        return "\n".join([*lines, "  }\n"])


@dataclass(frozen=True)
class Table:
    """A table that is ours whole."""

    family: str
    name: str
    chains: tuple[Chain, ...] = ()
    #: expressions that none of our rules has
    strange: tuple[str, ...] = field(default=(), compare=True)

    @property
    def title(self) -> str:
        return f"{self.family} {self.name}"

    def text(self) -> str:
        """As a file for ``nft -f``: read as a whole, it replaces the table in one step."""
        inside = "".join(chain.text() for chain in self.chains)
        return f"table {self.title}\ndelete table {self.title}\ntable {self.title} {{\n{inside}}}\n"

    def chain(self, name: str) -> tuple[Rule, ...]:
        return next((chain.rules for chain in self.chains if chain.name == name), ())


def read(listing: t.Mapping[str, t.Any], family: str, name: str) -> Table:
    """A table from ``nft --json list table``."""
    hooks: dict[str, str] = {}
    rules: dict[str, list[Rule]] = {}
    strange: list[str] = []
    for entry in listing.get("nftables", ()):
        kind, what = next(iter(entry.items()))
        if kind == "chain":
            rules.setdefault(what["name"], [])
            hooks[what["name"]] = _hook(what)
            if what.get("policy", "accept") != "accept":
                strange.append(f"chain {what['name']}: policy {what['policy']}")
        elif kind == "rule":
            try:
                rules.setdefault(what["chain"], []).append(_rule(what))
            except (Unreadable, KeyError, TypeError, ValueError) as exc:
                strange.append(f"chain {what['chain']}: {exc}")
        elif kind not in ("metainfo", "table"):
            strange.append(f"{kind} {what.get('name', '')}".strip())
    chains = tuple(Chain(chain, tuple(found), hooks.get(chain, "")) for chain, found in rules.items())
    return Table(family, name, chains, tuple(strange))


def _hook(what: t.Mapping[str, t.Any]) -> str:
    if "hook" not in what:
        return ""
    names = {number: word for word, number in _PRIORITIES.items()}
    return f"{what['type']} {what['hook']} {names.get(what['prio'], what['prio'])}"


class _Reader:
    """Fields of a rule, one expression after the other."""

    def __init__(self) -> None:
        self.fields: dict[str, t.Any] = {}

    def add(self, expression: t.Mapping[str, t.Any]) -> None:
        kind, what = next(iter(expression.items()))
        if kind == "match":
            self._match(what)
        elif kind == "log":
            if what:
                raise Unreadable(f"log {what}")
            self.fields["log"] = True
        elif kind == "counter":
            pass
        elif kind in ("accept", "drop", "return", "masquerade"):
            if what:
                raise Unreadable(f"{kind} {what}")
            self.fields["verdict"] = kind
        elif kind == "reject":
            self.fields["verdict"] = "reject"
        elif kind == "jump":
            self.fields["verdict"] = f"jump {what['target']}"
        elif kind in ("snat", "dnat"):
            if set(what) - {"addr", "port", "family"}:
                raise Unreadable(f"{kind} {what}")
            port = f":{what['port']}" if "port" in what else ""
            self.fields["verdict"] = f"{kind} to {what['addr']}{port}"
        else:
            raise Unreadable(kind)

    def _match(self, what: t.Mapping[str, t.Any]) -> None:
        left, other = what["left"], what["op"] == "!="
        if what["op"] not in ("==", "!=", "in"):
            raise Unreadable(f"{left} {what['op']}")
        values = _values(what["right"])
        kind, inside = next(iter(left.items()))
        key = inside.get("key") if kind in ("meta", "ct") else f"{inside['protocol']} {inside['field']}"
        if other and key not in ("ip saddr", "ip6 saddr"):
            raise Unreadable(f"{key} !=")
        if key in ("iifname", "oifname"):
            self.fields["incoming" if key == "iifname" else "outgoing"] = tuple(sorted(values))
        elif key == "nfproto":
            self.fields["family"] = {"ipv4": 4, "ipv6": 6}[values[0]]
        elif key in ("ip saddr", "ip6 saddr"):
            self.fields.update(source=tuple(sorted(values)), other_source=other)
        elif key in ("ip daddr", "ip6 daddr"):
            self.fields["destination"] = tuple(sorted(values))
        elif key == "l4proto":
            self.fields["protocol"] = "tcp_udp" if sorted(values) == ["tcp", "udp"] else ",".join(values)
        elif key == "state":
            self.fields["states"] = tuple(sorted(values))
        elif kind == "payload" and inside["field"] in ("sport", "dport") and inside["protocol"] in ("th", "tcp", "udp"):
            if inside["protocol"] != "th":
                self.fields["protocol"] = inside["protocol"]
            name = "source_port" if inside["field"] == "sport" else "destination_port"
            self.fields[name] = ",".join(sorted(values, key=lambda one: int(one.split("-")[0])))
        else:
            raise Unreadable(str(key))


def _rule(what: t.Mapping[str, t.Any]) -> Rule:
    reader = _Reader()
    for expression in what["expr"]:
        reader.add(expression)
    return Rule(**{"verdict": "", **reader.fields}, comment=what.get("comment", ""))


def _values(right: t.Any) -> list[str]:
    """One value, or those of a set."""
    if isinstance(right, dict) and "set" in right:
        right = right["set"]
    found = right if isinstance(right, list) else [right]
    return [_value(one) for one in found]


def _value(one: t.Any) -> str:
    if isinstance(one, dict) and "prefix" in one:
        return f"{one['prefix']['addr']}/{one['prefix']['len']}"
    if isinstance(one, dict) and "range" in one:
        return "-".join(str(end) for end in one["range"])
    if isinstance(one, dict):
        raise Unreadable(str(one))
    return str(one)


def _listed(values: t.Sequence[str]) -> str:
    return values[0] if len(values) == 1 else f"{{ {', '.join(values)} }}"


def _quoted(names: t.Sequence[str]) -> str:
    return _listed([f'"{name}"' for name in names])


__all__ = ("Chain", "Rule", "Table", "Unreadable", "read")
