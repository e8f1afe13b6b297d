# SPDX-License-Identifier: Apache-2.0
"""A router that plays VyOS: its configurations, its clock, and the sessions of its command line."""

from __future__ import annotations

import json
import shlex
import typing as t

from grammar import Grammar, Path, refused

USER, HOST = "vyos", "r2"
_EDIT = "\n[edit]"
_COMMITTED = "set system login user vyos level admin\nset service ssh port 22\nset system host-name r2"


class Device:
    """What all sessions share.

    :param words: whose words it takes: 1.4 or 1.5.
    """

    def __init__(self, words: str = "1.5", name: str = "") -> None:
        self.grammar = Grammar(words)
        self.name = name or {"1.4": "1.4.2", "1.5": "1.5-stream-2025-Q2"}[words]
        self.running: frozenset[Path] = frozenset(tuple(shlex.split(line)[1:]) for line in _COMMITTED.splitlines())
        self.saved = self.running
        self.time = 0.0
        self.deadline: float | None = None
        self.reboots = 0
        self.typed: list[str] = []
        #: neighbours without a session, and how often each session ended
        self.down: set[str] = set()
        self.dropped: dict[str, int] = {}
        #: what a commit silently leaves out, for a test of what is looked at afterwards
        self.ignores: t.Callable[[Path], bool] = lambda _: False
        #: what it prints when it shall filter routes again
        self.clear_says = ""
        #: called before the next connection, for a router that is not reached any more
        self.unreachable = False

    def load(self, text: str, *, save: bool = True) -> None:
        """Let the router have this configuration, whoever typed it."""
        paths = {tuple(shlex.split(line)[1:]) for line in text.splitlines() if line.strip()}
        for path in paths:
            fit = self.grammar.fit(path)
            assert fit is not None and fit.whole, path
        self.running |= paths
        self.saved = self.running if save else self.saved

    def after(self, seconds: float) -> None:
        """Time goes by: what nobody confirmed is undone by a restart."""
        self.time += seconds
        if self.deadline is not None and self.time >= self.deadline:
            self.deadline = None
            self.running = self.saved
            self.reboots += 1

    def printed(self, paths: t.Collection[Path]) -> str:
        """As ``show configuration commands``: values in quotes, names without."""
        lines = []
        for path in sorted(paths):
            fit = self.grammar.fit(path)
            last = f"'{path[-1]}'" if fit is not None and fit.leaf else path[-1]
            lines.append(" ".join(("set", *path[:-1], last)))
        return "\n".join(lines)

    def bgp(self, what: str) -> str:
        """What FRR says of its neighbours; nothing when it shall filter their routes again."""
        if "clear bgp * soft" in what:
            return self.clear_says
        names = {path[3] for path in self.running if path[:3] == ("protocols", "bgp", "neighbor")}
        state = {name: "Idle" if name in self.down else "Established" for name in sorted(names)}
        if "summary" in what:
            rows = {name: {"remoteAs": 65001, "state": found} for name, found in state.items()}
            return json.dumps({"ipv4Unicast": {"peers": rows}} if rows else {}, indent=2)
        rows = {
            name: {"bgpState": found, "connectionsDropped": self.dropped.get(name, 0)} for name, found in state.items()
        }
        return json.dumps(rows, indent=2)


class Console:
    """One session: takes lines, gives what is printed, and the prompt."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._candidate: set[Path] | None = None
        self._question: t.Callable[[bool], str] | None = None
        self.closed = False

    @property
    def prompt(self) -> str:
        if self._question is not None:
            return "Proceed ? [Y/n] "
        return f"{USER}@{HOST}# " if self._candidate is not None else f"{USER}@{HOST}:~$ "

    def line(self, text: str) -> str:
        """What a line prints."""
        if self._question is not None:
            answer, self._question = self._question, None
            return answer(text.strip().lower() in ("", "y", "yes"))
        self._device.typed.append(text)
        if self._candidate is None:
            return self._operational(text)
        return f"{self._configuring(text)}{_EDIT if self._candidate is not None else ''}"

    def _operational(self, text: str) -> str:  # noqa: PLR0911 - one answer for each command
        device = self._device
        if text in ("", "set terminal length 0", "set terminal width 512", "set terminal length 10000"):
            return ""
        if text == "configure":
            self._candidate = set(device.running)
            return "[edit]"
        if text == "show configuration commands":
            return device.printed(device.running)
        if text == "show version":
            return f"Version:          VyOS {device.name}\nRelease train:    sagitta\nHardware model:   Standard PC"
        if text == "show host name":
            return HOST
        if text.startswith("vtysh -c "):
            return device.bgp(text)
        if text == "exit":
            self.closed = True
            return ""
        return f"\n  Invalid command: [{text}]\n"

    def _configuring(self, text: str) -> str:  # noqa: PLR0911 - one answer for each command
        assert self._candidate is not None
        device = self._device
        verb, _gap, rest = text.partition(" ")
        if verb in ("set", "delete") and rest:
            return self._edit(verb, rest)
        if text == "compare":
            same = self._candidate == device.running
            return "No changes between working and active configurations.\n" if same else "[changes]\n"
        if text == "compare saved":
            same = self._candidate == device.saved
            return "No changes between working and saved configurations.\n" if same else "[changes]\n"
        if verb == "commit" and not rest:
            return self._commit()
        if verb == "commit-confirm":
            return self._commit_confirm(int(rest or 10))
        if text == "confirm":
            if device.deadline is None:
                return "No confirm pending"
            device.deadline = None
            return "Reboot timer stopped"
        if text == "save":
            device.saved = device.running
            return "Saving configuration to '/config/config.boot'...\nDone"
        if text == "exit discard" or (text == "exit" and self._candidate == device.running):
            self._candidate = None
            return "exit"
        if text == "exit":
            return "Cannot exit: configuration modified.\nUse 'exit discard' to discard the changes and exit."
        return f"\n  Invalid command: [{text}]\n"

    def _edit(self, verb: str, rest: str) -> str:
        assert self._candidate is not None
        try:
            path = tuple(shlex.split(rest))
        except ValueError:
            return f"\n  Invalid command: [{rest.split(maxsplit=1)[0]}]\n"
        fit = self._device.grammar.fit(path)
        failed = f"{'Set' if verb == 'set' else 'Delete'} failed"
        if fit is None:
            return f"\n\n  Configuration path: [{' '.join(path)}] is not valid\n  {failed}\n"
        if verb == "delete":
            gone = {one for one in self._candidate if one[: len(path)] == path}
            if not gone:
                return f"\n  Nothing to delete (the specified node does not exist)\n  {failed}\n"
            self._candidate -= gone
            # The node above stays, without anything in it, when it may be there alone.
            above = self._device.grammar.fit(path[:-1]) if len(path) > 2 else None
            left = any(one[: len(path) - 1] == path[:-1] for one in self._candidate)
            if above is not None and above.whole and not above.leaf and not left:
                self._candidate.add(path[:-1])
            return ""
        if fit.leaf and not fit.many:
            self._candidate = {one for one in self._candidate if len(one) != len(path) or one[:-1] != path[:-1]}
        below = any(one[: len(path)] == path for one in self._candidate)
        self._candidate = {one for one in self._candidate if one != path[: len(one)]}
        if not below:
            self._candidate.add(path)
        return ""

    def _commit(self) -> str:
        assert self._candidate is not None
        device = self._device
        if self._candidate == device.running:
            return "No configuration changes to commit"
        said = refused(self._candidate, device.grammar.version)
        if said:
            listed = "\n".join(said)
            return f"\n{listed}\n\n[[{said[0].split()[0]}]] failed\nCommit failed\n"
        device.running = frozenset(path for path in self._candidate if not device.ignores(path))
        self._candidate = set(device.running)
        return ""

    def _commit_confirm(self, minutes: int) -> str:
        device = self._device
        if device.deadline is not None:
            return "Another confirm is pending"

        def proceed(yes: bool) -> str:
            if not yes:
                return f"commit-confirm canceled{_EDIT}"
            # The clock goes from here, also when the commit then fails.
            device.deadline = device.time + minutes * 60
            first = f"Initialized commit-confirm; {minutes} minutes to confirm before reboot\n"
            return f"{first}{self._commit()}{_EDIT}"

        self._question = proceed
        return f"\ncommit-confirm will automatically reboot in {minutes} minutes unless changes\nare confirmed.\n"
