# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import bundle, catalogue
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.process import Processes, end_with_parent
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain

_SPEC: dict[str, dict[str, t.Any]] = {
    "sets": {"type": "list", "elements": "str", "default": ["cluster"]},
    "cache_dir": {"type": "path"},
    "role_dir": {"type": "path"},
    "jobs": {"type": "int", "default": 0},
    "version": {"type": "str", "default": ""},
    "verify": {"type": "str", "choices": ["quick", "full"], "default": "quick"},
}
_DISPLAY = Display()


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs on the controller only, so that its progress shows while it builds; documented with the module."""

    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset(_SPEC)

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(argument_spec=_SPEC)
        processes = Processes()
        end_with_parent()
        try:
            request = _request(plain(arguments))
            before = bundle.inspect(request, processes)
            if not before.complete and not self._task.check_mode:
                bundle.ensure(request, processes, _DISPLAY.display)
        except (KlubsterError, OSError) as exc:
            return result | {"failed": True, "msg": str(exc)}
        finally:
            processes.stop()
        return result | _result(before, diff=bool(self._task.diff))


def _request(arguments: dict[str, t.Any]) -> bundle.Request:
    cache, role_dir = arguments["cache_dir"], arguments["role_dir"]
    return bundle.Request(
        cache=catalogue.Cache(Path(cache)) if cache else catalogue.default_cache(),
        role_dir=Path(role_dir) if role_dir else catalogue.default_role_dir(),
        sets=tuple(arguments["sets"]),
        jobs=arguments["jobs"],
        full=arguments["verify"] == "full",
        version=arguments["version"],
    )


def _result(before: bundle.State, *, diff: bool) -> dict[str, t.Any]:
    built = [component.name for component in before.missing]
    result: dict[str, t.Any] = {
        "changed": not before.complete,
        "directory": str(before.directory),
        "key": before.key,
        "built": built,
        "reason": before.reason,
    }
    if diff and not before.complete:
        keys = {component.name: before.plan.builder.key(component) for component in before.missing}
        result["diff"] = {
            "before": {"bundle": before.reason, "components": dict.fromkeys(keys, "not built")},
            "after": {"bundle": "complete", "components": keys},
        }
    return result


__all__ = ("ActionModule",)
