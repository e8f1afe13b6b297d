# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Makes a router with VyOS what the model says, in one commit.

A change is committed for a few minutes only. The router is read again and sessions are looked at; what did not work is
undone, and what nobody confirms the router undoes itself. Nothing here knows how the router is reached.
"""

from __future__ import annotations

import re
import time
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._router import bgp_sessions, vyos, vyos_paths
from ansible_collections.kateskit.klubster.plugins.module_utils._router.frr_apply import Watched, hide
from ansible_collections.kateskit.klubster.plugins.module_utils._router.look import (
    MOST_ROUTES,
    PARTS,
    Look,
    modelled,
    received,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._router.model import Router
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import Foreign
from ansible_collections.kateskit.klubster.plugins.module_utils._router.vyos_paths import Path

_VERSION = re.compile(r"^Version:\s+VyOS (\S+)", re.MULTILINE)
#: 1.5 and what came after it, which has the year in its name
_WORDS: tuple[tuple[str, vyos.Version], ...] = (
    (r"1\.4([.-].*)?", "1.4"),
    (r"(1\.5|20[0-9]{2}\.[0-9]+)([.-].*)?", "1.5"),
)
_NEIGHBOR: Path = ("protocols", "bgp", "neighbor")
_GROUP: Path = ("protocols", "bgp", "peer-group")
_POLL = 1.0


class VyosError(KlubsterError):
    """The router does not do what it shall."""


class Way(t.Protocol):
    """A way to a router: its command line, or its API.

    Each function raises VyosError for what the router does not take or answer.
    """

    #: whether the router goes back by itself when nobody confirms; None as long as it did not say
    clocked: t.Optional[bool]

    def version(self) -> str:
        """What ``show version`` prints."""

    def paths(self) -> frozenset[Path]:
        """The whole configuration."""

    def saved(self) -> t.Optional[bool]:
        """Whether what runs is what the router starts with; None where that cannot be asked."""

    def kept(self) -> t.Optional[frozenset[Path]]:
        """What the router starts with, for where the question above cannot be asked; None where it cannot be read."""

    def commit(self, commands: t.Sequence[str], minutes: int = 0) -> None:
        """Make one commit of ``set`` and ``delete`` commands.

        :param minutes: after which the router shall undo it; 0 for never.
        """

    def confirm(self) -> bool:
        """Tell the router that it need not undo anything; whether it would have."""

    def save(self) -> None:
        """Make what runs what the router starts with."""

    def load_saved(self) -> None:
        """Make what the router starts with what runs."""

    def sessions(self) -> tuple[bgp_sessions.Session, ...]:
        """What BGP says of its neighbours; nothing without BGP."""

    def routes(self) -> t.Optional[tuple[bgp_sessions.Route, ...]]:
        """BGP's table; None where it cannot be asked for."""

    def filter_again(self) -> str:
        """Let routes that came before go through filters as well; what went wrong, or nothing."""


@dataclass(frozen=True)
class Shown:
    """What a router is."""

    paths: frozenset[Path]
    version: vyos.Version
    saved: t.Optional[bool]


@dataclass(frozen=True)
class Plan:
    """What has to be done.

    :param before: the whole configuration.
    """

    before: Shown
    difference: vyos.Difference

    @property
    def changed(self) -> bool:
        return not self.difference.empty or self.before.saved is False


@dataclass(frozen=True)
class Done:
    """What was done.

    :param pending: whether the router undoes it unless it is confirmed.
    :param reset: neighbours whose sessions ended by the change.
    """

    pending: bool = False
    reset: tuple[str, ...] = ()


def look(way: Way, version: t.Optional[vyos.Version] = None) -> Shown:
    """Read the whole configuration. Nothing is changed."""
    found = version or version_of(way.version())
    return Shown(way.paths(), found, way.saved())


def looked(way: Way, version: t.Optional[vyos.Version] = None) -> Look:
    """One look for status, as far as the router tells: nothing of what its kernel saw."""
    shown = look(way, version)
    found = vyos.gather(shown.paths, shown.version)
    model = modelled(found.data, found.passwords)
    sessions = way.sessions() if model.get("bgp") else ()
    few = received(sessions) <= MOST_ROUTES
    routes = way.routes() if few and sessions else ()
    return Look(
        frr="runs",
        addresses=tuple(
            address for entry in (model.get("interfaces") or {}).values() for address in entry.get("addresses") or ()
        ),
        router={part: model[part] for part in PARTS if part in model},
        with_password=tuple(sorted(found.passwords)),
        strange=tuple(vyos_paths.join(path) for path in found.strange),
        sessions=sessions,
        routes=routes or (),
        routes_read=few and routes is not None,
    )


def version_of(shown: str) -> vyos.Version:
    """Which words a router takes, by what ``show version`` printed."""
    found = _VERSION.search(shown)
    if found is None:
        raise VyosError("The router does not say like a VyOS which version it has. Is it one?")
    for pattern, version in _WORDS:
        if re.fullmatch(pattern, found.group(1)):
            return version
    known = ", ".join(vyos.VERSIONS)
    raise VyosError(f"The router has VyOS {found.group(1)}, whose words are not known. Upgrade it to one of {known}.")


def plan(router: Router, foreign: Foreign, shown: Shown, root: str = "router") -> Plan:
    """Compare the model with the router."""
    vyos.refuse(router, shown.version, root)
    return Plan(shown, vyos.difference(shown.paths, router, foreign, shown.version))


def compared(
    way: Way, subject: tuple[Router, Foreign], version: t.Optional[vyos.Version] = None, root: str = "router"
) -> Plan:
    """Look at the router and compare the model with it; where all is well also with what it starts with."""
    planned = plan(*subject, look(way, version), root)
    if planned.before.saved is None and planned.difference.empty:
        kept = way.kept()
        if kept is not None:
            same = vyos.difference(kept, *subject, planned.before.version).empty
            return replace(planned, before=replace(planned.before, saved=same))
    return planned


def affected(plan_: Plan, router: Router) -> frozenset[str]:
    """Neighbours of which commands speak, members of such groups with them."""
    names = {path[3] for path in _spoken_of(plan_) if path[:3] in (_NEIGHBOR, _GROUP) and len(path) > 3}
    members = {one.name for one in (router.bgp.neighbors if router.bgp else ()) if one.peer_group in names}
    return frozenset(names | members)


def filters(plan_: Plan) -> bool:
    """Whether commands change which routes are let pass."""
    words = {"prefix-list", "prefix-list6", "route-map", "filter-list"}
    return any(path[0] == "policy" or (path[0] == "protocols" and words & set(path)) for path in _spoken_of(plan_))


def _spoken_of(plan_: Plan) -> t.Iterator[Path]:
    """What each command sets or deletes."""
    for command in plan_.difference.commands:
        yield from vyos_paths.parse(f"set {command.split(' ', 1)[1]}")


class Change:
    """Carries a plan out.

    :param watched: which sessions have to be up afterwards.
    :param timeout: seconds that they have for it.
    :param minutes: after which the router undoes what nobody confirmed.
    :param pause: waits.
    """

    def __init__(
        self,
        planned: Plan,
        subject: tuple[Router, Foreign],
        way: Way,
        *,
        watched: Watched,
        timeout: float,
        minutes: int,
        pause: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._planned, self._way = planned, way
        self._router, self._foreign = subject
        self._watched, self._timeout, self._minutes, self._pause = watched, timeout, minutes, pause

    def apply(self) -> Done:
        """Do it.

        :raises VyosError: it did not work; then the router is as it was before, or the message says what is not.
        """
        saved, difference = self._planned.before.saved, self._planned.difference
        if saved is False or (saved is None and not difference.empty):
            # What the router undoes by itself it undoes to what is saved.
            self._way.save()
        if difference.empty:
            return Done()
        before = self._sessions()
        try:
            self._way.commit(difference.commands, self._minutes)
            wrong = self._lost() or self._filter_again() or self._silent(before)
        except KlubsterError as exc:
            wrong = str(exc)
        if wrong:
            raise VyosError(hide(f"{wrong}\n{self._back()}", self._router))
        after = self._sessions()
        reset = tuple(one.neighbor for one in before if one.established and _ended(one, after))
        if not self._way.clocked:
            # There is nothing that would wait to be confirmed.
            _keep(self._way)
        return Done(bool(self._way.clocked), reset)

    def _lost(self) -> str:
        """What of the configuration is not there after the commit."""
        left = vyos.difference(self._way.paths(), self._router, self._foreign, self._planned.before.version)
        if left.empty:
            return ""
        return "The router has another configuration than it was told. It lacks:\n" + "\n".join(left.shown())

    def _filter_again(self) -> str:
        """Routes that came before go through new filters as well; FRR does so by itself for route maps only."""
        if self._router.bgp is None or not filters(self._planned):
            return ""
        said = self._way.filter_again()
        return f"Routes could not be filtered again: {said}" if said else ""

    # --- sessions

    def _sessions(self) -> tuple[bgp_sessions.Session, ...]:
        if self._router.bgp is None or self._watched == "none":
            return ()
        return self._way.sessions()

    def _silent(self, before: t.Sequence[bgp_sessions.Session]) -> str:
        """Sessions that have to be up and are not."""
        names = self._to_be_up(before)
        left, down = self._timeout, names
        while down:
            down = bgp_sessions.not_established(self._sessions(), names)
            if not down or left <= 0:
                break
            self._pause(_POLL)
            left -= _POLL
        return f"After {self._timeout:g} s there is no session with {', '.join(down)}." if down else ""

    def _to_be_up(self, before: t.Sequence[bgp_sessions.Session]) -> list[str]:
        if self._router.bgp is None or self._watched == "none":
            return []
        neighbors = self._router.bgp.neighbors
        if self._watched == "all":
            return [one.name for one in neighbors if not one.shutdown]
        up = {one.neighbor for one in before if one.established} - affected(self._planned, self._router)
        return [one.name for one in neighbors if one.name in up]

    # --- back

    def _back(self) -> str:
        """Undo, and say how that went. The router's own way would be a reboot."""
        try:
            commands = reverse(self._way.paths(), self._planned.before.paths)
            if commands:
                self._way.commit(commands)
                self._filter_again()
            self._compare()
            # A commit that failed may leave the clock running.
            self._way.confirm()
        except KlubsterError as exc:
            return self._other_ways(str(exc))
        return "The configuration is as it was before."

    def _other_ways(self, why: str) -> str:
        """What is left when commands do not bring the router back: its clock, or what is saved."""
        failed = f"It could not be taken back at once ({why})."
        if self._way.clocked:
            return f"{failed} Within {self._minutes} min the router goes back to what is saved, by itself."
        try:
            self._way.load_saved()
            self._compare()
            self._way.confirm()
        except KlubsterError:
            return (
                f"{failed} Neither could what is saved be loaded, and the router goes back by itself only where its API"
                " knows commit-confirm. On its console: 'configure', 'load', 'commit', 'save'; or restart it."
            )
        return f"{failed} What is saved was loaded instead: the configuration is as it was before."

    def _compare(self) -> None:
        left = self._way.paths() ^ self._planned.before.paths
        if left:
            raise VyosError("lines differ: " + ", ".join(sorted(" ".join(path[:4]) for path in left)))


def reverse(now: t.Collection[Path], before: t.Collection[Path]) -> list[str]:
    """Commands that make one whole configuration another."""
    nodes = {path[:length] for path in before for length in range(1, len(path) + 1)}
    gone: list[Path] = []
    for path in sorted(set(now) - nodes):
        # With the highest node that is new: a neighbour without anything in it would be refused.
        highest = next(path[:length] for length in range(1, len(path) + 1) if path[:length] not in nodes)
        if highest not in gone:
            gone.append(highest)
    back = sorted(set(before) - set(now))
    return [f"delete {vyos_paths.join(path)}" for path in gone] + [f"set {vyos_paths.join(path)}" for path in back]


def _ended(session: bgp_sessions.Session, after: t.Sequence[bgp_sessions.Session]) -> bool:
    same = next((one for one in after if one.neighbor == session.neighbor), None)
    return same is None or not same.established or same.dropped != session.dropped


def confirm(way: Way) -> None:
    """Keep what was committed, and save it.

    :raises VyosError: the time was over.
    """
    if not way.confirm():
        raise VyosError("Nothing waits to be confirmed: the time was over, and the router went back to what is saved.")
    _keep(way)


def _keep(way: Way) -> None:
    """Save what works.

    :raises VyosError: it runs, and is not what the router starts with.
    """
    try:
        way.save()
    except VyosError as exc:
        raise VyosError(
            f"The change works and stays, and it could not be saved, so the router would start without it: {exc}"
            " Mend that and run again, or type 'save' on the router."
        ) from exc


__all__ = (
    "Change",
    "Done",
    "Plan",
    "Shown",
    "VyosError",
    "Way",
    "affected",
    "compared",
    "confirm",
    "filters",
    "look",
    "looked",
    "plan",
    "reverse",
    "version_of",
)
