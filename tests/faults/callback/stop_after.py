# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
"""Writes down which tasks of a run changed something, and ends the run after one of them, as a kill -9 does.

Outside the artefact: the tests switch it on. A task is named by its place and by how often that place was passed, or
as ``changed#3``: the third one that changed something.
"""

from __future__ import annotations

import json
import os
import signal
import typing as t
from pathlib import Path

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: stop_after
type: aggregate
short_description: End a run after a task
description: For tests of interruptions only.
author: KatesKit developers (@kateskit)
"""

ROOT = Path(__file__).resolve().parents[3]


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "stop_after"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._note = Path(os.environ["KLUBSTER_STOP_NOTE"])
        self._stop_at = os.environ.get("KLUBSTER_STOP_AFTER", "")
        self._passed: dict[str, int] = {}
        self._current = ""
        self._tasks: list[dict[str, t.Any]] = []

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:  # noqa: ARG002 Ansible's
        self._begin(task)

    def v2_playbook_on_handler_task_start(self, task: t.Any) -> None:
        self._begin(task)

    def v2_runner_on_ok(self, result: t.Any) -> None:
        if self._tasks and result.is_changed():
            self._tasks[-1]["changed"] += 1

    def v2_playbook_on_stats(self, stats: t.Any) -> None:  # noqa: ARG002 Ansible's
        self._end_of_task()
        self._write(stopped="")

    def _begin(self, task: t.Any) -> None:
        self._end_of_task()
        place = str(Path(task.get_path()).resolve().relative_to(ROOT))
        self._passed[place] = self._passed.get(place, 0) + 1
        self._current = f"{place}#{self._passed[place]}"
        self._tasks.append({"key": self._current, "name": task.get_name().strip(), "changed": 0})

    def _end_of_task(self) -> None:
        """All machines are through with the task."""
        changed = sum(bool(task["changed"]) for task in self._tasks)
        if self._current and self._stop_at in (self._current, f"changed#{changed}"):
            self._write(stopped=self._stop_at)
            # The run's own process group: no handler, no clean-up, no last words.
            os.killpg(os.getpgid(0), signal.SIGKILL)

    def _write(self, stopped: str) -> None:
        self._note.write_text(json.dumps({"stopped": stopped, "tasks": self._tasks}), encoding="utf-8")
