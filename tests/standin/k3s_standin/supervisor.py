# SPDX-License-Identifier: Apache-2.0
"""What a server answers beside the Kubernetes API, on the same port (k3s.md C.1, C.3)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import typing as t
from dataclasses import dataclass, field

from k3s_standin import token as tokens
from k3s_standin.client import Api, HttpError
from k3s_standin.etcd import Etcd
from k3s_standin.identity import Identity
from k3s_standin.log import error
from k3s_standin.paths import Paths

REJECTED = (
    "Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may not match server "
    "node-passwd entry, try enabling a unique node name with the --with-node-id flag"
)
_PREFIXES = ("/v1-k3s/", "/static/", "/db/")
_SECRETS = "/api/v1/namespaces/kube-system/secrets"

Answer = tuple[int, str, bytes]


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass
class Supervisor:
    """Answers become available while the server starts; until then they say that it is not ready."""

    paths: Paths
    identity: Identity
    version: str
    #: what agents need and what servers compare
    cluster: dict[str, t.Any] = field(default_factory=dict)
    critical: dict[str, t.Any] = field(default_factory=dict)
    etcd: Etcd | None = None
    #: why no further server can join
    no_join: str = ""
    api: Api | None = None
    api_servers: list[str] = field(default_factory=list)

    def is_mine(self, path: str) -> bool:
        return path in ("/ping", "/cacerts") or path.startswith(_PREFIXES)

    def answer(self, path: str, headers: t.Mapping[str, str]) -> Answer:
        """One request. Header names are in lower case."""
        try:
            return self._answer(path.partition("?")[0], headers)
        except Refused as exc:
            return exc.status, "text/plain", f"{exc}\n".encode()
        except (OSError, HttpError) as exc:
            error(f"{path}: {exc}")
            return 503, "text/plain", f"{exc}\n".encode()

    def _answer(self, path: str, headers: t.Mapping[str, str]) -> Answer:
        if path == "/ping":
            return 200, "text/plain", b"pong"
        if path == "/cacerts":
            return 200, "text/plain", self.identity.server_ca.encode()
        if path.startswith("/static/"):
            return self._static(path)
        user = self._user(headers)
        if path in ("/v1-k3s/server-bootstrap", "/db/info") and user != "server":
            raise Refused(403, f"Forbidden: {user} may not")
        parts = [headers.get(f"k3s-node-{part}", "") for part in ("name", "password", "ip")]
        answers: dict[str, t.Callable[[], t.Any]] = {
            "/v1-k3s/server-bootstrap": self.identity.export,
            "/db/info": self._members,
            "/v1-k3s/config": lambda: {"cluster": self.cluster, "critical": self.critical, "version": self.version},
            "/v1-k3s/apiservers": lambda: self.api_servers,
            "/v1-k3s/readyz": lambda: self._ready() and "ok",
            "/v1-k3s/client-ca": lambda: (self.paths.tls / "client-ca.crt").read_text(encoding="ascii"),
            "/v1-k3s/node": lambda: self.node(*parts),
        }
        if path not in answers:
            raise Refused(404, "Not Found")
        return 200, "application/json", json.dumps(answers[path]()).encode()

    def node(self, name: str, password: str, addresses: str) -> dict[str, dict[str, str]]:
        """Certificates of a node, whose password is checked.

        :raises Refused: another machine has the name.
        """
        if not (name and password):
            raise Refused(400, "node name not set")
        self._check_password(name, password)
        client, server = self.identity.authority("client-ca"), self.identity.authority("server-ca")
        names = [name, "127.0.0.1", "localhost", *(part for part in addresses.split(",") if part)]
        issued = {
            "client-kubelet": client.issue(f"system:node:{name}", groups=["system:nodes"]),
            "client-kube-proxy": client.issue("system:kube-proxy"),
            "client-k3s-controller": client.issue("system:k3s-controller"),
            "serving-kubelet": server.issue(name, uses=("server",), names=names),
        }
        return {kind: {"crt": pair[0], "key": pair[1]} for kind, pair in issued.items()}

    # --- inside

    def _ready(self) -> Api:
        if self.api is None:
            raise Refused(503, "server is not ready")
        return self.api

    def _members(self) -> dict[str, t.Any]:
        if self.etcd is None:
            raise Refused(503 if not self.no_join else 400, self.no_join or "etcd is not ready")
        return {"members": self.etcd.members()}

    def _user(self, headers: t.Mapping[str, str]) -> str:
        kind, _space, text = headers.get("authorization", "").partition(" ")
        if kind == "Basic":
            try:
                name, _colon, password = base64.b64decode(text).decode().partition(":")
            except ValueError:
                name = password = ""
            known = self.identity.passwords().get(name, "")
            if known and hmac.compare_digest(known.encode(), password.encode()):
                return name
        elif kind == "Bearer" and tokens.BOOTSTRAP.fullmatch(text):
            identity, _dot, secret = text.partition(".")
            found = self._ready().find(f"{_SECRETS}/bootstrap-token-{identity}")
            if found and base64.b64decode(found["data"].get("token-secret", "")).decode() == secret:
                return "node"
        raise Refused(401, "not authorized")

    def _check_password(self, node: str, password: str) -> None:
        api = self._ready()
        name = f"{node}.node-password.k3s"
        found = api.find(f"{_SECRETS}/{name}")
        if found is None:
            salt = os.urandom(8).hex()
            content = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "namespace": "kube-system"},
                "immutable": True,
                "stringData": {"hash": f"$standin:{salt}:{_hash(salt, password)}"},
            }
            api.create(_SECRETS, content)
            return
        _kind, salt, digest = base64.b64decode(found["data"]["hash"]).decode().split(":")
        if not hmac.compare_digest(digest, _hash(salt, password)):
            error(f"unable to verify password for node {node}: hash does not match")
            raise Refused(403, REJECTED)

    def _static(self, path: str) -> Answer:
        place = (self.paths.static / path[len("/static/") :]).resolve()
        if not (place.is_file() and place.is_relative_to(self.paths.static.resolve())):
            raise Refused(404, "Not Found")
        return 200, "application/octet-stream", place.read_bytes()


def _hash(salt: str, password: str) -> str:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), 10000).hex()


__all__ = ("REJECTED", "Supervisor")
