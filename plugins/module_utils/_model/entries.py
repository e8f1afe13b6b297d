# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What is common to readers of pools, advertisements and peers: lists of entries with names."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._model import rules
from ansible_collections.kateskit.klubster.plugins.module_utils._model.addresses import Span
from ansible_collections.kateskit.klubster.plugins.module_utils._model.load_balancer_spec import Pool
from ansible_collections.kateskit.klubster.plugins.module_utils._model.schema import WRONG, Complain, ruled

Place = t.Callable[[str, str, Span], None]

_WORDS = {
    "klubster_pools": "pool",
    "klubster_l2_advertisements": "advertisement",
    "klubster_bgp.peers": "peer",
    "klubster_bgp.advertisements": "advertisement",
    "klubster_bgp.bfd_profiles": "profile",
}


class EntryReader:
    """Reads entries of the cluster's variables.

    :param complain: takes variable, value, rule and remedy of each problem.
    :param place: takes what must not overlap: its kind, its variable, its addresses.
    """

    def __init__(self, cluster: dict[str, t.Any], complain: Complain, place: Place) -> None:
        self._cluster, self._complain, self._place = cluster, complain, place
        self._openelb = cluster["klubster_load_balancer"] == "openelb"
        # Who speaks by MetalLB; what OpenELB cannot do is said elsewhere.
        speaker = "" if self._openelb else cluster["klubster_metallb_speaker"]
        self._native, self._cni = speaker == "native", speaker == "cni"
        self._frr = not (self._openelb or self._native or self._cni)

    def _entries(self, variable: str, given: t.Any = None) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
        """Entries of a list with how the user would call them."""
        given = self._cluster[variable] if given is None else given
        for index, entry in enumerate(() if given is WRONG else given):
            if entry is not WRONG:
                yield f"{variable}[{index}]", entry

    def _rule(self, where: str, value: t.Any, rule: t.Callable[[t.Any], t.Any]) -> t.Any:
        return ruled(where, value, rule, self._complain)

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
        known = [name for name in known if name is not WRONG]
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

    def _pools_of(self, where: str, given: t.Any, pools: t.Sequence[Pool], way: str) -> tuple[str, ...]:
        """Pools that an advertisement names; they are announced in its way."""
        found = self._known(where, given, [pool.name for pool in pools if pool.name is not WRONG], "klubster_pools")
        for pool in pools:
            if pool.name in found and way not in pool.announce:
                rule = f"This pool is announced by {pool.announce[0]} only."
                self._complain(where, pool.name, rule, "Leave it out here, or set announce: both in the pool.")
        return found


__all__ = ("Complain", "EntryReader", "Place")
