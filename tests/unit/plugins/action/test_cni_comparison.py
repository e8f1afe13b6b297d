# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.kateskit.klubster.plugins.action import cni_comparison
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._compare import report

CHOICES = [{"cni": "flannel"}, {"cni": "cilium", "not_run": "no images"}]


class Ansible:
    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, argv: t.Sequence[str], **_: t.Any) -> Result:
        self.asked.append(list(argv))
        given = json.loads(Path(argv[argv.index("--extra-vars") + 1].removeprefix("@")).read_text())
        if argv[-1].endswith("measure_cni.yml"):
            found = {**report.without_numbers("flannel vxlan", "measured", ""), "measured": "2026-11-22 08:00 UTC"}
            Path(given["measure_cni_file"]).write_text(json.dumps(found))
        return Result(0, "", "")


@pytest.fixture
def ansible(monkeypatch: pytest.MonkeyPatch) -> Ansible:
    made = Ansible()
    monkeypatch.setattr(cni_comparison, "run", made)
    monkeypatch.setattr(cni_comparison, "load_extra_vars", lambda _: {"klubster_batch": 2, "klubster_cni": "calico"})
    options = {"remote_user": "me", "vault_password_files": ["/secrets/one"], "become_password_file": None}
    monkeypatch.setattr(cni_comparison.context, "CLIARGS", options)
    return made


def act(folder: Path, *, check: bool = False, **given: t.Any) -> dict[str, t.Any]:
    args = {"choices": CHOICES, "cluster": "lab", "confirmation": "lab", "directory": str(folder), **given}
    task = SimpleNamespace(args=args, check_mode=check, diff=False, async_val=0, action="cni_comparison", _uuid="")
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None), has_pipelining=True, force_persistence=False)
    action = cni_comparison.ActionModule(
        task=task, connection=connection, play_context=None, loader=None, templar=None, shared_loader_obj=None
    )
    task_vars = {"ansible_inventory_sources": ["inventories/lab", "more"], "playbook_dir": "/collection/playbooks"}
    return t.cast("dict[str, t.Any]", action.run(task_vars=task_vars))


def test_measure_then_report_again(tmp_path: Path, ansible: Ansible) -> None:
    result = act(tmp_path / "out")
    assert result["changed"] is True
    assert [Path(argv[-1]).name for argv in ansible.asked] == [
        "reset.yml",
        "preflight.yml",
        "site.yml",
        "measure_cni.yml",
        "reset.yml",
    ]
    argv = ansible.asked[0]
    assert argv[:8] == [
        sys.executable,
        "-m",
        "ansible",
        "playbook",
        "--inventory",
        "inventories/lab",
        "--inventory",
        "more",
    ]
    assert argv[8:12] == ["--user", "me", "--vault-password-file", "/secrets/one"]
    assert argv[-1] == "/collection/playbooks/reset.yml"
    assert "no images" in result["table"]
    assert result["failures"] == []
    assert Path(result["page"]).is_file() and Path(result["json"]).is_file()
    again = act(tmp_path / "out", work="report", confirmation="")
    assert (again["changed"], len(ansible.asked)) == (False, 5)


def test_without_the_clusters_name_nothing_is_run(tmp_path: Path, ansible: Ansible) -> None:
    for work in ("measure", "check"):
        result = act(tmp_path / "out", confirmation="", work=work)
        assert result["failed"] is True
        assert [problem["variable"] for problem in result["problems"]] == ["klubster_reset"]
    assert ansible.asked == []
    assert not (tmp_path / "out").exists()


def test_bad_choices_are_refused_before_anything(tmp_path: Path, ansible: Ansible) -> None:
    result = act(tmp_path / "out", choices=[{"cni": "flanel"}])
    assert result["problems"][0]["variable"] == "compare_cni_choices[0].cni"
    assert ansible.asked == []


def test_check_mode_runs_nothing(tmp_path: Path, ansible: Ansible) -> None:
    assert act(tmp_path / "out", check=True)["changed"] is True
    assert act(tmp_path / "out", work="check")["changed"] is False
    assert ansible.asked == []
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, ansible: Ansible) -> None:
    (tmp_path / "file").write_text("")
    result = act(tmp_path / "file" / "out", work="report")
    assert result["failed"] is True
    assert "cannot be written" in result["msg"]
