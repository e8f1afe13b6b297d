# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The routers around a cluster: their networks and sessions, and who knows the way to which address."""

from __future__ import annotations

import ipaddress
import re
import typing as t
from collections import Counter
from dataclasses import dataclass, replace

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import calico_bgp
from ansible_collections.kateskit.klubster.plugins.module_utils._router.policies import (
    NOTHING_KNOWN,
    Carried,
    Refusal,
    refusing,
    settings_of,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._status.balance import (
    announcers_by_bgp,
    calico_block,
    communities_by_bgp,
    lengths_by_bgp,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._status.model import (
    Announced,
    LoadBalancedService,
    Node,
    Object,
    PeerKind,
    Router,
    RouterLook,
    RouterState,
    Routing,
    Segment,
    Session,
    Snapshot,
    Way,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._status.observe import labels_of, name_of, spec_of
from ansible_collections.kateskit.klubster.plugins.module_utils._status.session_causes import Side, Trouble, cause_of
from ansible_collections.kateskit.klubster.plugins.module_utils._status.text import clean

NODES = "the cluster's nodes"
#: a number of two halves, but none of those with names, or a large one (RFC 8092)
_COMMUNITY = re.compile(r"(?!65535:)[0-9]+:[0-9]+|large:[0-9]+:[0-9]+:[0-9]+")
Data = t.Mapping[str, t.Any]
Net = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


@dataclass(frozen=True)
class Speaker:
    """One of the cluster's own peers: a router, and the nodes that speak to it.

    :param asn: what the cluster takes the router for; 0 when it takes any.
    :param own: the cluster's number.
    """

    name: str
    address: str
    asn: int
    own: int
    password: bool
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Told:
    """An address that nodes announce.

    :param lengths: in which it is announced, by family.
    :param nodes: who announces it, and to which peers; an empty list means all.
    :param carried: its communities, as far as they are known.
    """

    address: str
    service: str
    lengths: tuple[t.Mapping[int, int], ...]
    nodes: t.Mapping[str, t.Sequence[str]]
    carried: Carried = NOTHING_KNOWN

    @property
    def prefixes(self) -> list[str]:
        own = ipaddress.ip_address(self.address)
        lengths = sorted({length[own.version] for length in self.lengths})
        return [str(ipaddress.ip_network((self.address, length), strict=False)) for length in lengths]


def routing_of(
    looks: t.Sequence[RouterLook],
    nodes: t.Sequence[Node],
    snapshot: Snapshot,
    services: t.Sequence[LoadBalancedService],
    *,
    answers: bool,
) -> Routing:
    """:param answers: whether the API does; else nothing is known of the cluster's side."""
    if not looks:
        return Routing(networks=[], routers=[], sessions=[], announced=[])
    return _Reader(looks, nodes, speakers_of(snapshot), told_of(snapshot, services), answers=answers).read()


def speakers_of(snapshot: Snapshot) -> list[Speaker]:
    """The cluster's peers, by MetalLB's or Calico's own objects; of a password only whether there is one."""
    return [*_metallb_speakers(snapshot), *_calico_speakers(snapshot)]


def _calico_speakers(snapshot: Snapshot) -> list[Speaker]:
    own = calico_bgp.DEFAULT_ASN
    for obj in snapshot["calico_bgp"]:
        if obj["kind"] == "BGPConfiguration" and name_of(obj) == calico_bgp.DEFAULT:
            own = int(spec_of(obj).get("asNumber") or own)
    found = []
    for obj in snapshot["calico_bgp"]:
        spec = spec_of(obj)
        address = _address(_without_port(str(spec.get("peerIP") or "")))
        if obj["kind"] != "BGPPeer" or not address:
            continue
        selector, only = str(spec.get("nodeSelector") or ""), spec.get("node")
        found.append(
            Speaker(
                name=name_of(obj),
                address=address,
                asn=int(spec.get("asNumber") or 0),
                own=own,
                password=bool(spec.get("password")),
                nodes=tuple(
                    name_of(node)
                    for node in snapshot["nodes"]
                    if (name_of(node) == only if only else calico_bgp.fits(selector, labels_of(node)))
                ),
            )
        )
    return found


def _without_port(text: str) -> str:
    """``192.0.2.1:1179`` and ``[2001:db8::1]:1179`` as addresses."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _metallb_speakers(snapshot: Snapshot) -> list[Speaker]:
    found = []
    for obj in snapshot["bgp_peers"]:
        spec = spec_of(obj)
        address = _address(spec.get("peerAddress"))
        chosen = spec.get("nodeSelectors") or []
        if address:
            found.append(
                Speaker(
                    name=name_of(obj),
                    address=address,
                    asn=int(spec.get("peerASN") or 0),
                    own=int(spec.get("myASN") or 0),
                    password=bool(spec.get("passwordSecret") or spec.get("password")),
                    nodes=tuple(
                        name_of(node)
                        for node in snapshot["nodes"]
                        if not chosen or any(_fits(one, labels_of(node)) for one in chosen)
                    ),
                )
            )
    return found


def told_of(snapshot: Snapshot, services: t.Sequence[LoadBalancedService]) -> list[Told]:
    """Addresses that are announced by BGP."""
    found = []
    for service in services:
        lengths = lengths_by_bgp(snapshot, service["pool"])
        nodes = announcers_by_bgp(snapshot, service)
        for text in service["addresses"]:
            address = _address(text)
            told = lengths or _calico_lengths(snapshot, address)
            if address and told:
                name = f"{service['namespace']}/{service['name']}"
                carried = _communities(communities_by_bgp(snapshot, service["pool"]) if lengths else None)
                found.append(Told(address, name, tuple(told), nodes, carried))
    return found


def _calico_lengths(snapshot: Snapshot, address: str) -> list[dict[int, int]]:
    block = ipaddress.ip_network(calico_block(snapshot, address) or "0.0.0.0/0", strict=False)
    return [{block.version: block.prefixlen}] if block.prefixlen else []


def _fits(selector: Object, labels: t.Mapping[str, str]) -> bool:
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    tests: dict[str, t.Callable[[t.Optional[str], t.Sequence[str]], bool]] = {
        "In": lambda value, values: value in values,
        "NotIn": lambda value, values: value not in values,
        "Exists": lambda value, _values: value is not None,
        "DoesNotExist": lambda value, _values: value is None,
    }
    return all(
        tests[entry["operator"]](labels.get(entry["key"]), entry.get("values") or [])
        for entry in selector.get("matchExpressions") or []
    )


class _Known:
    """A router, as far as it is known."""

    def __init__(self, given: RouterLook) -> None:
        self.name, self.kind, self.why = clean(given["name"]), clean(given["kind"]), clean(given["why"])
        self.look: Data = given["look"] or {}
        texts = [str(text) for text in self.look.get("addresses") or given["addresses"]]
        self.interfaces = [entry for text in texts for entry in [_interface(text)] if entry]
        self.addresses = list(dict.fromkeys(str(entry.ip) for entry in self.interfaces))
        self.model: Data = self.look.get("router") or {}
        self.bgp: Data = self.model.get("bgp") or {}
        self.sessions: list[Data] = list(self.look.get("sessions") or [])
        self.with_password = set(self.look.get("with_password") or ())
        self.asn = int(self.bgp.get("asn") or next((one["local_as"] for one in self.sessions), 0))

    @property
    def state(self) -> RouterState:
        if not self.look:
            return "silent" if self.why else "unseen"
        return "stopped" if self.look.get("frr") == "stopped" and self.bgp else "ready"

    def side(self, address: str, own: t.Sequence[str], session: t.Optional[Data]) -> Side:
        """Its side of a session.

        :param address: the other's.
        :param own: all addresses of the other; what comes from one of them is the other as well.
        """
        if not self.look:
            return Side(self.name, f"router_model of {self.name}")
        told = next((found for one in (address, *own) for found in [settings_of(self.model, one)] if found), None)
        row = session or {}
        family = (told or {}).get("ipv4") or (told or {}).get("ipv6") or {}
        reached = self.look.get("reached")
        asked = bool(row) and reached is not None and not row.get("established")
        return Side(
            name=self.name,
            variable=f"router_model of {self.name}",
            seen=True,
            speaks=bool(self.bgp or self.sessions),
            knows=bool(row) or told is not None or not self.bgp,
            asn=int(row.get("local_as") or self.asn),
            expects=self._expects(told, row),
            password=self._password(told),
            shutdown=bool((told or {}).get("shutdown")),
            maximum=int(family.get("maximum_prefix") or 0),
            session=row,
            unsigned=self.look.get("unsigned") or {},
            reaches=address in (reached or ()) if asked else None,
            unanswered=address in (self.look.get("unanswered") or ()),
        )

    def _expects(self, told: t.Optional[Data], row: Data) -> int:
        expected = (told or {}).get("remote_as") or row.get("remote_as") or 0
        if expected == "internal":
            return self.asn
        return int(expected) if str(expected).isdigit() else 0

    def _password(self, told: t.Optional[Data]) -> t.Optional[bool]:
        if told is None:
            return None
        return bool(self.with_password & {str(told["name"]), str(told["group"])})

    def routes_to(self, address: str) -> list[Data]:
        """The routes to an address, the longest first, without the way to everything."""
        wanted = ipaddress.ip_address(address)
        found = []
        for route in self.look.get("routes") or ():
            net = ipaddress.ip_network(str(route["prefix"]))
            if net.version == wanted.version and net.prefixlen and wanted in net:
                found.append((net.prefixlen, route))
        return [route for _length, route in sorted(found, key=lambda one: -one[0])]

    def way_to(self, address: str) -> t.Optional[Way]:
        """Its longest route that BGP knows and that is not the way to everything."""
        found = self.routes_to(address)
        if not found:
            return None
        route = found[0]
        return Way(
            router=self.name,
            prefix=str(route["prefix"]),
            width=int(route["width"]),
            next_hops=[str(hop) for hop in route["next_hops"] if hop not in ("0.0.0.0", "::")],  # noqa: S104
        )


class _Reader:
    """Puts the looks together."""

    def __init__(
        self,
        looks: t.Sequence[RouterLook],
        nodes: t.Sequence[Node],
        speakers: t.Sequence[Speaker],
        told: t.Sequence[Told],
        *,
        answers: bool,
    ) -> None:
        self._routers = [_Known(look) for look in looks]
        self._nodes, self._speakers, self._told, self._answers = nodes, speakers, told, answers
        self._owners: dict[str, tuple[PeerKind, str]] = {
            address: ("node", node["name"]) for node in nodes for address in node["addresses"]
        }
        self._owners.update({one: ("router", router.name) for router in self._routers for one in router.addresses})
        self._by_name = {router.name: router for router in self._routers}
        #: sessions that were told of from their other side
        self._used: set[tuple[str, str]] = set()
        #: what is wrong with a session with one node, by router and address
        self._alone: dict[tuple[str, str], Trouble] = {}

    def read(self) -> Routing:
        sessions = [session for router in self._routers for session in self._sessions(router)]
        shared = Counter((one["router"], one["cause"]) for one in sessions)
        sessions = [self._named(one) if shared[one["router"], one["cause"]] == 1 else one for one in sessions]
        sessions.sort(key=lambda one: ([one["router"]], one["peer_kind"], one["peer"], one["address"]))
        return Routing(
            networks=self._networks(sessions),
            routers=[self._router(router, sessions) for router in self._routers],
            sessions=sessions,
            announced=[self._announced(one) for one in self._told],
        )

    def _named(self, session: Session) -> Session:
        """What only one node has is told by its name."""
        trouble = self._alone.get((session["router"], session["address"]))
        if trouble is None:
            return session
        return Session(
            **{**session, "cause": clean(trouble.cause), "seen": clean(trouble.seen), "remedy": clean(trouble.remedy)}
        )

    @staticmethod
    def _router(router: _Known, sessions: t.Sequence[Session]) -> Router:
        own = [one for one in sessions if router.name in (one["router"], one["peer"])]
        return Router(
            name=router.name,
            kind=router.kind,
            state=router.state,
            why=router.why,
            asn=router.asn,
            addresses=router.addresses,
            up=sum(1 for one in own if one["up"]),
            sessions=len(own),
        )

    # --- sessions

    def _sessions(self, router: _Known) -> t.Iterator[Session]:
        heard = set()
        for row in router.sessions:
            address = str(row["neighbor"])
            kind, name = self._owners.get(address, ("other", clean(row.get("description")) or address))
            heard.add(name)
            if (router.name, address) in self._used:
                continue
            if kind == "router" and name != router.name:
                yield self._between(router, self._by_name[name], row)
            else:
                yield self._with(router, address, kind, name, row)
        for speaker in self._speakers:
            if speaker.address in router.addresses:
                for name in speaker.nodes:
                    if name not in heard:
                        # A neighbour that comes by a network and has gone is in no table.
                        heard.add(name)
                        yield self._with(router, self._address_of(name, speaker), "node", name, None)

    def _between(self, router: _Known, peer: _Known, row: Data) -> Session:
        """A session of two routers, of which the other may have a row too."""
        address = str(row["neighbor"])
        rows = [one for one in peer.sessions if str(one["neighbor"]) in router.addresses]
        rows.sort(key=lambda one: not _same_network(peer, address, str(one["neighbor"])))
        theirs = rows[0] if rows else None
        own = [str(theirs["neighbor"])] if theirs else router.addresses
        if theirs:
            self._used.add((peer.name, str(theirs["neighbor"])))
        ours = router.side(address, peer.addresses, row)
        other = peer.side(own[0] if own else "", router.addresses, theirs)
        trouble = None
        if row["established"]:
            trouble = self._refused_between(router, peer, row) or (
                self._refused_between(peer, router, theirs) if theirs else None
            )
        elif peer.state == "ready":
            trouble = cause_of(ours, other)
        elif peer.state == "unseen":
            trouble = cause_of(ours, Side(peer.name, f"router_model of {peer.name}"))
        return self._session(router, row, address, ("router", peer.name, peer.asn or other.asn), trouble)

    def _with(self, router: _Known, address: str, kind: PeerKind, name: str, row: t.Optional[Data]) -> Session:
        """A session with a node, or with somebody who is not in the inventory."""
        speaker = next((one for one in self._speakers if one.address in router.addresses and name in one.nodes), None)
        other = self._node_side(speaker) if kind == "node" else Side(name, f"what {name} was told")
        up = bool(row and row["established"])
        lost = kind == "node" and self._answers and self._state_of(name) in ("unknown", "missing")
        trouble = None
        if up and row is not None:
            trouble = self._refused(router, address, name, speaker) or _without_policy(router.name, row)
        elif not lost and router.state == "ready":
            ours = router.side(address, (), row)
            trouble = cause_of(ours, other)
            if other.many and trouble.alone:
                self._alone[router.name, address] = cause_of(ours, replace(other, name=name, many=False))
        return self._session(router, row or {}, address, (kind, name, other.asn), trouble)

    def _node_side(self, speaker: t.Optional[Speaker]) -> Side:
        if not self._answers:
            return Side(NODES, "klubster_bgp", many=True)
        if speaker is None:
            return Side(NODES, "klubster_bgp.peers", many=True, seen=True, knows=False)
        return Side(
            NODES,
            "klubster_bgp",
            many=True,
            seen=True,
            asn=speaker.own,
            expects=speaker.asn,
            password=speaker.password,
        )

    @staticmethod
    def _session(
        router: _Known,
        row: Data,
        address: str,
        peer: tuple[PeerKind, str, int],
        trouble: t.Optional[Trouble],
    ) -> Session:
        parts = [part for part in (row.get("ipv4"), row.get("ipv6")) if part]
        unknown = "not known" if router.state in ("silent", "unseen") else "none"
        return Session(
            router=router.name,
            peer=clean(peer[1]),
            peer_kind=peer[0],
            address=address,
            router_asn=int(row.get("local_as") or router.asn),
            peer_asn=peer[2] or int(row.get("remote_as") or 0),
            state=clean(row.get("state") or unknown),
            up=bool(row.get("established")),
            received=sum(int(part["received"]) for part in parts),
            sent=sum(int(part["sent"]) for part in parts),
            severity=trouble.severity if trouble else "",
            cause=_sentence(trouble.cause) if trouble else "",
            seen=clean(trouble.seen) if trouble else "",
            remedy=clean(trouble.remedy) if trouble else "",
        )

    def _state_of(self, name: str) -> str:
        return next((str(node["state"]) for node in self._nodes if node["name"] == name), "missing")

    def _address_of(self, name: str, speaker: Speaker) -> str:
        """Of a node, in the family of the peer."""
        addresses = next((node["addresses"] for node in self._nodes if node["name"] == name), [])
        same = [one for one in addresses if (":" in one) == (":" in speaker.address)]
        return next(iter([*same, *addresses]), "")

    # --- what a session does not let pass

    def _refused(self, router: _Known, address: str, name: str, speaker: t.Optional[Speaker]) -> t.Optional[Trouble]:
        """Addresses that a node announces to a router which refuses them."""
        settings = settings_of(router.model, address)
        if settings is None or speaker is None:
            return None
        lists: dict[Refusal, list[str]] = {}
        for one in self._told:
            # Where nobody says who announces, the list refuses whoever does.
            peers = one.nodes.get(name) if one.nodes else ()
            if peers is None or (peers and speaker.name not in peers):
                continue
            carried = replace(one.carried, as_path=_path_from(speaker.own, router.asn))
            found = [refusing(router.model, settings, prefix, carried=carried) for prefix in one.prefixes]
            if found and found[0] is not None and all(found):
                lists.setdefault(found[0], []).append(f"{one.prefixes[0]} ({one.service})")
        if not lists:
            return None
        refusal, prefixes = next(iter(lists.items()))
        return Trouble(
            "error",
            f"The {refusal.what} of {router.name} refuses addresses that the cluster announces{refusal.by}",
            ", ".join(sorted(prefixes)),
            f"Let them pass in {refusal.what} in router_model of {router.name}, and run the playbook routers.",
        )

    def _refused_between(self, router: _Known, peer: _Known, row: Data) -> t.Optional[Trouble]:
        """Addresses of the cluster that a router refuses from another although it knows no other way to them."""
        settings = settings_of(router.model, str(row["neighbor"]))
        back = next((found for one in router.addresses for found in [settings_of(peer.model, one)] if found), None)
        if settings is None or back is None or not router.look.get("routes_read", True):
            return _without_policy(router.name, row)
        for one in self._told:
            for route in [] if router.routes_to(one.address) else peer.routes_to(one.address):
                prefix = str(route["prefix"])
                # What came through the router itself it refuses by BGP's own rule.
                own = router.asn in (route.get("as_path") or ())
                if route["suppressed"] or own or refusing(peer.model, back, prefix, "out"):
                    continue
                path = None if _changes_paths(back) else _path_from(peer.asn, router.asn, route)
                refusal = refusing(router.model, settings, prefix, carried=Carried(as_path=path))
                if refusal is None:
                    continue
                return Trouble(
                    "warning",
                    f"The {refusal.what} of {router.name} refuses the way to addresses of the cluster{refusal.by},"
                    " and it knows no other",
                    f"{prefix} from {peer.name}",
                    f"Let it pass in {refusal.what} in router_model of {router.name}"
                    f" if {router.name} shall reach them.",
                )
        return _without_policy(router.name, row)

    # --- networks and addresses

    def _networks(self, sessions: t.Sequence[Session]) -> list[Segment]:
        members: dict[Net, list[str]] = {}
        for router in self._routers:
            for entry in router.interfaces:
                # A single address is in no network.
                if entry.network.prefixlen < entry.network.max_prefixlen:
                    members.setdefault(entry.network, [])
        others = {one["address"]: one["peer"] for one in sessions if one["peer_kind"] == "other"}
        owners = {**{address: name for address, (_kind, name) in self._owners.items()}, **others}
        for address, name in owners.items():
            found = _address(address)
            if found:
                own = ipaddress.ip_address(found)
                for net, names in members.items():
                    if net.version == own.version and own in net and name not in names:
                        names.append(name)
        nets = sorted(members, key=lambda net: (net.version, int(net.network_address)))
        return [Segment(network=str(net), machines=members[net]) for net in nets]

    def _announced(self, one: Told) -> Announced:
        ways, unknown = [], []
        for router in self._routers:
            way = router.way_to(one.address)
            if way is not None:
                hops = [self._owners.get(hop, ("other", hop))[1] for hop in way["next_hops"]]
                ways.append(Way(**{**way, "next_hops": hops}))
            elif any(row["established"] for row in router.sessions) and router.look.get("routes_read", True):
                unknown.append(router.name)
        return Announced(address=one.address, service=one.service, ways=ways, unknown_to=unknown)


def _sentence(text: str) -> str:
    """Names of machines stay as they are."""
    found = clean(text)
    return found[0].upper() + found[1:] if found.startswith(NODES) else found


def _communities(given: t.Optional[t.Collection[str]]) -> Carried:
    """As a router prints them; one that it prints as a word (RFC 1997) or that is a name here nobody knows."""
    if given is None or not all(_COMMUNITY.fullmatch(one) for one in given):
        return NOTHING_KNOWN
    both: dict[bool, list[str]] = {False: [], True: []}
    for one in sorted(given, key=lambda text: [int(part) for part in re.findall("[0-9]+", text)]):
        both[one.startswith("large:")].append(one.partition("large:")[2] or one)
    return Carried(communities=" ".join(both[False]), large_communities=" ".join(both[True]))


def _path_from(sender: int, receiver: int, route: t.Optional[Data] = None) -> t.Optional[str]:
    """The path of a route as the receiver gets it; None when a number is not known."""
    if not sender or not receiver:
        return None
    own = [sender] if sender != receiver else []
    return " ".join(str(one) for one in [*own, *((route or {}).get("as_path") or ())])


def _changes_paths(settings: Data) -> bool:
    """Whether a router may send other paths to a neighbour than it has itself."""
    families = [settings.get(family) or {} for family in ("ipv4", "ipv6")]
    return any(one.get("route_map_out") or one.get("remove_private_as") for one in families)


def _without_policy(name: str, row: Data) -> t.Optional[Trouble]:
    if not any((row.get(family) or {}).get("policy") for family in ("ipv4", "ipv6")):
        return None
    return Trouble(
        "error",
        f"{name} lets no route pass, for it wants a policy and has none",
        "FRR says (Policy)",
        f"Give the session prefix lists or route maps, or leave requires_policy out of router_model of {name}.",
    )


def _same_network(router: _Known, one: str, other: str) -> bool:
    for entry in router.interfaces:
        inside = [_address(text) for text in (one, other)]
        if all(text and ipaddress.ip_address(text) in entry.network for text in inside):
            return True
    return False


def _interface(text: str) -> t.Optional[t.Union[ipaddress.IPv4Interface, ipaddress.IPv6Interface]]:
    try:
        return ipaddress.ip_interface(text)
    except ValueError:
        return None


def _address(text: t.Any) -> str:
    try:
        return str(ipaddress.ip_address(str(text)))
    except ValueError:
        return ""


__all__ = ("NODES", "Speaker", "Told", "routing_of", "speakers_of", "told_of")
