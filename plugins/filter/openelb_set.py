# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: openelb_set
short_description: The cluster objects of OpenELB, its pools and its peers
version_added: "0.1.0"
description:
  - Reads the manifest of OpenELB 0.6 or later, lets its speakers do what the pools need, adds an C(Eip) for each pool,
    and where BGP is spoken a C(BgpConf) and a C(BgpPeer) for each router, and returns a set for
    M(kateskit.klubster.cluster_objects).
  - A manifest that comes from a URL has been fetched by M(kateskit.klubster.preflight_check).
author:
  - KatesKit developers (@kateskit)
positional: _input
options:
  _input:
    description:
      - Where OpenELB comes from, and how it speaks BGP, as RV(kateskit.klubster.cluster_plan#module:load_balancer) has
        it in C(openelb).
    type: dict
    required: true
    suboptions:
      manifest:
        description: File on the controller, or a URL.
        type: str
        required: true
      manifest_sha256:
        description: Its sum; a URL needs it.
        type: str
        default: ""
      listen_port:
        description: Where the speakers listen for BGP.
        type: int
        required: true
      paths:
        description: How many next hops of an address a router is told.
        type: int
        required: true
  pools:
    description:
      - Addresses for services of type LoadBalancer, as for P(kateskit.klubster.metallb_set#filter). Each has one
        network or range, is announced in one way, and by L2 on one interface.
    type: list
    elements: dict
    required: true
  mode:
    description: How pools are announced that do not say it, V(l2) or V(bgp).
    type: str
    default: l2
  bgp:
    description:
      - To whom pools are announced by BGP, as RV(kateskit.klubster.cluster_plan#module:load_balancer) has it.
    type: dict
    default: {}
seealso:
  - module: kateskit.klubster.cluster_objects
  - plugin: kateskit.klubster.metallb_set
    plugin_type: filter
"""

EXAMPLES = r"""
---
- name: Give services addresses of the house
  kateskit.klubster.cluster_objects:
    kubeconfig: ~/.kube/klubster-home.yaml
    sets:
      - "{{ openelb | kateskit.klubster.openelb_set(pools=pools) }}"
  vars:
    openelb: {manifest: /srv/openelb.yaml, listen_port: 179, paths: 3}
    pools:
      - name: house
        addresses: [192.168.1.200-192.168.1.220]
        interfaces: [eth0]
"""

RETURN = r"""
_value:
  description: The set, an entry of O(kateskit.klubster.cluster_objects#module:sets).
  type: dict
  sample: {name: load-balancer-openelb, definitions: []}
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import openelb
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


def openelb_set(source: t.Any, **options: t.Any) -> dict[str, t.Any]:
    """The set; our errors become a filter's."""
    try:
        built: dict[str, t.Any] = openelb.openelb_set(plain(source), **plain(options))
    except KlubsterError as exc:
        raise AnsibleFilterError(str(exc)) from exc
    return built


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"openelb_set": openelb_set}
