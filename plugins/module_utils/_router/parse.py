# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""From the user's variables to a ``Router``, and back to plain data. Everything that is wrong is told at once."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput
from ansible_collections.kateskit.klubster.plugins.module_utils._model.rules import Refused, one_of
from ansible_collections.kateskit.klubster.plugins.module_utils._router import options, references, words
from ansible_collections.kateskit.klubster.plugins.module_utils._router.model import Router
from ansible_collections.kateskit.klubster.plugins.module_utils._router.options import Problems


@dataclasses.dataclass(frozen=True)
class Foreign:
    """Names in our parts that belong to somebody else: they are not looked at and not touched."""

    names: t.Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)


def parse(
    data: t.Any,
    passwords: t.Optional[t.Mapping[str, t.Any]] = None,
    foreign: t.Optional[t.Mapping[str, t.Any]] = None,
    *,
    root: str = "",
) -> tuple[Router, Foreign]:
    """Read and check a router.

    :param data: the model as plain data.
    :param passwords: of neighbours and peer groups, by their names.
    :param foreign: by part, names that belong to others.
    :param root: how the variable with the data is called.
    :raises InvalidInput: with every problem found.
    """
    problems = Problems()
    router = options.read(Router, root, data, problems)
    others = _foreign(foreign or {}, problems)
    if isinstance(router, Router):
        router = _with_passwords(router, passwords or {}, problems)
        references.check(router, others.names, root, problems)
    if problems.found or not isinstance(router, Router):
        raise InvalidInput(problems.found)
    return router, others


def dump(router: Router) -> dict[str, t.Any]:
    """The router as data that :func:`parse` takes, without passwords."""
    return options.dump(router)


def parts() -> tuple[str, ...]:
    """The parts that a router has."""
    return tuple(field.name for field in dataclasses.fields(Router))


def passwords_of(router: Router) -> dict[str, str]:
    """All passwords, by the name of what has them."""
    peers = [*router.bgp.peer_groups, *router.bgp.neighbors] if router.bgp else []
    return {peer.name: peer.password for peer in peers if peer.password is not None}


def _foreign(given: t.Mapping[str, t.Any], problems: Problems) -> Foreign:
    known = [part for part in parts() if part not in ("bgp", "dns", "firewall", "forwarding", "nat")]
    found = {}
    for part, names in given.items():
        if part not in known:
            problems.add(f"foreign.{part}", names, "There is no such part with names.", one_of(str(part), known))
        elif not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            problems.add(f"foreign.{part}", names, "It is a list of names.", "Write it in [ ].")
        else:
            found[part] = frozenset(names)
    return Foreign(found)


def _with_passwords(router: Router, passwords: t.Mapping[str, t.Any], problems: Problems) -> Router:
    given: dict[str, str] = {}
    for name, value in passwords.items():
        try:
            key = words.address(name)
        except Refused:
            key = str(name)
        try:
            given[key] = words.password(value)
        except Refused as exc:
            problems.add(f"passwords.{name}", "(not shown)", exc.rule, exc.remedy)
            given[key] = ""
    owners = {peer.name for peer in (*router.bgp.peer_groups, *router.bgp.neighbors)} if router.bgp else set()
    for key in sorted(set(given) - owners):
        rule = "No neighbour and no peer group has this name."
        remedy = one_of(key, sorted(owners)) if owners else "Leave it out."
        problems.add(f"passwords.{key}", "(not shown)", rule, remedy)
    if router.bgp is None:
        return router
    bgp = dataclasses.replace(
        router.bgp,
        peer_groups=tuple(dataclasses.replace(peer, password=given.get(peer.name)) for peer in router.bgp.peer_groups),
        neighbors=tuple(dataclasses.replace(peer, password=given.get(peer.name)) for peer in router.bgp.neighbors),
    )
    return dataclasses.replace(router, bgp=bgp)


__all__ = ("Foreign", "dump", "parse", "parts", "passwords_of")
