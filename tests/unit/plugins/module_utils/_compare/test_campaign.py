# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import stat
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._compare import campaign, choices, keep, report
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed, InvalidInput

REFUSED = """
TASK [Read and validate the cluster] ****
fatal: [server1]: FAILED! => {"changed": false, "msg": "1 problem", "problems": [{"variable": "klubster_cni_chart", \
"value": null, "rule": "There is none.", "remedy": "Name one."}]}
"""
BROKEN = """
fatal: [agent1]: FAILED! => {not json}
fatal: [agent1]: FAILED! => {"msg": "nothing\\n answers"}

PLAY RECAP ***
"""
CHOICES = choices.parse(
    [
        {"cni": "flannel"},
        {"cni": "flannel", "backend": "host-gw"},
        {"cni": "calico"},
        {"cni": "cilium", "not_run": "no images"},
    ]
)


class Ansible:
    """Plays what is asked; ``fails`` maps a playbook and a network to what happens."""

    def __init__(self, fails: dict[tuple[str, str], Result | BaseException], made: t.Any = None) -> None:
        self.fails, self.made, self.played = fails, made, list[tuple[str, str]]()
        self.variables: list[dict[str, t.Any]] = []

    def __call__(self, argv: t.Sequence[str], **_: t.Any) -> Result:
        file = Path(argv[argv.index("--extra-vars") + 1].removeprefix("@"))
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert not any("hunter2" in word for word in argv)
        given = json.loads(file.read_text())
        self.variables.append(given)
        name = Path(argv[-1]).stem
        network = given.get("klubster_cni", "") + given.get("klubster_cni_backend", "")
        self.played.append((name, network))
        failure = self.fails.get((name, network))
        if isinstance(failure, BaseException):
            raise failure
        if name == "measure_cni" and self.made is not None and failure is None:
            result = {**self.made, "name": given["measure_cni_name"]}
            Path(given["measure_cni_file"]).write_text(json.dumps(result))
        return failure or Result(0, "", "")


def run(folder: Path, ansible: Ansible) -> list[report.Result]:
    playbooks = campaign.Playbooks(ansible, ("ansible",), folder / "playbooks", {"mine": "hunter2"}, 60.0)
    return campaign.Campaign(playbooks, folder / "out", "lab", lambda _: None).measure(CHOICES)


def test_each_choice_has_a_cluster_of_its_own(tmp_path: Path, made: t.Any) -> None:
    ansible = Ansible({("preflight", "calicovxlan"): Result(2, REFUSED, "")}, made())
    found = run(tmp_path, ansible)
    assert ansible.played == [
        ("reset", ""),
        ("preflight", "flannelvxlan"),
        ("site", "flannelvxlan"),
        ("measure_cni", "flannelvxlan"),
        ("reset", ""),
        ("preflight", "flannelhost-gw"),
        ("site", "flannelhost-gw"),
        ("measure_cni", "flannelhost-gw"),
        ("reset", ""),
        ("preflight", "calicovxlan"),
    ]
    assert [one["state"] for one in found] == ["measured", "measured", "not run", "not run"]
    assert found[2]["reason"].startswith("klubster_cni_chart: There is none. Name one.")
    assert found[3]["reason"] == "no images"
    assert ansible.variables[0] == {"mine": "hunter2", "klubster_reset": "lab"}
    assert keep.collect(tmp_path / "out", CHOICES) == json.loads(json.dumps(found))


def test_a_failure_loses_nobody_elses_numbers(tmp_path: Path, made: t.Any) -> None:
    ansible = Ansible({("site", "flannelvxlan"): Result(2, BROKEN, "")}, made())
    found = run(tmp_path, ansible)
    assert [one["state"] for one in found[:2]] == ["failed", "measured"]
    assert "agent1: nothing answers" in found[0]["reason"]
    assert found[0]["paths"] == {}
    assert ansible.played[:5] == [
        ("reset", ""),
        ("preflight", "flannelvxlan"),
        ("site", "flannelvxlan"),
        ("reset", ""),
        ("preflight", "flannelhost-gw"),
    ]
    log = tmp_path / "out" / "logs" / "flannel-vxlan-site.log"
    assert "nothing" in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "failure, said",
    [(Result(2, BROKEN, ""), "nothing answers"), (Result(0, "", ""), "no result came")],
)
def test_a_measurement_that_fails(tmp_path: Path, failure: Result, said: str) -> None:
    found = run(tmp_path, Ansible({("measure_cni", "flannelvxlan"): failure}))
    assert found[0]["state"] == "failed"
    assert said in found[0]["reason"]


def test_a_playbook_that_takes_too_long(tmp_path: Path) -> None:
    late = CommandFailed(["ansible"], 124, "", "took longer than 60 s")
    found = run(tmp_path, Ansible({("site", "flannelvxlan"): late}))
    assert "it took longer than 60 s" in found[0]["reason"]


def test_an_interruption_still_resets(tmp_path: Path) -> None:
    ansible = Ansible({("site", "flannelvxlan"): KeyboardInterrupt()})
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, ansible)
    assert ansible.played[-1] == ("reset", "")


def test_machines_that_cannot_be_taken_back_are_not_measured(tmp_path: Path) -> None:
    ansible = Ansible({("reset", ""): Result(2, BROKEN, "")})
    found = run(tmp_path, ansible)
    assert ansible.played == [("reset", "")]
    assert [one["state"] for one in found] == ["failed"] * 3 + ["not run"]


def test_numbers_of_an_earlier_run_are_forgotten(tmp_path: Path, made: t.Any) -> None:
    run(tmp_path, Ansible({}, made()))
    found = run(tmp_path, Ansible({("measure_cni", "flannelvxlan"): Result(0, "", "")}))
    assert found[0]["state"] == "failed"


@pytest.mark.parametrize("given", ["", "other", "LAB", "lab "])
def test_a_cluster_is_destroyed_by_its_name_only(given: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        campaign.confirm("lab", given)
    (problem,) = caught.value.problems
    assert problem.variable == "klubster_reset"
    assert "destroyed" in problem.rule
    assert "-e klubster_reset=lab" in problem.remedy
    campaign.confirm("lab", "lab")


@pytest.mark.parametrize(
    "text, reason", [("", "it said nothing"), ("a\n\nERROR! no such file\n", "ERROR! no such file")]
)
def test_reason_without_a_failed_task(text: str, reason: str) -> None:
    assert campaign.reason_of(text) == reason


def test_variables_that_a_choice_decides_are_not_handed_on() -> None:
    given = {"klubster_cni": "x", "compare_cni_choices": [], "measure_cni_file": "/x", "klubster_batch": 2}
    assert campaign.own_variables(given) == {"klubster_batch": 2}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "flannel vxlan"}'])
def test_a_kept_result_that_is_not_whole_is_none(tmp_path: Path, text: str) -> None:
    keep.file_of(tmp_path, CHOICES[0]).write_text(text)
    assert keep.get(tmp_path, CHOICES[0]) is None
    assert keep.collect(tmp_path, CHOICES)[0]["reason"] == "nothing was measured yet"


def test_the_page_is_written_once(tmp_path: Path, made: t.Any) -> None:
    whole = report.report("lab", [made()])
    assert keep.write(tmp_path / "a", whole, check=True).changed is True
    assert not (tmp_path / "a").exists()
    first = keep.write(tmp_path / "a", whole)
    assert first.changed is True
    assert keep.write(tmp_path / "a", whole).changed is False
    assert json.loads(Path(first.json).read_text())["choices"][0]["name"] == "flannel vxlan"
    assert Path(first.page).read_text().startswith("<!DOCTYPE html>")
