# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""kubeadm's configuration documents (v1beta4) as data, and their text.

kubeadm does the work; these functions say what it shall do. Text is JSON, which every YAML reader takes.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.containerd import merged
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.node_settings import (
    NodeSettings,
    is_reserved,
    taints_of,
)

_API = "kubeadm.k8s.io/v1beta4"
#: how long a token invites; a join takes seconds
INVITATION_TTL = "15m0s"


@dataclass(frozen=True)
class ClusterSettings:
    """The cluster as kubeadm needs to know it."""

    name: str
    version: str
    api_name: str
    api_port: int
    api_address: str
    pod_networks: tuple[str, ...]
    service_networks: tuple[str, ...]
    dns_domain: str
    dns_address: str
    image_repository: str
    etcd_tag: str
    dns_tag: str
    runtime_socket: str
    kubelet_config: dict[str, t.Any] = field(default_factory=dict)
    kube_proxy_config: dict[str, t.Any] = field(default_factory=dict)
    open_servers: bool = False
    #: False where the provider of the pod network does its work
    has_kube_proxy: bool = True
    #: what of the pod network a living cluster keeps
    kept: dict[str, str] = field(default_factory=dict)
    #: names and addresses under which clients may reach the API, besides those of kubeadm
    alternative_names: tuple[str, ...] = ()

    @property
    def endpoint(self) -> str:
        return f"{self.api_name}:{self.api_port}"


@dataclass(frozen=True)
class Invitation:
    """What a machine needs to join: made on a live server, good for minutes."""

    endpoint: str
    token: str
    ca_hash: str
    #: opens the control plane's certificates; only for servers
    certificate_key: str = ""


def kubelet(cluster: ClusterSettings) -> dict[str, t.Any]:
    """KubeletConfiguration: swap is left to the system and not given to pods; the user's entries win."""
    ours = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "systemd",
        "clusterDNS": [cluster.dns_address],
        "clusterDomain": cluster.dns_domain,
        "failSwapOn": False,
    }
    return merged(ours, cluster.kubelet_config)


def kube_proxy(cluster: ClusterSettings) -> dict[str, t.Any]:
    """KubeProxyConfiguration; the user's entries win."""
    ours = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": ",".join(cluster.pod_networks),
    }
    return merged(ours, cluster.kube_proxy_config)


def init(cluster: ClusterSettings, node: NodeSettings) -> list[dict[str, t.Any]]:
    """Documents for ``kubeadm init`` on the first server."""
    return [
        {
            "apiVersion": _API,
            "kind": "InitConfiguration",
            "bootstrapTokens": [{"ttl": INVITATION_TTL}],
            "localAPIEndpoint": {"advertiseAddress": node.address, "bindPort": cluster.api_port},
            "nodeRegistration": _registration(cluster, node),
            **_skipped(cluster),
        },
        cluster_configuration(cluster),
        kubelet(cluster),
        *([kube_proxy(cluster)] if cluster.has_kube_proxy else []),
    ]


def cluster_configuration(cluster: ClusterSettings) -> dict[str, t.Any]:
    """ClusterConfiguration."""
    names = dict.fromkeys([cluster.api_name, cluster.api_address, *cluster.alternative_names])
    return {
        "apiVersion": _API,
        "kind": "ClusterConfiguration",
        "clusterName": cluster.name,
        "kubernetesVersion": f"v{cluster.version}",
        "imageRepository": cluster.image_repository,
        "controlPlaneEndpoint": cluster.endpoint,
        "networking": {
            "podSubnet": ",".join(cluster.pod_networks),
            "serviceSubnet": ",".join(cluster.service_networks),
            "dnsDomain": cluster.dns_domain,
        },
        "apiServer": {"certSANs": [name for name in names if name]},
        "etcd": {"local": {"imageTag": cluster.etcd_tag}},
        "dns": {"imageTag": cluster.dns_tag},
    }


def join(
    cluster: ClusterSettings, node: NodeSettings, invitation: Invitation, *, patience: float = 300
) -> list[dict[str, t.Any]]:
    """Documents for ``kubeadm join``; they hold the token, so their file is 0600 and short-lived.

    :param patience: seconds for finding the cluster, and again for being taken in.
    """
    document: dict[str, t.Any] = {
        "apiVersion": _API,
        "kind": "JoinConfiguration",
        "discovery": {
            "bootstrapToken": {
                "apiServerEndpoint": invitation.endpoint,
                "token": invitation.token,
                "caCertHashes": [invitation.ca_hash],
            },
            "tlsBootstrapToken": invitation.token,
        },
        "nodeRegistration": _registration(cluster, node),
        "timeouts": {"discovery": f"{patience:g}s", "tlsBootstrap": f"{patience:g}s"},
    }
    if node.role == "server":
        document["controlPlane"] = {
            "localAPIEndpoint": {"advertiseAddress": node.address, "bindPort": cluster.api_port},
            "certificateKey": invitation.certificate_key,
        }
    return [document]


def certificates(cluster: ClusterSettings, node: NodeSettings, key: str) -> list[dict[str, t.Any]]:
    """Documents for ``kubeadm init phase upload-certs``: the key comes in a file, not as an argument."""
    return [
        {
            "apiVersion": _API,
            "kind": "InitConfiguration",
            "certificateKey": key,
            "localAPIEndpoint": {"advertiseAddress": node.address, "bindPort": cluster.api_port},
            "nodeRegistration": _registration(cluster, node),
        },
        cluster_configuration(cluster),
    ]


def upgrade(cluster: ClusterSettings) -> list[dict[str, t.Any]]:
    """The document for ``kubeadm upgrade apply`` and ``kubeadm upgrade node``."""
    return [
        {
            "apiVersion": _API,
            "kind": "UpgradeConfiguration",
            "apply": {
                "kubernetesVersion": f"v{cluster.version}",
                "imagePullPolicy": "Never",
                **_skipped(cluster),
            },
            "node": {"imagePullPolicy": "Never", **_skipped(cluster)},
        }
    ]


def settings(cluster: ClusterSettings, node: NodeSettings) -> list[dict[str, t.Any]]:
    """Documents for ``kubeadm init phase upload-config kubeadm``."""
    return proxy_documents(cluster, node)[:2]


def proxy_documents(cluster: ClusterSettings, node: NodeSettings) -> list[dict[str, t.Any]]:
    """Documents for ``kubeadm init phase addon kube-proxy``."""
    return [
        {
            "apiVersion": _API,
            "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": node.address, "bindPort": cluster.api_port},
            "nodeRegistration": _registration(cluster, node),
        },
        cluster_configuration(cluster),
        kube_proxy(cluster),
    ]


def text(documents: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """The documents as one file."""
    return "---\n".join(json.dumps(document, indent=2) + "\n" for document in documents)


def _registration(cluster: ClusterSettings, node: NodeSettings) -> dict[str, t.Any]:
    arguments = [{"name": "node-ip", "value": node.address}]
    labels = {key: value for key, value in sorted(node.labels.items()) if not is_reserved(key)}
    if labels:
        arguments.append({"name": "node-labels", "value": ",".join(f"{k}={v}" for k, v in labels.items())})
    return {
        "name": node.name,
        "criSocket": f"unix://{cluster.runtime_socket}",
        "imagePullPolicy": "Never",
        # It looks whether a proxy would stand between pods; kubeadm is run without one. Before 1.34.2 it also fails by
        # itself when built with a Go that reads addresses strictly (kubernetes/kubernetes issue 135013).
        "ignorePreflightErrors": ["HTTPProxyCIDR"],
        "taints": taints_of(node, open_servers=cluster.open_servers),
        "kubeletExtraArgs": arguments,
    }


def _skipped(cluster: ClusterSettings) -> dict[str, t.Any]:
    return {} if cluster.has_kube_proxy else {"skipPhases": ["addon/kube-proxy"]}


__all__ = (
    "INVITATION_TTL",
    "ClusterSettings",
    "Invitation",
    "certificates",
    "cluster_configuration",
    "init",
    "join",
    "kube_proxy",
    "kubelet",
    "proxy_documents",
    "settings",
    "text",
    "upgrade",
)
