# SPDX-License-Identifier: Apache-2.0
"""Runs steps of the test suite one after another and ends with a table of them.

Usage: steps.py NAME... (or ``all``); every step's output goes to the terminal and to build/reports/NAME.log. On CI
only the end of a failed step's output is shown, next to the table, where it is found.
A step that fails does not stop the ones that do not need it. The exit status is 0 only when every step passed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REPORTS = ROOT / "build" / "reports"
BIN = Path(sys.executable).parent
ON_CI = os.environ.get("CI") == "true"
#: lines of a failed step that CI shows
TAIL = 150
#: tests of the lab that make whole clusters, and do not run unless they are named
LONG = (
    *("standin", "k3s_settings", "k3s_secrets", "release_by_mirror", "firewall", "debian13"),
    *("cni_accepted", "cni_custom", "router_frr", "router_services"),
)
LEFT_OUT = tuple(f"--ignore=tests/lab/test_{name}.py" for name in LONG)
PARALLEL = ("--numprocesses", "auto", "--dist", "worksteal")


@dataclass(frozen=True)
class Step:
    """One command of the suite.

    :param argv: the command; tools of this environment go by their bare name.
    :param needs: steps without whose success this one cannot tell anything.
    :param by_name: not among ``all``.
    :param pytest: the command is pytest, so its tests are counted one by one.
    """

    name: str
    shows: str
    argv: tuple[str, ...]
    needs: tuple[str, ...] = ()
    pytest: bool = False
    by_name: bool = False


@dataclass(frozen=True)
class Outcome:
    step: Step
    state: str
    seconds: float
    passed: int
    failed: int
    skipped: int


STEPS = (
    Step("unit", "pure logic and modules", ("pytest", *PARALLEL, "tests/unit"), pytest=True),
    Step("contract", "lint, sanity, docs, types, artefact", ("pytest", *PARALLEL, "tests/contract"), pytest=True),
    Step("bundle", "everything built from source", ("ansible-playbook", "playbooks/bundle.yml")),
    Step("reproducible", "two builds, the same bits", ("pytest", "tests/bundle"), needs=("bundle",), pytest=True),
    Step(
        "lab",
        "test machines; mistakes, causes, AWX",
        # What takes minutes goes by name. That the stand-in works, k3s_ha shows in every run.
        ("pytest", "tests/lab", *LEFT_OUT),
        needs=("bundle",),
        pytest=True,
    ),
    Step(
        "molecule",
        "check, converge, idempotence, verify, reset, nothing left",
        ("molecule", "test", "--scenario-name", "default"),
        needs=("bundle",),
    ),
    Step(
        "k3s_ha",
        "three servers by k3s: the first replaced, a patch upgrade",
        ("molecule", "test", "--scenario-name", "k3s_ha"),
        needs=("bundle",),
    ),
    Step(
        "bgp",
        "three networks, BGP, a page by its name; nodes and routers killed",
        ("molecule", "test", "--scenario-name", "bgp"),
        needs=("bundle",),
    ),
    Step(
        "lab_long",
        "whole clusters in the lab: every cause, lost servers, firewalls, Debian 13, routers",
        ("pytest", "tests/lab", "--all-causes"),
        needs=("bundle",),
        pytest=True,
        by_name=True,
    ),
    Step(
        "kubeadm_ha",
        "three servers by kubeadm: nodes in and out, a real upgrade",
        ("molecule", "test", "--scenario-name", "kubeadm_ha"),
        needs=("bundle",),
        by_name=True,
    ),
    Step(
        "faults",
        "site.yml interrupted in three ways, then whole",
        ("python", "tests/faults/faults.py", "--short"),
        needs=("bundle",),
    ),
)


def command(step: Step) -> list[str]:
    argv = [str(BIN / step.argv[0]), *step.argv[1:]]
    if step.pytest:
        argv += ["--color=yes", f"--junitxml={REPORTS / step.name}.xml"]
    return argv


def counts(step: Step, rc: int) -> tuple[int, int, int]:
    """Passed, failed and skipped tests; a step that is no pytest run is one test."""
    report = REPORTS / f"{step.name}.xml"
    if not step.pytest:
        return int(rc == 0), int(rc != 0), 0
    if not report.exists():
        return 0, 1, 0
    # Written by the pytest that was just run.
    suite = next(ET.parse(report).getroot().iter("testsuite"))  # noqa: S314
    total, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    # No test at all, or a crash of pytest itself, is no success.
    return total - failed - skipped, max(failed, int(rc != 0)), skipped


def run(step: Step) -> Outcome:
    print(f"\n==> {step.name}: {step.shows}", flush=True)
    REPORTS.mkdir(parents=True, exist_ok=True)
    (REPORTS / f"{step.name}.xml").unlink(missing_ok=True)
    environment = {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible" / "collections"),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "MOLECULE_GLOB": "molecule/*/molecule.yml",
        "PYTHONUNBUFFERED": "1",
    }
    start = time.monotonic()
    with (REPORTS / f"{step.name}.log").open("wb") as log:
        process = subprocess.Popen(
            command(step), cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert process.stdout is not None
        while chunk := os.read(process.stdout.fileno(), 65536):
            if not ON_CI:
                sys.stdout.buffer.write(chunk)
                sys.stdout.flush()
            log.write(chunk)
        rc = process.wait()
    passed, failed, skipped = counts(step, rc)
    return Outcome(step, "failed" if failed else "passed", time.monotonic() - start, passed, failed, skipped)


def tail(step: Step) -> str:
    """The end of a step's output, without colours."""
    text = (REPORTS / f"{step.name}.log").read_text(encoding="utf-8", errors="replace")
    return "\n".join(re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()[-TAIL:])


def table(outcomes: list[Outcome]) -> str:
    lines = [f"{'step':<14}{'result':<10}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>10}"]
    for outcome in outcomes:
        lines.append(
            f"{outcome.step.name:<14}{outcome.state:<10}{outcome.passed:>8}{outcome.failed:>8}"
            f"{outcome.skipped:>9}{outcome.seconds:>10.1f}"
        )
    return "\n".join(lines)


def main() -> int:
    names = [step.name for step in STEPS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="+", choices=[*names, "all"], metavar="NAME", help=f"all, {', '.join(names)}")
    wanted = parser.parse_args().steps
    chosen = [step for step in STEPS if step.name in wanted or ("all" in wanted and not step.by_name)]
    outcomes: list[Outcome] = []
    for step in chosen:
        broken = [entry.step.name for entry in outcomes if entry.step.name in step.needs and entry.failed]
        if broken:
            print(f"\n==> {step.name}: not run, it needs {', '.join(broken)}", flush=True)
            outcomes.append(Outcome(step, "not run", 0.0, 0, 1, 0))
        else:
            outcomes.append(run(step))
    if ON_CI:
        for outcome in outcomes:
            if outcome.state == "failed":
                print(f"\n--- how {outcome.step.name} ended\n{tail(outcome.step)}")
    failed = sum(outcome.failed for outcome in outcomes)
    passed = sum(outcome.passed for outcome in outcomes)
    skipped = sum(outcome.skipped for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    also = f", {skipped} skipped" if skipped else ""
    print(f"\n{table(outcomes)}\n\n{passed} passed, {failed} failed{also} in {seconds:.0f} s", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
