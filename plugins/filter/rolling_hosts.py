# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: rolling_hosts
short_description: Machines that are changed one after the other
version_added: "0.1.0"
author:
  - KatesKit developers (@kateskit)
description:
  - From what the looks said (C(engine_node.change) is C(restart) or C(drain)) to a pattern of hosts for a play.
    Without such a machine the pattern matches none, and the play is skipped.
positional: _input, part
options:
  _input:
    description: Variables of all hosts, C(hostvars).
    type: dict
    required: true
  part:
    description:
      - V(servers) or V(agents), the canary first; V(first) is the canary alone, if it may go before all others. An
        agent may not where the version changes; then it is the first of the agents.
      - V(batches) is how many agents go at the same time, for C(serial).
    type: str
    required: true
    choices: [first, servers, agents, batches]
  groups:
    description: The inventory's groups.
    type: dict
    required: true
"""

EXAMPLES = r"""
---
- name: Change servers one at a time
  hosts: "{{ hostvars | kateskit.klubster.rolling_hosts('servers', groups) }}"
  serial: 1
  tasks: []
"""

RETURN = r"""
_value:
  description: Names of hosts, or a pattern that matches none.
  type: list
  elements: str
  sample: [server2, server3]
"""

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.upgrade import rolling_order
from ansible_collections.kateskit.klubster.plugins.plugin_utils._looks import NOBODY, engine_settled


def rolling_hosts(variables: t.Any, part: t.Any, groups: t.Any) -> list[t.Any]:
    """Names of hosts, or a pattern that matches none: an empty list would mean all."""
    machines = {}
    for role in ("server", "agent"):
        for name in groups.get(f"{role}s") or ():
            node = (variables[name].get("engine_node") or {}) if name in variables else {}
            if node.get("change") in ("restart", "drain"):
                machines[str(name)] = (role, tuple(str(version) for version in node["node"].get("versions") or ()))
    # Where the engine had nothing to do, its own look is one of an earlier playbook of the same run.
    if not machines or engine_settled(variables, groups):
        return [1] if part == "batches" else NOBODY
    plan = variables[next(iter(machines))]["klubster_plan"]
    canary, batch = str(plan.get("canary") or ""), int(plan["batch"])
    order = rolling_order(machines, str(plan["engine"]["version"]), canary)
    if part == "batches":
        return [1, batch] if canary in order["agents"] else [batch]
    return order[str(part)] or NOBODY


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"rolling_hosts": rolling_hosts}


__all__ = ("FilterModule", "rolling_hosts")
