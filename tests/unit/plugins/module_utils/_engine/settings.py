# SPDX-License-Identifier: Apache-2.0
"""A small cluster for the tests of the engine."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.kubeadm_config import (
    ClusterSettings,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.node_settings import NodeSettings


def cluster(**changes: t.Any) -> ClusterSettings:
    options: dict[str, t.Any] = {
        "name": "home",
        "version": "1.34.2",
        "api_name": "api.home.internal",
        "api_port": 6443,
        "api_address": "192.0.2.11",
        "pod_networks": ("10.244.0.0/16",),
        "service_networks": ("10.96.0.0/16",),
        "dns_domain": "cluster.local",
        "dns_address": "10.96.0.10",
        "image_repository": "bundle.test",
        "etcd_tag": "3.6.5-0",
        "dns_tag": "v1.12.1",
        "runtime_socket": "/run/containerd/containerd.sock",
    }
    return ClusterSettings(**{**options, **changes})


def server(**changes: t.Any) -> NodeSettings:
    return NodeSettings(**{"name": "server1", "address": "192.0.2.11", "role": "server", **changes})


def agent(**changes: t.Any) -> NodeSettings:
    return NodeSettings(**{"name": "agent1", "address": "192.0.2.21", "role": "agent", **changes})
