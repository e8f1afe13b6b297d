# Note that this plugin util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.catalogue import default_cache
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import Manifest
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.verify import damaged
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._node.staging import arrival_name
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain


class SendingAction(ActionBase):  # type: ignore[misc]
    """Asks a module what is missing on the machine, sends that, and lets the module put it in place."""

    _supports_check_mode = True
    _supports_async = False
    _requires_connection = True
    module = ""

    def complete(self, given: dict[str, t.Any]) -> tuple[Manifest, dict[str, t.Any]]:
        """What the files come from, and the module's options with what that says of them.

        :raises KlubsterError: there is no such source, or it has not what is asked for.
        """
        raise NotImplementedError

    def to_send(self, compared: dict[str, t.Any]) -> list[str]:
        """Paths inside the bundle, from the module's answer."""
        raise NotImplementedError

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        try:
            given = plain(dict(self._task.args))
            manifest, arguments = self.complete(given)
            compared = self._call(arguments, task_vars, "compare")
            sources = [] if compared.get("failed") or self._task.check_mode else self.to_send(compared)
            if not sources:
                return result | compared
            _require_sound(manifest)
            owner = self._login_user()
            if owner != "root":
                # The folder was made by root; now it is made for the user who writes there.
                arguments["staging_owner"] = owner
                compared = self._call(arguments, task_vars, "compare")
            arguments["staging"] = compared["staging"]
            for source in sources:
                name = arrival_name(source)
                self._connection.put_file(
                    str(manifest.file(source).path),
                    self._connection._shell.join_path(compared["staging"], name),  # noqa: SLF001
                )
            return result | self._call(arguments, task_vars, "place")
        except KlubsterError as exc:
            return result | {"failed": True, "msg": str(exc)}

    def _call(self, arguments: dict[str, t.Any], task_vars: t.Any, step: str) -> dict[str, t.Any]:
        found: dict[str, t.Any] = self._execute_module(
            module_name=self.module, module_args=arguments | {"step": step}, task_vars=task_vars
        )
        return found

    def _login_user(self) -> str:
        if self._get_remote_user() == "root":
            return "root"
        answer = self._low_level_execute_command("id -un", sudoable=False)
        return str(answer["stdout"]).strip()


def _require_sound(manifest: Manifest) -> None:
    """:raises InvalidInput: names every file that is not what the manifest says."""
    problems = damaged(manifest, default_cache().root / "verified.json")
    if problems:
        raise InvalidInput(problems)


__all__ = ("SendingAction",)
