# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

from ansible import context
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.utils.vars import load_extra_vars
from ansible_collections.kateskit.klubster.plugins.module_utils._command import run
from ansible_collections.kateskit.klubster.plugins.module_utils._compare import campaign, choices, keep, report
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, reason
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain

# Options of this run that the playbooks of each choice need, too. What was typed at a prompt cannot be handed on.
_OPTIONS = {
    "remote_user": "--user",
    "private_key_file": "--private-key",
    "become_password_file": "--become-password-file",
    "connection_password_file": "--connection-password-file",
}
_SPEC = {
    "choices": {"type": "list", "elements": "raw", "required": True},
    "cluster": {"type": "str", "required": True},
    "directory": {"type": "path", "required": True},
    "work": {"type": "str", "choices": ["check", "measure", "report"], "default": "measure"},
    "confirmation": {"type": "str", "default": ""},
    "timeout": {"type": "int", "default": 1800},
}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs on the controller only; documented with the module of the same name."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _spec, given = self.validate_argument_spec(argument_spec=_SPEC)
        given = plain(given)
        folder = Path(given["directory"]).expanduser().absolute()
        try:
            wanted = choices.parse(given["choices"])
            if given["work"] != "report":
                campaign.confirm(given["cluster"], given["confirmation"])
            if given["work"] == "check" or (given["work"] == "measure" and self._task.check_mode):
                return result | {"changed": given["work"] == "measure"}
            if given["work"] == "measure":
                self._campaign(given, folder, task_vars or {}).measure(wanted)
            found = report.report(given["cluster"], keep.collect(folder, wanted))
            kept = keep.write(folder, found, check=self._task.check_mode)
        except (KlubsterError, OSError) as exc:
            problems = [vars(problem) for problem in getattr(exc, "problems", ())]
            return result | {"failed": True, "msg": reason(exc), "problems": problems}
        failed = [one["name"] for one in found["choices"] if one["state"] == "failed"]
        warnings = [kept.note] if kept.note else []
        return result | {
            "changed": kept.changed or given["work"] == "measure",
            "warnings": warnings,
            "page": kept.page,
            "json": kept.json,
            "table": kept.table,
            "failures": failed,
        }

    def _campaign(self, given: dict[str, t.Any], folder: Path, task_vars: dict[str, t.Any]) -> campaign.Campaign:
        playbooks = campaign.Playbooks(
            run=run,
            argv=(*_program(), *_inventory(task_vars), *_options(context.CLIARGS)),
            folder=Path(str(task_vars["playbook_dir"])),
            variables=campaign.own_variables(plain(load_extra_vars(self._loader))),
            timeout=float(given["timeout"]),
        )
        display = Display()
        return campaign.Campaign(playbooks, folder, given["cluster"], lambda text: display.display(f"  {text}"))


def _program() -> list[str]:
    return [sys.executable, "-m", "ansible", "playbook"]


def _inventory(task_vars: t.Mapping[str, t.Any]) -> list[str]:
    return [word for source in plain(task_vars["ansible_inventory_sources"]) for word in ("--inventory", str(source))]


def _options(given: t.Mapping[str, t.Any]) -> list[str]:
    words = [word for name, option in _OPTIONS.items() if given.get(name) for word in (option, str(given[name]))]
    return words + [
        word for file in given.get("vault_password_files") or () for word in ("--vault-password-file", file)
    ]


__all__ = ("ActionModule",)
