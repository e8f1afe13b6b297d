# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import Manifest
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.plugin_utils._manifest import kubeadm_images
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


class ActionModule(ActionBase):  # type: ignore[misc]
    """Tells the module which images the bundle has; documented with the module of the same name."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        arguments = plain(dict(self._task.args))
        try:
            arguments["images"] = kubeadm_images(Manifest.load(str(arguments.pop("bundle_dir", ""))))
        except KlubsterError as exc:
            return result | {"failed": True, "msg": str(exc)}
        found: dict[str, t.Any] = self._execute_module(
            module_name="kateskit.klubster.kubeadm_node", module_args=arguments, task_vars=task_vars
        )
        return result | found


__all__ = ("ActionModule",)
