# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""From ``klubster_bgp`` to what is validated of it."""

from __future__ import annotations

import itertools
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import announcing
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_tokens import HIDDEN
from ansible_collections.kateskit.klubster.plugins.module_utils._model import addresses, rules, selectors
from ansible_collections.kateskit.klubster.plugins.module_utils._model.entries import EntryReader
from ansible_collections.kateskit.klubster.plugins.module_utils._model.load_balancer_spec import (
    BfdProfile,
    Bgp,
    BgpAdvertisement,
    BgpPeer,
    Pool,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._model.rules import Refused
from ansible_collections.kateskit.klubster.plugins.module_utils._model.schema import WRONG
from ansible_collections.kateskit.klubster.plugins.module_utils._router import words

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


class BgpReader(EntryReader):
    """Reads ``klubster_bgp`` and its passwords."""

    def read(self, pools: t.Sequence[Pool], selecting: selectors.Reader, machines: int) -> Bgp:
        """The cluster's part in BGP; what was complained of is missing or wrong in it."""
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
        pods = given["pods"] is True
        if pods and not self._cni:
            rule = "MetalLB announces addresses of services, and no pods."
            remedy = "Leave it out; klubster_metallb_speaker: cni can, with Calico."
            self._complain("klubster_bgp.pods", True, rule, remedy)
        return Bgp(asn, tuple(peers), tuple(advertisements), communities, profiles, pods)

    def _bfd_profile(self, where: str, entry: dict[str, t.Any]) -> BfdProfile:
        if self._native:
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
            if value not in (None, False, WRONG) and self._native:
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
        # The others have no such word, and that is said elsewhere.
        has_word = not (self._native or self._cni)
        if hold in (1, 2):
            rule = "A hold time is 0 for never, or at least 3 seconds."
            self._complain(f"{where}.hold_time", hold, rule, "Give 3 or more; 9 is short already.")
        elif has_word and isinstance(hold, int) and isinstance(keepalive, int) and keepalive * 3 > hold:
            rule = f"Three of them fit into hold_time, {hold}; else one lost packet ends the session."
            remedy = f"Use at most {max(hold // 3, 1)}." if hold else "Leave it out, or give hold_time."
            self._complain(f"{where}.keepalive", keepalive, rule, remedy)

    def _duplicates(self, peers: t.Sequence[BgpPeer]) -> None:
        """One node has one session with a router."""
        for (index, one), (other_index, other) in itertools.combinations(enumerate(peers), 2):
            if WRONG in (one.address, other.address) or (one.address, one.port) != (other.address, other.port):
                continue
            apart = one.node_selectors and other.node_selectors and one.node_selectors != other.node_selectors
            once = self._frr or self._openelb
            if once or not apart:
                who = "FRR" if self._frr else "OpenELB"
                self._complain(
                    f"klubster_bgp.peers[{other_index}].address",
                    other.address,
                    f"klubster_bgp.peers[{index}] has this address too"
                    + (f", and {who} takes a router once." if apart else "."),
                    "Remove one of the two." if once else "Remove one, or give both other node_selectors.",
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
            if self._native:
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
        """FRR and Calico announce a peer its own family only, and BFD's echo is for IPv4 only."""
        echoing = {profile.name for profile in profiles if profile.echo is True}
        named = {peer.name: (index, peer) for index, peer in enumerate(peers) if peer.address is not WRONG}
        for number, pool in enumerate(pools):
            told = [named[name] for name in sorted(_told(pool, given, peers)) if name in named]
            for position, text in enumerate(pool.addresses):
                fitting = [peer for _i, peer in told if peer.dual_stack or (":" in peer.address) == (":" in text)]
                if not self._native and told and not fitting:
                    self._complain(
                        f"klubster_pools[{number}].addresses[{position}]",
                        text,
                        f"It is announced to {told[0][1].name}, whose address is of the other family.",
                        ("Set dual_stack: true in the peer, or add one" if self._frr else "Add a peer")
                        + " of this family.",
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


__all__ = ("BgpReader",)
