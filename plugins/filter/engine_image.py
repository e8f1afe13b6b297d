# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: engine_image
short_description: Reference of an image of the bundle
version_added: "0.1.0"
author:
  - KatesKit developers (@kateskit)
description:
  - The reference under which containerd knows an image of the bundle.
positional: _input, bundle_dir
options:
  _input:
    description: Name of the image in the bundle.
    type: str
    required: true
  bundle_dir:
    description: Folder of the bundle on the controller.
    type: path
    required: true
"""

EXAMPLES = r"""
---
- name: Show a reference
  ansible.builtin.debug:
    msg: "{{ 'pause' | kateskit.klubster.engine_image(bundle_dir) }}"
"""

RETURN = r"""
_value:
  description: Reference of an image of the bundle.
  type: str
  sample: bundle.klubster.internal/pause:3.10.1
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import Manifest
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError


def engine_image(name: t.Any, bundle_dir: t.Any) -> str:
    """The image's reference."""
    try:
        return Manifest.load(str(bundle_dir)).image(str(name)).reference
    except KlubsterError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"engine_image": engine_image}


__all__ = ("FilterModule", "engine_image")
