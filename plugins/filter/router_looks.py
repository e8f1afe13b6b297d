# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: router_looks
short_description: What the looks at routers said, also of those that did not answer
version_added: "0.1.0"
description:
  - Collects what M(kateskit.klubster.router_info), or on VyOS M(kateskit.klubster.vyos_router),
    returned on each router. One that was not reached, or whose look failed, is in it with the reason.
author:
  - KatesKit developers (@kateskit)
positional: _input, groups
options:
  _input:
    description: C(hostvars).
    type: dict
    required: true
  groups:
    description: C(groups). The routers are those of the group C(routers).
    type: dict
    required: true
  variables:
    description: Where the results were registered; that of a task that was skipped does not count.
    type: list
    elements: str
    default: [__status_router, __router_look]
seealso:
  - module: kateskit.klubster.router_info
  - module: kateskit.klubster.cluster_status
"""

EXAMPLES = r"""
---
- name: Ask the cluster how it is, and compare it with its routers
  kateskit.klubster.cluster_status:
    kubeconfig: ~/.kube/klubster-home.yaml
    routers: "{{ hostvars | kateskit.klubster.router_looks(groups) }}"
"""

RETURN = r"""
_value:
  description: For O(kateskit.klubster.cluster_status#module:routers).
  type: list
  elements: dict
  sample:
    - {name: router3, kind: frr, addresses: [198.51.100.1], why: there is no answer, look: {}}
"""

import re
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._status.model import UNASKED
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain

_PREFIX = "Task failed: "
_REFUSAL = "  - "
#: what Ansible says of a task of which an option is a template that cannot be computed
_LACKING = re.compile(r"Finalization of task args .*? failed: .*?: (.*)")
_NOTHING = "it said nothing"
_VARIABLES = ("__status_router", "__router_look")


def router_looks(hosts: t.Any, groups: t.Any, variables: t.Any = _VARIABLES) -> list[dict[str, t.Any]]:
    """A row for each router."""
    return [_row(str(name), hosts[name], variables) for name in groups.get("routers") or ()]


def _row(name: str, known: t.Any, variables: t.Iterable[t.Any]) -> dict[str, t.Any]:
    results = [plain(known[str(variable)]) for variable in variables if str(variable) in known]
    found: dict[str, t.Any] = next((result for result in results if not result.get("skipped")), {})
    kind = _of(known, "router_kind") or "frr"
    return {
        "name": name,
        "kind": str(kind),
        "addresses": _addresses(known),
        # A run with --limit, or a kind that nobody knows how to look at: no fault of the router.
        "why": "" if found.get("look") or not found else _why(found),
        "look": found.get("look") or {},
    }


def _why(found: dict[str, t.Any]) -> str:
    lines = str(found.get("msg") or found.get("module_stderr") or _NOTHING).strip().split("\n")
    # Of refusals the first, not how many there are; and by the name that the role has for it.
    refused = [re.sub(r"^api\.", "router_api_", line[len(_REFUSAL) :]) for line in lines if line.startswith(_REFUSAL)]
    said = lines[0][len(_PREFIX) :] if lines[0].startswith(_PREFIX) else lines[0]
    lacking = _LACKING.match(said)
    return f"{UNASKED}: {lacking.group(1)}" if lacking else [*refused, said][0]


def _addresses(known: t.Any) -> list[str]:
    """As the inventory has them, for a router that does not answer."""
    model = _of(known, "router_model")
    interfaces = (model.get("interfaces") or {}).values() if isinstance(model, dict) else ()
    found = [str(address) for entry in interfaces for address in (entry or {}).get("addresses") or ()]
    return [*found, str(_of(known, "ansible_host") or "")]


def _of(known: t.Any, name: str) -> t.Any:
    """A variable; nothing where it cannot be known now."""
    try:
        return plain(known[name]) if name in known else None
    except Exception:  # A template of another's need not concern a look.
        return None


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"router_looks": router_looks}


__all__ = ("FilterModule", "router_looks")
