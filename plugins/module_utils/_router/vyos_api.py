# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The way to VyOS by its HTTP API.

Endpoints, fields and answers are those of VyOS's documentation, "VyOS API", and of the API's own sources. Nothing here
opens a connection.
"""

from __future__ import annotations

import html
import json
import re
import shlex
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._router import (
    bgp_sessions,
    vyos_api_sessions,
    vyos_file,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._router.vyos_paths import Path
from ansible_collections.kateskit.klubster.plugins.module_utils._router.vyos_session import VyosError

#: where the router keeps what it starts with
_SAVED_FILE = "/config/config.boot"
#: the router says so when it has started its clock; one that does not know ``confirm_time`` overlooks that field
_CLOCK = "Initialized commit-confirm"
_NOT_PENDING = "No confirm pending"
_UNKNOWN_OPERATION = "is not a valid operation"
_NO_BGP = re.compile(r"BGP instance not found|No BGP process|bgpd is not running")
_POLL = 2.0
#: endpoints that wait for a commit that is under way
_WAITING = ("/configure", "/config-file")
#: a web server is there, and it knows no API
_NO_API = (301, 302, 404, 405, 418)
#: it knows one, and the program behind it did not answer; nobody knows whether it got the request
_NOT_BEHIND = (502, 503, 504)


class Refused(VyosError):
    """The router answered that it does not take a request."""


class Unanswered(VyosError):
    """A request was sent and no answer came: nobody knows whether the router does it."""


@dataclass(frozen=True)
class Answer:
    """What came back.

    :param status: HTTP's.
    """

    status: int
    text: str


#: sends what is to be done to an endpoint
Send = t.Callable[[str, t.Mapping[str, t.Any]], Answer]


class Api:
    """Does it by requests, each over a connection of its own.

    :param patience: seconds to watch for a commit whose answer was lost.
    :param pause: waits.
    :param clock: seconds, from any beginning.
    """

    clocked: t.Optional[bool] = None

    def __init__(
        self,
        send: Send,
        *,
        patience: float,
        pause: t.Callable[[float], None] = time.sleep,
        clock: t.Callable[[], float] = time.monotonic,
    ) -> None:
        self._send, self._patience, self._pause, self._clock = send, patience, pause, clock
        self._busy = False

    def version(self) -> str:
        return str(self._ask("/show", op="show", path=["version"]))

    def paths(self) -> frozenset[Path]:
        return paths_of(self._ask("/retrieve", op="showConfig", path=[]))

    def saved(self) -> t.Optional[bool]:
        # No request tells.
        return None

    def kept(self) -> t.Optional[frozenset[Path]]:
        try:
            return vyos_file.parse(str(self._ask("/show", op="show", path=["file", _SAVED_FILE])))
        except KlubsterError:
            # That is a look more, which not every version need answer: without it all is as well as before.
            return None

    def commit(self, commands: t.Sequence[str], minutes: int = 0) -> None:
        wanted = operations(commands)
        try:
            said = self._ask("/configure", commands=wanted, **({"confirm_time": minutes} if minutes else {}))
        except Unanswered:
            self._settle(wanted)
            raise
        if minutes:
            self.clocked = _CLOCK in str(said)

    def confirm(self) -> bool:
        try:
            return _NOT_PENDING not in str(self._ask("/config-file", op="confirm"))
        except Refused as exc:
            if _UNKNOWN_OPERATION in str(exc):
                return False
            raise

    def save(self) -> None:
        self._ask("/config-file", op="save")

    def load_saved(self) -> None:
        try:
            self._ask("/config-file", op="load", file=_SAVED_FILE)
        except Refused:
            self._discard()
            raise

    def sessions(self) -> tuple[bgp_sessions.Session, ...]:
        # Its show commands have no JSON.
        return vyos_api_sessions.parse(self._bgp("neighbors"), self._bgp("summary"))

    def routes(self) -> t.Optional[tuple[bgp_sessions.Route, ...]]:
        return None

    def filter_again(self) -> str:
        said = []
        for session in self.sessions():
            if session.established:
                said.append(str(self._ask("/reset", op="reset", path=["bgp", session.neighbor, "soft"]) or "").strip())
        return "\n".join(filter(None, said))

    def _bgp(self, what: str) -> str:
        try:
            return str(self._ask("/show", op="show", path=["bgp", what]) or "")
        except Refused as exc:
            if _NO_BGP.search(str(exc)):
                return ""
            raise

    def _discard(self) -> None:
        """Empty the session that all requests share.

        After a load whose commit failed its sources leave what was loaded there: reading the configuration fails then,
        and the next commit, whoever asks for it, would take it along. /configure throws everything away when it is
        asked for what it does not know.
        """
        try:
            self._ask("/configure", op="discard", path=["system"])
        except Refused:
            return

    def _settle(self, wanted: t.Sequence[t.Mapping[str, t.Any]]) -> None:
        """Wait until a commit is through whose answer was lost: what follows would meet half of it.

        Only reading does no harm meanwhile: a request that has to wait for the commit stops the API of some versions.
        """
        left = self._patience
        while left > 0:
            self._pause(_POLL)
            asked = self._clock()
            try:
                now = self.paths()
                if all(_is_done(one, now) for one in wanted):
                    return
            except VyosError:
                pass
            # One that hangs takes all of its time for each answer.
            left -= _POLL + self._clock() - asked
        self._busy = True

    def _ask(self, endpoint: str, **data: t.Any) -> t.Any:
        if self._busy and endpoint in _WAITING:
            raise VyosError("a commit was asked for and may be under way, so nothing else can be asked for")
        return read(endpoint, self._send(endpoint, data))


def read(endpoint: str, answer: Answer) -> t.Any:
    """The data of an answer.

    :raises Refused: the router does not take the request, with its reason.
    :raises Unanswered: the web server answered instead of the API.
    :raises VyosError: there is no API, or it does not know us.
    """
    if answer.status in (401, 403):
        raise VyosError(_NOT_KNOWN[answer.status])
    if answer.status in _NOT_BEHIND:
        did = "did not wait for the answer" if answer.status == 504 else "got no answer from the API behind it"
        raise Unanswered(
            f"The router's web server {did} to {endpoint} (status {answer.status}). Look whether the router is"
            " overloaded, and whether the API's program runs: 'sudo systemctl status vyos-http-api'."
        )
    try:
        said = json.loads(answer.text)
    except ValueError:
        said = None
    if not isinstance(said, dict) or "success" not in said or answer.status in _NO_API:
        raise VyosError(
            f"There is a web server, and no API of VyOS behind it (status {answer.status} for {endpoint}). Switch"
            " it on: 'set service https api keys id NAME key KEY', since the end of 2024 'set service https api rest';"
            " or look whether address and port are the router's."
        )
    if answer.status == 200 and said["success"]:
        return said.get("data")
    why = html.unescape(str(said.get("error") or "")).strip()
    if answer.status >= 500:
        raise Refused(f"The API failed at {endpoint}: {why} The router's journal says more (vyos-http-api).")
    raise Refused(f"The router did not take what {endpoint} was asked: {why or f'status {answer.status}'}")


_NOT_KNOWN = {
    401: "The router does not know the key. Give the one that stands in its 'service https api keys'.",
    403: "The router's web server does not let this machine in. Let it: 'set service https allow-client address'.",
}


def paths_of(tree: t.Any) -> frozenset[Path]:
    """The paths of a configuration in JSON: a list has many values, and an empty mapping is a node without any.

    :raises VyosError: it is no configuration.
    """
    if not isinstance(tree, dict):
        raise VyosError("The router answered with something that is no configuration. Is it a VyOS?")
    found: set[Path] = set()
    for name, below in tree.items():
        if isinstance(below, dict):
            found |= {(str(name), *path) for path in paths_of(below)} or {(str(name),)}
        elif isinstance(below, list):
            found |= {(str(name), str(value)) for value in below}
        else:
            found.add((str(name), str(below)))
    return frozenset(found)


def operations(commands: t.Iterable[str]) -> list[dict[str, t.Any]]:
    """``set`` and ``delete`` commands as the API takes them; a value is the last word of its path."""
    found = []
    for command in commands:
        verb, *path = shlex.split(command)
        found.append({"op": verb, "path": path})
    return found


def _is_done(operation: t.Mapping[str, t.Any], now: t.Collection[Path]) -> bool:
    path = tuple(operation["path"])
    there = any(one[: len(path)] == path for one in now)
    return there if operation["op"] == "set" else not there


__all__ = ("Answer", "Api", "Refused", "Send", "Unanswered", "operations", "paths_of", "read")
