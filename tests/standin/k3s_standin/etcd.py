# SPDX-License-Identifier: Apache-2.0
"""Embedded etcd: this server's member, and the other ones through etcd's JSON gateway (k3s.md C.3)."""

from __future__ import annotations

import base64
import json
import secrets
import typing as t
from pathlib import Path

from k3s_standin.client import HttpError, request, trusting
from k3s_standin.paths import Paths, write

REMOVED = "the member has been permanently removed from the cluster"


class Etcd:
    """One server's view."""

    def __init__(self, paths: Paths, folder: Path, address: str, hostname: str) -> None:
        self.paths, self.folder, self.address, self.hostname = paths, folder, address, hostname

    @property
    def exists(self) -> bool:
        """Whether files of a member lie here: then nothing is begun and nobody is joined."""
        return (self.folder / "member").is_dir()

    @property
    def name(self) -> str:
        path = self.folder / "name"
        if not path.exists():
            write(path, f"{self.hostname}-{secrets.token_hex(4)}")
        return path.read_text(encoding="ascii").strip()

    @property
    def peer_url(self) -> str:
        return f"https://{self.address}:2380"

    def arguments(
        self, program: Path, *, cluster: str, existing: bool, metrics: bool, extra: t.Sequence[str]
    ) -> list[str]:
        """:param cluster: ``name=url`` of all members; empty when files are there."""
        tls = self.paths.etcd_tls
        metrics_at = "http://127.0.0.1:2381" + (f",http://{self.address}:2381" if metrics else "")
        given = {
            "name": self.name,
            "data-dir": str(self.folder),
            "listen-client-urls": f"https://127.0.0.1:2379,https://{self.address}:2379",
            "advertise-client-urls": f"https://{self.address}:2379",
            "listen-peer-urls": f"https://127.0.0.1:2380,{self.peer_url}",
            "initial-advertise-peer-urls": self.peer_url,
            "initial-cluster": cluster or f"{self.name}={self.peer_url}",
            "initial-cluster-state": "existing" if existing else "new",
            "listen-metrics-urls": metrics_at,
            "client-cert-auth": "true",
            "cert-file": f"{tls}/server-client.crt",
            "key-file": f"{tls}/server-client.key",
            "trusted-ca-file": f"{tls}/server-ca.crt",
            "peer-client-cert-auth": "true",
            "peer-cert-file": f"{tls}/peer-server-client.crt",
            "peer-key-file": f"{tls}/peer-server-client.key",
            "peer-trusted-ca-file": f"{tls}/peer-ca.crt",
            "log-level": "warn",
        }
        return [str(program), *merged(given, extra)]

    # --- the cluster

    def call(self, method: str, content: t.Any, *, address: str = "127.0.0.1", timeout: float = 10) -> t.Any:
        """:raises OSError: no answer. :raises HttpError: etcd refuses."""
        tls = self.paths.etcd_tls
        context = trusting((tls / "server-ca.crt").read_text("ascii"), tls / "client.crt", tls / "client.key")
        body = json.dumps(content).encode()
        said = request(f"https://{address}:2379/v3/{method}", context, method="POST", body=body, timeout=timeout)
        return json.loads(said)

    def members(self, address: str = "127.0.0.1") -> list[dict[str, t.Any]]:
        return list(self.call("cluster/member/list", {"linearizable": True}, address=address).get("members") or [])

    def add(self, address: str) -> list[dict[str, t.Any]]:
        """Add this server as a learner, by the member at an address; all members then."""
        return list(
            self.call("cluster/member/add", {"peerURLs": [self.peer_url], "isLearner": True}, address=address)[
                "members"
            ]
        )

    def remove(self, member: str, address: str = "127.0.0.1") -> None:
        self.call("cluster/member/remove", {"ID": member}, address=address)

    def promote(self, address: str) -> bool:
        """Whether this server's member votes. A learner that is behind has to wait."""
        mine = [one for one in self.members(address) if self.peer_url in one.get("peerURLs", [])]
        if not mine:
            raise OSError(REMOVED)
        if not mine[0].get("isLearner"):
            return True
        try:
            self.call("cluster/member/promote", {"ID": mine[0]["ID"]}, address=address)
        except HttpError as exc:
            if "in sync" in exc.body or "ready" in exc.body:
                return False
            raise
        return True

    def healthy(self) -> bool:
        try:
            self.call("kv/range", {"key": base64.b64encode(b"health").decode()}, timeout=3)
        except (OSError, HttpError):
            return False
        return True

    def trouble(self) -> str:
        """What etcd says of itself that keeps k3s waiting; empty when it serves."""
        try:
            said = self.call("maintenance/status", {}, timeout=3)
        except (OSError, HttpError) as exc:
            return str(exc)
        if said.get("isLearner"):
            return "this server has not yet been promoted from learner to voting member"
        if errors := said.get("errors"):
            return f"etcd cluster errors: {', '.join(errors)}"
        return "" if self.healthy() else "context deadline exceeded"

    def read(self, key: str) -> str | None:
        found = self.call("kv/range", {"key": base64.b64encode(key.encode()).decode()}).get("kvs")
        return base64.b64decode(found[0].get("value", "")).decode() if found else None

    def write(self, key: str, value: str) -> None:
        encoded = {"key": base64.b64encode(key.encode()).decode(), "value": base64.b64encode(value.encode()).decode()}
        self.call("kv/put", encoded)


def merged(given: t.Mapping[str, str], extra: t.Sequence[str]) -> list[str]:
    """Arguments of a component with a user's ``flag=value`` laid over; several of one name all count."""
    result = dict(given)
    added: dict[str, list[str]] = {}
    for entry in extra:
        name, equals, value = entry.lstrip("-").partition("=")
        if name.endswith("+"):
            name = name[:-1]
            value = f"{result[name]},{value}" if result.get(name) else value
        added.setdefault(name, []).append(value if equals else "true")
    for name in added:
        result.pop(name, None)
    words = [f"--{name}={value}" for name, value in result.items()]
    return words + [f"--{name}={value}" for name, values in added.items() for value in values]


__all__ = ("REMOVED", "Etcd", "merged")
