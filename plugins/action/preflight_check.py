# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import image_archives
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.catalogue import default_cache
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import BundleError, Manifest
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.verify import damaged, unfit
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, KlubsterError, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._model.describe import describe
from ansible_collections.kateskit.klubster.plugins.module_utils._model.preflight import Limits, judge
from ansible_collections.kateskit.klubster.plugins.plugin_utils import _release
from ansible_collections.kateskit.klubster.plugins.plugin_utils._charts import chart_problems
from ansible_collections.kateskit.klubster.plugins.plugin_utils._openelb import openelb_problems
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain
from ansible_collections.kateskit.klubster.plugins.plugin_utils._upstream import fetch_manifests

_LIMITS = {
    "server_memory_mib": {"type": "int", "default": 1700},
    "agent_memory_mib": {"type": "int", "default": 700},
    "server_cpus": {"type": "int", "default": 2},
    "agent_cpus": {"type": "int", "default": 1},
    "time_skew": {"type": "float", "default": 5.0},
    "disk_mib": {"type": "dict", "default": {}},
    "running_disk_mib": {"type": "int", "default": 200},
    "reboot": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs on the controller only; documented with the module of the same name."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _checked, arguments = self.validate_argument_spec(
            argument_spec={
                "plan": {"type": "dict", "required": True},
                "probe": {"type": "str", "required": True},
                "refuse": {"type": "bool", "default": True},
                **_LIMITS,
            }
        )
        plan = plain(arguments["plan"])
        limits = Limits(**{name: plain(arguments[name]) for name in _LIMITS})
        probes = _probes(plan, arguments["probe"], (task_vars or {})["hostvars"])
        try:
            problems, manifest = _bundle(plan)
            judged = judge(plan, probes, limits, manifest.arch if manifest else "")
            problems += judged.problems
            text = describe(plan, probes, manifest)
        except KlubsterError as exc:
            return result | {"failed": True, "msg": str(exc)}
        result |= {
            "changed": False,
            "notes": list(judged.warnings),
            "warnings": list(judged.warnings),
            "problems": [vars(problem) for problem in problems],
            "refusal": str(InvalidInput(problems)) if problems else "",
            "text": text,
        }
        if problems and arguments["refuse"]:
            result |= {"failed": True, "msg": result["refusal"]}
        return result


def _probes(plan: dict[str, t.Any], variable: str, hostvars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What was registered on each machine of the plan; a machine outside of ``--limit`` has nothing."""
    found = {}
    for machine in plan["machines"]:
        variables = hostvars[machine["name"]]
        if variable in variables and not variables[variable].get("failed", False):
            found[machine["name"]] = plain(variables[variable])
    return found


def _bundle(plan: dict[str, t.Any]) -> tuple[list[Problem], Manifest | None]:
    """The bundle's table of contents, and what is wrong with it, with the folder of a release or with manifests."""
    engine, stamps = plan["engine"], default_cache().root / "verified.json"
    problems: list[Problem] = []
    if engine["source"] == "airgap":
        try:
            problems += damaged(_release.load(engine["release_dir"]), stamps, variable="klubster_airgap_dir")
        except BundleError as exc:
            rule = "The folder holds a release with its list of sums."
            problems.append(Problem("klubster_airgap_dir", engine["release_dir"], rule, str(exc)))
    problems += fetch_manifests(plan)
    problems += chart_problems(plan)
    problems += openelb_problems(plan)
    manifest = None
    if engine["needs_bundle"]:
        try:
            manifest = Manifest.load(engine["bundle_dir"])
        except BundleError as exc:
            rule = "The folder holds a complete bundle."
            problems.append(Problem("klubster_bundle_dir", engine["bundle_dir"], rule, str(exc)))
    problems += image_archives.problems(plan.get("archives") or [], manifest)
    if manifest is not None:
        problems += [*unfit(manifest, plan), *damaged(manifest, stamps)]
    return problems, manifest


__all__ = ("ActionModule",)
