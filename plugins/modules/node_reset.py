#!/usr/bin/python
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: node_reset
short_description: Take a machine back to what it was before the cluster
version_added: "0.1.0"
description:
  - Ends the node, its containers and services. Removes mounts, interfaces, the cluster's firewall rules, data
    and files, restores what stood in their place, and sets kernel settings back. It works from
    C(/var/lib/klubster/installed.json).
  - A machine on which this collection left nothing is not touched. A machine of another cluster is refused.
author:
  - KatesKit developers (@kateskit)
extends_documentation_fragment:
  - kateskit.klubster._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  engine:
    description: The engine whose remains are taken away.
    type: str
    default: kubeadm
    choices: [kubeadm, k3s]
  cluster:
    description: Name of the cluster.
    type: str
    required: true
  confirmation:
    description: The cluster's name again, as the user's word that it may be destroyed.
    type: str
    required: true
  leave:
    description: Whether servers stay that have to forget this machine's etcd member.
    type: bool
    default: false
  node_name:
    description: Name of the Node object, for O(leave).
    type: str
    default: ""
"""

EXAMPLES = r"""
---
- name: Take the machine back
  kateskit.klubster.node_reset:
    cluster: home
    confirmation: home
"""

RETURN = r"""
done:
  description: What was done or, in check mode, would be.
  returned: success
  type: list
  elements: str
  sample: [kubeadm reset, stopped kubelet.service]
packages:
  description: Packages that were missing when this collection first looked, and were installed since.
  returned: success
  type: list
  elements: str
  sample: [conntrack]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kateskit.klubster.plugins.module_utils._command import run
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s, kubeadm
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_layout import K3S
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import KUBEADM, LAYOUTS
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.marker import read_marker
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.reset import (
    Reset,
    refuse_unless_confirmed,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, reason
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import STATE_DIRECTORY, Record


def _leave_k3s(node_name: str) -> list[str]:
    marker = read_marker(STATE_DIRECTORY, K3S.marker)
    return k3s.farewell(K3S, node_name, run, joined=marker is not None and marker.complete)


def main() -> None:
    module = AnsibleModule(
        {
            "engine": {"type": "str", "default": "kubeadm", "choices": sorted(LAYOUTS, reverse=True)},
            "cluster": {"type": "str", "required": True},
            "confirmation": {"type": "str", "required": True},
            "leave": {"type": "bool", "default": False},
            "node_name": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    given = module.params
    leave, node_name = given["leave"], given["node_name"]
    farewells: dict[str, t.Callable[[], t.Sequence[str]]] = {
        "kubeadm": lambda: kubeadm.farewell(KUBEADM, run, leave=leave),
        "k3s": lambda: _leave_k3s(node_name) if leave and node_name else [],
    }
    reset = Reset(LAYOUTS[given["engine"]], given["cluster"], run, farewells[given["engine"]])
    try:
        refuse_unless_confirmed(given["cluster"], given["confirmation"])
        reset.refuse_strangers()
        packages = Record.load().packages
        if module.check_mode:
            reset.done = reset.plan()
        else:
            reset.perform()
    except (KlubsterError, OSError) as exc:
        module.fail_json(msg=reason(exc))
    text = "".join(f"{line}\n" for line in reset.done)
    module.exit_json(
        changed=bool(reset.done),
        done=reset.done,
        packages=packages,
        diff={"before": "", "after": text} if text else {},
    )


if __name__ == "__main__":
    main()
