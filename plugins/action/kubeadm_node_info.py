# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.plugin_utils._manifest import (
    archives,
    contents,
    kubeadm_images,
    own_archives,
    with_sums,
)
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


class ActionModule(ActionBase):  # type: ignore[misc]
    """Tells the module what the bundle has; documented with the module of the same name."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        arguments = plain(dict(self._task.args))
        try:
            own = arguments.pop("image_archives", None) or []
            manifest = contents(str(arguments.pop("bundle_dir", "")), own)
            arguments["images"] = kubeadm_images(manifest)
            arguments["programs"] = with_sums(manifest, arguments.get("programs", []))
            arguments["archives"] = archives(manifest, arguments.pop("image_names", [])) + own_archives(own)
        except KlubsterError as exc:
            return result | {"failed": True, "msg": str(exc)}
        found: dict[str, t.Any] = self._execute_module(
            module_name="kateskit.klubster.kubeadm_node_info", module_args=arguments, task_vars=task_vars
        )
        return result | found


__all__ = ("ActionModule",)
