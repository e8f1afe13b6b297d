# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Where k3s keeps things, and what it leaves behind. Its server and its agent are different services."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.engine_layout import (
    KUBELET_INCIDENTAL,
    EngineLayout,
    Role,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_release import Release
from ansible_collections.kateskit.klubster.plugins.module_utils._model.cni import INTERFACES, MOUNTS

_DATA = "/var/lib/rancher/k3s"
#: since then a folder of the same name with every version holds the built-in CNI programs
_FIXED_CNI = (Release(1, 28, 15), Release(1, 29, 10), Release(1, 30, 6), Release(1, 31, 2))


@dataclass(frozen=True)
class K3sLayout(EngineLayout):
    """What k3s has besides."""

    program: str
    #: programs that it is besides
    commands: tuple[str, ...]
    units: dict[str, str]
    config: str
    drop_ins: str
    #: drop-in that says how this machine came into the cluster
    join_drop_in: str
    registries: str
    #: given to k3s by name, never by value; mode 0600
    token: str
    agent_token: str
    #: what a server writes: the token with the CA's hash
    server_token: str
    server_agent_token: str
    server_ca: str
    #: where CAs lie, those of the user's own too
    authorities: str
    data_dir: str
    images: str
    manifests: str
    #: its kubelet runs the pods of the files there, before there is an API
    pod_manifests: str
    encryption: str
    runtime_config: str
    runtime_socket: str
    kubelet_drop_ins: str
    node_password: str
    #: where etcd's data lie
    etcd_data: str
    etcd_ports: tuple[int, ...]

    def unit(self, role: Role) -> str:
        return self.units[role]

    def environment(self, role: Role) -> str:
        """The file with the service's environment; it holds secrets, so its mode is 0600."""
        return f"/etc/systemd/system/{self.units[role]}.env"

    def cni_directories(self, version: Release, *, own_cni: bool) -> tuple[str, str]:
        """Where CNI programs and CNI configuration are looked for.

        :param own_cni: whether k3s's flannel is off. Then containerd is told nothing, and takes its defaults.
        """
        if own_cni:
            return "/opt/cni/bin", "/etc/cni/net.d"
        same = [start for start in _FIXED_CNI if start[:2] == version[:2]]
        fixed = version >= same[0] if same else version > _FIXED_CNI[-1]
        programs = f"{self.data_dir}/data/cni" if fixed else f"{self.data_dir}/data/current/bin"
        return programs, f"{self.data_dir}/agent/etc/cni/net.d"


K3S = K3sLayout(
    name="k3s",
    programs={"k3s": "/usr/local/bin/k3s"},
    node_units=("k3s.service", "k3s-agent.service"),
    runtime_units=(),
    signs=(f"{_DATA}/server/token", f"{_DATA}/agent/etc/containerd"),
    mounts=(
        *("/run/k3s", "/run/containerd", "/var/lib/kubelet", "/run/netns", "/var/run/netns", f"{_DATA}/agent"),
        *MOUNTS,
    ),
    etcd_certificates=(
        f"{_DATA}/server/tls/etcd/server-ca.crt",
        f"{_DATA}/server/tls/etcd/client.crt",
        f"{_DATA}/server/tls/etcd/client.key",
    ),
    # 2379 speaks gRPC only, and this one listens on loopback only (decision 0031).
    etcd_url="https://127.0.0.1:2382",
    etcd_url_of_members=False,
    program="/usr/local/bin/k3s",
    commands=("kubectl", "crictl", "ctr"),
    units={"server": "k3s.service", "agent": "k3s-agent.service"},
    config="/etc/rancher/k3s/config.yaml",
    drop_ins="/etc/rancher/k3s/config.yaml.d",
    join_drop_in="/etc/rancher/k3s/config.yaml.d/20-klubster-join.yaml",
    registries="/etc/rancher/k3s/registries.yaml",
    kubeconfig="/etc/rancher/k3s/k3s.yaml",
    token="/etc/klubster/k3s/token",  # noqa: S106 - a path
    agent_token="/etc/klubster/k3s/agent-token",  # noqa: S106 - a path
    server_token=f"{_DATA}/server/token",
    server_agent_token=f"{_DATA}/server/agent-token",
    server_ca=f"{_DATA}/server/tls/server-ca.crt",
    authorities=f"{_DATA}/server/tls",
    data_dir=_DATA,
    images=f"{_DATA}/agent/images",
    manifests=f"{_DATA}/server/manifests",
    pod_manifests=f"{_DATA}/agent/pod-manifests",
    encryption=f"{_DATA}/server/cred/encryption-config.json",
    runtime_config=f"{_DATA}/agent/etc/containerd/config.toml",
    runtime_socket="/run/k3s/containerd/containerd.sock",
    kubelet_drop_ins=f"{_DATA}/agent/etc/kubelet.conf.d",
    node_password="/etc/rancher/node/password",  # noqa: S106 - a path
    etcd_data=f"{_DATA}/server/db/etcd",
    server_ports=(6443,),
    etcd_ports=(2379, 2380),
    node_ports=(10250,),
    data=(
        "/etc/cni",
        "/etc/cni/net.d",
        "/etc/rancher",
        "/etc/rancher/k3s",
        "/etc/rancher/node",
        "/opt/cni",
        "/run/containerd",
        "/run/flannel",
        "/run/k3s",
        "/run/netns",
        "/run/nri",
        "/var/lib/cni",
        "/var/lib/kubelet",
        "/var/lib/rancher",
        "/var/lib/rancher/k3s",
        "/var/log/containers",
        "/var/log/pods",
    ),
    incidental=KUBELET_INCIDENTAL,
    interfaces=INTERFACES,
)

__all__ = ("K3S", "K3sLayout")
