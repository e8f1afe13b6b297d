# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: k3s_fetched
short_description: Files of a release of k3s that machines fetch themselves, and their places
version_added: "0.1.0"
author:
  - KatesKit developers (@kateskit)
description:
  - What of a release goes where on a machine, as the C(files) of M(kateskit.klubster.verified_install).
positional: _input, folder
options:
  _input:
    description: What P(kateskit.klubster.k3s_downloads#filter) returned.
    type: list
    elements: dict
    required: true
  folder:
    description: Folder on the machine to which they are fetched, and their list of sums.
    type: path
    required: true
"""

EXAMPLES = r"""
---
- name: Show them
  ansible.builtin.debug:
    msg: "{{ downloads | kateskit.klubster.k3s_fetched('/var/lib/k3s-releases') }}"
"""

RETURN = r"""
_value:
  description: Files of a release of k3s and their places.
  type: list
  elements: dict
  sample: [{source: k3s, path: /usr/local/bin/k3s, mode: "0755", sums: /var/lib/k3s-releases/sha256sum-amd64.txt}]
"""

import typing as t

from ansible_collections.kateskit.klubster.plugins.plugin_utils import _release
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


def k3s_fetched(downloads: t.Any, folder: t.Any) -> list[dict[str, str]]:
    """The program, and the archive of images where it is wanted."""
    return [
        _release.place_of(entry["name"], image=entry["kind"] == "images")
        | {"sums": f"{folder}/{entry['sha256_list_name']}"}
        for entry in plain(downloads)
    ]


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"k3s_fetched": k3s_fetched}


__all__ = ("FilterModule", "k3s_fetched")
