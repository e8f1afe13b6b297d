# Note that this plugin util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError
from ansible_collections.kateskit.klubster.plugins.module_utils._model.parse import Unreadable
from ansible_collections.kateskit.klubster.plugins.module_utils._model.schema import PREFIX, REGISTERED
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


def hosts_and_groups(task_vars: t.Mapping[str, t.Any]) -> tuple[dict[str, dict[str, t.Any]], dict[str, list[str]]]:
    """What the model reads of an inventory, of all hosts whether they are in the play or not, as plain data."""
    hostvars = task_vars["hostvars"]
    hosts = {str(host): _public(hostvars[host]) for host in hostvars}
    groups = {str(name): [str(host) for host in members] for name, members in task_vars["groups"].items()}
    return hosts, groups


def _public(variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    found: dict[str, t.Any] = {}
    for name in variables:
        # Others are not even looked at: computing a value can be slow, or fail.
        if name == "ansible_host" or (name.startswith(PREFIX) and name not in REGISTERED):
            found[str(name)] = _value(variables, name)
    return found


def _value(variables: t.Mapping[str, t.Any], name: str) -> t.Any:
    try:
        return plain(variables[name])
    except AnsibleError as exc:
        return Unreadable(str(exc).strip())


__all__ = ("hosts_and_groups",)
