# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Where an engine keeps things: one row for each engine."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.engine_layout import (
    KUBELET_INCIDENTAL,
    EngineLayout,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_layout import K3S
from ansible_collections.kateskit.klubster.plugins.module_utils._model.cni import INTERFACES, MOUNTS


@dataclass(frozen=True)
class Layout(EngineLayout):
    """What kubeadm has besides."""

    #: where the bundle's CNI plugins go
    cni_programs: str
    cni_config: str
    runtime_unit: str
    runtime_config: str
    runtime_socket: str
    node_unit: str
    node_kubeconfig: str
    pki: str
    #: images for servers and for all machines, by their names in the bundle
    server_images: tuple[str, ...]
    node_images: tuple[str, ...]


_BIN = "/usr/local/bin"

KUBEADM = Layout(
    name="kubeadm",
    programs={
        f"bin/{name}": f"{_BIN}/{name}"
        for name in ("containerd", "containerd-shim-runc-v2", "ctr", "runc", "kubelet", "kubeadm", "kubectl")
    },
    cni_programs="/opt/cni/bin",
    cni_config="/etc/cni/net.d",
    runtime_unit="containerd.service",
    runtime_config="/etc/containerd/config.toml",
    runtime_socket="/run/containerd/containerd.sock",
    node_unit="kubelet.service",
    node_units=("kubelet.service",),
    runtime_units=("containerd.service",),
    signs=("/etc/kubernetes/kubelet.conf",),
    mounts=("/var/lib/kubelet", "/run/containerd", "/var/lib/containerd", "/run/netns", "/var/run/netns", *MOUNTS),
    etcd_certificates=(
        "/etc/kubernetes/pki/etcd/ca.crt",
        "/etc/kubernetes/pki/etcd/server.crt",
        "/etc/kubernetes/pki/etcd/server.key",
    ),
    etcd_url="https://127.0.0.1:2379",
    etcd_url_of_members=True,
    kubeconfig="/etc/kubernetes/admin.conf",
    node_kubeconfig="/etc/kubernetes/kubelet.conf",
    pki="/etc/kubernetes/pki",
    server_images=("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"),
    node_images=("pause", "kube-proxy", "coredns"),
    server_ports=(6443, 2379, 2380, 10257, 10259),
    node_ports=(10250, 10256),
    data=(
        "/etc/cni",
        "/etc/cni/net.d",
        "/etc/kubernetes",
        "/opt/cni",
        "/opt/containerd",
        "/run/containerd",
        "/run/flannel",
        "/run/netns",
        "/run/nri",
        "/var/lib/cni",
        "/var/lib/containerd",
        "/var/lib/etcd",
        "/var/lib/kubelet",
        "/var/log/containers",
        "/var/log/pods",
    ),
    incidental=(
        "/etc/ca-certificates",
        "/etc/pki",
        "/etc/ssl",
        "/etc/ssl/certs",
        "/usr/lib/modules",
        *KUBELET_INCIDENTAL,
        "/usr/local/share/ca-certificates",
        "/usr/share/ca-certificates",
    ),
    interfaces=INTERFACES,
)

#: engines whose programs and images come from a bundle
BUNDLED: dict[str, Layout] = {KUBEADM.name: KUBEADM}
#: every engine by its name
LAYOUTS: dict[str, EngineLayout] = {layout.name: layout for layout in (KUBEADM, K3S)}


def images_for(layout: Layout, role: str, further: t.Sequence[str] = ()) -> list[str]:
    """Names of the images that a machine of this role needs, each once."""
    names = [*layout.node_images, *(layout.server_images if role == "server" else ()), *further]
    return list(dict.fromkeys(names))


__all__ = ("BUNDLED", "KUBEADM", "LAYOUTS", "Layout", "images_for")
