# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: k3s_programs
short_description: Files of a release of k3s and their places
version_added: "0.1.0"
author:
  - KatesKit developers (@kateskit)
description:
  - What of a release goes to a machine, and where, as the C(files) of M(kateskit.klubster.verified_install).
positional: _input, architecture
options:
  _input:
    description: Folder of the release on the controller.
    type: path
    required: true
  architecture:
    description: Of the machine.
    type: str
    default: amd64
    choices: [amd64, arm64, armhf]
"""

EXAMPLES = r"""
---
- name: Show them
  ansible.builtin.debug:
    msg: "{{ release_dir | kateskit.klubster.k3s_programs }}"
"""

RETURN = r"""
_value:
  description: Files of a release of k3s and their places.
  type: list
  elements: dict
  sample: [{source: k3s, path: /usr/local/bin/k3s, mode: "0755"}]
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.plugin_utils import _release


def k3s_programs(folder: t.Any, architecture: t.Any = "amd64") -> list[dict[str, str]]:
    """The program, and the archive of images where the release has one."""
    try:
        return _release.places(_release.load(str(folder), str(architecture)))
    except KlubsterError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"k3s_programs": k3s_programs}


__all__ = ("FilterModule", "k3s_programs")
