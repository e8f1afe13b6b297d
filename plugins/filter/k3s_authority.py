# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: k3s_authority
short_description: CAs of the user's own for k3s
version_added: "0.1.0"
description:
  - Reads the files that k3s takes as its CAs from a folder on the controller, and refuses those that it could not use.
  - The result holds private keys. Use it in tasks with C(no_log) only.
author:
  - KatesKit developers (@kateskit)
positional: _input
options:
  _input:
    description: The folder.
    type: str
    required: true
seealso:
  - module: kateskit.klubster.k3s_node
"""

EXAMPLES = r"""
---
- name: Begin a cluster with CAs of one's own
  kateskit.klubster.k3s_node:
    state: begun
    authority: "{{ '~/ca' | expanduser | kateskit.klubster.k3s_authority }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: Content by name of the file below C(server/tls).
  type: dict
  sample: {}
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


def k3s_authority(folder: t.Any) -> dict[str, str]:
    """The files of a folder."""
    # Ansible reads all filters of a collection before the first is called.
    from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_ca  # noqa: PLC0415

    try:
        return k3s_ca.load(str(plain(folder)))
    except KlubsterError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"k3s_authority": k3s_authority}
