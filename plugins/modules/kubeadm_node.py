#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm_node
short_description: Make a machine a node of a cluster by kubeadm
version_added: "0.1.0"
description:
  - Keeps kubelet's service and configuration, and drives kubeadm, which does the work.
  - A marker in C(/var/lib/klubster) tells a machine on which C(kubeadm init) or C(kubeadm join) was
    cut short from one that is a node.
    Only the former is ever cleaned and tried again. A node that this collection did not make is left alone.
author:
  - KatesKit developers (@kateskit)
extends_documentation_fragment:
  - kateskit.klubster._attributes
  - kateskit.klubster._kubeadm
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - V(state=invited) makes a new token each time.
  platform:
    support: full
    platforms: posix
options:
  state:
    description:
      - V(present) keeps kubelet's configuration and service, and waits for the API of a server that belongs to a
        cluster.
      - V(begun) starts the cluster on this server. V(joined) joins the cluster that O(invitation) leads to.
      - V(invited) makes an invitation on a live server. V(labelled) gives the Nodes in O(nodes) their labels
        and taints from there, and V(proxied) brings a changed kube-proxy configuration to the cluster.
      - V(started) starts containerd and kubelet of a node as they are, if they are stopped.
      - V(upgraded) lets kubeadm bring this node's control plane and kubelet's configuration to O(version); kubelet
        itself comes with V(present).
    type: str
    default: present
    choices: [present, begun, joined, invited, labelled, proxied, started, upgraded]
  nodes:
    description: For V(state=labelled), the machines whose Nodes are looked after.
    type: list
    elements: dict
    default: []
  invitation:
    description: For V(state=joined), what V(state=invited) returned.
    type: dict
  servers:
    description: For V(state=invited), whether servers are among those who join.
    type: bool
    default: false
  forget:
    description:
      - For V(state=invited), machines that were cut short while they joined. Their Nodes are deleted.
      - A Node of the same name that has another address is another machine's, and stays.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the Node.
        type: str
        required: true
      address:
        description: The machine's address in the cluster.
        type: str
        required: true
  timeout:
    description: Seconds that a start or a join may take.
    type: int
    default: 300
seealso:
  - module: kateskit.klubster.kubeadm_node_info
"""

EXAMPLES = r"""
---
- name: Keep kubelet as it shall be, and see what the machine is
  kateskit.klubster.kubeadm_node:
    cluster: home
    version: 1.34.2
    node: {node_name: server1, role: server, address: 192.0.2.11}
    api: {name: api.home.internal, port: 6443, address: 192.0.2.11}
    networks:
      pod: [10.244.0.0/16]
      service: [10.96.0.0/16]
      dns_domain: cluster.local
      dns_address: 10.96.0.10
    bundle_dir: ~/.cache/klubster/bundles/0123456789abcdef
  register: node
"""

RETURN = r"""
node:
  description: What the machine is.
  returned: O(state=present)
  type: dict
  sample:
    phase: complete
    api_ready: true
    ca_hash: "sha256:0123"
    kube_proxy: 0f3a
    node_differs: false
    node_name: server1
machine:
  description: The option O(node), for those who read the results of all machines.
  returned: O(state=present)
  type: dict
  sample: {node_name: server1, role: server, address: 192.0.2.11}
kube_proxy_wanted:
  description: Digest of the wanted kube-proxy configuration, to compare with that of a live server.
  returned: O(state=present)
  type: str
  sample: 0f3a
invitation:
  description: What a machine needs to join. A secret, good for minutes.
  returned: O(state=invited)
  type: dict
  sample:
    endpoint: api.home.internal:6443
    token: abcdef.0123456789abcdef
    ca_hash: "sha256:0123"
    certificate_key: ""
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import kubeadm_verbs as verbs
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, reason


def main() -> None:
    module = AnsibleModule(
        verbs.ARGUMENTS
        | {
            "state": {"type": "str", "default": "present", "choices": list(verbs.VERBS)},
            "nodes": {"type": "list", "elements": "dict", "default": []},
            "invitation": {"type": "dict", "no_log": True},
            "servers": {"type": "bool", "default": False},
            "forget": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"name": {"type": "str", "required": True}, "address": {"type": "str", "required": True}},
            },
            "timeout": {"type": "int", "default": 300},
        },
        required_if=[("state", "joined", ["invitation"])],
        supports_check_mode=True,
    )
    try:
        outcome = verbs.perform(module.params, check=module.check_mode)
    except (KlubsterError, OSError) as exc:
        module.fail_json(msg=reason(exc))
    module.exit_json(**{key: value for key, value in asdict(outcome).items() if value is not None})


if __name__ == "__main__":
    main()
