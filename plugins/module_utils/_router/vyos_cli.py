# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The way to VyOS by its command line."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._router import bgp_sessions, vyos_paths
from ansible_collections.kateskit.klubster.plugins.module_utils._router.vyos_paths import Path
from ansible_collections.kateskit.klubster.plugins.module_utils._router.vyos_session import VyosError

_SAVED = "No changes between working and saved"
_NOT_PENDING = "No confirm pending"


class Cli(t.Protocol):
    """A command line of the router that is open."""

    def ask(self, command: str, *, prompt: str = "", answer: str = "") -> str:
        """What a command printed.

        :param prompt: a question, as a regular expression, that the command asks first.
        :raises VyosError: the router says that it failed.
        """

    def type(self, commands: t.Sequence[str]) -> None:
        """Type commands of which nothing is to be read."""


class CommandLine:
    """Does it by typing. The session of the configuration is left as it was found."""

    #: each version has commit-confirm, and its clock runs also after a commit that was refused
    clocked: t.Optional[bool] = True

    def __init__(self, cli: Cli) -> None:
        self._cli = cli

    def version(self) -> str:
        return self._cli.ask("show version")

    def paths(self) -> frozenset[Path]:
        return vyos_paths.parse(self._cli.ask("show configuration commands"))

    def saved(self) -> t.Optional[bool]:
        return _SAVED in self._configuring(lambda: self._cli.ask("compare saved"))

    def kept(self) -> t.Optional[frozenset[Path]]:
        # The router compares by itself.
        return None

    def commit(self, commands: t.Sequence[str], minutes: int = 0) -> None:
        def all_of_it() -> str:
            self._cli.type(commands)
            if minutes:
                return self._cli.ask(f"commit-confirm {minutes}", prompt=r"Proceed \?", answer="y")
            return self._cli.ask("commit")

        self._configuring(all_of_it)

    def confirm(self) -> bool:
        return _NOT_PENDING not in self._configuring(lambda: self._cli.ask("confirm"))

    def save(self) -> None:
        def all_of_it() -> str:
            self._cli.ask("save")
            return self._cli.ask("compare saved")

        if _SAVED not in self._configuring(all_of_it):
            raise VyosError("The router did not save its configuration. Is its disk full?")

    def load_saved(self) -> None:
        def all_of_it() -> str:
            self._cli.ask("load")
            return self._cli.ask("commit")

        self._configuring(all_of_it)

    def sessions(self) -> tuple[bgp_sessions.Session, ...]:
        said = [self._json(f"show bgp {what}") for what in ("summary", "neighbors")]
        return bgp_sessions.sessions(said[0], said[1])

    def routes(self) -> t.Optional[tuple[bgp_sessions.Route, ...]]:
        tables = [self._json(f"show bgp {family} unicast") for family in ("ipv4", "ipv6")]
        return tuple(route for table in tables for route in bgp_sessions.routes(table))

    def filter_again(self) -> str:
        return self._cli.ask('vtysh -c "clear bgp * soft"').strip()

    def _configuring(self, what: t.Callable[[], str]) -> str:
        self._cli.ask("configure")
        try:
            return what()
        finally:
            self._cli.ask("exit discard")

    def _json(self, command: str) -> t.Any:
        """What FRR within VyOS says to a ``show`` command."""
        said = self._cli.ask(f'vtysh -c "{command} json"')
        try:
            return json.loads(said[said.find("{") :] or "{}")
        except ValueError as exc:
            raise VyosError(f"The router answered {command!r} with something that is no JSON.") from exc


__all__ = ("Cli", "CommandLine")
