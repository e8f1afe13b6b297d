# SPDX-License-Identifier: Apache-2.0
"""``k3s agent``: join, and be a node."""

from __future__ import annotations

import json
import threading
import typing as t
import urllib.parse
from pathlib import Path

from k3s_standin import node, notify
from k3s_standin import token as tokens
from k3s_standin.balancer import Balancer
from k3s_standin.client import HttpError, Remote, connect
from k3s_standin.log import Fatal, error, info, log
from k3s_standin.paths import write
from k3s_standin.start import Start

_PAUSE = 2.0
_REFRESH = 5.0


class Agent:
    """One start of ``k3s agent``."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self.settings, self.paths, self.children = start.settings, start.paths, start.children
        self.name, self.address = node.name(self.settings), node.address(self.settings)
        self._known = self.paths.agent / "etc/k3s-agent-load-balancer.json"

    def start(self) -> None:
        """Until the node is there. Without a server, or with a token it does not take, this goes on for ever."""
        node.see_cgroups()
        port = self.settings.number("lb-server-port")
        balancer = Balancer(self._servers())
        balancer.start(port)
        url = f"https://127.0.0.1:{port}"
        remote = self._connect(url)
        cluster, certificates = self._configuration(remote)
        here = node.Node(
            start=self._start,
            name=self.name,
            address=self.address,
            url=url,
            ca=remote.ca,
            client_ca=str(remote.get("/v1-k3s/client-ca")),
            cluster=cluster,
        )
        threading.Thread(target=self._follow, args=(remote, balancer), daemon=True).start()
        here.prepare()
        here.register(certificates)
        info("k3s agent is up and running")
        notify.ready()
        here.network()

    def _servers(self) -> list[str]:
        parts = urllib.parse.urlsplit(self.settings.text("server"))
        if parts.scheme != "https" or not parts.hostname:
            raise Fatal(f"invalid server url {self.settings.text('server')}: it has to be https://HOST:PORT")
        first = f"{parts.hostname}:{parts.port or 443}"
        known = json.loads(self._known.read_text()) if self._known.exists() else []
        return list(dict.fromkeys([first, *known]))

    def _token(self) -> str:
        if file := self.settings.text("token-file"):
            try:
                return Path(file).read_text(encoding="utf-8")
            except OSError as exc:
                raise Fatal(f"failed to read token-file: {exc}") from exc
        return self.settings.text("token")

    def _connect(self, url: str) -> Remote:
        said = self.settings.text("server")
        while True:
            try:
                return connect(url, self._token(), "node")
            except (tokens.TokenError, OSError) as exc:
                error(f"Failed to validate connection to cluster at {said}: {exc}")
            self.children.wait(_PAUSE)

    def _configuration(self, remote: Remote) -> tuple[dict[str, t.Any], dict[str, dict[str, str]]]:
        headers = {
            "k3s_Node_Name": self.name,
            "k3s_Node_Password": node.password(),
            "k3s_Node_IP": self.address,
        }
        while True:
            try:
                try:
                    cluster = remote.get("/v1-k3s/config")["cluster"]
                except (OSError, HttpError) as exc:
                    raise OSError(f"failed to retrieve configuration from server: {exc}") from exc
                return cluster, remote.get("/v1-k3s/node", **headers)
            except HttpError as exc:
                text = exc.body.strip() if exc.status == 403 else str(exc)
            except OSError as exc:
                text = str(exc)
            log("info", f"Waiting to retrieve agent configuration; server is not ready: {text}")
            self.children.wait(_PAUSE)

    def _follow(self, remote: Remote, balancer: Balancer) -> None:
        """Learn of all servers, and remember them for the next start."""
        while True:
            try:
                servers = [str(one) for one in remote.get("/v1-k3s/apiservers")]
                balancer.update(servers)
                write(self._known, json.dumps(servers))
            except (OSError, HttpError, ValueError) as exc:
                error(f"servers: {exc}")
            if self.children.stop.wait(_REFRESH):
                return


__all__ = ("Agent",)
