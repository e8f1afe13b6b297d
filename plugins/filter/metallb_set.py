# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: metallb_set
short_description: The cluster objects of MetalLB and its pools
version_added: "0.1.0"
description:
  - Reads MetalLB's manifest from a source bundle, puts in the bundle's images, adds an C(IPAddressPool) for each pool
    and what announces it, and returns a set for M(kateskit.klubster.cluster_objects).
  - Passwords of peers are not in the set. Their Secrets name values of
    O(kateskit.klubster.cluster_objects#module:secret_values).
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
        description: Interfaces on which the addresses are announced by L2. Empty announces on all.
        type: list
        elements: str
        default: []
      announce:
        description: How they are announced, V(l2), V(bgp) or both. Empty follows O(mode).
        type: list
        elements: str
        default: []
      priority:
        description: Which of several fitting pools is taken first; the lowest number, then those without one.
        type: int
      namespaces:
        description: Namespaces whose services get addresses of it.
        type: list
        elements: str
        default: []
      namespace_selectors:
        description: The same by their labels.
        type: list
        elements: dict
        default: []
      service_selectors:
        description: Services that get addresses of it, by their labels.
        type: list
        elements: dict
        default: []
  mode:
    description: How pools are announced that do not say it, V(l2) or V(bgp).
    type: str
    default: l2
  speaker:
    description:
      - Who speaks BGP. V(native) is MetalLB itself, V(frr) FRR beside it, with O(manifests_dir) only.
      - With V(cni) it is Calico, and MetalLB has no speakers; the set has Calico's own objects.
    type: str
    default: native
  l2_advertisements:
    description: From where pools are announced by L2, each with C(name), C(pools), C(interfaces), C(node_selectors).
    type: list
    elements: dict
    default: []
  bgp:
    description:
      - To whom pools are announced by BGP, as RV(kateskit.klubster.cluster_plan#module:load_balancer) has it.
    type: dict
    default: {}
  on_servers:
    description: Whether servers announce, too. kubeadm labels them so that they do not.
    type: bool
    default: false
  pod_networks:
    description: Networks of the pods, for O(speaker) V(cni).
    type: list
    elements: str
    default: []
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
