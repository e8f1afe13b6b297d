# SPDX-License-Identifier: Apache-2.0
"""What is done on a machine under k3s: phases, tokens, start, join. The service is a small machine of its own here."""

from __future__ import annotations

import dataclasses
import json
import socket
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import cni_match, k3s, k3s_verbs
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_tokens as tokens
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.api import ApiError
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.etcd import EtcdError, Member
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s import (
    K3s,
    K3sInvitation,
    K3sSettings,
    leave_etcd,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_layout import K3S
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.node_settings import NodeSettings
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import EngineError

SERVER = NodeSettings("server1", "192.0.2.11", "server")
AGENT = NodeSettings("agent1", "192.0.2.21", "agent", labels={"zone": "a"})
PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
HASH = tokens.ca_hash(PEM)


class FakeApi:
    def __init__(self, nodes: dict[str, t.Any]) -> None:
        self.nodes, self.patches = nodes, list[tuple[str, t.Any]]()
        self.status: dict[str, t.Any] = {}
        self.records: dict[str, t.Any] = {}

    def ready(self) -> bool:
        return True

    def get(self, path: str) -> dict[str, t.Any]:
        if path == "/api/v1/nodes":
            return {
                "items": [
                    {"metadata": {"name": name, **node}, "status": self.status} for name, node in self.nodes.items()
                ]
            }
        if path in self.records:
            return t.cast("dict[str, t.Any]", self.records[path])
        name = path.rpartition("/")[2]
        if name not in self.nodes:
            raise ApiError("not found", 404)
        return {"metadata": {"name": name}}

    def patch(self, path: str, body: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        self.patches.append((path, body))
        return {}

    def delete(self, path: str) -> None:
        raise AssertionError(path)


class Machine:
    """A machine in a folder, and a service that does what k3s leaves behind, or ends each time it is started."""

    def __init__(self, folder: Path, node: NodeSettings, said: str = "", ends: int = 0, **settings: t.Any) -> None:
        self.root, self.said, self.ends, self.restarts = folder / "root", said, ends, 0
        self.calls: list[list[str]] = []
        self.active = "inactive"
        self.api = FakeApi({"server1": {}, "agent1": {}})
        given = {"name": "home", "api_name": "api.home.internal", "api_port": 6443, "api_address": "192.0.2.10"}
        cluster = K3sSettings(**{**given, **settings})
        self.k3s = K3s(K3S, cluster, node, self.run, folder / "state", self.root, 1.0, lambda _: self.api)

    def run(self, argv: t.Sequence[str], **_: t.Any) -> Result:
        if argv[0] == "journalctl":
            return Result(0, self.said, "")
        self.calls.append(list(argv))
        if argv[:2] == ["systemctl", "--no-block"]:
            self._start()
        if "--value" in argv:
            self.restarts += 1 if self.ends and self.active == "activating" else 0
            return Result(0, f"{self.restarts}\n", "")
        if argv[1] == "show":
            return Result(0, f"Id={argv[-1]}\nActiveState={self.active}\n", "")
        return Result(0, "", "")

    def _start(self) -> None:
        if self.ends:
            self.active = "activating"
            return
        self.active = "active"
        self.leave(K3S.node_password, "p")
        if self.k3s.is_server:
            self.leave(K3S.server_ca, PEM)
            self.leave(K3S.server_token, f"K10{HASH}::server:{self.text(K3S.token)}\n")
            self.leave(K3S.server_agent_token, f"K10{HASH}::node:{self.text(K3S.agent_token)}\n")

    def leave(self, path: str, text: str) -> None:
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def text(self, path: str) -> str:
        return (self.root / path.lstrip("/")).read_text().strip()


def test_a_first_server_makes_its_tokens_once(tmp_path: Path) -> None:
    machine = Machine(tmp_path, SERVER)
    assert machine.k3s.phase() == "none"
    machine.k3s.begin("", "")
    made = machine.text(K3S.token)
    assert len(made) == 64
    assert made != machine.text(K3S.agent_token)
    assert (machine.root / K3S.token.lstrip("/")).stat().st_mode & 0o777 == 0o600
    assert "cluster-init: true" in machine.text(K3S.join_drop_in)
    assert (machine.k3s.phase(), machine.k3s.state().ca_hash) == ("complete", HASH)
    assert made not in str(machine.calls)
    machine.k3s.begin("", "")
    assert machine.text(K3S.token) == made


def test_a_given_token_is_taken(tmp_path: Path) -> None:
    machine = Machine(tmp_path, SERVER)
    machine.k3s.begin(f"K10{'0' * 64}::server:mine", "agents")
    # The first server's CA does not exist yet, so its hash means nothing.
    assert (machine.text(K3S.token), machine.text(K3S.agent_token)) == ("mine", "agents")


def test_a_server_invites_and_another_joins_with_the_hash_of_the_ca(tmp_path: Path) -> None:
    first = Machine(tmp_path / "1", SERVER)
    first.k3s.begin("s", "a")
    invitation = first.k3s.invite(servers=True)
    assert invitation == K3sInvitation("https://192.0.2.11:6443", f"K10{HASH}::node:a", f"K10{HASH}::server:s")
    assert first.k3s.invite(servers=False).server_token == ""
    second = Machine(tmp_path / "2", NodeSettings("server2", "192.0.2.12", "server"))
    second.k3s.join(invitation)
    assert second.text(K3S.token) == f"K10{HASH}::server:s"
    # The agents' token is checked by no CA: it is what agents are let in with.
    assert second.text(K3S.agent_token) == "a"
    assert second.text(K3S.join_drop_in).endswith('server: "https://api.home.internal:6443"')
    agent = Machine(tmp_path / "3", AGENT)
    agent.k3s.join(first.k3s.invite(servers=False))
    assert agent.k3s.state().ca_hash == HASH
    assert not (agent.root / K3S.token.lstrip("/")).exists()


def test_an_agent_sets_out_without_waiting_and_arrives_later(tmp_path: Path) -> None:
    first = Machine(tmp_path / "1", SERVER)
    first.k3s.begin("s", "a")
    agent = Machine(tmp_path / "2", AGENT, said="token CA hash does not match", ends=1)
    agent.k3s.set_out(first.k3s.invite(servers=False))
    assert (agent.active, agent.k3s.phase(), agent.restarts) == ("activating", "half", 0)
    with pytest.raises(EngineError, match=r"k3s-agent\.service ended 3 times"):
        agent.k3s.arrive()
    assert agent.k3s.phase() == "half"
    agent.ends = 0
    agent.k3s.set_out(first.k3s.invite(servers=False))
    started = agent.calls.count(["systemctl", "--no-block", "start", agent.k3s.unit])
    agent.k3s.arrive()
    assert agent.k3s.phase() == "complete"
    # It is the service that set out.
    assert agent.calls.count(["systemctl", "--no-block", "start", agent.k3s.unit]) == started


def test_who_did_not_set_out_does_not_arrive(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="has not begun to join"):
        Machine(tmp_path, AGENT).k3s.arrive()


def test_an_address_that_a_pod_brings_is_waited_for(tmp_path: Path) -> None:
    first = Machine(tmp_path / "1", SERVER, address_by_pod=True)
    asked: list[tuple[str, int, str]] = []

    def answers(address: str, port: int) -> bool:
        asked.append((address, port, first.active))
        return len(asked) > 1

    first.k3s.answers = answers
    first.k3s.begin("s", "a")
    # k3s has to run before there can be a pod.
    assert asked == [("192.0.2.10", 6443, "active")] * 2
    assert first.k3s.phase() == "complete"
    agent = Machine(tmp_path / "2", AGENT, address_by_pod=True)
    before: list[str] = []
    agent.k3s.answers = lambda *_: bool(before.append(agent.active) or len(before) > 1)
    agent.k3s.join(first.k3s.invite(servers=False))
    assert before == ["inactive"] * 2
    assert agent.active == "active"


def test_an_address_that_no_pod_brings_ends_the_begin_with_its_cause(tmp_path: Path) -> None:
    machine = Machine(tmp_path, SERVER, address_by_pod=True)
    machine.k3s.timeout, machine.k3s.answers = 0.0, lambda *_: False
    with pytest.raises(EngineError, match=r"192\.0\.2\.10 \(klubster_api_address\)[^\n]*klubster_api_image"):
        machine.k3s.begin("s", "a")
    # The next run begins again: the server counts as begun only with its address.
    assert machine.k3s.phase() == "half"


def test_who_joins_at_the_other_server_waits_for_no_address(tmp_path: Path) -> None:
    machine = Machine(tmp_path, NodeSettings("s2", "192.0.2.12", "server"), address_by_pod=True, embedded=False)
    machine.k3s.timeout, machine.k3s.answers = 0.0, lambda *_: False
    machine.k3s.join(K3sInvitation("https://192.0.2.11:6443", f"K10{HASH}::node:a", f"K10{HASH}::server:s"))
    assert machine.k3s.phase() == "complete"


@pytest.mark.parametrize(("provider", "wanted"), [("kube_vip", True), ("keepalived", False), ("none", False)])
def test_who_brings_the_address_is_in_the_plan(provider: str, wanted: bool) -> None:
    api = {"name": "api.home.internal", "port": 6443, "address": "192.0.2.10", "provider": provider}
    node = {"node_name": "server1", "address": "192.0.2.11", "role": "server"}
    machine = k3s_verbs.machine_of({"cluster": "home", "api": api, "node": node})
    assert machine.cluster.address_by_pod is wanted


def test_others_are_not_asked_for_the_address(tmp_path: Path) -> None:
    machine = Machine(tmp_path, SERVER)
    machine.k3s.answers = lambda *_: pytest.fail("it is there, or leads to a load balancer")
    machine.k3s.begin("s", "a")


def test_who_takes_connections() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert k3s.taken("127.0.0.1", port)
    assert not k3s.taken("127.0.0.1", port)


def test_a_server_whose_own_address_is_the_registered_one_joins_at_the_other(tmp_path: Path) -> None:
    machine = Machine(tmp_path, SERVER, api_address="192.0.2.11")
    machine.k3s.join(K3sInvitation("https://192.0.2.12:6443", f"K10{HASH}::node:a", f"K10{HASH}::server:s"))
    assert 'server: "https://192.0.2.12:6443"' in machine.text(K3S.join_drop_in)


def test_servers_that_share_a_datastore_join_nobody(tmp_path: Path) -> None:
    machine = Machine(tmp_path, SERVER, embedded=False)
    machine.k3s.join(K3sInvitation("https://192.0.2.12:6443", f"K10{HASH}::node:a", f"K10{HASH}::server:s"))
    assert "server:" not in machine.text(K3S.join_drop_in)


def test_a_start_that_ends_again_and_again_names_its_cause_and_no_token(tmp_path: Path) -> None:
    said = 'level=fatal msg="starting kubernetes: token CA hash does not match" token=verysecrettoken\n'
    machine = Machine(tmp_path, SERVER, said, ends=3)
    with pytest.raises(EngineError, match=r"k3s.service ended 3 times") as caught:
        machine.k3s.begin("verysecrettoken", "x")
    assert "verysecrettoken" not in str(caught.value)
    assert machine.k3s.phase() == "half"
    machine.ends, machine.active = 0, "inactive"
    machine.k3s.begin("", "")
    assert machine.text(K3S.token) == "verysecrettoken"


def test_a_cause_may_stand_before_a_screenful_of_flags(tmp_path: Path) -> None:
    said = "listen tcp :10250: bind: address already in use\n" + "FLAG: --v=0\n" * 200 + "x509: unknown authority\n"
    with pytest.raises(EngineError, match=r"^A port of the cluster is taken"):
        Machine(tmp_path, SERVER, said, ends=3).k3s.begin("", "")


def test_the_last_lines_know_best(tmp_path: Path) -> None:
    said = "connect: address already in use\nbind: address already in use\n" + "FLAG: --v=0\n" * 200
    said += "write x: no space left on device\n"
    with pytest.raises(EngineError, match=r"^The disk is full"):
        Machine(tmp_path, SERVER, said, ends=3).k3s.begin("", "")


def test_a_start_that_never_gets_ready_ends_at_the_deadline(tmp_path: Path) -> None:
    machine = Machine(tmp_path, SERVER)
    machine.k3s.timeout = 0.0
    machine.api.ready = lambda: False  # type: ignore[method-assign]
    with pytest.raises(EngineError, match="was not ready within 0 s"):
        machine.k3s.begin("", "")


def test_a_service_at_which_systemd_is_already_is_waited_for(tmp_path: Path) -> None:
    """After a boot, or without quorum: nobody goes on beside a server that has not come up."""
    machine = Machine(tmp_path, SERVER, 'msg="Failed to test etcd connection: etcdserver: no leader"', ends=1)
    machine.active = "activating"
    with pytest.raises(EngineError, match=r"^etcd has no quorum"):
        machine.k3s.start("")
    assert [call for call in machine.calls if "--no-block" in call or "reset-failed" in call] == []
    machine.ends, machine.active = 0, "active"
    machine.k3s.start("")


@pytest.mark.parametrize("sign", K3S.signs)
def test_what_others_installed_is_left_alone(tmp_path: Path, sign: str) -> None:
    machine = Machine(tmp_path, SERVER)
    machine.leave(sign, "")
    with pytest.raises(EngineError, match="did not install it"):
        machine.k3s.phase()


def test_another_cluster_and_lost_files_are_refused(tmp_path: Path) -> None:
    machine = Machine(tmp_path, SERVER)
    machine.k3s.begin("", "")
    machine.k3s.cluster = K3sSettings("other", "api.other.internal", 6443, "192.0.2.10")
    with pytest.raises(EngineError, match="belongs to the cluster 'home', not to 'other'"):
        machine.k3s.phase()
    machine.k3s.cluster = K3sSettings("home", "api.home.internal", 6443, "192.0.2.10")
    (machine.root / K3S.node_password.lstrip("/")).unlink()
    assert machine.k3s.phase() == "none"
    machine.leave(f"{K3S.etcd_data}/member", "")
    with pytest.raises(EngineError, match="was a server"):
        machine.k3s.phase()


def test_a_server_says_of_whom_the_cluster_knows_too_little(tmp_path: Path) -> None:
    machine = Machine(tmp_path, SERVER, open_servers=True)
    machine.k3s.begin("", "")
    gone = NodeSettings("agent2", "192.0.2.22", "agent")
    state = machine.k3s.state([SERVER, AGENT, gone])
    assert (state.differing, state.absent) == (("agent1",), ("agent2",))


def test_labels_are_given_once_the_node_is_there(tmp_path: Path) -> None:
    machine = Machine(tmp_path, SERVER)
    assert machine.k3s.reconcile(AGENT)
    path, patch = machine.api.patches[0]
    assert path == "/api/v1/nodes/agent1"
    assert patch["metadata"]["labels"] == {"zone": "a"}
    machine.api.nodes, machine.k3s.timeout = {}, 0.0
    with pytest.raises(EngineError, match="agent1 did not register"):
        machine.k3s.reconcile(AGENT)


def test_what_a_living_server_does_not_take_is_said(tmp_path: Path) -> None:
    machine = Machine(tmp_path, SERVER)
    machine.k3s.begin("", "")
    words = '["server", "--cluster-cidr", "10.42.0.0/16"]'
    machine.api.nodes["server1"] = {"annotations": {"k3s.io/node-args": words}}
    machine.api.status = {"nodeInfo": {"kubeletVersion": "v1.34.2+k3s1"}}
    wanted = {"cluster-cidr": ("10.44.0.0/16",)}
    (found,) = machine.k3s.state(config=wanted).refused
    assert (found["variable"], found["value"]) == ("klubster_pod_network", "10.44.0.0/16")
    assert machine.k3s.state().refused == ()


def test_another_layer_for_pods_than_the_living_one_is_refused_once(tmp_path: Path) -> None:
    machine = Machine(tmp_path, SERVER, kept={"provider": "cilium"})
    machine.k3s.begin("", "")
    assert machine.k3s.state().refused == ()
    machine.api.records = {cni_match.RECORD: {"data": {"fixed": '{"provider": "none"}'}}}
    (found,) = machine.k3s.state().refused
    assert (found["variable"], found["value"]) == ("klubster_cni", "cilium")
    # k3s's own flannel has no layer: what k3s itself says of it is enough.
    words = json.dumps(["server", "--flannel-backend", "vxlan"])
    machine.api.nodes["server1"] = {"annotations": {"k3s.io/node-args": words}}
    machine.api.status = {"nodeInfo": {"kubeletVersion": "v1.34.2+k3s1"}}
    said = [entry["variable"] for entry in machine.k3s.state(config={"flannel-backend": "none"}).refused]
    assert said == ["klubster_cni, klubster_cni_backend"]


def test_cas_of_the_users_own_are_there_before_the_start(tmp_path: Path) -> None:
    machine = Machine(tmp_path, SERVER)
    machine.k3s.begin("", "", {"server-ca.crt": PEM, "etcd/peer-ca.key": "key"})
    tls = machine.root / K3S.authorities.lstrip("/")
    assert [(tls / name).stat().st_mode & 0o777 for name in ("server-ca.crt", "etcd/peer-ca.key")] == [0o600, 0o600]
    assert [path.stat().st_mode & 0o777 for path in (tls.parent, tls, tls / "etcd")] == [0o700] * 3
    assert machine.k3s.state(authority=HASH).refused == ()
    (found,) = machine.k3s.state(authority="0" * 64).refused
    assert found["variable"] == "klubster_ca_dir"
    assert HASH[:8] in found["rule"]
    machine.k3s.begin("", "", {"server-ca.crt": PEM})
    with pytest.raises(EngineError, match=r"klubster_ca_dir: .*server-ca.crt is there already, and is another one"):
        machine.k3s.begin("", "", {"server-ca.crt": "other"})


def test_the_farewell_goes_to_the_apis_own_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(k3s, "api_of_kubeconfig", lambda *words: asked.append(words))
    config = tmp_path / "config.yaml"
    layout = dataclasses.replace(K3S, config=str(config))
    machine = Machine(tmp_path, SERVER)
    assert k3s.farewell(layout, "server1", machine.run, joined=True) == []
    config.write_text("https-listen-port: 7443\n")
    assert k3s.farewell(layout, "server1", machine.run, joined=True) == []
    assert [words[2] for words in asked] == [6443, 7443]
    assert machine.calls == []


@pytest.mark.parametrize(
    ("active", "before", "after", "done"),
    [
        ("failed", False, False, []),
        # etcd knows nothing of it yet, and will not.
        ("activating", False, False, ["stop"]),
        # It was added at that very moment.
        ("activating", False, True, ["stop", "start"]),
        ("activating", True, True, []),
    ],
)
def test_a_join_ends_before_its_server_leaves(
    tmp_path: Path, active: str, before: bool, after: bool, done: list[str]
) -> None:
    """Whoever is stopped when it begins to vote takes the quorum of two with it."""
    layout = dataclasses.replace(K3S, etcd_data=str(tmp_path), config=str(tmp_path / "none"), kubeconfig="/none")
    member, calls = tmp_path / "member", list[str]()
    if before:
        member.mkdir()

    def run(argv: t.Sequence[str], **_more: t.Any) -> Result:
        if "show" in argv:
            return Result(0, f"Id=k3s.service\nActiveState={active}\n", "")
        calls.append(next(word for word in argv if word in ("start", "stop")))
        if after:
            member.mkdir(exist_ok=True)
        return Result(0, "", "")

    assert k3s.farewell(layout, "server2", run, joined=False) == []
    assert calls == done


@pytest.mark.parametrize("written", [1, 3])
def test_a_join_that_was_cut_short_among_its_certificates_can_be_reset(written: int, tmp_path: Path) -> None:
    """k3s had the CA and not yet a certificate; or the power went, and files are empty."""
    files = [tmp_path / name for name in ("server-ca.crt", "client.crt", "client.key")]
    for place in files[:written]:
        place.touch()
    layout = dataclasses.replace(
        K3S, config=str(tmp_path / "none"), kubeconfig="/none", etcd_certificates=tuple(str(place) for place in files)
    )
    machine = Machine(tmp_path, SERVER)
    assert k3s.farewell(layout, "server2", machine.run, joined=True) == []


class Members:
    """etcd of a server that leaves: a member for a while, then silent or without it."""

    def __init__(self, *answers: list[str] | None, learner: bool = False) -> None:
        self.answers, self.learner = list(answers), learner
        self.removed: list[str] = []

    def members(self) -> list[Member]:
        names = self.answers.pop(0)
        if names is None:
            raise EtcdError("does not answer")
        return [Member(name, name, learner=self.learner) for name in names]

    def remove(self, member: Member) -> None:
        self.removed.append(member.name)


BOTH = ["server1-0123abcd", "server2-0123abcd"]


@pytest.mark.parametrize("last", [None, ["server2-0123abcd"]])
def test_a_server_is_not_stopped_before_it_has_left_etcd(last: list[str] | None) -> None:
    """Of two servers, the one that stays has no quorum to take the other out when that is silent."""
    etcd = Members(BOTH, BOTH, last)
    assert not leave_etcd(t.cast("t.Any", etcd), "server1")
    assert (etcd.answers, etcd.removed) == ([], [])


def test_a_server_that_nobody_takes_out_of_etcd_leaves_it() -> None:
    """It has just joined: its etcd counts, and its API is not there yet."""
    etcd = Members(BOTH)
    assert leave_etcd(t.cast("t.Any", etcd), "server1", timeout=0)
    assert etcd.removed == ["server1-0123abcd"]


def test_a_server_that_is_joining_is_waited_for() -> None:
    """Until it votes, and can be taken out without harm."""
    etcd = Members(None, BOTH)
    assert leave_etcd(t.cast("t.Any", etcd), "server1", timeout=0, patience=30)
    assert etcd.removed == ["server1-0123abcd"]


@pytest.mark.parametrize(("names", "learner"), [(BOTH, True), (BOTH[:1], False)])
def test_a_learner_and_the_last_member_stay(names: list[str], learner: bool) -> None:
    etcd = Members(names, learner=learner)
    assert not leave_etcd(t.cast("t.Any", etcd), "server1", timeout=0)
    assert etcd.removed == []
