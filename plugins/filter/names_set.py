# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: names_set
short_description: The cluster objects of the DNS server for services' names
version_added: "0.1.0"
description:
  - Returns a set for M(kateskit.klubster.cluster_objects) with a DNS server (CoreDNS with its plugin k8s_external) that
    answers for C(service.namespace.zone) with the address that the load balancer gave the service.
author:
  - KatesKit developers (@kateskit)
positional: _input
options:
  _input:
    description: Folder of the source bundle on the controller, whose image of CoreDNS is used.
    type: str
    required: true
  manifests_dir:
    description: If given, upstream's image is used instead of the bundle's.
    type: str
    default: ""
  zone:
    description: Zone of the names, without a dot at its end.
    type: str
    required: true
  address:
    description: Address of a pool for the DNS server. Without it the load balancer chooses.
    type: str
    default: ""
  aliases:
    description: Short names in the zone, and the C(service.namespace) that each stands for.
    type: dict
    default: {}
  ttl:
    description: Seconds that others may keep an answer.
    type: int
    default: 30
  dns_domain:
    description: Domain of the cluster's own DNS.
    type: str
    default: cluster.local
  balancer:
    description: Provider of the addresses, each of which is asked in its own way.
    type: str
    default: metallb
    choices: [metallb, openelb, servicelb, none]
seealso:
  - module: kateskit.klubster.cluster_objects
"""

EXAMPLES = r"""
---
- name: Give services names in the house
  kateskit.klubster.cluster_objects:
    kubeconfig: ~/.kube/klubster-home.yaml
    sets:
      - "{{ '/srv/klubster/bundle' | kateskit.klubster.names_set(zone='apps.home.arpa', ttl=60) }}"
"""

RETURN = r"""
_value:
  description: The set, an entry of O(kateskit.klubster.cluster_objects#module:sets).
  type: dict
  sample: {name: service-names, definitions: []}
"""

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.service_names import names_set
from ansible_collections.kateskit.klubster.plugins.plugin_utils._layers import layer_filter


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"names_set": layer_filter(names_set)}
