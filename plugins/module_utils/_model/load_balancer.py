# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""From the variables of the load balancer to what is validated of it."""

from __future__ import annotations

import itertools
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import announcing
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_tokens import HIDDEN
from ansible_collections.kateskit.klubster.plugins.module_utils._model import addresses, rules, selectors
from ansible_collections.kateskit.klubster.plugins.module_utils._model.addresses import Span
from ansible_collections.kateskit.klubster.plugins.module_utils._model.load_balancer_spec import (
    BfdProfile,
    Bgp,
    BgpAdvertisement,
    BgpPeer,
    L2Advertisement,
    LoadBalancer,
    Pool,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._model.rules import Refused
from ansible_collections.kateskit.klubster.plugins.module_utils._model.schema import WRONG
from ansible_collections.kateskit.klubster.plugins.module_utils._router import words

if t.TYPE_CHECKING:
    from ansible_collections.kateskit.klubster.plugins.module_utils._model.spec import Machine

Place = t.Callable[[str, str, Span], None]
Complain = t.Callable[[str, t.Any, str, str], None]

_WAYS = {"l2": ("l2",), "bgp": ("bgp",), "both": ("l2", "bgp")}
_WITHOUT = {
    "none": "and klubster_load_balancer is none.",
    "servicelb": "and ServiceLB gives services the addresses of the nodes, and knows no pools.",
}
#: keys of a peer that MetalLB's own speaker refuses, and what they are
_FRR_ONLY = {
    "bfd_profile": "BFD",
    "keepalive": "a time for keepalive of its own",
    "connect_time": "a time for connecting of its own",
    "dynamic_asn": "a number that it finds out by itself",
    "graceful_restart": "graceful restart",
    "dual_stack": "sessions with both families",
}
_TO_FRR = "Leave it out, or set klubster_metallb_speaker: frr."


class BalancerReader:
    """Reads what belongs to ``klubster_load_balancer``.

    :param complain: takes variable, value, rule and remedy of each problem.
    :param place: takes what must not overlap: its kind, its variable, its addresses.
    """

    def __init__(self, cluster: dict[str, t.Any], complain: Complain, place: Place) -> None:
        self._cluster, self._complain, self._place = cluster, complain, place
        self._mode = cluster["klubster_load_balancer_mode"]
        self._speaker = cluster["klubster_metallb_speaker"]
        self._frr = self._speaker != "native"

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
        bgp = self._bgp(pools, selecting, len(machines))
        self._needed(provider, pools, l2, bgp)
        return LoadBalancer(provider, self._mode, pools, self._speaker, l2, bgp)

    # --- what is common

    def _entries(self, variable: str, given: t.Any = None) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
        """Entries of a list with how the user would call them."""
        given = self._cluster[variable] if given is None else given
        for index, entry in enumerate(() if given is WRONG else given):
            if entry is not WRONG:
                yield f"{variable}[{index}]", entry

    def _rule(self, where: str, value: t.Any, rule: t.Callable[[t.Any], t.Any]) -> t.Any:
        if value is WRONG:
            return WRONG
        try:
            return rule(value)
        except Refused as exc:
            self._complain(where, value, exc.rule, exc.remedy)
            return WRONG

    def _optional(self, where: str, value: t.Any, rule: t.Callable[[t.Any], t.Any]) -> t.Any:
        found = None if value is None else self._rule(where, value, rule)
        return None if found is WRONG else found

    def _each(self, where: str, given: t.Any, rule: t.Callable[[t.Any], t.Any]) -> tuple[t.Any, ...]:
        """The values of a list that the rule takes."""
        texts = () if given is WRONG else given
        found = [self._rule(f"{where}[{index}]", text, rule) for index, text in enumerate(texts)]
        return tuple(one for one in found if one is not WRONG)

    def _names(self, variable: str, entries: t.Sequence[t.Any]) -> None:
        owners: dict[str, int] = {}
        for index, entry in enumerate(entries):
            if entry.name is WRONG:
                continue
            if entry.name in owners:
                self._complain(
                    f"{variable}[{index}].name",
                    entry.name,
                    f"{variable}[{owners[entry.name]}] has this name too.",
                    f"Give each {_WORDS[variable]} its own name.",
                )
            owners.setdefault(entry.name, index)

    def _own_names(self, variable: str, given: t.Sequence[t.Any], pools: t.Sequence[Pool], way: str) -> None:
        """A pool without an advertisement gets one of its own name."""
        every = [pool.name for pool in pools if way in pool.announce]
        covered = {name for entry in given for name in entry.pools or every}
        for index, entry in enumerate(given):
            if entry.name in every and entry.name not in covered:
                rule = "The pool of this name is in no advertisement, and gets one of this name by itself."
                self._complain(f"{variable}[{index}].name", entry.name, rule, "Rename one, or name the pool here.")

    def _known(self, where: str, given: t.Any, known: t.Sequence[str], what: str) -> tuple[str, ...]:
        """Names that exist, each once."""
        found: list[str] = []
        for index, name in enumerate(() if given is WRONG else given):
            if name is WRONG:
                continue
            if name in found:
                self._complain(f"{where}[{index}]", name, "It is there twice.", "Leave one of them out.")
            elif name not in known:
                remedy = rules.one_of(name, known) if known else "Add it there, or leave it out here."
                self._complain(f"{where}[{index}]", name, f"It is not in {what}.", remedy)
            else:
                found.append(name)
        return tuple(found)

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
        if "bgp" in ways and not self._frr:
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

    def _pools_of(self, where: str, given: t.Any, pools: t.Sequence[Pool], way: str) -> tuple[str, ...]:
        """Pools that an advertisement names; they are announced in its way."""
        found = self._known(where, given, [pool.name for pool in pools if pool.name is not WRONG], "klubster_pools")
        for pool in pools:
            if pool.name in found and way not in pool.announce:
                rule = f"This pool is announced by {pool.announce[0]} only."
                self._complain(where, pool.name, rule, "Leave it out here, or set announce: both in the pool.")
        return found

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

    # --- BGP

    def _bgp(self, pools: t.Sequence[Pool], selecting: selectors.Reader, machines: int) -> Bgp:
        given, passwords = self._cluster["klubster_bgp"], self._cluster["klubster_bgp_passwords"]
        if given is WRONG:
            return Bgp()
        asn = self._optional("klubster_bgp.asn", given["asn"], words.asn)
        profiles = tuple(
            self._bfd_profile(where, entry)
            for where, entry in self._entries("klubster_bgp.bfd_profiles", given["bfd_profiles"])
        )
        self._names("klubster_bgp.bfd_profiles", profiles)
        names = [] if passwords is WRONG else list(passwords)
        peers = []
        for where, entry in self._entries("klubster_bgp.peers", given["peers"]):
            peer = self._peer(where, entry, selecting, names)
            self._peer_fits(where, entry, peer, asn)
            if self._frr and peer.bfd_profile is not None:
                known = [one.name for one in profiles]
                self._known(f"{where}.bfd_profile", [peer.bfd_profile], known, "klubster_bgp.bfd_profiles")
            self._source(where, peer, machines, entry["node_selectors"])
            peers.append(peer)
        self._names("klubster_bgp.peers", peers)
        self._duplicates(peers)
        self._passwords(passwords, peers)
        communities = self._communities(given["communities"])
        advertisements = []
        for where, entry in self._entries("klubster_bgp.advertisements", given["advertisements"]):
            one = self._advertisement(where, entry, selecting, communities)
            named = self._pools_of(f"{where}.pools", entry["pools"], pools, "bgp")
            told = self._known(f"{where}.peers", entry["peers"], [peer.name for peer in peers], "klubster_bgp.peers")
            advertisements.append(_with(one, pools=named, peers=told))
            self._aggregation(where, advertisements[-1], pools)
        self._names("klubster_bgp.advertisements", advertisements)
        self._own_names("klubster_bgp.advertisements", advertisements, pools, "bgp")
        self._preferences(advertisements, pools)
        self._families(pools, advertisements, peers, profiles)
        return Bgp(asn, tuple(peers), tuple(advertisements), communities, profiles)

    def _bfd_profile(self, where: str, entry: dict[str, t.Any]) -> BfdProfile:
        if not self._frr:
            self._complain(where, entry["name"], "MetalLB's native speaker has no BFD.", _TO_FRR)
        name = self._rule(f"{where}.name", entry["name"], rules.dns_name)
        if entry["echo_interval"] is not None and entry["echo"] is False:
            rule = "It is the time between packets of echo, and echo is off."
            self._complain(f"{where}.echo_interval", entry["echo_interval"], rule, "Set echo: true, or leave it out.")
        return BfdProfile(**{**entry, "name": name})

    def _peer(
        self, where: str, entry: dict[str, t.Any], selecting: selectors.Reader, passwords: t.Sequence[str]
    ) -> BgpPeer:
        address = self._rule(f"{where}.address", entry["address"], addresses.node_address)
        if address is not WRONG:
            self._place("peer", f"{where}.address", address)
        return BgpPeer(
            **{
                **entry,
                "name": self._rule(f"{where}.name", entry["name"], rules.dns_name),
                "address": address if address is WRONG else address.text,
                "asn": self._optional(f"{where}.asn", entry["asn"], words.asn),
                "source_address": self._optional(f"{where}.source_address", entry["source_address"], words.address),
                "router_id": self._optional(f"{where}.router_id", entry["router_id"], words.address4),
                "password": entry["name"] in passwords,
                "node_selectors": selecting.read(f"{where}.node_selectors", entry["node_selectors"]),
            }
        )

    def _peer_fits(self, where: str, entry: dict[str, t.Any], peer: BgpPeer, asn: t.Optional[int]) -> None:
        for key, what in _FRR_ONLY.items():
            value = getattr(peer, key)
            if value not in (None, False, WRONG) and not self._frr:
                self._complain(f"{where}.{key}", value, f"MetalLB's native speaker does not have {what}.", _TO_FRR)
        if (entry["asn"] is None) == (entry["dynamic_asn"] is None):
            rule = "A peer has a number, or dynamic_asn in its place." if entry["asn"] is None else "Both are given."
            self._complain(f"{where}.asn", entry["asn"], rule, "Give the number of the router's autonomous system.")
        internal = peer.dynamic_asn == "internal" or (peer.asn is not None and peer.asn == asn)
        if internal and peer.ebgp_multihop is True:
            rule = "It is for a router of another autonomous system, and this one is of the cluster's own."
            self._complain(f"{where}.ebgp_multihop", True, rule, "Leave it out.")
        self._timers(where, peer)

    def _source(self, where: str, peer: BgpPeer, machines: int, given: t.Any) -> None:
        source = peer.source_address
        if source and peer.address is not WRONG and (":" in source) != (":" in peer.address):
            rule = "It is not of the family of the router's address."
            self._complain(f"{where}.source_address", source, rule, "Give both of one family.")
        if source and machines > 1 and not given:
            rule = "It is an address of one machine, and all of them would speak from it."
            remedy = "Choose the machine by node_selectors, or leave it out."
            self._complain(f"{where}.source_address", source, rule, remedy)

    def _timers(self, where: str, peer: BgpPeer) -> None:
        hold, keepalive = peer.hold_time, peer.keepalive
        if hold in (1, 2):
            rule = "A hold time is 0 for never, or at least 3 seconds."
            self._complain(f"{where}.hold_time", hold, rule, "Give 3 or more; 9 is short already.")
        elif self._frr and isinstance(hold, int) and isinstance(keepalive, int) and keepalive * 3 > hold:
            rule = f"Three of them fit into hold_time, {hold}; else one lost packet ends the session."
            remedy = f"Use at most {max(hold // 3, 1)}." if hold else "Leave it out, or give hold_time."
            self._complain(f"{where}.keepalive", keepalive, rule, remedy)

    def _duplicates(self, peers: t.Sequence[BgpPeer]) -> None:
        """One node has one session with a router."""
        for (index, one), (other_index, other) in itertools.combinations(enumerate(peers), 2):
            if WRONG in (one.address, other.address) or (one.address, one.port) != (other.address, other.port):
                continue
            apart = one.node_selectors and other.node_selectors and one.node_selectors != other.node_selectors
            if self._frr or not apart:
                self._complain(
                    f"klubster_bgp.peers[{other_index}].address",
                    other.address,
                    f"klubster_bgp.peers[{index}] has this address too"
                    + (", and FRR takes a router once." if apart else "."),
                    "Remove one of the two." if self._frr else "Remove one, or give both other node_selectors.",
                )
        ids = {peer.router_id for peer in peers}
        if self._frr and len(ids) > 1:
            given = [peer.router_id for peer in peers]
            rule = "FRR has one name for all peers."
            self._complain("klubster_bgp.peers", given, rule, "Give all peers the same router_id, or none.")

    def _passwords(self, given: t.Any, peers: t.Sequence[BgpPeer]) -> None:
        names = [peer.name for peer in peers if peer.name is not WRONG]
        for name, value in {} if given is WRONG else given.items():
            where = f"klubster_bgp_passwords.{name}"
            if name not in names:
                remedy = rules.one_of(name, names) if names else "Leave it out."
                self._complain(where, HIDDEN, "No peer of klubster_bgp has this name.", remedy)
            if value is WRONG:
                continue
            try:
                words.password(value)
            except Refused as exc:
                self._complain(where, HIDDEN, exc.rule, exc.remedy)

    def _communities(self, given: t.Any) -> dict[str, str]:
        found = {}
        for name, value in {} if given is WRONG else given.items():
            where = f"klubster_bgp.communities.{name}"
            if self._rule(where, name, words.name) is WRONG:
                continue
            if name in words.WELL_KNOWN:
                self._complain(where, value, "This name has a meaning already.", "Choose another.")
                continue
            made = self._rule(where, value, self._community)
            if made is not WRONG:
                found[name] = made
        return found

    def _community(self, text: str) -> str:
        """A community as MetalLB writes it."""
        large = text[len("large:") :] if text.startswith("large:") else text
        if large.count(":") == 2:
            if not self._frr:
                rule = "MetalLB's native speaker sends no large communities."
                raise Refused(rule, "Use one of two numbers, or set klubster_metallb_speaker: frr.")
            return f"large:{words.large_community(large)}"
        found = words.community(text)
        number = words.WELL_KNOWN.get(found)
        return found if number is None else f"{number >> 16}:{number & 0xFFFF}"

    def _advertisement(
        self, where: str, entry: dict[str, t.Any], selecting: selectors.Reader, names: t.Mapping[str, str]
    ) -> BgpAdvertisement:
        def community(text: str) -> str:
            if text in names:
                return text
            if ":" not in text and text not in words.WELL_KNOWN:
                known = [*names, *words.WELL_KNOWN]
                raise Refused("It is not in klubster_bgp.communities.", rules.one_of(text, known))
            return self._community(text)

        found = self._each(f"{where}.communities", entry["communities"], community)
        self._known(f"{where}.communities", found, found, "")
        return BgpAdvertisement(
            **{
                **entry,
                "name": self._rule(f"{where}.name", entry["name"], rules.dns_name),
                "communities": found,
                "node_selectors": selecting.read(f"{where}.node_selectors", entry["node_selectors"]),
            }
        )

    def _aggregation(self, where: str, one: BgpAdvertisement, pools: t.Sequence[Pool]) -> None:
        """A prefix that is announced belongs to the pool whole."""
        spoken = [pool for pool in pools if "bgp" in pool.announce and (pool.name in one.pools or not one.pools)]
        for family, key in ((4, "aggregation_length"), (6, "aggregation_length_v6")):
            length = getattr(one, key)
            if length in (None, WRONG):
                continue
            texts = {text: pool for pool in spoken for text in pool.addresses if (":" in text) == (family == 6)}
            if spoken and not texts:
                rule = f"None of its pools has addresses of IPv{family}."
                self._complain(f"{where}.{key}", length, rule, "Leave it out.")
            for text, pool in texts.items():
                largest = min(net.prefixlen for net in announcing.networks_of(text))
                if length < largest:
                    self._complain(
                        f"{where}.{key}",
                        length,
                        f"{text} of the pool {pool.name!r} has no network larger than /{largest}, and addresses of"
                        " others would be announced too.",
                        f"Use {largest} to {announcing.WHOLE[family]}.",
                    )

    def _preferences(self, given: t.Sequence[BgpAdvertisement], pools: t.Sequence[Pool]) -> None:
        """A route that two advertisements announce to one peer has one preference."""
        every = {pool.name for pool in pools if "bgp" in pool.announce}
        for (index, one), (other_index, other) in itertools.combinations(enumerate(given), 2):
            shared = (set(one.pools) or every) & (set(other.pools) or every)
            same_peers = not one.peers or not other.peers or set(one.peers) & set(other.peers)
            nodes_apart = one.node_selectors and other.node_selectors and one.node_selectors != other.node_selectors
            lengths_apart = (one.aggregation_length, one.aggregation_length_v6) != (
                other.aggregation_length,
                other.aggregation_length_v6,
            )
            if one.local_preference == other.local_preference or nodes_apart or lengths_apart:
                continue
            if shared and same_peers:
                self._complain(
                    f"klubster_bgp.advertisements[{other_index}].local_preference",
                    other.local_preference,
                    f"klubster_bgp.advertisements[{index}] announces the same to the same peers with"
                    f" {one.local_preference}.",
                    "Give both the same, or other pools, peers or node_selectors.",
                )

    def _families(
        self,
        pools: t.Sequence[Pool],
        given: t.Sequence[BgpAdvertisement],
        peers: t.Sequence[BgpPeer],
        profiles: t.Sequence[BfdProfile],
    ) -> None:
        """FRR announces a peer its own family only, and BFD's echo is for IPv4 only."""
        echoing = {profile.name for profile in profiles if profile.echo is True}
        named = {peer.name: (index, peer) for index, peer in enumerate(peers) if peer.address is not WRONG}
        for number, pool in enumerate(pools):
            told = [named[name] for name in sorted(_told(pool, given, peers)) if name in named]
            for position, text in enumerate(pool.addresses):
                fitting = [peer for _i, peer in told if peer.dual_stack or (":" in peer.address) == (":" in text)]
                if self._frr and told and not fitting:
                    self._complain(
                        f"klubster_pools[{number}].addresses[{position}]",
                        text,
                        f"It is announced to {told[0][1].name}, whose address is of the other family.",
                        "Set dual_stack: true in the peer, or add one of this family.",
                    )
            for index, peer in told if any(":" in text for text in pool.addresses) else ():
                if peer.bfd_profile in echoing:
                    rule = f"Its profile has echo, and the pool {pool.name!r} has IPv6, which goes to this peer too."
                    remedy = "Use a profile without echo."
                    self._complain(f"klubster_bgp.peers[{index}].bfd_profile", peer.bfd_profile, rule, remedy)


def _told(pool: Pool, given: t.Sequence[BgpAdvertisement], peers: t.Sequence[BgpPeer]) -> set[str]:
    """Names of the peers that hear of a pool."""
    every = {peer.name for peer in peers if peer.name is not WRONG}
    if "bgp" not in pool.announce:
        return set()
    speaking = [one for one in given if not one.pools or pool.name in one.pools]
    return {name for one in speaking for name in one.peers or every} if speaking else every


def _with(one: BgpAdvertisement, **changes: t.Any) -> BgpAdvertisement:
    return BgpAdvertisement(**{**one.__dict__, **changes})


_WORDS = {
    "klubster_pools": "pool",
    "klubster_l2_advertisements": "advertisement",
    "klubster_bgp.peers": "peer",
    "klubster_bgp.advertisements": "advertisement",
    "klubster_bgp.bfd_profiles": "profile",
}
_SUBJECT = {
    "klubster_pools": "Pools",
    "klubster_l2_advertisements": "Advertisements",
    "klubster_bgp": "Peers",
}

__all__ = ("BalancerReader",)
