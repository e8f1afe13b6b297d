# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: measurement_work
short_description: What serves where, who loads whom, and in which order
version_added: "0.1.0"
author:
  - KatesKit developers (@kateskit)
description:
  - Loads of all paths in turns, so that what disturbs the machines for a while disturbs all of them.
positional: _input, objects
options:
  _input:
    description: What P(kateskit.klubster.measurement_layout#filter) returned.
    type: dict
    required: true
  objects:
    description: Pods and services of the layout as the API has them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
---
- name: Show the order
  ansible.builtin.debug:
    msg: "{{ (layout | kateskit.klubster.measurement_work(pods.resources + services.resources)).loads }}"
"""

RETURN = r"""
_value:
  description: C(serves), C(loads) and C(policy).
  type: dict
"""
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.module_utils._compare import paths
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


def measurement_work(layout: t.Any, objects: t.Any) -> dict[str, t.Any]:
    """Glue between Ansible's values and the order of loads."""
    try:
        return paths.work(plain(layout), plain(objects))
    except KeyError as exc:
        raise AnsibleFilterError(f"measurement_work was not given an object or a field: {exc}.") from exc


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"measurement_work": measurement_work}


__all__ = ("FilterModule", "measurement_work")
