# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: status_table
short_description: A cluster's report as text for a terminal
version_added: "0.1.0"
description:
  - Turns a report of M(kateskit.klubster.cluster_status) into lines of text, with what is wrong first.
author:
  - KatesKit developers (@kateskit)
positional: _input
options:
  _input:
    description: RV(kateskit.klubster.cluster_status#module:report).
    type: dict
    required: true
  width:
    description: Columns of the terminal, 80 at least. No line is longer.
    type: int
    default: 100
  colour:
    description: Mark good and bad with colours as well.
    type: bool
    default: false
  page:
    description: Path of the report's page, to be named in the last line.
    type: str
    default: ""
seealso:
  - module: kateskit.klubster.cluster_status
"""

EXAMPLES = r"""
---
- name: Show how the cluster is
  ansible.builtin.debug:
    msg: "{{ status.report | kateskit.klubster.status_table(width=120) }}"
"""

RETURN = r"""
_value:
  description: The text. Shown by M(ansible.builtin.debug), it keeps its lines with C(callback_result_format=yaml).
  type: str
  sample: "Cluster home is well (seen 2026-11-21 08:00:00 UTC)"
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.module_utils._status.model import SCHEMA
from ansible_collections.kateskit.klubster.plugins.module_utils._status.table import render
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


def status_table(report: t.Any, width: int = 100, colour: bool = False, page: str = "") -> str:
    """Glue between Ansible's values and the renderer."""
    found = plain(report)
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise AnsibleFilterError(f"status_table needs a report of cluster_status with schema {SCHEMA}.")
    text = render(t.cast(t.Any, found), width=int(width), colour=bool(colour))
    return f"{text}\n\nPage: {plain(page)}" if page else text


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"status_table": status_table}
