# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: layer_sets
short_description: The cluster objects of all layers of a planned cluster
version_added: "0.1.0"
description:
  - Turns the plan of M(kateskit.klubster.cluster_plan) into the sets of the layers C(cni), C(storage), C(load_balancer)
    and C(names), for one look of M(kateskit.klubster.cluster_status) at all of them, and for
    M(kateskit.klubster.cluster_objects), which applies them together.
  - With the tags of the run, only the layers that were asked for.
author:
  - KatesKit developers (@kateskit)
positional: _input
options:
  _input:
    description: The plan.
    type: dict
    required: true
  run:
    description: Tags of the run, as a rule C(ansible_run_tags). None, or C(all), means all layers.
    type: list
    elements: str
    default: []
  skip:
    description: Tags that the run leaves out, as a rule C(ansible_skip_tags).
    type: list
    elements: str
    default: []
seealso:
  - module: kateskit.klubster.cluster_status
  - module: kateskit.klubster.cluster_objects
  - module: kateskit.klubster.cluster_plan
"""

EXAMPLES = r"""
---
- name: See whether anything is lacking
  kateskit.klubster.cluster_status:
    kubeconfig: "{{ klubster_plan.api.kubeconfig }}"
    sets: "{{ klubster_plan | kateskit.klubster.layer_sets(run=ansible_run_tags, skip=ansible_skip_tags) }}"
  register: seen
"""

RETURN = r"""
_value:
  description: >-
    The sets, for O(kateskit.klubster.cluster_status#module:sets) and O(kateskit.klubster.cluster_objects#module:sets).
  type: list
  elements: dict
  sample:
    - {name: cni, definitions: []}
"""

import typing as t
from pathlib import Path

from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import Manifest
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import layers
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.manifests import Bundle
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.upstream import FetchedManifests
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


def layer_sets(plan: t.Any, run: t.Any = (), skip: t.Any = ()) -> list[dict[str, t.Any]]:
    """All sets of the plan, or those that the tags name."""
    data = plain(plan)
    try:
        return layers.layer_sets(_manifests(data), data, plain(run), plain(skip))
    except KlubsterError as exc:
        raise AnsibleFilterError(str(exc)) from exc


def _manifests(data: t.Mapping[str, t.Any]) -> Bundle:
    """The bundle's, or upstream's own. A cluster without layers of ours has no bundle, and nothing is read."""
    if data["layers"]["source"] != "bundle" or not data["engine"]["needs_bundle"]:
        return FetchedManifests(Path(str(data["layers"]["directory"])))
    if not data["engine"]["bundle_dir"]:
        raise AnsibleFilterError("No folder of a source bundle was given. Build one with playbooks/bundle.yml.")
    return Manifest.load(str(data["engine"]["bundle_dir"]))


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"layer_sets": layer_sets}
