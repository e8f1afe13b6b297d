# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import hashlib
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import kubeadm_look, kubeadm_verbs
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.api import ApiError
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.kubeadm import Kubeadm
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import KUBEADM
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.look import Change, Look
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.states import NodeState
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed
from ansible_collections.kateskit.klubster.plugins.module_utils._node.images import WantedImage
from ansible_collections.kateskit.klubster.plugins.module_utils._node.install import WantedInstall
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Entry, Record, Stamp
from settings import agent, cluster, server

PAUSE = WantedImage("images/pause.tar", "bundle.test/pause:1", "ab" * 32, 10)


class Site:
    """A machine that lacks nothing, until a test takes something away."""

    def __init__(self, root: Path) -> None:
        self.state = NodeState("complete", api_ready=True, node_name="server1")
        self.node = server()
        self.listed: str | None = PAUSE.reference
        self.registered = True
        self.runtime_differs = self.kubelet_differs = False
        self.control_plane_differs = False
        #: of a service that differs: files of its own, and what would be done with it
        self.changes: tuple[str, ...] = ("config",)
        self.action = "restart"
        self.directory = root / "state"
        self.program = root / "kubelet"
        self.program.write_bytes(b"program")
        self.program.chmod(0o755)
        digest = hashlib.sha256(b"program").hexdigest()
        self.wanted = WantedInstall("bin/kubelet", str(self.program), digest, 7, 0o755)
        self.directory.mkdir()
        record = Record.load(self.directory)
        record.entries[str(self.program)] = Entry("engine", digest, stamp=Stamp.of(self.program))
        record.images[PAUSE.reference] = PAUSE.sha256
        record.save()

    def run(self, argv: t.Sequence[str], **_: t.Any) -> Result:
        assert list(argv[1:]) == ["--namespace", "k8s.io", "images", "list", "--quiet"], "a look only looks"
        if self.listed is None:
            raise CommandFailed(list(argv), 1, "", "no socket")
        return Result(0, self.listed + "\n", "")

    def get(self, path: str) -> dict[str, t.Any]:
        if not self.registered:
            raise ApiError("not found", 404)
        return {"metadata": {"name": path}}

    def lacking(self) -> list[str]:
        return self.look().lacking

    def look(self) -> Look:
        machine = Kubeadm(KUBEADM, cluster(), self.node, self.run, self.directory)
        machine.control_plane_differs = lambda: self.control_plane_differs  # type: ignore[method-assign]
        machine.api_of = lambda _machine, _administrator: t.cast("t.Any", SimpleNamespace(get=self.get))
        wanted = kubeadm_look.Wanted("engine", (self.wanted,), (PAUSE,), {}, lower_oom_score=True)
        return kubeadm_look.compare(machine, wanted, self.state)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site(tmp_path)

    def settled(differs: t.Callable[[], bool]) -> t.Callable[..., t.Any]:
        def settle(*_: t.Any, check: bool, **__: t.Any) -> t.Any:
            assert check, "a look changes nothing"
            return SimpleNamespace(changed=differs(), changes=made.changes, step=SimpleNamespace(action=made.action))

        return settle

    monkeypatch.setattr(kubeadm_look, "settle", settled(lambda: made.runtime_differs))
    monkeypatch.setattr(kubeadm_verbs, "settle_kubelet", settled(lambda: made.kubelet_differs))
    return made


def test_a_settled_machine_lacks_nothing(site: Site) -> None:
    assert site.lacking() == []


def _touched(site: Site) -> None:
    site.program.write_bytes(b"program")
    site.program.touch()


BREAKS: dict[str, tuple[t.Callable[[Site], t.Any], str]] = {
    "a program is gone": (lambda site: site.program.unlink(), "programs"),
    "a program differs": (lambda site: site.program.write_bytes(b"PROGRAM"), "programs"),
    "a program was touched": (_touched, "programs"),
    "a program may not be run": (lambda site: site.program.chmod(0o644), "programs"),
    "containerd's files differ": (lambda site: setattr(site, "runtime_differs", True), "containerd"),
    "an image is gone": (lambda site: setattr(site, "listed", "bundle.test/other:1"), "images"),
    "containerd does not answer": (lambda site: setattr(site, "listed", None), "images"),
    "kubelet's files differ": (lambda site: setattr(site, "kubelet_differs", True), "kubelet"),
    "the Node object is gone": (lambda site: setattr(site, "registered", False), "node"),
    "a join was cut short": (lambda site: setattr(site, "state", NodeState("half")), "node"),
    "it has never joined": (lambda site: setattr(site, "state", NodeState("none")), "node"),
    "the server's API is silent": (lambda site: setattr(site, "state", NodeState("complete")), "node"),
}


@pytest.mark.parametrize(("take_away", "part"), BREAKS.values(), ids=BREAKS)
def test_what_is_lacking_is_named(site: Site, take_away: t.Callable[[Site], t.Any], part: str) -> None:
    take_away(site)
    assert site.lacking() == [part]


def test_an_agent_has_no_api_of_its_own(site: Site) -> None:
    site.node, site.state = agent(), NodeState("complete")
    assert site.lacking() == []


def _other_program(site: Site) -> None:
    """The bundle has another kubelet than the one that was put here."""
    other = hashlib.sha256(b"newer program").hexdigest()
    site.wanted = WantedInstall("bin/kubelet", str(site.program), other, 13, 0o755)


def _other_tool(site: Site) -> None:
    other = hashlib.sha256(b"newer program").hexdigest()
    site.wanted = WantedInstall("bin/kubectl", str(site.program), other, 13, 0o755)


def _program_not_running(site: Site) -> None:
    """It was put in place, then the run was cut short: no file differs, but the service has to start anew."""
    site.kubelet_differs, site.changes = True, ()


CHANGES: dict[str, tuple[t.Callable[[Site], t.Any], Change]] = {
    "nothing": (lambda _site: None, "none"),
    "a program is gone": (lambda site: site.program.unlink(), "live"),
    "a program was touched": (_touched, "live"),
    "a program that runs pods is another": (_other_program, "drain"),
    "a program that nobody watches is another": (_other_tool, "live"),
    "another program waits for its start": (_program_not_running, "drain"),
    "an image is gone": (lambda site: setattr(site, "listed", "bundle.test/other:1"), "live"),
    "kubelet's files differ": (lambda site: setattr(site, "kubelet_differs", True), "restart"),
    "containerd's files differ": (lambda site: setattr(site, "runtime_differs", True), "restart"),
    "the server's API is silent": (lambda site: setattr(site, "state", NodeState("complete")), "live"),
    "the control plane is older": (lambda site: setattr(site, "control_plane_differs", True), "drain"),
}


@pytest.mark.parametrize(("take_away", "change"), CHANGES.values(), ids=CHANGES)
def test_what_it_takes_to_change_a_node_is_known(
    site: Site, take_away: t.Callable[[Site], t.Any], change: Change
) -> None:
    take_away(site)
    assert site.look().change == change


def test_a_service_that_is_stopped_is_started_without_further_ado(site: Site) -> None:
    site.kubelet_differs, site.action = True, "start"
    assert site.look().change == "live"


def test_what_is_no_node_yet_may_be_changed_at_once(site: Site) -> None:
    site.state = NodeState("none")
    _other_program(site)
    site.runtime_differs = True
    assert site.look().change == "live"
