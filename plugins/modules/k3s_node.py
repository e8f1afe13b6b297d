#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: k3s_node
short_description: Make a machine a node of a cluster by k3s
version_added: "0.1.0"
description:
  - Keeps k3s's configuration, tokens and service, starts it and waits until it is ready.
  - Tokens stand in files of mode 0600 below C(/etc/klubster/k3s), never on a command line.
  - A machine on which somebody else installed k3s is left alone.
author:
  - KatesKit developers (@kateskit)
extends_documentation_fragment:
  - kateskit.klubster._attributes
  - kateskit.klubster._k3s
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Registries and the environment are masked.
  idempotent:
    support: partial
    details:
      - V(state=registered) restarts the service each time.
  platform:
    support: full
    platforms: posix
options:
  state:
    description:
      - V(present) keeps the configuration, and restarts the service of a machine that is a node when that changed.
      - V(begun) starts the cluster on this server. V(joined) joins the cluster that O(invitation) leads to.
      - V(departed) begins to join, as V(joined), and does not wait; V(arrived) waits then until the machine is a node.
      - V(invited) reads the tokens of a live server. V(labelled) gives the Nodes in O(nodes) their labels and
        taints from there. V(registered) restarts a node whose Node object somebody deleted. V(snapshotted) lets k3s
        keep a snapshot of its etcd, with its default retention.
    type: str
    default: present
    choices: [present, begun, joined, departed, arrived, invited, labelled, registered, snapshotted]
  nodes:
    description: For V(state=labelled), the machines whose Nodes are looked after.
    type: list
    elements: dict
    default: []
  token:
    description:
      - For V(state=begun), the token with which servers join. Without one, that of an earlier start is taken, or one
        is made.
    type: str
  agent_token:
    description: For V(state=begun), the token with which agents join; as O(token).
    type: str
  authority:
    description:
      - For V(state=begun), CAs and keys of the user's own, by their names below C(server/tls). Secrets.
      - They are placed before the first start; a server that has begun with others is left alone.
    type: dict
  invitation:
    description: For V(state=joined) and V(state=departed), what V(state=invited) or V(state=begun) returned.
    type: dict
  snapshot:
    description: For V(state=snapshotted), the name that the file's name begins with.
    type: str
    default: klubster
  servers:
    description: For V(state=invited) and V(state=begun), whether servers are among those who join.
    type: bool
    default: false
  timeout:
    description: Seconds that a start may take.
    type: int
    default: 300
seealso:
  - module: kateskit.klubster.k3s_node_info
  - name: k3s tokens
    description: What a token is made of.
    link: https://docs.k3s.io/cli/token
"""

EXAMPLES = r"""
---
- name: Keep the configuration as it shall be
  kateskit.klubster.k3s_node:
    cluster: home
    node: {node_name: server1, role: server, address: 192.0.2.11}
    api: {name: api.home.internal, port: 6443, address: 192.0.2.11}
    files:
      /etc/rancher/k3s/config.yaml: |
        token-file: /etc/klubster/k3s/token
"""

RETURN = r"""
node:
  description: What the machine is.
  returned: O(state=present)
  type: dict
  sample:
    phase: complete
    api_ready: true
    ca_hash: "0123"
    node_name: server1
machine:
  description: The option O(node), for those who read the results of all machines.
  returned: O(state=present)
  type: dict
  sample: {node_name: server1, role: server, address: 192.0.2.11}
service:
  description: What was done with the service or, in check mode, would be.
  returned: O(state=present)
  type: str
  sample: restart
invitation:
  description: What a machine needs to join. A secret.
  returned: O(state=invited), and O(state=begun) that changed something
  type: dict
  sample: {}
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_verbs as verbs
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError


def main() -> None:
    module = AnsibleModule(
        verbs.ARGUMENTS
        | {
            "state": {"type": "str", "default": "present", "choices": list(verbs.VERBS)},
            "nodes": {"type": "list", "elements": "dict", "default": []},
            "token": {"type": "str", "no_log": True},
            "agent_token": {"type": "str", "no_log": True},
            "authority": {"type": "dict", "no_log": True},
            "invitation": {"type": "dict", "no_log": True},
            "snapshot": {"type": "str", "default": "klubster"},
            "servers": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 300},
        },
        required_if=[("state", "joined", ["invitation"]), ("state", "departed", ["invitation"])],
        supports_check_mode=True,
    )
    try:
        outcome = verbs.perform(module.params, check=module.check_mode)
    except KlubsterError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**{key: value for key, value in asdict(outcome).items() if value is not None})


if __name__ == "__main__":
    main()
