# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.catalogue import (
    default_bundle_dir,
    default_cache,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.image_archives import entries
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_plan
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._model.parse import parse
from ansible_collections.kateskit.klubster.plugins.plugin_utils._inventory import hosts_and_groups


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs on the controller only; documented with the module of the same name."""

    _requires_connection = False
    _VALID_ARGS: frozenset[str] = frozenset()

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        self.validate_argument_spec(argument_spec={})
        hosts, groups = hosts_and_groups(task_vars or {})
        try:
            parsed = parse(hosts, groups, bundle_dir=lambda version: str(default_bundle_dir(version=version)))
            plan = parsed.spec.as_dict()
            plan["ca_hash"] = _ca_hash(plan["engine"]["ca_dir"])
        except KlubsterError as exc:
            problems = exc.problems if isinstance(exc, InvalidInput) else ()
            return result | {"failed": True, "msg": str(exc), "problems": [vars(problem) for problem in problems]}
        notes = list(parsed.warnings)
        # What is wrong with a file is for preflight to say: status and reset need none of them.
        plan["archives"] = entries(parsed.spec.image_archives, default_cache().root / "archives.json")
        k3s = plan["engine"]["name"] == "k3s"
        plan["files"] = k3s_plan.files(plan) if k3s else {}
        plan["sysctls"] = k3s_plan.sysctls(plan) if k3s else {}
        return result | {"changed": False, "warnings": notes, "notes": notes} | plan


def _ca_hash(folder: str) -> str:
    if not folder:
        return ""
    # It reads certificates by a large library, for the few who bring their own.
    from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_ca  # noqa: PLC0415

    return k3s_ca.hash_of(k3s_ca.load(folder))


__all__ = ("ActionModule",)
