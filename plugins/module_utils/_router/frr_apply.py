# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Makes a machine with FRR what the model says, and as it was before when that does not work.

Looked at is the running configuration, not the file: what counts is what the router does.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._router import bgp_sessions, frr, frr_text
from ansible_collections.kateskit.klubster.plugins.module_utils._router.frr_device import Frr, FrrError, with_daemons
from ansible_collections.kateskit.klubster.plugins.module_utils._router.frr_text import Entry, Path
from ansible_collections.kateskit.klubster.plugins.module_utils._router.model import Router
from ansible_collections.kateskit.klubster.plugins.module_utils._router.parse import Foreign, passwords_of

#: which sessions have to be up after a change
Watched = t.Literal["others", "all", "none"]
WATCHED: tuple[Watched, ...] = ("others", "all", "none")

_PASSWORD = re.compile(r"^( *neighbor \S+ password) (\S+)$", re.MULTILINE)
#: seconds that FRR has to run what it was told
_SETTLE = 5
_PEER_LINE = re.compile(r"neighbor (\S+) ?.*")
_FILTER = re.compile(r"(ipv?6? prefix-list|route-map|bgp \S*(community-list|as-path)) .*")
_FILTER_OF_PEER = re.compile(r"neighbor \S+ (prefix-list|route-map|filter-list) .*")


@dataclass(frozen=True)
class Plan:
    """What has to be done.

    :param before: our lines as they are.
    :param after: our lines as they shall be.
    :param text: the whole new configuration.
    :param affected: neighbours whose own settings change.
    :param filters: whether that changes which routes are let pass.
    """

    before: tuple[Entry, ...]
    after: tuple[Entry, ...]
    running: str
    text: str
    daemons: str
    reload: bool
    rewrite: bool
    switch_on: bool
    start: bool
    enable: bool
    affected: frozenset[str]
    filters: bool

    @property
    def changed(self) -> bool:
        return self.reload or self.rewrite or self.switch_on or self.start or self.enable


@dataclass(frozen=True)
class Done:
    """What was done.

    :param reset: neighbours whose sessions ended by the change.
    """

    reset: tuple[str, ...] = ()
    backup: str = ""


def plan(router: Router, foreign: Foreign, device: Frr) -> Plan:
    """Compare the model with the machine."""
    frr.refuse(router)
    runs, starts = device.state()
    saved = device.saved()
    running = device.running() if runs else saved
    now = frr.split(frr_text.parse(running), router, foreign)
    on_disk = frr.split(frr_text.parse(saved), router, foreign)
    after = frr.render(router)
    wanted, actual = frr.compared(after), frr.compared(now.ours)
    text = frr_text.write(frr.wanted(router, now.others))
    old_daemons = device.daemons()
    daemons = with_daemons(old_daemons, frr.daemons(router))
    return Plan(
        before=now.ours,
        after=after,
        running=running,
        text=text,
        daemons=daemons,
        reload=wanted != actual,
        rewrite=wanted != frr.compared(on_disk.ours),
        switch_on=daemons != old_daemons,
        start=not runs,
        enable=not starts,
        affected=affected(router, actual, wanted),
        filters=filters(actual, wanted),
    )


def affected(router: Router, before: frozenset[Path], after: frozenset[Path]) -> frozenset[str]:
    """Neighbours that are spoken of in lines that come or go, members of such groups with them."""
    names = set()
    for path in before ^ after:
        found = _PEER_LINE.fullmatch(path[-1]) if path[0].startswith("router bgp ") else None
        if found:
            names.add(found.group(1))
    for neighbor in router.bgp.neighbors if router.bgp else ():
        if neighbor.peer_group in names:
            names.add(neighbor.name)
    return frozenset(names)


def filters(before: frozenset[Path], after: frozenset[Path]) -> bool:
    """Whether lines come or go that let routes pass, or are used by a neighbour for it."""
    return any(_FILTER.fullmatch(path[0]) or _FILTER_OF_PEER.fullmatch(path[-1]) for path in before ^ after)


class Change:
    """Carries a plan out.

    :param watched: which sessions have to be up afterwards.
    :param timeout: seconds that they have for it.
    """

    def __init__(
        self, planned: Plan, subject: tuple[Router, Foreign], device: Frr, *, watched: Watched, timeout: float
    ) -> None:
        self._planned, self._device = planned, device
        self._router, self._foreign = subject
        self._watched, self._timeout = watched, timeout
        self._old, self._old_daemons = device.saved(), device.daemons()

    def apply(self) -> Done:
        """Do it.

        :raises FrrError: it did not work; then the router is as it was before, or the message says what is not.
        """
        device, planned = self._device, self._planned
        said = device.refused_lines(planned.text)
        if said:
            listed = "\n".join(said)
            raise FrrError(hide(f"FRR does not take this configuration; nothing was changed:\n{listed}", self._router))
        if planned.start:
            self._start()
            before: tuple[bgp_sessions.Session, ...] = ()
        else:
            before = self._sessions() if planned.reload else ()
            self._reload(before)
        if planned.enable:
            device.service("enable")
        return Done(_reset(before, self._sessions()) if before else (), str(device.folder.backup))

    def _write(self) -> None:
        self._device.write(self._device.folder.backup, self._old)
        self._device.write(self._device.folder.config, self._planned.text)
        if self._planned.switch_on:
            self._device.write_daemons(self._planned.daemons)

    def _start(self) -> None:
        """FRR does not run: it reads its files when it starts."""
        self._write()
        try:
            self._device.service("start")
            self._device.wait_for(("zebra", "staticd", *frr.daemons(self._router)))
            wrong = self._lost("") or self._silent(())
        except FrrError as exc:
            wrong = str(exc)
        if wrong:
            self._device.service("stop")
            self._restore()
            raise FrrError(hide(f"{wrong}\nFRR was stopped again, its files are as they were.", self._router))

    def _reload(self, before: t.Sequence[bgp_sessions.Session]) -> None:
        """FRR runs: it is told the difference."""
        if self._planned.switch_on:
            self._device.write_daemons(self._planned.daemons)
            self._device.service("reload")
            self._device.wait_for(frr.daemons(self._router))
        self._write()
        if self._planned.reload:
            said = self._device.load(self._planned.text)
            wrong = self._lost(said) or self._filter_again() or self._silent(before)
            if wrong:
                raise FrrError(hide(f"{wrong}\n{self._back()}", self._router))

    def _filter_again(self) -> str:
        """Routes that came before the filters changed go through them as well."""
        if self._router.bgp is None or not self._planned.filters:
            return ""
        said = self._device.filter_again()
        return f"Routes could not be filtered again: {said}" if said else ""

    def _lost(self, said: str) -> str:
        """What of the configuration does not run after FRR was told; what it said helps to find out why."""

        def differences() -> list[str]:
            now = frr.split(frr_text.parse(self._device.running()), self._router, self._foreign)
            wanted, actual = frr.compared(self._planned.after), frr.compared(now.ours)
            lines = [f"missing: {' / '.join(path)}" for path in sorted(wanted - actual)]
            return lines + [f"still there: {' / '.join(path)}" for path in sorted(actual - wanted)]

        # A daemon that has just started is told its part of the file by another program.
        found = self._device.until(differences, _SETTLE)
        if not found:
            return ""
        listed = "\n".join(found)
        return f"FRR runs something else than it was told.\n{listed}" + (f"\nIt said: {said}" if said else "")

    def _silent(self, before: t.Sequence[bgp_sessions.Session]) -> str:
        """Sessions that have to be up and are not."""
        names = self._to_be_up(before)
        if not names:
            return ""
        down = self._device.until(lambda: bgp_sessions.not_established(self._sessions(), names), self._timeout)
        if not down:
            return ""
        reasons = {session.neighbor: session.reason or session.state for session in self._sessions()}
        listed = ", ".join(f"{name} ({reasons.get(name, 'unknown')})" for name in down)
        return f"After {self._timeout:g} s there is no session with {listed}."

    def _to_be_up(self, before: t.Sequence[bgp_sessions.Session]) -> list[str]:
        if self._router.bgp is None or self._watched == "none":
            return []
        neighbors = self._router.bgp.neighbors
        if self._watched == "all":
            return [neighbor.name for neighbor in neighbors if not neighbor.shutdown]
        up = {session.neighbor for session in before if session.established} - self._planned.affected
        return [neighbor.name for neighbor in neighbors if neighbor.name in up]

    def _back(self) -> str:
        """Undo, and say how that went."""
        # What FRR prints has a heading that its own parser does not take.
        said = self._device.load(frr_text.write(frr_text.parse(self._planned.running)))
        self._restore()
        said += self._filter_again()
        now = frr.split(frr_text.parse(self._device.running()), self._router, self._foreign)
        left = frr.compared(now.ours) ^ frr.compared(self._planned.before)
        if not left:
            return "The configuration is as it was before."
        listed = "\n".join(" / ".join(path) for path in sorted(left))
        return f"It could not be taken back whole; look at these lines:\n{listed}\n{said}"

    def _restore(self) -> None:
        self._device.write(self._device.folder.config, self._old)
        if self._planned.switch_on:
            self._device.write_daemons(self._old_daemons)

    def _sessions(self) -> tuple[bgp_sessions.Session, ...]:
        return bgp_sessions.sessions(self._device.json("show bgp summary"), self._device.json("show bgp neighbors"))


def _reset(before: t.Sequence[bgp_sessions.Session], after: t.Sequence[bgp_sessions.Session]) -> tuple[str, ...]:
    now = {session.neighbor: session for session in after}
    found = []
    for session in before:
        same = now.get(session.neighbor)
        if session.established and (same is None or not same.established or same.dropped != session.dropped):
            found.append(session.neighbor)
    return tuple(found)


def shown(planned: Plan) -> dict[str, str]:
    """Before and after, without passwords; one that becomes another is seen to."""
    before, after = frr_text.write(planned.before), frr_text.write(planned.after)
    old = {found.group(1).strip(): found.group(2) for found in _PASSWORD.finditer(before)}

    def masked(found: re.Match[str]) -> str:
        known = old.get(found.group(1).strip())
        other = " (another)" if known is not None and known != found.group(2) else ""
        return f"{found.group(1)} ********{other}"

    return {"before": _PASSWORD.sub(r"\1 ********", before), "after": _PASSWORD.sub(masked, after)}


def hide(text: str, router: Router) -> str:
    """Text of FRR without passwords."""
    hidden = re.sub(r"(password) \S+", r"\1 ********", text)
    for secret in sorted(passwords_of(router).values(), key=len, reverse=True):
        hidden = hidden.replace(secret, "********")
    return hidden


__all__ = ("WATCHED", "Change", "Done", "Plan", "Watched", "affected", "filters", "hide", "plan", "shown")
