# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""With which certificates a server speaks to its API and its etcd: one row for each engine."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.api import HttpsApi, api_of_kubeconfig
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.etcd import Etcd
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_layout import K3S
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import KUBEADM, LAYOUTS
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError

#: of an API: whether the etcd that it works with answers and has a quorum
_ETCD_CHECK = "/livez/etcd"
#: the API's CA, and the certificate and key of a client with all rights; k3s has them in the administrator's file
API_CERTIFICATES: dict[str, tuple[str, str, str]] = {
    "kubeadm": (
        f"{KUBEADM.pki}/ca.crt",
        f"{KUBEADM.pki}/apiserver-kubelet-client.crt",
        f"{KUBEADM.pki}/apiserver-kubelet-client.key",
    ),
}


def api_of(engine: str, address: str, port: int) -> HttpsApi:
    """The API at an address, with all rights."""
    if engine == "k3s":
        api = api_of_kubeconfig(Path(K3S.kubeconfig), address, port)
        if api is None:
            raise KlubsterError(f"{K3S.kubeconfig} is missing: this server of k3s has not started yet.")
        return api
    authority, certificate, key = map(Path, API_CERTIFICATES[engine])
    return HttpsApi(address, port, authority, certificate, key)


def is_server(engine: str) -> bool:
    """Whether this machine is a server: a machine that was taken out of its cluster may still be in the inventory."""
    return Path(K3S.kubeconfig if engine == "k3s" else API_CERTIFICATES[engine][2]).exists()


def etcd_of(engine: str, port: int, url: str = "") -> Etcd | None:
    """This server's etcd; None where its data is kept elsewhere.

    :param port: of the API; it speaks for members that others cannot ask in JSON, since each works with its own one.
    """
    layout = LAYOUTS[engine]
    if engine == "k3s" and not Path(K3S.etcd_data).exists():
        return None
    url = url or layout.etcd_url
    if layout.etcd_url_of_members:
        return Etcd(url, layout.etcd_certificates)
    return Etcd(url, layout.etcd_certificates, asked=lambda host: api_of(engine, host, port).passes(_ETCD_CHECK))


__all__ = ("API_CERTIFICATES", "api_of", "etcd_of", "is_server")
