# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: kubeconfig_digests
short_description: What the administrator's kubeconfig may be, as far as the looks still hold
version_added: "0.1.0"
author:
  - KatesKit developers (@kateskit)
description:
  - From what the looks at the servers said to digests of the kubeconfig, one for each server, as each has a certificate
    of its own for the administrator. A server that this run changed after it was looked at may have another one now, so
    its look is left out.
positional: _input, groups
options:
  _input:
    description: Variables of all hosts, C(hostvars).
    type: dict
    required: true
  groups:
    description: The inventory's groups.
    type: dict
    required: true
seealso:
  - module: kateskit.klubster.cluster_status
"""

EXAMPLES = r"""
---
- name: Compare the cluster with the plan
  kateskit.klubster.cluster_status:
    kubeconfig: "{{ klubster_plan.api.kubeconfig }}"
    kubeconfig_sha256: "{{ hostvars | kateskit.klubster.kubeconfig_digests(groups) }}"
    plan: "{{ klubster_plan }}"
"""

RETURN = r"""
_value:
  description: The digests, in the order of the servers; none where no server's look still holds.
  type: list
  elements: str
  sample: []
"""

import typing as t

from ansible_collections.kateskit.klubster.plugins.plugin_utils._looks import engine_settled, looks_of

#: kinds of change after which a server may have other certificates. kubeadm makes them anew for another version; k3s
#: does when it starts and they are about to end (k3s's documentation, "k3s certificate").
_RENEWING = {"kubeadm": {"drain"}, "k3s": {"live", "restart", "drain"}}
_ANY = {"none", "live", "restart", "drain"}


def kubeconfig_digests(variables: t.Any, groups: t.Any) -> list[str]:
    """Those that still hold."""
    # Where the engine had something to do, its own look is the newer one.
    settled, looks = engine_settled(variables, groups), looks_of(variables, groups)
    found = []
    for name in groups.get("servers") or ():
        if name not in variables or "klubster_plan" not in variables[name]:
            continue
        known = variables[name]
        engine = str(known["klubster_plan"]["engine"]["name"])
        look = (looks.get(str(name), {}).get(engine) if settled else known.get("engine_node")) or {}
        if look.get("kubeconfig_sha256") and look.get("change", "drain") not in _RENEWING.get(engine, _ANY):
            found.append(str(look["kubeconfig_sha256"]))
    return found


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"kubeconfig_digests": kubeconfig_digests}


__all__ = ("FilterModule", "kubeconfig_digests")
