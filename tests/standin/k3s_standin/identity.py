# SPDX-License-Identifier: Apache-2.0
"""What a server is known by: CAs, certificates, passwords, kubeconfigs (k3s.md B.4, C.1)."""

from __future__ import annotations

import base64
import grp
import json
import os
import secrets
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

import yaml
from k3s_standin import keys, x509
from k3s_standin import token as tokens
from k3s_standin.config import Settings
from k3s_standin.log import Fatal
from k3s_standin.paths import Paths, write

#: file of the CA below server/tls, and its name
AUTHORITIES = {
    "server-ca": "k3s-server-ca",
    "client-ca": "k3s-client-ca",
    "request-header-ca": "k3s-request-header-ca",
    "etcd/server-ca": "etcd-server-ca",
    "etcd/peer-ca": "etcd-peer-ca",
}
#: all servers have these in common, below server/
SHARED = (
    *(f"tls/{stem}.{end}" for stem in AUTHORITIES for end in ("crt", "key")),
    "tls/service.key",
    "cred/passwd",
    "cred/encryption-config.json",
)
#: as k3s names it
SIGNING = "client-ca.nochain.crt"
_END = "-----END CERTIFICATE-----"
_RENEWED_BEFORE = 120 * 86400

Use = t.Literal["client", "server"]
#: file, CA, common name, groups, uses
_LEAVES: tuple[tuple[str, str, str, tuple[str, ...], tuple[Use, ...]], ...] = (
    ("client-admin", "client-ca", "system:admin", ("system:masters",), ("client",)),
    ("client-controller", "client-ca", "system:kube-controller-manager", (), ("client",)),
    ("client-scheduler", "client-ca", "system:kube-scheduler", (), ("client",)),
    ("client-kube-apiserver", "client-ca", "system:apiserver", ("system:masters",), ("client",)),
    ("client-supervisor", "client-ca", "system:k3s-supervisor", ("system:masters",), ("client",)),
    ("client-auth-proxy", "request-header-ca", "system:auth-proxy", (), ("client",)),
    ("serving-kube-apiserver", "server-ca", "kube-apiserver", (), ("server",)),
    ("serving-k3s", "server-ca", "k3s", ("k3s",), ("server",)),
    ("etcd/client", "etcd/server-ca", "etcd-client", (), ("client",)),
    ("etcd/server-client", "etcd/server-ca", "etcd-server", (), ("client", "server")),
    ("etcd/peer-server-client", "etcd/peer-ca", "etcd-peer", (), ("client", "server")),
)
_CREDENTIALS = {"admin": "client-admin", "controller": "client-controller", "scheduler": "client-scheduler"}


@dataclass
class Identity:
    """The CAs of a server and who may come in."""

    paths: Paths

    def authority(self, stem: str) -> x509.Authority:
        return x509.load(self.paths.tls / f"{stem}.crt", self.paths.tls / f"{stem}.key")

    @property
    def server_ca(self) -> str:
        return self._authority_text("server-ca")

    def _authority_text(self, stem: str) -> str:
        return (self.paths.tls / f"{stem}.crt").read_text(encoding="ascii")

    def passwords(self) -> dict[str, str]:
        """By user: server, node."""
        lines = self.paths.passwd.read_text(encoding="utf-8").splitlines()
        return {line.rsplit(",", 3)[1]: line.rsplit(",", 3)[0] for line in lines if line}

    # --- of the cluster

    def create(self, settings: Settings) -> None:
        """On the first server, whatever is missing; CAs that a user placed stay."""
        for stem, name in AUTHORITIES.items():
            try:
                x509.ensure_authority(self.paths.tls, stem, name)
            except (OSError, ValueError) as exc:
                raise Fatal(f"failed to load CA {stem}: {exc}") from exc
        # Components that sign want the CA alone, where a user's file holds those above it too.
        alone = self._authority_text("client-ca").partition(_END)[0] + _END + "\n"
        signing = self.paths.tls / SIGNING
        if not signing.exists() or signing.read_text(encoding="ascii") != alone:
            write(signing, alone, 0o644)
        service = self.paths.tls / "service.key"
        if not service.exists():
            write(service, keys.new().pem())
        if settings.on("secrets-encryption") and not self.paths.encryption.exists():
            provider = settings.text("secrets-encryption-provider")
            key = base64.b64encode(secrets.token_bytes(32)).decode()
            providers = [{provider: {"keys": [{"name": f"{provider}key", "secret": key}]}}, {"identity": {}}]
            content = {
                "kind": "EncryptionConfiguration",
                "apiVersion": "apiserver.config.k8s.io/v1",
                "resources": [{"resources": ["secrets"], "providers": providers}],
            }
            write(self.paths.encryption, json.dumps(content))

    def set_passwords(self, server: str, node: str) -> None:
        lines = (f"{server},server,server,k3s:server", f"{node},node,node,k3s:agent")
        write(self.paths.passwd, "\n".join(lines) + "\n")

    def export(self) -> dict[str, str]:
        """What a further server needs: ``SHARED`` by name."""
        found = {name: self.paths.server / name for name in SHARED}
        return {name: path.read_text(encoding="utf-8") for name, path in found.items() if path.exists()}

    def adopt(self, files: t.Mapping[str, str]) -> None:
        for name, text in files.items():
            if name not in SHARED:
                raise Fatal(f"the server sent a file that nobody asked for: {name}")
            write(self.paths.server / name, text, 0o644 if name.endswith(".crt") else 0o600)

    def write_tokens(self) -> None:
        """``server/token``, its old name, and that of agents, which is a link when there is only one."""
        found = self.passwords()
        digest = tokens.ca_hash(self.server_ca)
        write(self.paths.token, tokens.Token("server", found["server"], digest).text + "\n")
        _link(self.paths.node_token, self.paths.token)
        if found["node"] == found["server"]:
            _link(self.paths.agent_token, self.paths.token)
        else:
            if self.paths.agent_token.is_symlink():
                self.paths.agent_token.unlink()
            write(self.paths.agent_token, tokens.Token("node", found["node"], digest).text + "\n")

    # --- of this server

    def issue(self, names: t.Sequence[str], service_names: t.Sequence[str]) -> None:
        """Certificates of this server; those that are missing, end soon or lack a name."""
        stamp = self.paths.standin / "names.json"
        have = json.loads(stamp.read_text()) if stamp.exists() else {}
        wanted = {"serving": sorted({*names, *service_names}), "ca": tokens.ca_hash(self.server_ca)}
        authorities = {stem: self.authority(stem) for stem in AUTHORITIES}
        for stem, ca, name, groups, uses in _LEAVES:
            certificate, key = self.paths.tls / f"{stem}.crt", self.paths.tls / f"{stem}.key"
            fresh = certificate.exists() and key.exists() and have == wanted
            if fresh and x509.expires(certificate.read_text("ascii")) - time.time() > _RENEWED_BEFORE:
                continue
            subjects = wanted["serving"] if "server" in uses else ()
            text, private = authorities[ca].issue(name, groups=groups, uses=uses, names=subjects)
            write(key, private)
            write(certificate, text, 0o644)
        write(stamp, json.dumps(wanted))
        for name, leaf in _CREDENTIALS.items():
            text = self.kubeconfig("https://127.0.0.1:6444", leaf)
            write(self.paths.cred / f"{name}.kubeconfig", text)

    def kubeconfig(self, url: str, leaf: str) -> str:
        files = [self.paths.tls / f"{leaf}.{end}" for end in ("crt", "key")]
        return kubeconfig(url, self.server_ca, files[0].read_text("ascii"), files[1].read_text("ascii"))

    def write_kubeconfig(self, settings: Settings) -> Path:
        """For the administrator."""
        port = settings.number("https-listen-port")
        path = Path(settings.text("write-kubeconfig"))
        mode = int(settings.text("write-kubeconfig-mode"), 8)
        write(path, self.kubeconfig(f"https://127.0.0.1:{port}", "client-admin"), mode)
        if group := settings.text("write-kubeconfig-group"):
            os.chown(path, 0, int(group) if group.isdigit() else grp.getgrnam(group).gr_gid)
        return path


def kubeconfig(url: str, ca: str, certificate: str, key: str) -> str:
    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    user = {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "default", "cluster": {"server": url, "certificate-authority-data": encoded(ca)}}],
        "users": [{"name": "default", "user": user}],
        "contexts": [{"name": "default", "context": {"cluster": "default", "user": "default"}}],
        "current-context": "default",
        "preferences": {},
    }
    return str(yaml.safe_dump(content, sort_keys=True, width=1 << 20))


def _link(path: Path, target: Path) -> None:
    if path.is_symlink() and path.readlink() == target:
        return
    if path.exists() or path.is_symlink():
        path.unlink()
    path.symlink_to(target)


__all__ = ("AUTHORITIES", "SHARED", "Identity", "kubeconfig")
