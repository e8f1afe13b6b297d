# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import os
import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.kateskit.klubster.plugins.module_utils._status.keep import default_path, keep
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs on the controller only; documented with the module of the same name."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _spec, given = self.validate_argument_spec(
            argument_spec={"report": {"type": "dict", "required": True}, "path": {"type": "path", "default": ""}}
        )
        report = plain(given["report"])
        path = given["path"] or str(default_path(report["name"], os.environ))
        try:
            kept = keep(report, path, check=self._task.check_mode)
        except OSError as exc:
            return result | {"failed": True, "msg": f"The page {path} cannot be written: {exc.strerror}."}
        result |= {"changed": kept.changed, "path": kept.path}
        if self._task.diff:
            result["diff"] = {"before": kept.before, "after": kept.after}
        return result


__all__ = ("ActionModule",)
