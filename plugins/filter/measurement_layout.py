# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: measurement_layout
short_description: Which machines measure a cluster's network, and what they need in the cluster
version_added: "0.1.0"
author:
  - KatesKit developers (@kateskit)
description:
  - Two machines of the cluster and the one outside, what cannot be measured with the reason, and the objects that the
    cluster holds meanwhile. Refuses amounts that are out of bounds.
positional: _input
options:
  _input:
    description: What M(kateskit.klubster.cluster_plan) returned.
    type: dict
    required: true
  image:
    description: Reference of the image of the pods. It only has to stay; loads run on the machines.
    type: str
    required: true
  client:
    description: Inventory host outside the cluster; empty, if there is none.
    type: str
    default: ""
  amounts:
    description: Numbers named rounds, seconds, round_trips, connections and timeout.
    type: dict
    required: true
"""

EXAMPLES = r"""
---
- name: Show which machines measure
  ansible.builtin.debug:
    msg: "{{ klubster_plan | kateskit.klubster.measurement_layout(image='registry.example.org/pause:3.10',
      amounts={'rounds': 3, 'seconds': 5, 'round_trips': 2000, 'connections': 100, 'timeout': 30}) }}"
"""

RETURN = r"""
_value:
  description: The layout, for P(kateskit.klubster.measurement_work#filter).
  type: dict
"""
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


def measurement_layout(plan: t.Any, image: t.Any, client: t.Any = "", amounts: t.Any = None) -> dict[str, t.Any]:
    """Glue between Ansible's values and the layout."""
    # Ansible reads all filters of a collection before the first is called.
    from ansible_collections.kateskit.klubster.plugins.module_utils._compare import paths  # noqa: PLC0415

    try:
        found = paths.layout(plain(plan), str(client or ""), plain(amounts))
    except KlubsterError as exc:
        raise AnsibleFilterError(str(exc)) from exc
    sets = {
        "pods": {"name": paths.SET, "definitions": paths.definitions(found, str(image))},
        "policy": {"name": paths.POLICY_SET, "definitions": paths.policy()},
        "absent": [{"name": name, "state": "absent"} for name in (paths.POLICY_SET, paths.SET)],
    }
    return found | {"sets": sets, "namespace": paths.NAMESPACE, "port": paths.PORT}


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"measurement_layout": measurement_layout}


__all__ = ("FilterModule", "measurement_layout")
