# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.plugin_utils import _release
from ansible_collections.kateskit.klubster.plugins.plugin_utils._manifest import contents, of_bundle, with_sums
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


class ActionModule(ActionBase):  # type: ignore[misc]
    """Tells the module what release and bundle have; documented with the module of the same name."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        arguments = plain(dict(self._task.args))
        try:
            release, bundle = str(arguments.pop("release_dir", "")), str(arguments.pop("bundle_dir", ""))
            arch = str(arguments.pop("architecture", "amd64"))
            programs = arguments.get("programs") or []
            if programs and not all(entry.get("sums") for entry in programs):
                arguments["programs"] = with_sums(_release.load(release, arch), arguments["programs"])
            own, wanted = arguments.pop("image_archives", None) or [], arguments.get("archives") or []
            arguments["archives"] = with_sums(contents(bundle, own, bundle=of_bundle(wanted)), wanted)
        except KlubsterError as exc:
            return result | {"failed": True, "msg": str(exc)}
        found: dict[str, t.Any] = self._execute_module(
            module_name="kateskit.klubster.k3s_node_info", module_args=arguments, task_vars=task_vars
        )
        return result | found


__all__ = ("ActionModule",)
