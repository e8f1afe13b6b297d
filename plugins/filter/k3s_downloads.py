# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: k3s_downloads
short_description: What has to be fetched of a release of k3s
version_added: "0.1.0"
author:
  - KatesKit developers (@kateskit)
description:
  - URLs, names and lists of sums, in the words of M(kateskit.klubster.verified_download).
positional: _input, architecture, mirrors, images
options:
  _input:
    description: Version, with or without a leading v.
    type: str
    required: true
  architecture:
    description: Of the machines.
    type: str
    required: true
    choices: [amd64, arm64, armhf]
  mirrors:
    description: Where to fetch from instead of the official place, in this order.
    type: list
    elements: str
    default: []
  images:
    description: Form of the archive of images, if it is wanted too.
    type: str
    default: none
    choices: [none, tar.zst, tar.gz, tar]
"""

EXAMPLES = r"""
---
- name: Show them
  ansible.builtin.debug:
    msg: "{{ '1.34.2+k3s1' | kateskit.klubster.k3s_downloads('amd64') }}"
"""

RETURN = r"""
_value:
  description: What has to be fetched of a release of k3s.
  type: list
  elements: dict
  sample: [{kind: binary, name: k3s, mode: "0755", url: ["https://example.org/k3s"], sha256_name: k3s}]
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_release import (
    K3sVersion,
    release_files,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_release import (
    architecture as architecture_of,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


def k3s_downloads(version: t.Any, architecture: t.Any, mirrors: t.Any = (), images: t.Any = "none") -> list[t.Any]:
    """One entry for each file."""
    try:
        parsed, names = K3sVersion.parse(str(version)), architecture_of(str(architecture))
        return release_files(
            parsed,
            names,
            mirrors=plain(mirrors),
            images=None if images == "none" else str(images),
            variable="klubster_engine_mirrors",
        )
    except KlubsterError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"k3s_downloads": k3s_downloads}


__all__ = ("FilterModule", "k3s_downloads")
