# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: engine_images
short_description: Images that a machine needs
version_added: "0.1.0"
author:
  - KatesKit developers (@kateskit)
description:
  - Names of the images that a machine of a role needs, with those that other layers ask for.
positional: _input, role, further
options:
  _input:
    description: The engine.
    type: str
    required: true
  role:
    description: What the machine is.
    type: str
    required: true
    choices: [server, agent]
  further:
    description: Images that other layers will need.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
---
- name: Show the images of an agent
  ansible.builtin.debug:
    msg: "{{ 'kubeadm' | kateskit.klubster.engine_images('agent', ['flannel']) }}"
"""

RETURN = r"""
_value:
  description: Images that a machine needs.
  type: list
  elements: str
  sample: [pause, kube-proxy, coredns, flannel]
"""

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import BUNDLED, images_for
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


def engine_images(engine: t.Any, role: t.Any, further: t.Any = ()) -> list[str]:
    """Names of images, each once."""
    return images_for(BUNDLED[str(engine)], str(role), plain(further))


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"engine_images": engine_images}


__all__ = ("FilterModule", "engine_images")
