# SPDX-License-Identifier: Apache-2.0
"""Embedded etcd: this server's member through its JSON gateway, the other ones by gRPC (k3s.md C.3).

As in k3s, 2379 takes gRPC only, and JSON is taken on 2382, on loopback (k3s's pkg/etcd, listenClientHTTPURLs).
"""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import typing as t
from pathlib import Path

from k3s_standin.client import HttpError, request, trusting
from k3s_standin.paths import Paths, write

GATEWAY_PORT = 2382
REMOVED = "the member has been permanently removed from the cluster"


class Etcd:
    """One server's view."""

    def __init__(self, paths: Paths, folder: Path, address: str, hostname: str) -> None:
        self.paths, self.folder, self.address, self.hostname = paths, folder, address, hostname

    @property
    def exists(self) -> bool:
        """Whether a member has lived here: then nothing is begun and nobody is joined.

        As k3s's IsInitialized (pkg/etcd/etcd.go) by the write-ahead log, which etcd puts in its place when it is whole.
        """
        return (self.folder / "member/wal").is_dir()

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
            "listen-client-http-urls": f"https://127.0.0.1:{GATEWAY_PORT}",
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

    def call(self, method: str, content: t.Any, *, timeout: float = 10) -> t.Any:
        """:raises OSError: no answer. :raises HttpError: etcd refuses."""
        tls = self.paths.etcd_tls
        context = trusting((tls / "server-ca.crt").read_text("ascii"), tls / "client.crt", tls / "client.key")
        body = json.dumps(content).encode()
        url = f"https://127.0.0.1:{GATEWAY_PORT}/v3/{method}"
        said = request(url, context, method="POST", body=body, timeout=timeout)
        return json.loads(said)

    def ask(self, address: str, *words: str) -> dict[str, t.Any]:
        """What the member at an address answers, by gRPC.

        :raises OSError: no answer, or it is refused; then the message is in the error.
        """
        tls = self.paths.etcd_tls
        trust = (f"--cacert={tls}/server-ca.crt", f"--cert={tls}/client.crt", f"--key={tls}/client.key")
        program = [str(self.paths.bin / "etcdctl"), f"--endpoints=https://{address}:2379", *trust]
        done = subprocess.run([*program, "--write-out=json", *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(done.stderr.strip()[-500:])
        found: dict[str, t.Any] = json.loads(done.stdout)
        return found

    def members(self) -> list[dict[str, t.Any]]:
        return list(self.call("cluster/member/list", {"linearizable": True}).get("members") or [])

    def add(self, address: str) -> list[dict[str, t.Any]]:
        """Add this server as a learner, by the member at an address; all members then."""
        added = self.ask(address, "member", "add", self.name, "--learner", f"--peer-urls={self.peer_url}")
        return list(added["members"])

    def remove(self, member: str) -> None:
        self.call("cluster/member/remove", {"ID": member})

    def promote(self, address: str) -> bool:
        """Whether this server's member votes. A learner that is behind has to wait."""
        members = self.ask(address, "member", "list")["members"]
        mine = [one for one in members if self.peer_url in one.get("peerURLs", [])]
        if not mine:
            raise OSError(REMOVED)
        if not mine[0].get("isLearner"):
            return True
        try:
            self.ask(address, "member", "promote", f"{mine[0]['ID']:x}")
        except OSError as exc:
            if "in sync" in str(exc) or "ready" in str(exc):
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
