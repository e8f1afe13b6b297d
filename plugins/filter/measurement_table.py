# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: measurement_table
short_description: What was measured of networks, as text for a terminal
version_added: "0.1.0"
author:
  - KatesKit developers (@kateskit)
description:
  - Tables with a column for each choice of a network, then what was not measured and why.
positional: _input
options:
  _input:
    description: Results of P(kateskit.klubster.measurement_result#filter).
    type: list
    elements: dict
    required: true
  cluster:
    description: Name of the cluster.
    type: str
    required: true
"""

EXAMPLES = r"""
---
- name: Show what was measured
  ansible.builtin.debug:
    msg: "{{ [result] | kateskit.klubster.measurement_table('home') }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


def measurement_table(results: t.Any, cluster: t.Any) -> str:
    """Glue between Ansible's values and the table."""
    # Ansible reads all filters of a collection before the first is called.
    from ansible_collections.kateskit.klubster.plugins.module_utils._compare import report, table  # noqa: PLC0415

    try:
        return table.render(report.report(str(cluster), plain(results)))
    except (KeyError, TypeError) as exc:
        raise AnsibleFilterError("measurement_table needs results of measurement_result.") from exc


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"measurement_table": measurement_table}


__all__ = ("FilterModule", "measurement_table")
