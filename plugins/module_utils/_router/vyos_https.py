# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Connections to VyOS's API: where it is, who may ask, and whose certificate is believed."""

from __future__ import annotations

import http.client
import json
import math
import socket
import ssl
import stat
import typing as t
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._router.vyos_api import Answer, Unanswered
from ansible_collections.kateskit.klubster.plugins.module_utils._router.vyos_session import VyosError

_HIDDEN = "(not shown)"
#: seconds for a connection with TLS; a router that is up has it in one
_CONNECT = 10.0
#: seconds for an answer for which nothing is committed
_READ = 60.0
_READING = ("/retrieve", "/show")
#: seconds between a commit and its confirmation, for reading what became of it
_LOOKED = 60


@dataclass(frozen=True)
class Settings:
    """How the API is reached.

    :param ca_file: PEM certificates to believe; without one those of this machine.
    :param validate_certs: False believes anybody.
    :param timeout: seconds for an answer, so for a commit; what only reads has a minute at most.
    """

    host: str
    port: int
    key: str = field(repr=False)
    ca_file: str
    validate_certs: bool
    timeout: float


def parse(given: t.Mapping[str, t.Any], prefix: str = "api.") -> Settings:
    """Settings from what a user said.

    :param prefix: stands before a name in what a problem is called.
    :raises InvalidInput: with all that is wrong, and never with the key.
    """
    problems: list[Problem] = []

    def wrong(name: str, value: t.Any, rule: str, remedy: str) -> None:
        problems.append(Problem(f"{prefix}{name}", value, rule, remedy))

    host, port, timeout = str(given.get("host") or ""), given.get("port"), given.get("timeout")
    if not host or any(sign in host for sign in "/ @"):
        wrong("host", host, "It is a name or an address, without 'https://' and a port.", "Give the router's.")
    if not isinstance(port, int) or not 0 < port < 65536:
        wrong("port", port, "A port is a number from 1 to 65535.", "Leave it out for 443.")
    if not isinstance(timeout, int) or timeout < 1:
        wrong(
            "timeout",
            timeout,
            "It is a number of seconds from 1.",
            "Leave it out for 120: commits take time.",
        )
    validate, ca_file = bool(given.get("validate_certs", True)), _expanded(given.get("ca_file"))
    if ca_file and not validate:
        rule = "No certificate is looked at with validate_certs off."
        wrong("ca_file", ca_file, rule, "Leave one of the two out; the file is the safer.")
    elif ca_file:
        _refuse_ca(ca_file, wrong)
    key = _key(given, wrong)
    if problems:
        raise InvalidInput(problems)
    return Settings(host, t.cast("int", port), key, ca_file, validate, float(t.cast("int", timeout)))


Wrong = t.Callable[[str, t.Any, str, str], None]


def refuse(variables: t.Mapping[str, t.Any], api: t.Mapping[str, t.Any]) -> None:
    """Refuse variables of the role with which its router is not reached.

    :param variables: ``router_connection``; Ansible's ``connection`` and ``network_os``, empty where nobody knows; and
        for a change ``timeout`` and ``confirm_minutes``.
    :raises InvalidInput: with all that is wrong.
    """
    way = variables.get("router_connection")
    if way == "http_api":
        refuse_times(
            parse(api, "router_api_").timeout,
            variables.get("timeout"),
            variables.get("confirm_minutes"),
            ("router_api_timeout", "router_timeout", "router_confirm_minutes"),
        )
        return
    problems = []
    for name, words in (("connection", _CONNECTIONS), ("network_os", _NETWORK_OS)):
        value = variables.get(name)
        if value and value not in words:
            rule = "VyOS is typed into over network_cli."
            remedy = f"Set ansible_{name}: {words[0]}; or go by the router's API: router_connection: http_api."
            problems.append(Problem(f"ansible_{name}", value, rule, remedy))
    if problems:
        raise InvalidInput(problems)


def refuse_times(answer: float, sessions: t.Any, minutes: t.Any, names: t.Sequence[str]) -> None:
    """Refuse times with which the router goes back before anybody could confirm.

    :param answer: seconds for a commit's.
    :param sessions: seconds that sessions have to come up; None where nobody knows.
    :param minutes: after which the router goes back; None where nobody knows.
    :param names: what the three are called.
    :raises InvalidInput: the first two and a look take longer than the third.
    """
    if not isinstance(minutes, int) or not isinstance(sessions, int):
        return
    # Some versions start their clock before the commit.
    needed = math.ceil((answer + sessions + _LOOKED) / 60)
    if minutes >= needed:
        return
    rule = (
        f"The router goes back after {minutes} min ({names[2]}), and until it is confirmed it may take {answer:g} s for"
        f" an answer, {sessions} s for sessions ({names[1]}) and {_LOOKED} s for looks."
    )
    remedy = f"Set {names[2]}: {needed}, or a smaller {names[0]}."
    raise InvalidInput([Problem(names[0], int(answer), rule, remedy)])


_CONNECTIONS = ("ansible.netcommon.network_cli", "network_cli")
_NETWORK_OS = ("vyos.vyos.vyos", "vyos")


def _key(given: t.Mapping[str, t.Any], wrong: Wrong) -> str:
    key, path = str(given.get("key") or ""), str(given.get("key_file") or "")
    if bool(key) == bool(path):
        rule = "The API wants a key, given once." if not key else "It is there twice: key_file is given, too."
        remedy = "Give the one of 'service https api keys': from a vault, or in key_file, a file of mode 0600."
        wrong("key", _HIDDEN if key else None, rule, remedy)
        return ""
    if path:
        try:
            file = Path(path).expanduser()
            if stat.S_IMODE(file.stat().st_mode) & 0o077:
                wrong("key_file", path, "Others may read it.", f"Type: chmod 0600 {path}")
                return ""
            key = file.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as exc:
            why = exc.strerror if isinstance(exc, OSError) else "no text"
            wrong("key_file", path, f"It cannot be read ({why}).", "Write the key alone into it, on this machine.")
            return ""
    if not key or len(key.split()) != 1:
        wrong("key_file" if path else "key", _HIDDEN, "A key is one word.", "Give it as it stands on the router.")
    return key


def _expanded(path: t.Any) -> str:
    return str(Path(str(path)).expanduser()) if path else ""


def _refuse_ca(ca_file: str, wrong: Wrong) -> None:
    try:
        ssl.create_default_context(cafile=ca_file)
    except OSError as exc:
        rule = f"It holds no certificates that can be read ({exc.strerror or type(exc).__name__})."
        wrong("ca_file", ca_file, rule, "Give a file of this machine with PEM certificates.")


class Https:
    """Sends requests, each over a connection of its own. No proxy is asked."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._context = ssl.create_default_context(cafile=settings.ca_file or None)
        if not settings.validate_certs:
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE

    def __call__(self, endpoint: str, data: t.Mapping[str, t.Any]) -> Answer:
        """Send what is to be done.

        :raises Unanswered: it was sent, and no answer came.
        :raises VyosError: the router is not reached, or is not believed.
        """
        said = self._settings
        # Older versions take a form only. The key goes in the body, and so into no log of a web server.
        body = urllib.parse.urlencode({"data": json.dumps(data), "key": said.key})
        patience = min(said.timeout, _READ) if endpoint in _READING else said.timeout
        connection = http.client.HTTPSConnection(
            said.host, said.port, timeout=min(patience, _CONNECT), context=self._context
        )
        try:
            try:
                connection.connect()
            except (OSError, ValueError) as exc:
                raise VyosError(self._why(exc)) from exc
            connection.sock.settimeout(patience)
            try:
                connection.request("POST", endpoint, body, {"Content-Type": "application/x-www-form-urlencoded"})
                answer = connection.getresponse()
                return Answer(answer.status, answer.read().decode("utf-8", errors="replace"))
            except socket.timeout as exc:
                more = "" if endpoint in _READING and said.timeout > _READ else ", or give it more time (timeout)"
                raise Unanswered(
                    f"The router did not answer to {endpoint} within {patience:g} s. Look whether it is"
                    f" overloaded{more}."
                ) from exc
            except (OSError, http.client.HTTPException) as exc:
                raise Unanswered(
                    f"The connection to {self._place} broke before the answer to {endpoint} ({type(exc).__name__})."
                ) from exc
        finally:
            connection.close()

    @property
    def _place(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    def _why(self, exc: Exception) -> str:
        """Why there is no connection, and what to do."""
        if isinstance(exc, ssl.SSLCertVerificationError):
            said = f"The certificate of {self._place} is not believed: {exc.verify_message}."
            return f"{said} {_REMEDIES.get(exc.verify_code, _OTHER_REMEDY)}"
        for kind, words in _WORDS:
            if isinstance(exc, kind):
                return words.format(place=self._place, host=self._settings.host)
        return f"{self._place} is not reached: {exc}"


_NAME = "Reach the router by a name that is in it, or give the router one with this name."
_SIGNER = "Fetch who signed it, or the certificate itself, and name the file as ca_file."
_OTHER_REMEDY = "Give the router another one, and look whether the clocks are right."
#: by OpenSSL's numbers of X509_V_ERR_
_REMEDIES = {18: _SIGNER, 19: _SIGNER, 20: _SIGNER, 21: _SIGNER, 62: _NAME, 64: _NAME}
_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (ssl.SSLError, "{place} does not speak TLS as we do. Is this the port of 'service https'?"),
    (socket.gaierror, "The name {host} cannot be resolved on this machine. Give an address."),
    (socket.timeout, "{place} does not answer. Is the router up, and does a firewall let this machine in?"),
    (
        ConnectionRefusedError,
        "{place} refused the connection. Is 'service https' on, and does it listen at this address and port?",
    ),
)


__all__ = ("Https", "Settings", "parse", "refuse", "refuse_times")
