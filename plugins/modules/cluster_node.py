#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_node
short_description: Close a node for work on it, open it again, wait until it is well
version_added: "0.1.0"
description:
  - Runs on a live server of the cluster, as a rule on another one than the machine that is changed. It speaks to the
    API and to etcd with the certificates that the engine keeps there.
  - A Node that it cordons bears the annotation C(klubster.kateskit.dev/closed). Only such a Node is ever opened; one
    that somebody else cordoned stays closed.
author:
  - KatesKit developers (@kateskit)
extends_documentation_fragment:
  - kateskit.klubster._attributes
attributes:
  check_mode:
    support: partial
    details:
      - In check mode nothing is waited for. V(state=drained) and V(state=opened) say that they would change something
        if the Node is open, or was closed by this module.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  name:
    description: Name of the Node.
    type: str
    required: true
  state:
    description:
      - V(bearable) fails when etcd would lose its majority while this server is stopped.
      - V(drained) cordons the Node and evicts its pods. PodDisruptionBudgets are respected; pods of DaemonSets and
        static pods stay. A Node that is not ready is only cordoned.
      - V(well) waits for the machine's API and member of etcd, for its Node to be ready, and for its static pods and
        pods of DaemonSets.
      - V(opened) uncordons the Node, if this module cordoned it.
    type: str
    required: true
    choices: [bearable, drained, well, opened]
  engine:
    description: The engine, by which the certificates are found.
    type: str
    default: kubeadm
    choices: [kubeadm, k3s]
  ask:
    description: Address of the server that is asked.
    type: str
    required: true
  address:
    description: Address of the machine, if it is a server. Then its API and etcd are looked at too.
    type: str
    default: ""
  port:
    description: Port of the API.
    type: int
    default: 6443
  version:
    description: With V(state=well), the version that kubelet shall have.
    type: str
    default: ""
  why:
    description: With V(state=drained), what the annotation says.
    type: str
    default: change
  force:
    description: With V(state=drained), end pods that nothing brings back.
    type: bool
    default: false
  timeout:
    description: Seconds that this may take.
    type: int
    default: 300
"""

EXAMPLES = r"""
---
- name: Empty an agent
  kateskit.klubster.cluster_node:
    name: agent1
    state: drained
    ask: 192.0.2.11
    timeout: 600

- name: Wait until a server is well in its new version
  kateskit.klubster.cluster_node:
    name: server2
    state: well
    ask: 192.0.2.11
    address: 192.0.2.12
    version: 1.34.2
"""

RETURN = r"""
evicted:
  description: How many pods went.
  returned: O(state=drained)
  type: int
  sample: 7
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import access, drain
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.rolling import Rolling
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError


def machine_of(given: t.Mapping[str, t.Any]) -> Rolling:
    """The machine that the options describe, seen from this server."""
    engine, port, address = given["engine"], given["port"], given["address"]
    return Rolling(
        given["name"],
        access.api_of(engine, given["ask"], port),
        access.api_of(engine, address, port) if address else None,
        access.etcd_of(engine, port) if address else None,
        timeout=float(given["timeout"]),
    )


def perform(machine: Rolling, given: t.Mapping[str, t.Any], *, check: bool) -> dict[str, t.Any]:
    """The module without its shell."""
    state = given["state"]
    if check:
        node = machine.api.get(f"/api/v1/nodes/{machine.name}")
        patch = {"drained": drain.close_patch(node, "check"), "opened": drain.open_patch(node)}.get(state)
        return {"changed": bool(patch)}
    if state == "bearable":
        machine.bearable()
        return {"changed": False}
    if state == "drained":
        closed, evicted = machine.drained(given["why"], timeout=float(given["timeout"]), force=given["force"])
        return {"changed": closed or evicted > 0, "evicted": evicted}
    if state == "well":
        machine.well(given["version"])
        return {"changed": False}
    return {"changed": machine.opened()}


def main() -> None:
    module = AnsibleModule(
        {
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "required": True, "choices": ["bearable", "drained", "well", "opened"]},
            "engine": {"type": "str", "default": "kubeadm", "choices": ["kubeadm", "k3s"]},
            "ask": {"type": "str", "required": True},
            "address": {"type": "str", "default": ""},
            "port": {"type": "int", "default": 6443},
            "version": {"type": "str", "default": ""},
            "why": {"type": "str", "default": "change"},
            "force": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    try:
        result = perform(machine_of(module.params), module.params, check=module.check_mode)
    except (KlubsterError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
