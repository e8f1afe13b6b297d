# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: engine_programs
short_description: Programs of an engine and their places
version_added: "0.1.0"
author:
  - KatesKit developers (@kateskit)
description:
  - Which files of the bundle an engine needs on a machine, and where they go, as the
    C(files) of M(kateskit.klubster.verified_install).
positional: _input, bundle_dir, plugins
options:
  _input:
    description: The engine.
    type: str
    required: true
  bundle_dir:
    description: Folder of the bundle on the controller.
    type: path
    required: true
  plugins:
    description: Whether the bundle's CNI plugins are among them. Some providers of the pod network bring their own.
    type: bool
    default: true
"""

EXAMPLES = r"""
---
- name: Show the programs
  ansible.builtin.debug:
    msg: "{{ 'kubeadm' | kateskit.klubster.engine_programs(bundle_dir) }}"
"""

RETURN = r"""
_value:
  description: Programs of an engine and their places.
  type: list
  elements: dict
  sample: [{source: bin/kubelet, path: /usr/local/bin/kubelet}]
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import Manifest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import BUNDLED
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.plugin_utils._manifest import programs


def engine_programs(engine: t.Any, bundle_dir: t.Any, plugins: t.Any = True) -> list[dict[str, str]]:
    """The engine's own programs and all CNI plugins of the bundle."""
    try:
        return programs(BUNDLED[str(engine)], Manifest.load(str(bundle_dir)), plugins=bool(plugins))
    except KlubsterError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"engine_programs": engine_programs}


__all__ = ("FilterModule", "engine_programs")
