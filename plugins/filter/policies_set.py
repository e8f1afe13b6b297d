# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: policies_set
short_description: The network policies of a profile
version_added: "0.1.0"
description:
  - Returns the set of C(NetworkPolicy) objects with which the CIS profile of k3s closes the namespaces of Kubernetes.
author:
  - KatesKit developers (@kateskit)
positional: _input
options:
  _input:
    description: The profile. Whatever V(cis) brought is removed with V(none).
    type: str
    choices: [none, cis]
    required: true
seealso:
  - module: kateskit.klubster.cluster_objects
"""

EXAMPLES = r"""
---
- name: Close the namespaces of Kubernetes
  kateskit.klubster.cluster_objects:
    kubeconfig: ~/.kube/klubster-home.yaml
    sets:
      - "{{ 'cis' | kateskit.klubster.policies_set }}"
"""

RETURN = r"""
_value:
  description: The set, an entry of O(kateskit.klubster.cluster_objects#module:sets).
  type: dict
  sample: {name: cni-policies, definitions: []}
"""

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.policies import policies_set as built
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


def policies_set(profile: t.Any) -> dict[str, t.Any]:
    """The set of a profile."""
    return built(str(plain(profile)))


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"policies_set": policies_set}
