# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Where an engine keeps things: one row for each engine."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """Paths, units and ports of an engine."""

    name: str
    #: path inside the bundle -> path on the machine
    programs: dict[str, str]
    #: where the bundle's CNI plugins go
    cni_programs: str
    cni_config: str
    runtime_unit: str
    runtime_config: str
    runtime_socket: str
    node_unit: str
    kubeconfig: str
    node_kubeconfig: str
    pki: str
    #: images for servers and for all machines, by their names in the bundle
    server_images: tuple[str, ...]
    node_images: tuple[str, ...]
    #: TCP ports that the engine listens on
    server_ports: tuple[int, ...]
    node_ports: tuple[int, ...]
    #: folders in which the engine and its parts keep what they make, the outer ones first
    data: tuple[str, ...]
    #: what the engine makes in passing; removed when it was not there before and is empty
    incidental: tuple[str, ...]
    #: network interfaces of CNI plugins and flannel
    interfaces: tuple[str, ...]


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
        "/run/xtables.lock",
        "/usr/lib/modules",
        "/usr/libexec/kubernetes",
        "/usr/libexec/kubernetes/kubelet-plugins",
        "/usr/libexec/kubernetes/kubelet-plugins/volume",
        "/usr/libexec/kubernetes/kubelet-plugins/volume/exec",
        "/usr/local/share/ca-certificates",
        "/usr/share/ca-certificates",
    ),
    interfaces=("cni0", "flannel.1", "flannel-v6.1", "kube-ipvs0"),
)

LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in (KUBEADM,)}


def images_for(layout: Layout, role: str, further: t.Sequence[str] = ()) -> list[str]:
    """Names of the images that a machine of this role needs, each once."""
    names = [*layout.node_images, *(layout.server_images if role == "server" else ()), *further]
    return list(dict.fromkeys(names))


__all__ = ("KUBEADM", "LAYOUTS", "Layout", "images_for")
