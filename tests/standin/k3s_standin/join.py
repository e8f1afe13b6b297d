# SPDX-License-Identifier: Apache-2.0
"""A further server joins (k3s.md A.12, C.1, C.3)."""

from __future__ import annotations

import typing as t
import urllib.parse

from k3s_standin import token as tokens
from k3s_standin.children import Children
from k3s_standin.client import HttpError, Remote, connect
from k3s_standin.config import Settings
from k3s_standin.etcd import Etcd
from k3s_standin.identity import Identity
from k3s_standin.log import Fatal, error, info

_PREFIX = "starting kubernetes: preparing server: "
_BOOTSTRAP = f"{_PREFIX}failed to bootstrap cluster data: "
_CHECKED = f"{_BOOTSTRAP}failed to check if bootstrap data has been initialized: failed to validate token: "
_PAUSE = 1.0
#: what etcd says of a member that another one has to come before
_WAITING = ("too many learner", "unhealthy cluster")


class Join:
    """One attempt; what k3s takes as fatal ends it, and systemd tries again."""

    def __init__(self, settings: Settings, identity: Identity, etcd: Etcd, children: Children) -> None:
        self._settings, self._identity, self._etcd, self._children = settings, identity, etcd, children

    def run(self, token: str, agent_token: str, critical: t.Mapping[str, t.Any]) -> list[str]:
        """Members of etcd, this one too, as ``name=url``.

        :raises Fatal: wrong token, no answer, other critical values, a name that is taken.
        """
        info("Managed etcd cluster not yet initialized")
        url = self._settings.text("server")
        try:
            remote = connect(url, token, "server")
        except (tokens.TokenError, OSError) as exc:
            raise Fatal(f"{_CHECKED}{exc}") from exc
        files = self._fetch(remote, "/v1-k3s/server-bootstrap")
        self._compare(self._fetch(remote, "/v1-k3s/config")["critical"], critical)
        self._identity.adopt(files)
        have = self._identity.passwords()
        if agent_token:
            self._identity.set_passwords(have["server"], tokens.parse(agent_token, "node").password)
        self._identity.create(self._settings)
        # etcd asks for a certificate, and this server has its CA now.
        self._identity.issue([self._etcd.address, "127.0.0.1", "localhost"], [])
        return self._members(self._fetch(remote, "/db/info")["members"])

    def _fetch(self, remote: Remote, path: str) -> t.Any:
        try:
            return remote.get(path)
        except HttpError as exc:
            body = exc.body.strip()
            more = f": {body}" if exc.status == 400 else ""
            raise Fatal(f"{_BOOTSTRAP}{exc}{more}") from exc
        except OSError as exc:
            raise Fatal(f"{_BOOTSTRAP}{exc}") from exc

    def _compare(self, theirs: t.Mapping[str, t.Any], ours: t.Mapping[str, t.Any]) -> None:
        differ = sorted(name for name in ours if ours[name] != theirs.get(name))
        for name in differ:
            error(f"critical configuration mismatched: {name}")
        if differ:
            raise Fatal(
                f"{_BOOTSTRAP}failed to validate server configuration: "
                "critical configuration value mismatch between servers"
            )

    def _members(self, members: list[dict[str, t.Any]]) -> list[str]:
        etcd = self._etcd
        for member in members:
            name, dash, _end = member.get("name", "").rpartition("-")
            if dash and name == etcd.hostname and member["name"] != etcd.name:
                raise Fatal(
                    "starting kubernetes: preparing server: etcd cluster join failed: "
                    "duplicate node name found, please use a unique name for this node"
                )
        addresses = [host for member in members for host in _hosts(member.get("clientURLs", []))]
        if not any(etcd.peer_url in member.get("peerURLs", []) for member in members):
            members = self._add(addresses)
        return [f"{member.get('name') or etcd.name}={url}" for member in members for url in member.get("peerURLs", [])]

    def _add(self, addresses: t.Sequence[str]) -> list[dict[str, t.Any]]:
        info(f"Adding member {self._etcd.name}={self._etcd.peer_url} to etcd cluster")
        while True:
            for address in addresses:
                try:
                    return self._etcd.add(address)
                except OSError as exc:
                    text = str(exc)
                    if any(words in text for words in _WAITING):
                        info(f"Waiting for other members to finish joining etcd cluster: {text}")
                        break
                    if "etcdserver:" in text:
                        raise Fatal(f"{_PREFIX}etcd cluster join failed: {text}") from exc
                    error(f"etcd at {address}: {exc}")
            self._children.wait(_PAUSE)


def promoted(etcd: Etcd, members: t.Sequence[str], children: Children) -> None:
    """Wait until this member votes."""
    hosts = [host for entry in members for host in _hosts([entry.partition("=")[2]]) if host != etcd.address]

    def done() -> bool:
        for host in hosts:
            try:
                return etcd.promote(host)
            except OSError as exc:
                info(f"Waiting for etcd member to be promoted: {exc}")
        return False

    children.wait_for("this etcd member to be promoted", done, pause=0.5)


def _hosts(urls: t.Sequence[str]) -> list[str]:
    return [host for url in urls if (host := urllib.parse.urlsplit(url).hostname)]


__all__ = ("Join", "promoted")
