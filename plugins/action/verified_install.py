# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import Manifest
from ansible_collections.kateskit.klubster.plugins.plugin_utils import _release
from ansible_collections.kateskit.klubster.plugins.plugin_utils._manifest import contents, of_bundle, with_sums
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain
from ansible_collections.kateskit.klubster.plugins.plugin_utils._sending import SendingAction


class ActionModule(SendingAction):
    """Sends files of the bundle; documented with the module of the same name."""

    module = "kateskit.klubster.verified_install"

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        given = plain(dict(self._task.args))
        files = given.get("files") or [{}]
        if not all(entry.get("sums") for entry in files):
            return super().run(tmp, task_vars)
        # The machine has fetched them itself; the controller knows neither files nor sums.
        for name in ("bundle_dir", "release_dir", "architecture", "image_archives"):
            given.pop(name, None)
        result: dict[str, t.Any] = ActionBase.run(self, tmp, task_vars)
        return result | self._call(given, task_vars, "fetched")

    def load(self, given: dict[str, t.Any]) -> Manifest:
        release, arch = str(given.pop("release_dir", "")), str(given.pop("architecture", "amd64"))
        own, files = given.pop("image_archives", None) or [], given.get("files") or []
        if release:
            return _release.load(release, arch)
        return contents(str(given.pop("bundle_dir", "")), own, bundle=of_bundle(files))

    def complete(self, arguments: dict[str, t.Any], manifest: Manifest) -> dict[str, t.Any]:
        return arguments | {"files": with_sums(manifest, arguments.get("files", []))}

    def to_send(self, compared: dict[str, t.Any]) -> list[str]:
        return list(compared["missing"])


__all__ = ("ActionModule",)
