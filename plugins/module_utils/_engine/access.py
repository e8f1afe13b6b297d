# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""With which certificates a server speaks to its API and its etcd: one row for each engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.api import HttpsApi
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.etcd import Etcd


@dataclass(frozen=True)
class Access:
    """Files on a server, below the engine's folder."""

    folder: str
    ca: str
    certificate: str
    key: str
    etcd_ca: str
    etcd_certificate: str
    etcd_key: str
    #: where the server's own etcd is asked
    etcd_url: str = "https://127.0.0.1:2379"


ACCESS: dict[str, Access] = {
    "kubeadm": Access(
        folder="/etc/kubernetes/pki",
        ca="ca.crt",
        certificate="apiserver-kubelet-client.crt",
        key="apiserver-kubelet-client.key",
        etcd_ca="etcd/ca.crt",
        etcd_certificate="etcd/server.crt",
        etcd_key="etcd/server.key",
    ),
    "k3s": Access(
        folder="/var/lib/rancher/k3s/server/tls",
        ca="server-ca.crt",
        certificate="client-admin.crt",
        key="client-admin.key",
        etcd_ca="etcd/server-ca.crt",
        etcd_certificate="etcd/client.crt",
        etcd_key="etcd/client.key",
    ),
}


def api_of(engine: str, address: str, port: int, folder: str = "", root: Path = Path("/")) -> HttpsApi:
    """The API at an address, with all rights.

    :param folder: where the certificates are, if not where the engine keeps them by default.
    """
    row, base = _row(engine, folder, root)
    return HttpsApi(address, port, base / row.ca, base / row.certificate, base / row.key)


def etcd_of(engine: str, folder: str = "", root: Path = Path("/")) -> Etcd | None:
    """This server's etcd; None where its data is kept elsewhere."""
    row, base = _row(engine, folder, root)
    if not (base / row.etcd_certificate).exists():
        return None
    return Etcd(row.etcd_url, base, ca=row.etcd_ca, certificate=row.etcd_certificate, key=row.etcd_key)


def _row(engine: str, folder: str, root: Path) -> tuple[Access, Path]:
    row = ACCESS[engine]
    return row, root / (folder or row.folder).lstrip("/")


__all__ = ("ACCESS", "Access", "api_of", "etcd_of")
