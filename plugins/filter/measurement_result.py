# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: measurement_result
short_description: Medians, spreads and ratios of a measured network
version_added: "0.1.0"
author:
  - KatesKit developers (@kateskit)
description:
  - What many loads have shown, each value with its ratio to the host's own network between the same machines. What was
    not measured is null, with the reason.
positional: _input
options:
  _input:
    description: What P(kateskit.klubster.measurement_layout#filter) returned.
    type: dict
    required: true
  name:
    description: What the choice of a network is called.
    type: str
    required: true
  loads:
    description: Results of a loop of M(kateskit.klubster.network_load) over loads, with their C(item).
    type: list
    elements: dict
    required: true
  reached:
    description: Whether the far pod was reached C(before) a policy forbade it, and C(after).
    type: dict
    default: {}
  costs:
    description: Results of loops over machines with C(work=cost), those from before the loads first.
    type: list
    elements: dict
    default: []
  measured:
    description: When.
    type: str
    default: ""
"""

EXAMPLES = r"""
---
- name: Show what was measured
  ansible.builtin.debug:
    msg: "{{ layout | kateskit.klubster.measurement_result('flannel vxlan', loads=loaded.results) }}"
"""

RETURN = r"""
_value:
  description: The result, for P(kateskit.klubster.measurement_table#filter).
  type: dict
"""
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


def measurement_result(
    layout: t.Any, name: t.Any, *, loads: t.Any, reached: t.Any = None, costs: t.Any = None, measured: t.Any = ""
) -> dict[str, t.Any]:
    """Glue between Ansible's values and the statistics."""
    # Ansible reads all filters of a collection before the first is called.
    from ansible_collections.kateskit.klubster.plugins.module_utils._compare import report  # noqa: PLC0415

    looks: dict[str, list[dict[str, t.Any]]] = {}
    try:
        for one in plain(costs or []):
            looks.setdefault(_item(one), []).append(one["cost"])
        samples = [{**_item(one), **one["sample"]} for one in plain(loads)]
        found = report.result(
            str(name),
            plain(layout),
            samples=samples,
            reached=plain(reached or {}),
            costs=looks,
            measured=str(measured),
        )
    except KeyError as exc:
        raise AnsibleFilterError(f"measurement_result misses a field: {exc}.") from exc
    return t.cast("dict[str, t.Any]", found)


def _item(one: dict[str, t.Any]) -> t.Any:
    return one[one.get("ansible_loop_var", "item")]


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"measurement_result": measurement_result}


__all__ = ("FilterModule", "measurement_result")
