# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Makes a router with VyOS what the model says, in one session of its command line.

A change is committed for a few minutes only. The router is read again and sessions are looked at; what did not work is
undone, and what nobody confirms the router undoes itself. Nothing here knows how the router is reached.
"""

from __future__ import annotations

import json
import re
import time
import typing as t
from dataclasses import dataclass

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
_SAVED = "No changes between working and saved"
_NOT_PENDING = "No confirm pending"
_NEIGHBOR: Path = ("protocols", "bgp", "neighbor")
_GROUP: Path = ("protocols", "bgp", "peer-group")
_POLL = 1.0


class VyosError(KlubsterError):
    """The router does not do what it shall."""


class Cli(t.Protocol):
    """A command line of the router that is open."""

    def ask(self, command: str, *, prompt: str = "", answer: str = "") -> str:
        """What a command printed.

        :param prompt: a question, as a regular expression, that the command asks first.
        :raises VyosError: the router says that it failed.
        """

    def type(self, commands: t.Sequence[str]) -> None:
        """Type commands of which nothing is to be read."""


@dataclass(frozen=True)
class Shown:
    """What a router is."""

    paths: frozenset[Path]
    version: vyos.Version
    saved: bool


@dataclass(frozen=True)
class Plan:
    """What has to be done.

    :param before: the whole configuration.
    """

    before: Shown
    difference: vyos.Difference

    @property
    def changed(self) -> bool:
        return not self.difference.empty or not self.before.saved


@dataclass(frozen=True)
class Done:
    """What was done.

    :param pending: whether the router undoes it unless it is confirmed.
    :param reset: neighbours whose sessions ended by the change.
    """

    pending: bool = False
    reset: tuple[str, ...] = ()


def look(cli: Cli, version: t.Optional[vyos.Version] = None) -> Shown:
    """Read the whole configuration. Nothing is changed: the session of the configuration is left as it was found."""
    found = version or version_of(cli.ask("show version"))
    paths = vyos_paths.parse(cli.ask("show configuration commands"))
    cli.ask("configure")
    try:
        saved = _SAVED in cli.ask("compare saved")
    finally:
        cli.ask("exit discard")
    return Shown(paths, found, saved)


def looked(cli: Cli, version: t.Optional[vyos.Version] = None) -> Look:
    """One look for status, as far as its command line tells: nothing of what its kernel saw."""
    shown = look(cli, version)
    found = vyos.gather(shown.paths, shown.version)
    model = modelled(found.data, found.passwords)
    sessions: tuple[bgp_sessions.Session, ...] = ()
    routes: list[bgp_sessions.Route] = []
    if model.get("bgp"):
        said = [json_of(cli, f"show bgp {what}") for what in ("summary", "neighbors")]
        sessions = bgp_sessions.sessions(said[0], said[1])
    few = received(sessions) <= MOST_ROUTES
    if few and sessions:
        tables = [json_of(cli, f"show bgp {family} unicast") for family in ("ipv4", "ipv6")]
        routes = [route for table in tables for route in bgp_sessions.routes(table)]
    return Look(
        frr="runs",
        addresses=tuple(
            address for entry in (model.get("interfaces") or {}).values() for address in entry.get("addresses") or ()
        ),
        router={part: model[part] for part in PARTS if part in model},
        with_password=tuple(sorted(found.passwords)),
        strange=tuple(vyos_paths.join(path) for path in found.strange),
        sessions=sessions,
        routes=tuple(routes),
        routes_read=few,
    )


def json_of(cli: Cli, command: str) -> t.Any:
    """What FRR within VyOS says to a ``show`` command."""
    said = cli.ask(f'vtysh -c "{command} json"')
    try:
        return json.loads(said[said.find("{") :] or "{}")
    except ValueError as exc:
        raise VyosError(f"The router answered {command!r} with something that is no JSON.") from exc


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
        cli: Cli,
        *,
        watched: Watched,
        timeout: float,
        minutes: int,
        pause: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._planned, self._cli = planned, cli
        self._router, self._foreign = subject
        self._watched, self._timeout, self._minutes, self._pause = watched, timeout, minutes, pause

    def apply(self) -> Done:
        """Do it.

        :raises VyosError: it did not work; then the router is as it was before, or the message says what is not.
        """
        if not self._planned.before.saved:
            # What the router undoes by itself it undoes to what is saved.
            save(self._cli)
        if self._planned.difference.empty:
            return Done()
        before = self._sessions()
        try:
            self._commit(self._planned.difference.commands, confirm=True)
            wrong = self._lost() or self._filter_again() or self._silent(before)
        except KlubsterError as exc:
            wrong = str(exc)
        if wrong:
            raise VyosError(hide(f"{wrong}\n{self._back()}", self._router))
        after = self._sessions()
        return Done(True, tuple(one.neighbor for one in before if one.established and _ended(one, after)))

    def _commit(self, commands: t.Sequence[str], *, confirm: bool) -> None:
        cli = self._cli
        cli.ask("configure")
        try:
            cli.type(commands)
            if confirm:
                cli.ask(f"commit-confirm {self._minutes}", prompt=r"Proceed \?", answer="y")
            else:
                cli.ask("commit")
        finally:
            cli.ask("exit discard")

    def _lost(self) -> str:
        """What of the configuration is not there after the commit."""
        now = vyos_paths.parse(self._cli.ask("show configuration commands"))
        left = vyos.difference(now, self._router, self._foreign, self._planned.before.version)
        if left.empty:
            return ""
        return "The router has another configuration than it was told. It lacks:\n" + "\n".join(left.shown())

    def _filter_again(self) -> str:
        """Routes that came before go through new filters as well; FRR does so by itself for route maps only."""
        if self._router.bgp is None or not filters(self._planned):
            return ""
        said = self._cli.ask('vtysh -c "clear bgp * soft"').strip()
        return f"Routes could not be filtered again: {said}" if said else ""

    # --- sessions

    def _sessions(self) -> tuple[bgp_sessions.Session, ...]:
        if self._router.bgp is None or self._watched == "none":
            return ()
        said = [json_of(self._cli, f"show bgp {what}") for what in ("summary", "neighbors")]
        return bgp_sessions.sessions(said[0], said[1])

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
            now = vyos_paths.parse(self._cli.ask("show configuration commands"))
            commands = reverse(now, self._planned.before.paths)
            if commands:
                self._commit(commands, confirm=False)
                self._filter_again()
            left = vyos_paths.parse(self._cli.ask("show configuration commands")) ^ self._planned.before.paths
            if left:
                raise VyosError("lines differ: " + ", ".join(sorted(" ".join(path[:4]) for path in left)))
            # A commit that failed leaves the clock running.
            stop_clock(self._cli)
        except KlubsterError as exc:
            return (
                f"It could not be taken back at once ({exc}). Within {self._minutes} min the router goes back to what"
                " is saved, by itself."
            )
        return "The configuration is as it was before."


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


def stop_clock(cli: Cli) -> bool:
    """Tell the router that it need not undo anything; whether it would have."""
    cli.ask("configure")
    try:
        said = cli.ask("confirm")
    finally:
        cli.ask("exit discard")
    return _NOT_PENDING not in said


def save(cli: Cli) -> None:
    """Make what runs what the router starts with."""
    cli.ask("configure")
    try:
        cli.ask("save")
        if _SAVED not in cli.ask("compare saved"):
            raise VyosError("The router did not save its configuration. Is its disk full?")
    finally:
        cli.ask("exit discard")


def confirm(cli: Cli) -> None:
    """Keep what was committed, and save it.

    :raises VyosError: the time was over.
    """
    if not stop_clock(cli):
        raise VyosError("Nothing waits to be confirmed: the time was over, and the router went back to what is saved.")
    save(cli)


__all__ = (
    "Change",
    "Cli",
    "Done",
    "Plan",
    "Shown",
    "VyosError",
    "affected",
    "confirm",
    "filters",
    "json_of",
    "look",
    "looked",
    "plan",
    "reverse",
    "save",
    "stop_clock",
    "version_of",
)
