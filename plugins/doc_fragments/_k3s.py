# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations


class ModuleDocFragment:
    """Options of every module that is about a machine under k3s."""

    DOCUMENTATION = r"""
options:
  cluster:
    description: Name of the cluster.
    type: str
    required: true
  node:
    description: This machine, as the plan has it (C(node_name), C(role), C(address), C(labels), C(taints)).
    type: dict
    required: true
  api:
    description:
      - Where the API is, as the plan has it, with the keys C(name), C(port), C(address) and C(url).
      - With C(provider=kube_vip) the address is waited for, because a pod of the cluster brings it.
    type: dict
    required: true
  files:
    description: Files of the configuration, path and content; nothing in them is a secret.
    type: dict
    default: {}
  registries:
    description: Content of C(registries.yaml). Holds passwords.
    type: dict
    default: {}
  environment:
    description: What the service's environment is made from. Holds passwords.
    type: dict
    default: {}
    suboptions:
      proxy:
        description: The proxy, with the keys C(http), C(https), C(outside) and C(images_only).
        type: dict
        default: {}
      nodes:
        description: Names and addresses of machines, which are reached without the proxy.
        type: list
        elements: str
        default: []
      datastore:
        description: Endpoint of an external datastore.
        type: str
        default: ""
      further:
        description: Further variables.
        type: dict
        default: {}
  datastore:
    description: What keeps the cluster's state. Where it is V(etcd), servers join the first one's.
    type: str
    default: etcd
    choices: [etcd, sqlite, external]
  profile:
    description: With V(cis), what the CIS benchmark wants of a server beside its configuration is kept too.
    type: str
    default: none
    choices: [none, cis]
  cni:
    description: What a machine has to know of the pod network. C(kept) is what a living cluster keeps of it.
    type: dict
    default: {}
  open_servers:
    description: Whether servers are open for the user's pods.
    type: bool
    default: false
"""
