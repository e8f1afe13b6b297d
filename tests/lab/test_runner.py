# SPDX-License-Identifier: Apache-2.0
"""As AWX runs playbooks: by ansible-runner, from a project folder that is read-only, without a home and without anybody
who could answer a question.

The machines are real, and nothing is changed on them.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
NAME = "runner"
CACHE = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
#: a folder that does not exist and that nobody, root included, can make
NOWHERE = "/proc/nowhere"


@pytest.fixture(scope="module")
def machines() -> t.Iterator[None]:
    def lab(state: str) -> None:
        argv = [str(BIN / "ansible-playbook"), "-i", "inventories/lab", f"playbooks/lab_{state}.yml"]
        environment = {**os.environ, "KLUBSTER_LAB_NAME": NAME}
        done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    lab("up")
    yield
    lab("down")


def run(folder: Path, playbook: str, *arguments: str) -> tuple[int, str, list[dict[str, t.Any]]]:
    """Exit status, output and events of a playbook under ansible-runner."""
    private = folder / "private"
    (private / "env").mkdir(parents=True, exist_ok=True)
    variables = {"klubster_kubeconfig": str(folder / "kubeconfig.yaml")}
    (private / "env/extravars").write_text(json.dumps(variables))
    # A question that nobody answers ends the run.
    (private / "env/settings").write_text(json.dumps({"idle_timeout": 60, "job_timeout": 240}))
    (private / "env/cmdline").write_text(shlex.join(arguments))
    environment = {
        "PATH": f"{BIN}:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": NOWHERE,
        # Ansible's own files need some place; AWX gives both a place in the job's folder.
        "ANSIBLE_HOME": str(private / "ansible"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(private / "cp"),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "XDG_CACHE_HOME": CACHE,
        "KLUBSTER_LAB_NAME": NAME,
        "LC_ALL": "C.UTF-8",
    }
    argv = [
        *(str(BIN / "ansible-runner"), "run", str(private), "--ident", "job", "--project-dir", str(ROOT)),
        *("--inventory", str(ROOT / "inventories/lab"), "--playbook", f"playbooks/{playbook}.yml"),
    ]
    here = shlex.quote(str(ROOT))
    script = (
        f"mount --bind {here} {here} && mount -o remount,ro,bind {here} && cd {here} && "
        f"! touch {here}/written 2>/dev/null && exec setsid {shlex.join(argv)}"
    )
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    events = [json.loads(path.read_text()) for path in (private / "artifacts/job/job_events").glob("*.json")]
    return done.returncode, done.stdout + done.stderr, events


def changed(events: list[dict[str, t.Any]]) -> dict[str, int]:
    stats = [event["event_data"] for event in events if event["event"] == "playbook_on_stats"]
    assert len(stats) == 1
    return t.cast("dict[str, int]", stats[0]["changed"])


def test_the_plan_is_shown(machines: None, tmp_path: Path) -> None:
    rc, output, events = run(tmp_path, "plan")
    assert rc == 0, output[-4000:]
    assert "cluster        lab: 1 server(s), 2 agent(s)" in output
    assert not any(changed(events).values())


def test_a_check_says_what_site_would_change(machines: None, tmp_path: Path) -> None:
    rc, output, events = run(tmp_path, "site", "--check", "--diff")
    assert rc == 0, output[-4000:]
    assert set(changed(events)) >= {"server1", "agent1", "agent2"}
    assert not (tmp_path / "kubeconfig.yaml").exists()


def test_a_refusal_is_a_failed_job_with_its_reason(machines: None, tmp_path: Path) -> None:
    rc, output, events = run(tmp_path, "site", "--check", "-e", "klubster_cnii=flannel")
    assert rc == 2
    assert "klubster_cnii" in output
    assert "klubster_cni" in output
    assert not any(event["event"] == "playbook_on_stats" and event["event_data"]["changed"] for event in events)
