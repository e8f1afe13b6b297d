# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import Manifest
from ansible_collections.kateskit.klubster.plugins.plugin_utils import _release
from ansible_collections.kateskit.klubster.plugins.plugin_utils._manifest import with_sums
from ansible_collections.kateskit.klubster.plugins.plugin_utils._sending import SendingAction


class ActionModule(SendingAction):
    """Sends files of the bundle; documented with the module of the same name."""

    module = "kateskit.klubster.verified_install"

    def load(self, given: dict[str, t.Any]) -> Manifest:
        release, arch = str(given.pop("release_dir", "")), str(given.pop("architecture", "amd64"))
        return _release.load(release, arch) if release else super().load(given)

    def complete(self, arguments: dict[str, t.Any], manifest: Manifest) -> dict[str, t.Any]:
        return arguments | {"files": with_sums(manifest, arguments.get("files", []))}

    def to_send(self, compared: dict[str, t.Any]) -> list[str]:
        return list(compared["missing"])


__all__ = ("ActionModule",)
