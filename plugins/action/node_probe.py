# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import json
import time
import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.kateskit.klubster.plugins.module_utils._model.preflight import request_for
from ansible_collections.kateskit.klubster.plugins.plugin_utils._layer_requests import layers_of
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


class ActionModule(ActionBase):  # type: ignore[misc]
    """Makes the module's options of the plan, and compares the machine's clock with the controller's."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        plan = plain(arguments.pop("plan", None))
        if plan:
            name = str((task_vars or {})["inventory_hostname"])
            arguments |= request_for(plan, name, plain(arguments.get("paths", [])))
            machine = plain(arguments.pop("machine", None))
            if machine:
                arguments["layers"] = layers_of(plan, name, machine)
                arguments["secrets"] = json.dumps(_secrets(plan, plain(arguments.pop("secrets", None) or {})))
        begin = time.time()
        found: dict[str, t.Any] = self._execute_module(
            module_name="kateskit.klubster.node_probe", module_args=arguments, task_vars=task_vars
        )
        end = time.time()
        if "time" in found:
            # The clock was read somewhere between the two, and after the layers were looked at.
            begin += found.pop("looked", 0.0)
            middle, half = (begin + end) / 2, (end - begin) / 2
            found["clock"] = {"offset": round(found["time"] - middle, 3), "uncertainty": round(half, 3)}
        return result | found


def _secrets(plan: t.Mapping[str, t.Any], given: dict[str, t.Any]) -> dict[str, t.Any]:
    """With the names and addresses that are reached without a proxy."""
    nodes = [entry["address"] for entry in plan["hosts"]] + [name for entry in plan["hosts"] for name in entry["names"]]
    return {**given, "environment": {**given.get("environment", {}), "nodes": nodes}}


__all__ = ("ActionModule",)
