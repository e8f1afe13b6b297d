# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""One cluster for each choice, one after the other: made, measured, taken away. A failure loses no other numbers."""

from __future__ import annotations

import json
import os
import re
import tempfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result as Printed
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._compare import keep
from ansible_collections.kateskit.klubster.plugins.module_utils._compare.choices import FIELDS, Choice
from ansible_collections.kateskit.klubster.plugins.module_utils._compare.report import Result, without_numbers
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import (
    CommandFailed,
    InvalidInput,
    Problem,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._files import write_atomically

_FATAL = re.compile(r"^fatal: \[(?P<host>[^\]]+)\]: (?:FAILED!|UNREACHABLE!) => (?P<json>\{.*\})\s*$", re.MULTILINE)
_PLAIN = {
    "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
    "ANSIBLE_FORCE_COLOR": "0",
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
}


def confirm(cluster: str, confirmation: str) -> None:
    """Machines are reset between two choices, whatever runs there.

    :raises InvalidInput: unless the cluster was named.
    """
    if confirmation != cluster:
        rule = (
            f"its machines are reset before, between and after the choices; a cluster {cluster} that runs there, with "
            "all that it holds, is destroyed."
        )
        remedy = (
            f"If that is what you want, name it: -e klubster_reset={cluster}. "
            "To measure the cluster as it is and keep it, run playbooks/measure_cni.yml."
        )
        raise InvalidInput([Problem("klubster_reset", confirmation, rule, remedy)])


def reason_of(printed: str) -> str:
    """Why a playbook failed, by what it printed: the first machine that said so."""
    for found in _FATAL.finditer(printed):
        try:
            told = json.loads(found.group("json"))
        except ValueError:
            continue
        problems = told.get("problems")
        if isinstance(problems, list) and problems and all(isinstance(one, dict) for one in problems):
            first = problems[0]
            return f"{first.get('variable')}: {first.get('rule')} {first.get('remedy')}"
        if told.get("msg"):
            return f"{found.group('host')}: {' '.join(str(told['msg']).split())}"[:600]
    last = [line.strip() for line in printed.splitlines() if line.strip()]
    return last[-1][:600] if last else "it said nothing"


@dataclass(frozen=True)
class Playbooks:
    """Runs playbooks of this collection as programs of their own, since one run of Ansible has one set of variables."""

    run: Runner
    #: the program with the options that all of them get
    argv: tuple[str, ...]
    folder: Path
    #: variables that all of them get
    variables: t.Mapping[str, t.Any]
    timeout: float

    def play(self, name: str, more: t.Mapping[str, t.Any], log: Path) -> Printed:
        """What it printed goes to the log. Variables go by a file that only we can read, and that goes again."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="klubster-compare-") as private:
            given = Path(private) / "variables.json"
            given.touch(mode=0o600)
            given.write_text(json.dumps({**self.variables, **more}), encoding="utf-8")
            argv = [*self.argv, "--extra-vars", f"@{given}", str(self.folder / name)]
            try:
                done = self.run(argv, check=False, env=_PLAIN, timeout=self.timeout)
            except CommandFailed as exc:
                done = Printed(exc.rc, exc.stdout, str(exc))
        said = done.stdout + (f"\n{done.stderr}" if done.stderr else "")
        write_atomically(log, said.encode(), mode=0o600, uid=os.geteuid(), gid=os.getegid())
        return done


@dataclass(frozen=True)
class Campaign:
    """All choices on the same machines."""

    playbooks: Playbooks
    folder: Path
    cluster: str
    #: tells what happens
    say: t.Callable[[str], None]

    def measure(self, choices: t.Sequence[Choice]) -> list[Result]:
        """Results in the order of the choices; each is kept as soon as it is there."""
        keep.forget(self.folder, choices)
        ready = all(choice.not_run for choice in choices) or self._reset("before")
        found = []
        for number, choice in enumerate(choices, 1):
            self.say(f"{choice.name} ({number} of {len(choices)})")
            if choice.not_run:
                result = without_numbers(choice.name, "not run", choice.not_run)
            else:
                result = self._one(choice) if ready else self._blocked(choice)
            if result["state"] != "measured":
                self.say(f"{choice.name}: {result['state']}: {result['reason']}")
            keep.put(self.folder, choice, result)
            found.append(result)
        return found

    def _one(self, choice: Choice) -> Result:
        wanted = choice.variables
        refused = self._play("preflight", choice, wanted)
        if refused is not None:
            return without_numbers(choice.name, "not run", refused)
        try:
            failed = self._play("site", choice, wanted)
            if failed is not None:
                return without_numbers(choice.name, "failed", f"The cluster was not made: {failed}")
            measured = {**wanted, "measure_cni_name": choice.name, "measure_cni_file": str(self._file(choice))}
            failed = self._play("measure_cni", choice, measured)
            result = keep.get(self.folder, choice)
            if failed is not None or result is None:
                return without_numbers(choice.name, "failed", f"It was not measured: {failed or 'no result came'}")
            return result
        finally:
            # Also after an interruption, as far as one is given time.
            self._reset(choice.key)

    def _file(self, choice: Choice) -> Path:
        return keep.file_of(self.folder, choice)

    def _play(self, name: str, choice: Choice, variables: t.Mapping[str, t.Any]) -> str | None:
        """Why it failed; None: it did not."""
        self.say(f"{choice.name}: {name}")
        log = self.folder / "logs" / f"{choice.key}-{name}.log"
        done = self.playbooks.play(f"{name}.yml", variables, log)
        if done.rc == 0:
            return None
        if done.rc == 124:
            return f"it took longer than {self.playbooks.timeout:g} s"
        return f"{reason_of(done.stdout or done.stderr)} (all of it: {log})"

    def _reset(self, when: str) -> bool:
        # The inventory's own choice is read here: a reset takes away what all of them leave.
        self.say(f"reset ({when})")
        log = self.folder / "logs" / f"{when}-reset.log"
        done = self.playbooks.play("reset.yml", {"klubster_reset": self.cluster}, log)
        if done.rc != 0:
            self.say(f"reset failed: {reason_of(done.stdout or done.stderr)}")
        return done.rc == 0

    def _blocked(self, choice: Choice) -> Result:
        log = self.folder / "logs" / "before-reset.log"
        return without_numbers(choice.name, "failed", f"The machines could not be taken back to what they were: {log}")


def own_variables(given: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What the user gave on the command line, without what a choice decides."""
    decided = {variable for variable, _kind in FIELDS.values()}
    ours = ("compare_cni_choices", "measure_cni_file", "measure_cni_name")
    return {name: value for name, value in given.items() if name not in decided and name not in ours}


__all__ = ("Campaign", "Playbooks", "confirm", "own_variables", "reason_of")
