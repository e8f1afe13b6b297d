# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: metallb_set
short_description: The cluster objects of MetalLB and its pools
version_added: "0.1.0"
description:
  - Reads MetalLB's manifest (native mode, without FRR) from a source bundle, puts in the bundle's images, adds an
    C(IPAddressPool) and an C(L2Advertisement) for each pool, and returns a set for
    M(kateskit.klubster.cluster_objects).
author:
  - KatesKit developers (@kateskit)
positional: _input
options:
  _input:
    description: Folder of the source bundle on the controller.
    type: str
    required: true
  manifests_dir:
    description:
      - Folder on the controller with fetched manifests of upstream, where M(kateskit.klubster.preflight_check) puts
        them. If given, they are used instead of the bundle's, with upstream's images.
    type: str
    default: ""
  pools:
    description: Addresses for services of type LoadBalancer.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the pool.
        type: str
        required: true
      addresses:
        description: Networks or ranges.
        type: list
        elements: str
        required: true
      auto_assign:
        description: Whether services get addresses of it without asking for the pool by name.
        type: bool
        default: true
      avoid_buggy_ips:
        description: Whether addresses that end in .0 and .255 are left out.
        type: bool
        default: false
      interfaces:
        description: Interfaces on which the addresses are announced. Empty announces on all.
        type: list
        elements: str
        default: []
  mode:
    description: How the addresses are announced, V(l2).
    type: str
    default: l2
seealso:
  - module: kateskit.klubster.cluster_objects
"""

EXAMPLES = r"""
---
- name: Give services addresses of the house
  kateskit.klubster.cluster_objects:
    kubeconfig: ~/.kube/klubster-home.yaml
    sets:
      - "{{ '/srv/klubster/bundle' | kateskit.klubster.metallb_set(pools=pools) }}"
  vars:
    pools:
      - name: house
        addresses: [192.168.1.200-192.168.1.220]
"""

RETURN = r"""
_value:
  description: The set, an entry of O(kateskit.klubster.cluster_objects#module:sets).
  type: dict
  sample: {name: load-balancer, definitions: []}
"""

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.metallb import metallb_set
from ansible_collections.kateskit.klubster.plugins.plugin_utils._layers import layer_filter


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"metallb_set": layer_filter(metallb_set)}
