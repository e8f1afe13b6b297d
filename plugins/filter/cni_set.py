# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: cni_set
short_description: The cluster objects of a planned cluster's pod network
version_added: "0.1.0"
description:
  - Turns the plan of M(kateskit.klubster.cluster_plan) into the set of its provider, for
    M(kateskit.klubster.cluster_objects).
  - Charts are rendered by C(helm template), with the Helm of the bundle or of the C(PATH). What was rendered of the
    same chart and values before is read from the cache. Hooks of charts are left out.
author:
  - KatesKit developers (@kateskit)
positional: _input
options:
  _input:
    description: The plan.
    type: dict
    required: true
seealso:
  - module: kateskit.klubster.cluster_objects
  - module: kateskit.klubster.cluster_plan
  - plugin: kateskit.klubster.flannel_set
    plugin_type: filter
"""

EXAMPLES = r"""
---
- name: Give the pods their network
  kateskit.klubster.cluster_objects:
    kubeconfig: ~/.kube/klubster-home.yaml
    sets:
      - "{{ klubster_plan | kateskit.klubster.cni_set }}"
"""

RETURN = r"""
_value:
  description: The set, an entry of O(kateskit.klubster.cluster_objects#module:sets).
  type: dict
  sample: {name: cni, definitions: []}
"""

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.cni_layer import layer_set
from ansible_collections.kateskit.klubster.plugins.plugin_utils._layers import with_manifests
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


def cni_set(plan: t.Any) -> dict[str, t.Any]:
    """The set of the plan's provider."""
    data = plain(plan)
    # Of a bundle only Flannel is made; charts find theirs by the plan.
    fetched = None if data["cni"]["layer"] == "flannel" else data["layers"]["directory"]
    built: dict[str, t.Any] = with_manifests(
        data["engine"]["bundle_dir"], fetched, lambda bundle: layer_set(bundle, data)
    )
    return built


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"cni_set": cni_set}
