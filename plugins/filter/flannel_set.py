# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: flannel_set
short_description: The cluster objects of Flannel
version_added: "0.1.0"
description:
  - Reads Flannel's manifest from a source bundle, puts in the bundle's images, the network and the backend, and returns
    a set for M(kateskit.klubster.cluster_objects).
  - The set waits for every node and for the cluster's DNS, neither of which is ready without a network.
  - A container beside flanneld writes each node's CNI configuration for the plugins bridge, host-local and portmap.
author:
  - KatesKit developers (@kateskit)
positional: _input
options:
  _input:
    description: Folder of the source bundle on the controller.
    type: str
    required: true
  backend:
    description: How packets go from node to node, V(vxlan), V(host-gw) or V(wireguard-native).
    type: str
    default: vxlan
  networks:
    description: Networks of pods, one per address family.
    type: list
    elements: str
    required: true
  mtu:
    description: Bytes of the pods' packets. Without it flanneld finds out.
    type: int
seealso:
  - module: kateskit.klubster.cluster_objects
"""

EXAMPLES = r"""
---
- name: Give the pods their network
  kateskit.klubster.cluster_objects:
    kubeconfig: ~/.kube/klubster-home.yaml
    sets:
      - "{{ '/srv/klubster/bundle' | kateskit.klubster.flannel_set(backend='host-gw', networks=['10.244.0.0/16']) }}"
"""

RETURN = r"""
_value:
  description: The set, an entry of O(kateskit.klubster.cluster_objects#module:sets).
  type: dict
  sample: {name: cni, definitions: []}
"""

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.flannel import flannel_set
from ansible_collections.kateskit.klubster.plugins.plugin_utils._layers import layer_filter


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"flannel_set": layer_filter(flannel_set)}
