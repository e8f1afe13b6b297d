# SPDX-License-Identifier: Apache-2.0
"""Runs the role by ansible-playbook on a router that plays VyOS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = """\
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: kateskit.klubster.router}
      when: made | default(true)
    - kateskit.klubster.vyos_router:
        state: gathered
        api: "{{ api | default(omit) }}"
      delegate_to: "{{ 'localhost' if api is defined else inventory_hostname }}"
      register: found
      when: gathered is defined
    - ansible.builtin.include_role: {name: kateskit.klubster.router, tasks_from: vyos_look}
      when: look is defined
    - ansible.builtin.copy:
        content: >-
          {{ {'router': __router_vyos | default({}), 'found': found, 'look': __router_look | default({})} | to_json }}
        dest: "{{ result }}"
        mode: "0600"
      delegate_to: localhost
      check_mode: false
      vars: {ansible_connection: local, ansible_python_interpreter: "{{ ansible_playbook_python }}"}
"""


def play(
    folder: Path, host: t.Mapping[str, t.Any], secret: str | t.Sequence[str], *flags: str, **more: t.Any
) -> tuple[int, str, dict[str, t.Any]]:
    """Run the role: its exit status, what it said (never a secret), and its results.

    :param host: variables of the router.
    :param flags: options; a playbook among them runs instead of the role alone.
    :param more: variables of the run.
    """
    result = folder / "result.json"
    result.unlink(missing_ok=True)
    routers = {"r2": host, **more.pop("others", {})}
    (folder / "hosts.json").write_text(json.dumps({"all": {"children": {"routers": {"hosts": routers}}}}))
    (folder / "play.yml").write_text(PLAYBOOK)
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(folder / "hosts.json")]
    argv += ["-e", json.dumps({**more, "result": str(result)}), *flags]
    argv += [] if flags and flags[-1].startswith("kateskit.") else [str(folder / "play.yml")]
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_HOST_KEY_CHECKING": "False",
        "ANSIBLE_PERSISTENT_CONTROL_PATH_DIR": str(folder / "pc"),
        "ANSIBLE_LOG_PATH": str(folder / "log"),
    }
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    said = done.stdout + done.stderr
    assert len(said) > 100
    for one in [secret] if isinstance(secret, str) else secret:
        assert one not in said
        assert one not in (folder / "log").read_text()
    found = json.loads(result.read_text()) if result.exists() else {}
    return done.returncode, said, found


__all__ = ("play",)
