# SPDX-License-Identifier: Apache-2.0
"""Where k3s keeps what (k3s.md B.3, B.4)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

RUN = Path("/run/k3s")
SOCKET = RUN / "containerd/containerd.sock"
NODE = Path("/etc/rancher/node")
SUBNET = Path("/run/flannel/subnet.env")


@dataclass(frozen=True)
class Paths:
    """Below the data directory."""

    data: Path

    def __getattr__(self, name: str) -> Path:
        try:
            return self.data / _PLACES[name]
        except KeyError:
            raise AttributeError(name) from None


_PLACES = {
    "standin": "standin",
    "server": "server",
    "token": "server/token",
    "agent_token": "server/agent-token",
    "node_token": "server/node-token",
    "tls": "server/tls",
    "etcd_tls": "server/tls/etcd",
    "cred": "server/cred",
    "passwd": "server/cred/passwd",
    "encryption": "server/cred/encryption-config.json",
    "db": "server/db",
    "etcd": "server/db/etcd",
    "single": "server/db/standin-single",
    "state_db": "server/db/state.db",
    "manifests": "server/manifests",
    "static": "server/static",
    "snapshots": "server/db/snapshots",
    "agent": "agent",
    "images": "agent/images",
    "containerd": "agent/containerd",
    "containerd_log": "agent/containerd/containerd.log",
    "containerd_config": "agent/etc/containerd/config.toml",
    "certs": "agent/etc/containerd/certs.d",
    "cni_config": "agent/etc/cni/net.d",
    "flannel_config": "agent/etc/flannel/net-conf.json",
    "kubelet_drop_ins": "agent/etc/kubelet.conf.d",
    "pod_manifests": "agent/pod-manifests",
    "programs": "data",
    "bin": "data/current/bin",
    "cni_bin": "data/cni",
    "storage": "storage",
}


def write(path: Path, content: str | bytes, mode: int = 0o600) -> bool:
    """Write a file in one step; whether it differs from what was there."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.read_bytes() == data and path.stat().st_mode & 0o777 == mode:
        return False
    partial = path.with_name(f".{path.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
    partial.replace(path)
    return True


__all__ = ("NODE", "RUN", "SOCKET", "SUBNET", "Paths", "write")
