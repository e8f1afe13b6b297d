# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501  Forms are not cut.
"""What VyOS's command line takes, as far as it is known, and what it refuses at a commit.

Written apart from what the collection renders: a mistake there is to be seen here. A form ends with ``=`` for one value,
``=*`` for many, and with nothing for a node without a value.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import dataclass

Path = tuple[str, ...]


def _address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _network(text: str) -> bool:
    try:
        return "/" in text and bool(ipaddress.ip_network(text))
    except ValueError:
        return False


def _host(text: str) -> bool:
    try:
        found = ipaddress.ip_interface(text)
    except ValueError:
        return False
    whole = found.network.prefixlen >= found.network.max_prefixlen - 1
    return "/" in text and (whole or found.ip != found.network.network_address)


def _number(low: int, high: int) -> t.Callable[[str], bool]:
    return lambda text: text.isdigit() and low <= int(text) <= high


def _words(pattern: str) -> t.Callable[[str], bool]:
    return lambda text: re.fullmatch(pattern, text) is not None


KINDS: dict[str, t.Callable[[str], bool]] = {
    "address": _address,
    "network": _network,
    "endpoint": lambda text: _address(text) or _network(text),
    "host": _host,
    "peer": _address,
    "name": _words(r"[A-Za-z0-9_][A-Za-z0-9_.-]*"),
    "ethernet": _words(r"(eth|lan)[0-9]+|(eno|ens|enp|enx).+"),
    "interface": _words(r"[a-z][a-z0-9]*(\.[0-9]+)?"),
    "source": lambda text: _address(text) or KINDS["interface"](text),
    "text": _words(r"[^']{1,255}"),
    "secret": _words(r"\S+"),
    "pattern": _words(r"\S+"),
    "asn": _number(1, 4294967294),
    "remote": lambda text: text in ("internal", "external") or KINDS["asn"](text),
    "rule": _number(1, 65535),
    "natrule": _number(1, 999999),
    "any": _number(0, 4294967295),
    "hold": _number(0, 65535),
    "bits": _number(0, 128),
    "paths": _number(1, 256),
    "vrid": _number(1, 255),
    "limit": _number(1, 5000),
    "permit": _words("permit|deny"),
    "filter": _words("accept|drop|reject"),
    "default": _words("accept|drop|reject"),
    "zonedefault": _words("drop|reject"),
    "state": _words("established|invalid|new|related"),
    "origin": _words("igp|egp|incomplete"),
    "protocol": _words("tcp|udp|tcp_udp|icmp|ipv6-icmp|esp|gre|vrrp"),
    "ports": _words(r"[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*"),
    "translation": lambda text: text == "masquerade" or _address(text),
    "community": _words(r"[0-9]+:[0-9]+|no-export|no-advertise|blackhole|graceful-shutdown"),
    "large": _words(r"[0-9]+:[0-9]+:[0-9]+"),
    "mac": _words(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}"),
    "domain": _words(r"[A-Za-z0-9_.-]+"),
    "record": _words(r"[A-Za-z0-9_.@-]+"),
    "number": _number(0, 4294967295),
    "redistributed": _words("connected|static|kernel|ospf"),
}

_PEER_FAMILY = """
 = | prefix-list import <name>= | prefix-list export <name>= | route-map import <name>= | route-map export <name>=
 | maximum-prefix <any>= | soft-reconfiguration inbound | default-originate | default-originate route-map <name>=
 | nexthop-self | remove-private-as | route-reflector-client | allowas-in number <vrid>="""
_PEER = """remote-as <remote>= | description <text>= | shutdown | bfd | bfd profile <name>= | password <secret>= | passive
 | ebgp-multihop <vrid>= | ttl-security hops <vrid>= | update-source <source>="""
_RULE = """action <{action}>= | description <text>= | protocol <protocol>= | source address <endpoint>=
 | source port <ports>= | destination address <endpoint>= | destination port <ports>="""
_NAT = _RULE.partition("|")[2]


def _below(head: str, forms: str) -> list[str]:
    """Forms below a node; ``=`` alone is the node itself."""
    return [
        f"{head} {one}".replace(" =", "") if one == "=" else f"{head} {one}" for one in map(str.strip, forms.split("|"))
    ]


def forms(version: str) -> list[str]:
    """All that is known of a version."""
    found = [
        "system host-name <name>=",
        "service ssh port <number>=",
        "service ssh",
        "system login user <name> level <name>=",
    ]
    found += ["protocols ospf area <number> network <network>=*", "interfaces ethernet <ethernet> hw-id <mac>="]
    for head in ("ethernet <ethernet>", "ethernet <ethernet> vif <number>", "loopback lo", "dummy <interface>"):
        found += [f"interfaces {head} address <host>=*", f"interfaces {head} description <text>="]
    bgp = "protocols bgp"
    found += _below(
        bgp,
        """system-as <asn>= | parameters router-id <address>= | parameters log-neighbor-changes
        | parameters ebgp-requires-policy | parameters network-import-check | parameters graceful-restart
        | parameters bestpath as-path multipath-relax | parameters graceful-restart stalepath-time <hold>=
        | timers keepalive <hold>= | timers holdtime <hold>= | listen limit <limit>= | listen range <network> peer-group <name>=""",
    )
    for family in ("ipv4-unicast", "ipv6-unicast"):
        inside = f"{bgp} address-family {family}"
        for node in ("network <network>", "redistribute <redistributed>", "aggregate-address <network>"):
            found += _below(f"{inside} {node}", "= | route-map <name>= | metric <any>= | as-set | summary-only")
        found += _below(inside, "maximum-paths ebgp <paths>= | maximum-paths ibgp <paths>=")
        for node in ("peer-group <name>", "neighbor <peer>"):
            found += _below(f"{bgp} {node} address-family {family}", _PEER_FAMILY)
    for node in ("peer-group <name>", "neighbor <peer>"):
        found += _below(f"{bgp} {node}", _PEER)
    # A group has no such words.
    found += _below(
        f"{bgp} neighbor <peer>",
        "peer-group <name>= | timers keepalive <hold>= | timers holdtime <hold>= | timers connect <hold>="
        " | graceful-restart enable | graceful-restart disable | graceful-restart restart-helper",
    )
    for word in ("prefix-list", "prefix-list6"):
        found += _below(
            f"policy {word} <name> rule <rule>", "action <permit>= | prefix <network>= | ge <bits>= | le <bits>="
        )
    for word in ("community-list", "large-community-list", "as-path-list"):
        found += _below(f"policy {word} <name> rule <rule>", "action <permit>= | regex <pattern>=")
    found += _below(
        "policy route-map <name> rule <rule>",
        """action <permit>= | description <text>= | call <name>= | on-match next | on-match goto <rule>=
        | match ip address prefix-list <name>= | match ipv6 address prefix-list <name>= | match ip nexthop prefix-list <name>=
        | match community community-list <name>= | match community exact-match | match as-path <name>= | match peer <address>=
        | match large-community large-community-list <name>= | match interface <interface>= | match origin <origin>=
        | match metric <rule>= | match tag <rule>= | set local-preference <any>= | set metric <any>= | set weight <any>=
        | set origin <origin>= | set ip-next-hop <address>= | set ipv6-next-hop global <address>= | set tag <rule>=
        | set as-path prepend <text>= | set community add <community>=* | set community replace <community>=*
        | set community none | set large-community add <large>=* | set large-community replace <large>=*""",
    )
    for word in ("route", "route6"):
        found += _below(
            f"protocols static {word} <network>",
            """blackhole | blackhole distance <vrid>= | next-hop <address> | next-hop <address> distance <vrid>=
            | interface <interface> | interface <interface> distance <vrid>=""",
        )
    found += _below(
        "protocols bfd profile <name>",
        "= | interval receive <number>= | interval transmit <number>= | interval multiplier <vrid>=",
    )
    found += _below(
        "high-availability vrrp group <name>",
        "interface <interface>= | vrid <vrid>= | address <host> | priority <vrid>= | no-preempt | advertise-interval <vrid>= | description <text>=",
    )
    dns = "service dns forwarding"
    found += _below(
        dns,
        """listen-address <address>=* | allow-from <network>=* | name-server <address> | domain <domain> name-server <address>
        | authoritative-domain <domain> | authoritative-domain <domain> records a <record> address <address>=*
        | authoritative-domain <domain> records aaaa <record> address <address>=*""",
    )
    subnet = "service dhcp-server shared-network-name <name> subnet <network>"
    option, mac = ("option ", "mac") if version == "1.5" else ("", "mac-address")
    found += _below(
        subnet,
        f"""= | {option}default-router <address>= | {option}name-server <address>=* | lease <number>= | range <number> start <address>=
        | range <number> stop <address>= | static-mapping <name> {mac} <mac>= | static-mapping <name> ip-address <address>=""",
    )
    found += [f"{subnet} subnet-id <number>="] if version == "1.5" else []
    found += _below(
        "nat source rule <natrule>",
        f"{_NAT} | exclude | outbound-interface name <interface>= | translation address <translation>=",
    )
    found += _below(
        "nat destination rule <natrule>",
        f"{_NAT} | exclude | inbound-interface name <interface>= | translation address <address>= | translation port <ports>=",
    )
    for family in ("ipv4", "ipv6"):
        found += [
            f"firewall {family} name <name> default-action <default>=",
            f"firewall {family} forward filter default-action <filter>=",
        ]
        rule = _RULE.format(action="filter")
        found += _below(f"firewall {family} name <name> rule <natrule>", f"{rule} | state <state>=* | log")
    found += [
        f"firewall global-options state-policy {state} action <filter>="
        for state in ("established", "related", "invalid")
    ]
    member = "member interface" if version == "1.5" else "interface"
    found += _below(
        "firewall zone <name>",
        f"""{member} <interface>=* | local-zone | default-action <zonedefault>= | description <text>=
        | from <name> firewall name <name>= | from <name> firewall ipv6-name <name>=""",
    )
    return [" ".join(one.split()) for one in found]


@dataclass(frozen=True)
class Fit:
    """How a path fits: whether its last word is a value, and whether there may be others."""

    leaf: bool
    many: bool
    whole: bool


class Grammar:
    """All forms of a version."""

    def __init__(self, version: str) -> None:
        self.version = version
        self._forms = []
        for text in forms(version):
            many, leaf = text.endswith("=*"), text.rstrip("*").endswith("=")
            self._forms.append((text.rstrip("*").rstrip("=").split(" "), leaf, many))

    def fit(self, path: Path) -> t.Optional[Fit]:
        """None for what it does not take. A node that may hold something fits, too, unless its value is missing."""
        found = None
        for words, leaf, many in self._forms:
            if len(path) > len(words) or not all(_fits(word, given) for word, given in zip(words, path)):
                continue
            if len(path) == len(words):
                return Fit(leaf, many, whole=True)
            if not (leaf and len(path) == len(words) - 1):
                found = Fit(leaf=False, many=False, whole=False)
        return found


def _fits(word: str, given: str) -> bool:
    return KINDS[word[1:-1]](given) if word.startswith("<") else word == given


# --- what a commit refuses


def refused(paths: t.Collection[Path], version: str) -> list[str]:
    """Messages of the parts that are not complete or do not fit together."""
    return [*_bgp(paths), *_policy(paths), *_filtering(paths), *_services(paths, version)]


def _names(paths: t.Collection[Path], *head: str) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in paths:
        if path[: len(head)] == head and len(path) > len(head):
            found.setdefault(path[len(head)], []).append(path[len(head) + 1 :])
    return found


def _said(paths: t.Iterable[Path], word: str) -> list[str]:
    return [path[1] for path in paths if path[:1] == (word,) and len(path) > 1]


def _bgp(paths: t.Collection[Path]) -> list[str]:
    said = []
    if any(path[:2] == ("protocols", "bgp") for path in paths) and not _names(paths, "protocols", "bgp", "system-as"):
        said.append("BGP system-as must be defined!")
    groups = _names(paths, "protocols", "bgp", "peer-group")
    own = {path[-1].split("/")[0] for path in paths if path[0] == "interfaces" and path[-2] == "address"}
    for name, inside in _names(paths, "protocols", "bgp", "neighbor").items():
        members = _said(inside, "peer-group")
        group = groups.get(members[0], []) if members else []
        if members and members[0] not in groups:
            said.append(f'Specified peer-group "{members[0]}" does not exist!')
        if not _said(inside, "remote-as") and not _said(group, "remote-as"):
            said.append(f'Neighbor "{name}" remote-as must be set!')
        if name in own:
            said.append(f'Can not configure local address as neighbor "{name}"')
    for name, inside in _names(paths, "protocols", "bgp", "listen", "range").items():
        members = _said(inside, "peer-group")
        if not members or not _said(groups.get(members[0], []), "remote-as"):
            said.append(f'Listen range "{name}" needs a peer-group with remote-as!')
    for path in paths:
        for word, node in (("prefix-list", "prefix-list"), ("route-map", "route-map")):
            if (
                path[:2] == ("protocols", "bgp")
                and len(path) > 4
                and path[-3] == word
                and path[-2] in ("import", "export")
            ):
                known = {*_names(paths, "policy", node), *_names(paths, "policy", "prefix-list6")}
                said += [] if path[-1] in known else [f'{word} "{path[-1]}" does not exist!']
    return said


def _policy(paths: t.Collection[Path]) -> list[str]:
    said = []
    for kind, needed in (
        ("prefix-list", ("action", "prefix")),
        ("prefix-list6", ("action", "prefix")),
        ("community-list", ("action", "regex")),
        ("large-community-list", ("action", "regex")),
        ("as-path-list", ("action", "regex")),
        ("route-map", ("action",)),
    ):
        for name, inside in _names(paths, "policy", kind).items():
            for number, rule in _names(inside, "rule").items():
                said += [f'{kind} "{name}" rule "{number}" needs {word}!' for word in needed if not _said(rule, word)]
    return said


def _filtering(paths: t.Collection[Path]) -> list[str]:
    said = []
    rules = [(f"nat {way}", _names(paths, "nat", way, "rule"), ()) for way in ("source", "destination")]
    for family in ("ipv4", "ipv6"):
        for name, inside in _names(paths, "firewall", family, "name").items():
            rules.append((f"firewall {family} {name}", _names(inside, "rule"), ("action",)))
    for where, numbered, needed in rules:
        for number, rule in numbered.items():
            ported = any("port" in path for path in rule)
            if ported and _said(rule, "protocol")[:1] not in (["tcp"], ["udp"], ["tcp_udp"]):
                said.append(f"{where} rule {number}: a port needs the protocol tcp, udp or tcp_udp")
            said += [f"{where} rule {number}: {word} must be defined" for word in needed if not _said(rule, word)]
            if where.startswith("nat") and ("exclude",) not in rule and not any("translation" in path for path in rule):
                said.append(f"{where} rule {number}: translation requires address")
    zones = _names(paths, "firewall", "zone")
    members: dict[str, str] = {}
    for zone, inside in zones.items():
        for other, used in _names(inside, "from").items():
            said += [] if other in zones else [f'Zone "{zone}" refers to "{other}", which does not exist']
            for path in used:
                family = "ipv6" if path[1] == "ipv6-name" else "ipv4"
                known = _names(paths, "firewall", family, "name")
                said += [] if path[-1] in known else [f'Firewall "{path[-1]}" does not exist']
        for path in inside:
            if path[-2:-1] == ("interface",) and members.setdefault(path[-1], zone) != zone:
                said.append(f'Interface "{path[-1]}" is in two zones')
    return said


def _services(paths: t.Collection[Path], version: str) -> list[str]:
    said = []
    if any(path[:3] == ("service", "dns", "forwarding") for path in paths):
        for word in ("listen-address", "allow-from"):
            if not _names(paths, "service", "dns", "forwarding", word):
                said.append(f"DNS forwarding requires {word}!")
    hosts = [ipaddress.ip_interface(path[-1]).ip for path in paths if path[0] == "interfaces" and path[-2] == "address"]
    for dummy, inside in _names(paths, "service", "dhcp-server", "shared-network-name").items():
        for subnet, rest in _names(inside, "subnet").items():
            if not any(host in ipaddress.ip_network(subnet) for host in hosts):
                said.append(f'None of the interfaces has an address in DHCP subnet "{subnet}"')
            if version == "1.5" and not _said(rest, "subnet-id"):
                said.append(f'Unique subnet ID not specified for subnet "{subnet}"')
    return said
