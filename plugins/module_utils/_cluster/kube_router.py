# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Values for our chart of kube-router."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.charts import CHARTS
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import Object

Plan = t.Mapping[str, t.Any]


def values(plan: Plan, directories: tuple[str, str]) -> Object:
    """Ours, without the user's.

    :param directories: of the engine, for CNI programs and their configuration.
    """
    cni, api = plan["cni"], plan["api"]
    (image,) = CHARTS["kube_router"].images
    return {
        "image": {
            "repository": image.repository,
            "tag": image.tag,
            "digest": image.digest,
            "pullPolicy": "IfNotPresent",
        },
        "overlay": cni["backend"] == "ipip",
        "serviceProxy": cni["service_proxy"],
        "serviceNetworks": list(plan["networks"]["service"]),
        # Its own address, not the service's: whoever does kube-proxy's work cannot wait for it.
        "api": {"host": api["name"], "port": api["port"]},
        "cni": {
            "binDir": directories[0],
            "confDir": directories[1],
            # kubeadm's machines have them from the bundle; k3s leaves that folder empty.
            "installPlugins": plan["engine"]["name"] == "k3s",
        },
        "mtu": cni["mtu"] or 0,
        "extraArgs": [],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
    }


__all__ = ("values",)
