# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: k3s_archives
short_description: Archives of images and their places
version_added: "0.1.0"
author:
  - KatesKit developers (@kateskit)
description:
  - Where archives of images go, so that k3s imports them, as the C(files) of M(kateskit.klubster.verified_install).
positional: _input, bundle_dir, image_archives
options:
  _input:
    description: Images, by their names in the bundle.
    type: list
    elements: str
    required: true
  bundle_dir:
    description: Folder of the bundle on the controller; not read when there are no images.
    type: path
    required: true
  image_archives:
    description: Archives of the user's own, as RV(kateskit.klubster.cluster_plan#module:archives).
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
---
- name: Show them
  ansible.builtin.debug:
    msg: "{{ ['agnhost'] | kateskit.klubster.k3s_archives(bundle_dir) }}"
"""

RETURN = r"""
_value:
  description: Archives of images and their places.
  type: list
  elements: dict
  sample: [{source: images/agnhost.tar, path: /var/lib/rancher/k3s/agent/images/klubster-agnhost.tar}]
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.plugin_utils import _release
from ansible_collections.kateskit.klubster.plugins.plugin_utils._manifest import contents
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


def k3s_archives(images: t.Any, bundle_dir: t.Any, image_archives: t.Any = ()) -> list[dict[str, str]]:
    """One entry for each archive."""
    names, own = plain(images), plain(image_archives)
    try:
        return _release.archive_places(contents(str(bundle_dir), own, bundle=bool(names)), names, own)
    except KlubsterError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"k3s_archives": k3s_archives}


__all__ = ("FilterModule", "k3s_archives")
