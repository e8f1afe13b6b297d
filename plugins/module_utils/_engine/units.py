# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Units of systemd for the engine's programs, as text."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.containerd import merged
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.kubeadm_config import (
    ClusterSettings,
    kubelet,
    text,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import Layout
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.node_settings import NodeSettings
from ansible_collections.kateskit.klubster.plugins.module_utils._node.managed_files import WantedFile
from ansible_collections.kateskit.klubster.plugins.module_utils._node.services import Service

_UNITS = "/etc/systemd/system"
_HEAD = "# Written by kateskit.klubster; changes are overwritten. Put your own into a drop-in.\n"
KUBELET_DROP_IN = f"{_UNITS}/kubelet.service.d/10-kubeadm.conf"
KUBELET_OVERRIDES = "/etc/klubster/kubelet.conf.d"


def containerd_unit(layout: Layout, *, lower_oom_score: bool) -> str:
    """containerd: it tells when it is ready, makes its own cgroups, and leaves containers alone when it restarts."""
    score = "OOMScoreAdjust=-999\n" if lower_oom_score else ""
    return (
        f"{_HEAD}[Unit]\n"
        "Description=containerd container runtime\n"
        "After=network.target local-fs.target\n"
        "\n[Service]\n"
        "ExecStartPre=-/sbin/modprobe overlay\n"
        f"ExecStart={layout.programs['bin/containerd']} --config {layout.runtime_config}\n"
        "Type=notify\n"
        "Delegate=yes\n"
        "KillMode=process\n"
        "Restart=always\n"
        "RestartSec=2\n"
        "LimitNPROC=infinity\n"
        "LimitCORE=infinity\n"
        "TasksMax=infinity\n"
        f"{score}"
        "\n[Install]\n"
        "WantedBy=multi-user.target\n"
    )


def kubelet_unit(layout: Layout) -> str:
    """kubelet: it does not start before kubeadm has given it a configuration."""
    return (
        f"{_HEAD}[Unit]\n"
        "Description=kubelet, the Kubernetes node agent\n"
        f"Wants=network-online.target {layout.runtime_unit}\n"
        f"After=network-online.target {layout.runtime_unit}\n"
        "ConditionPathExists=/var/lib/kubelet/config.yaml\n"
        "StartLimitIntervalSec=0\n"
        "\n[Service]\n"
        f"ExecStart={layout.programs['bin/kubelet']}\n"
        "Restart=always\n"
        "RestartSec=2\n"
        "\n[Install]\n"
        "WantedBy=multi-user.target\n"
    )


def kubelet_drop_in(layout: Layout) -> str:
    """How kubeadm expects kubelet to be started, and our own configuration laid over kubeadm's."""
    return (
        f"{_HEAD}[Service]\n"
        'Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf'
        f' --kubeconfig={layout.node_kubeconfig}"\n'
        f'Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml --config-dir={KUBELET_OVERRIDES}"\n'
        "EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\n"
        "EnvironmentFile=-/etc/default/kubelet\n"
        "ExecStart=\n"
        f"ExecStart={layout.programs['bin/kubelet']} $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS"
        " $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS\n"
    )


def containerd_files(layout: Layout, config: str, *, lower_oom_score: bool) -> list[WantedFile]:
    """What containerd's service reads."""
    return [
        WantedFile(f"{_UNITS}/{layout.runtime_unit}", containerd_unit(layout, lower_oom_score=lower_oom_score)),
        WantedFile(layout.runtime_config, config),
    ]


def kubelet_files(layout: Layout, cluster: ClusterSettings, node: NodeSettings | None = None) -> list[WantedFile]:
    """What kubelet's service reads, besides what kubeadm writes; the machine's own entries are laid over the rest."""
    config = merged(kubelet(cluster), node.kubelet_config if node else {})
    return [
        WantedFile(f"{_UNITS}/{layout.node_unit}", kubelet_unit(layout)),
        WantedFile(KUBELET_DROP_IN, kubelet_drop_in(layout)),
        WantedFile(f"{KUBELET_OVERRIDES}/50-klubster.conf", text([config])),
    ]


def containerd_service(layout: Layout, files: t.Sequence[WantedFile]) -> Service:
    programs = [layout.programs[f"bin/{name}"] for name in ("containerd", "containerd-shim-runc-v2", "runc")]
    return Service(layout.runtime_unit, reads=(*programs, *(file.path for file in files)))


def kubelet_service(layout: Layout, files: t.Sequence[WantedFile], *, joined: bool) -> Service:
    """Started only on a machine that is a node; kubeadm starts it the first time."""
    return Service(
        layout.node_unit,
        reads=(layout.programs["bin/kubelet"], *(file.path for file in files)),
        start=joined,
    )


__all__ = (
    "KUBELET_DROP_IN",
    "KUBELET_OVERRIDES",
    "containerd_files",
    "containerd_service",
    "containerd_unit",
    "kubelet_drop_in",
    "kubelet_files",
    "kubelet_service",
    "kubelet_unit",
)
