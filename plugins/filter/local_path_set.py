# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: local_path_set
short_description: The cluster objects of the local-path provisioner
version_added: "0.1.0"
description:
  - Reads the manifest of Rancher's local-path-provisioner from a source bundle, puts in the bundle's images, the folder
    and the StorageClass, and returns a set for M(kateskit.klubster.cluster_objects).
author:
  - KatesKit developers (@kateskit)
positional: _input
options:
  _input:
    description: Folder of the source bundle on the controller.
    type: str
    required: true
  manifests_dir:
    description:
      - Folder on the controller with fetched manifests of upstream, where M(kateskit.klubster.preflight_check) puts
        them. If given, they are used instead of the bundle's, with upstream's images.
    type: str
    default: ""
  path:
    description: Folder on the nodes that holds the volumes.
    type: str
    required: true
  class_name:
    description: Name of the StorageClass.
    type: str
    default: local-path
  default_class:
    description: Whether claims that name no class get it.
    type: bool
    default: true
seealso:
  - module: kateskit.klubster.cluster_objects
"""

EXAMPLES = r"""
---
- name: Give claims volumes on the node's own disk
  kateskit.klubster.cluster_objects:
    kubeconfig: ~/.kube/klubster-home.yaml
    sets:
      - "{{ '/srv/klubster/bundle' | kateskit.klubster.local_path_set(path='/data/volumes') }}"
"""

RETURN = r"""
_value:
  description: The set, an entry of O(kateskit.klubster.cluster_objects#module:sets).
  type: dict
  sample: {name: storage-local-path, definitions: []}
"""

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.local_path import local_path_set
from ansible_collections.kateskit.klubster.plugins.plugin_utils._layers import layer_filter


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"local_path_set": layer_filter(local_path_set)}
