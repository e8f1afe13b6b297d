# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: engine_decision
short_description: What machines have to do so that they are a cluster
version_added: "0.1.0"
author:
  - KatesKit developers (@kateskit)
description:
  - From the states of machines to who begins the cluster, who joins it, and which live server is asked.
positional: _input
options:
  _input:
    description:
      - What M(kateskit.klubster.kubeadm_node) returned, by machine. Machines that were not looked at are missing.
    type: dict
    required: true
  servers:
    description: Inventory names of all servers, in the order in which they join.
    type: list
    elements: str
    required: true
  version:
    description:
      - The wanted version. With it, RV(_value['refused']) says why the cluster may not go there.
      - It names settings that a living cluster cannot change too, also without a version.
    type: str
    default: ""
"""

EXAMPLES = r"""
---
- name: Show what would be done
  ansible.builtin.debug:
    msg: "{{ {'server1': node} | kateskit.klubster.engine_decision(servers=['server1']) }}"
"""

RETURN = r"""
_value:
  description: The decision.
  type: dict
  sample: {begin: server1, contact: server1, join_servers: [], join_agents: [agent1], needed: true, problem: ""}
"""

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._engine import upgrade
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.states import NodeState, decide, informed
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


def engine_decision(results: t.Any, servers: t.Any, version: t.Any = "") -> dict[str, t.Any]:
    """The decision as plain data."""
    found = plain(results)
    said = {name: NodeState(**result["node"]) for name, result in found.items() if (result or {}).get("node")}
    states = informed(said)
    decision = decide(plain(servers), states)
    wanted = next((result.get("kube_proxy_wanted", "") for result in found.values() if (result or {}).get("node")), "")
    proxy_differs = bool(decision.kube_proxy) and decision.kube_proxy != wanted
    further = {
        "proxy_differs": proxy_differs,
        "needed": decision.needed or proxy_differs,
        "refused": _refused(str(version), states, plain(servers)),
        # A machine that is changed one at a time is opened when that is done.
        "reopen": [
            states[name].node_name
            for name, result in found.items()
            if name in states and states[name].closed and result.get("change") not in ("restart", "drain")
        ],
    }
    return decision.as_dict() | further


def _refused(version: str, states: t.Mapping[str, NodeState], servers: t.Sequence[str]) -> str:
    """Why the machines may not be what is wanted of them; empty when they may."""
    # Servers say the same of what they have in common.
    said = {entry["variable"]: Problem(**entry) for state in states.values() for entry in state.refused}
    if said:
        return str(InvalidInput(list(said.values())))
    if not version:
        return ""
    try:
        running = [
            upgrade.Running(
                name,
                "server" if name in servers else "agent",
                tuple(upgrade.Version.parse(text, name) for text in state.versions),
            )
            for name, state in states.items()
            if state.phase == "complete"
        ]
        joining = [name for name, state in states.items() if state.phase != "complete"]
        problems = upgrade.problems_of(version, running, joining)
    except InvalidInput as exc:
        return str(exc)
    return str(InvalidInput(problems)) if problems else ""


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"engine_decision": engine_decision}


__all__ = ("FilterModule", "engine_decision")
