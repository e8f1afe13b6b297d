# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Drives k3s on one machine: what the machine is, beginning, joining, inviting, leaving.

k3s goes on by itself with what it had begun, so a start that was cut short is started again and nothing is cleaned.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import time
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import (
    block_yaml,
    cni_match,
    drain,
    nodes,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_tokens as tokens
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.api import Api, ApiError, api_of_kubeconfig
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.diagnosis import likely_cause
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.etcd import Etcd, EtcdError, find
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_layout import K3sLayout
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_release import version_of_output
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.marker import (
    Action,
    Marker,
    read_marker,
    write_marker,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.node_settings import NodeSettings, taints_of
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.states import NodeState, Phase
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import (
    CommandFailed,
    EngineError,
    InvalidInput,
    Problem,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._files import write_atomically
from ansible_collections.kateskit.klubster.plugins.module_utils._node.services import journal, states

_PAUSE = 0.2
#: seconds between two looks at a service that starts, which takes many; looking takes of what it starts with
_STARTING = 0.5
#: seconds in which k3s's controller takes the member of a deleted Node out of etcd
_LEAVING = 30.0
#: seconds in which a server that etcd knows votes
_JOINING = 60.0
_PORT = 6443
#: lines of the journal: the end of it, and all that a start says
_END, _START = 60, 2000
# systemd starts it again 5 s after each end: the third end is no accident.
_ENDS = 3


def taken(address: str, port: int) -> bool:
    """Whether somebody takes TCP connections there."""
    try:
        with socket.create_connection((address, port), timeout=2):
            return True
    except OSError:
        return False


@dataclass(frozen=True)
class K3sInvitation:
    """What a machine needs to join. The tokens are secrets.

    :param url: of the server that invites.
    :param server_token: empty for those who join as agents.
    """

    url: str
    agent_token: str
    server_token: str = ""


@dataclass(frozen=True)
class K3sSettings:
    """The cluster as the verbs need to know it.

    :param embedded: etcd runs within k3s, so servers join it.
    """

    name: str
    api_name: str
    api_port: int
    api_address: str
    open_servers: bool = False
    embedded: bool = True
    #: whether a pod brings the API's address, so that it comes after the first server
    address_by_pod: bool = False
    #: what of the pod network a living cluster keeps
    kept: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Compared:
    """Names of Nodes whose labels or taints differ, that we cordoned, and that are not there; and what is refused."""

    differing: tuple[str, ...] = ()
    shut: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    refused: tuple[Problem, ...] = ()


@dataclass
class K3s:
    """One machine under k3s."""

    layout: K3sLayout
    cluster: K3sSettings
    node: NodeSettings
    run: Runner
    state_directory: Path
    #: tests give another root
    root: Path = Path("/")
    timeout: float = 300.0
    api_of: t.Callable[[K3s], Api] | None = None
    #: whether somebody takes TCP connections at an address and port
    answers: t.Callable[[str, int], bool] = taken

    # --- what the machine is

    @property
    def is_server(self) -> bool:
        return self.node.role == "server"

    @property
    def unit(self) -> str:
        return self.layout.unit(self.node.role)

    def marker(self) -> Marker | None:
        return read_marker(self.state_directory, self.layout.marker)

    def phase(self) -> Phase:
        """How far this machine is.

        :raises EngineError: it belongs to another cluster, or to nothing we know; it is left alone.
        """
        marker = self.marker()
        if marker is None:
            sign = next((path for path in self.layout.signs if self._at(path).exists()), "")
            if sign:
                raise EngineError(
                    f"k3s runs on this machine already, or did ({sign} exists), and this collection did not install it."
                    " It was left alone. If it may go, run k3s-uninstall.sh or k3s-agent-uninstall.sh on it first."
                )
            return "none"
        if marker.cluster != self.cluster.name:
            raise EngineError(
                f"This machine belongs to the cluster {marker.cluster!r}, not to {self.cluster.name!r}. It was left "
                f"alone. Reset it first: playbooks/reset.yml with klubster_name={marker.cluster} and --limit."
            )
        if not marker.complete:
            return "half"
        if self._at(self.layout.node_password).exists():
            return "complete"
        if self._at(self.layout.etcd_data).exists():
            raise EngineError(
                f"This machine was a server of {self.cluster.name!r}; {self.layout.node_password} is gone, but etcd's "
                "data is not. It was left alone. Bring the file back, or reset the machine (reset.yml, --limit)."
            )
        # Somebody ran the uninstaller: nothing of the node is left but our marker.
        return "none"

    def state(
        self,
        machines: t.Sequence[NodeSettings] = (),
        versions: tuple[str, ...] = (),
        config: t.Mapping[str, t.Any] | None = None,
        authority: str = "",
    ) -> NodeState:
        """What this machine says of itself and, where its API serves, what the cluster says of ``machines``.

        :param versions: what runs here, where that differs from what is wanted.
        :param config: what k3s would be started with, where that differs from what it was started with.
        :param authority: hash of the CA that a user wants the cluster to have.
        """
        phase = self.phase()
        if phase != "complete":
            return NodeState(phase, node_name=self.node.name, address=self.node.address)
        ready, compared = False, Compared()
        if self.is_server:
            api = self.api()
            ready = api is not None and api.ready()
            if api is not None and ready:
                compared = self._compared(api, machines, config)
        have = self._ca_hash()
        refused = [
            *self._other_network(compared.refused, ready=ready),
            *_other_authority(self.node.name, authority, have),
        ]
        return NodeState(
            phase,
            api_ready=ready,
            ca_hash=have,
            node_name=self.node.name,
            address=self.node.address,
            versions=versions,
            differing=compared.differing,
            shut=compared.shut,
            absent=compared.absent,
            refused=tuple({key: str(value) for key, value in vars(problem).items()} for problem in refused),
        )

    def versions(self) -> tuple[str, ...]:
        """The version of the program that is installed, without a leading v; nothing where there is none."""
        if not self._at(self.layout.program).exists():
            return ()
        said = self.run([str(self._at(self.layout.program)), "--version"], check=False, timeout=30).stdout
        try:
            return (str(version_of_output(said)).lstrip("v"),)
        except InvalidInput:
            return ()

    def snapshot(self, name: str) -> None:
        """Keep the datastore's content before something is done to it; only k3s's own etcd can be asked for that.

        :raises EngineError: k3s did not make it.
        """
        if not self._at(self.layout.etcd_data).exists():
            return
        try:
            self.run([self.layout.program, "etcd-snapshot", "save", "--name", name], timeout=self.timeout)
        except CommandFailed as exc:
            raise EngineError(self.explained(f"k3s etcd-snapshot save failed: {exc.stderr.strip()[-300:]}")) from exc

    def running(self) -> bool:
        """Whether the service says that it is ready; an agent says so when it has reached a server."""
        return states([self.unit], self.run)[self.unit].get("ActiveState") == "active"

    def api(self) -> Api | None:
        """This server's own API with all rights; None before k3s has written the administrator's file."""
        if self.api_of is not None:
            return self.api_of(self)
        return api_of_kubeconfig(self._at(self.layout.kubeconfig), self.node.address, self.cluster.api_port)

    # --- verbs

    def begin(self, given: str, given_agent: str, authority: t.Mapping[str, str] | None = None) -> None:
        """Start the cluster on its first server.

        :param given: the user's token; empty takes the one that is there, or makes one.
        :param given_agent: the same, for the token that agents get.
        :param authority: CAs and keys of the user's own, by their names below k3s's folder for them; they are secrets.
        """
        self._place(authority or {})
        for path, token in ((self.layout.token, given), (self.layout.agent_token, given_agent)):
            self._write_token(path, tokens.parse(token).short if token else self._read(path) or secrets.token_hex(32))
        self._enter(Marker(self.cluster.name, "init", complete=False))
        self.arrive()

    def join(self, invitation: K3sInvitation) -> None:
        """Join the cluster of a live server."""
        self.set_out(invitation)
        self.arrive()

    def set_out(self, invitation: K3sInvitation) -> None:
        """Begin to join, and wait for nothing: a service that does not start is found out by :meth:`arrive`."""
        own = invitation.server_token if self.is_server else invitation.agent_token
        self._write_token(self.layout.token if self.is_server else self.layout.agent_token, own)
        if self.is_server:
            self._write_token(self.layout.agent_token, tokens.parse(invitation.agent_token).short)
        marker = Marker(self.cluster.name, "join", complete=False, url=self._url(invitation))
        if marker.url:
            # Without a server that answers there it would end, again and again.
            self._await_address()
        self._enter(marker)

    def arrive(self) -> None:
        """Wait until the machine that set out is part of the cluster.

        :raises EngineError: as :meth:`start`; or it never set out.
        """
        marker = self.marker()
        if marker is None:
            raise EngineError("This machine has not begun to join. Run again.")
        self._await_up(since=self._at(self.layout.join_drop_in).stat().st_mtime)
        if marker.action == "init":
            # Before the server counts as begun: a run that goes on without the address would fail somewhere else.
            self._await_address()
        self._mark(Marker(marker.cluster, marker.action, complete=True, url=marker.url))

    def invite(self, *, servers: bool) -> K3sInvitation:
        """On a live server: the tokens that it has written, with the CA's hash."""
        server = self._read(self.layout.server_token)
        agent = self._read(self.layout.server_agent_token) or server
        if not server:
            raise EngineError(f"{self.layout.server_token} is empty: this server has not started yet. Run again.")
        host = f"[{self.node.address}]" if ":" in self.node.address else self.node.address
        return K3sInvitation(f"https://{host}:{self.cluster.api_port}", agent, server if servers else "")

    def reconcile(self, node: NodeSettings) -> bool:
        """On a live server: give a Node object its labels and taints, once it is there; whether that changed it."""
        api = self.api()
        if api is None:
            raise EngineError(self.explained("This server has no kubeconfig."))
        path = f"/api/v1/nodes/{node.name}"
        deadline = time.monotonic() + self.timeout
        while True:
            try:
                patch = nodes.patch_for(api.get(path), node, taints_of(node, open_servers=self.cluster.open_servers))
                if patch:
                    api.patch(path, patch)
                return bool(patch)
            except ApiError as exc:
                if time.monotonic() > deadline:
                    raise EngineError(self.explained(f"Node {node.name} did not register: {exc}")) from exc
                time.sleep(_PAUSE)

    def start(self, action: t.Literal["start", "restart", ""]) -> None:
        """Start the service, unless systemd is at it already, and wait until it is ready.

        It has no limit of its own: with a wrong token it would never be ready, and systemd would wait for ever.

        :raises EngineError: it ends again and again, or the deadline passed; the likely cause comes first.
        """
        began = time.time()
        if action:
            self._launch(action)
        self._await_up(began)

    def explained(self, what: str, since: float | None = None) -> str:
        """A message that begins with the likely cause and ends with the journal, tokens masked.

        :param since: seconds of the epoch; what an earlier start said is no cause of this one's failure.
        """
        lines = _END if since is None else _START
        said = tokens.masked(journal(self.unit, self.run, lines=lines, since=since), self._secrets()).splitlines()
        # The last lines know best; but a kubelet's flags alone are a screenful, and the cause may stand before them.
        cause = likely_cause("\n".join(said[-_END:]), "\n".join(said))
        tail = "\n".join(said[-12:])
        parts = [cause, what, f"The journal ends:\n{tail}" if tail else ""]
        return "\n".join(part for part in parts if part)

    # --- inside

    def _enter(self, marker: Marker) -> None:
        self._mark(marker)
        write_atomically(self._at(self.layout.join_drop_in), self.entry(marker).encode(), mode=0o600)
        self.run(["systemctl", "daemon-reload"])
        self.run(["systemctl", "enable", "--quiet", self.unit])
        self._launch("restart" if self._restarting() else "start")

    def _launch(self, action: t.Literal["start", "restart"]) -> None:
        self.run(["systemctl", "reset-failed", self.unit], check=False)
        self.run(["systemctl", "--no-block", action, self.unit])

    def _await_up(self, since: float) -> None:
        before = self._restarts()
        deadline = time.monotonic() + self.timeout
        while not self._is_up():
            ends = self._restarts() - before
            if ends >= _ENDS or time.monotonic() > deadline:
                what = f"ended {ends} times" if ends >= _ENDS else f"was not ready within {self.timeout:g} s"
                raise EngineError(self.explained(f"{self.unit} {what}.", since=since))
            time.sleep(_STARTING)

    def entry(self, marker: Marker) -> str:
        """How this machine came into the cluster, as a drop-in: it stays as it was, whoever is the first server now."""
        head = "# Written by kateskit.klubster; changes are overwritten.\n"
        if marker.url:
            return f'{head}server: "{marker.url}"\n'
        return f"{head}cluster-init: true\n" if self.cluster.embedded else head

    def _url(self, invitation: K3sInvitation) -> str:
        """The cluster's own name, unless that leads to this machine itself; servers may share a datastore instead."""
        if self.is_server and not self.cluster.embedded:
            return ""
        if self.cluster.api_address in ("", self.node.address):
            return invitation.url
        return f"https://{self.cluster.api_name}:{self.cluster.api_port}"

    def _await_address(self) -> None:
        """Where a pod brings the API's address: wait until it has.

        :raises EngineError: the deadline passed.
        """
        cluster = self.cluster
        deadline = time.monotonic() + self.timeout
        while cluster.address_by_pod and not self.answers(cluster.api_address, cluster.api_port):
            if time.monotonic() > deadline:
                raise EngineError(
                    self.explained(
                        f"{cluster.api_address} (klubster_api_address) does not answer on port {cluster.api_port} "
                        f"within {self.timeout:g} s. The pods kube-vip-* in the namespace kube-system bring it: see "
                        "'k3s kubectl --namespace kube-system describe pods' on a server. Its image "
                        "(klubster_api_image) has to be pulled first, or to come by klubster_k3s_registries."
                    )
                )
            time.sleep(_PAUSE)

    def _is_up(self) -> bool:
        if not self.running():
            return False
        if not self.is_server:
            return True
        api = self.api()
        return api is not None and api.ready()

    def _restarting(self) -> bool:
        state = states([self.unit], self.run)[self.unit].get("ActiveState")
        return state in ("active", "activating", "reloading")

    def _restarts(self) -> int:
        said = self.run(["systemctl", "show", "--property", "NRestarts", "--value", self.unit], check=False).stdout
        return int(said.strip() or 0) if said.strip().isdigit() else 0

    def _compared(self, api: Api, machines: t.Sequence[NodeSettings], config: t.Mapping[str, t.Any] | None) -> Compared:
        try:
            found = {item["metadata"]["name"]: item for item in api.get("/api/v1/nodes")["items"]}
        except ApiError:
            return Compared()
        known = [machine for machine in machines if machine.name in found]
        return Compared(
            tuple(
                m.name
                for m in known
                if nodes.patch_for(found[m.name], m, taints_of(m, open_servers=self.cluster.open_servers))
            ),
            tuple(machine.name for machine in known if drain.is_ours(found[machine.name])),
            tuple(machine.name for machine in machines if machine.name not in found),
            _refused(config, found.get(self.node.name, {})),
        )

    def _other_network(self, refused: t.Sequence[Problem], *, ready: bool) -> list[Problem]:
        """What k3s's own keys refuse already names the variables; the layer's note says no more."""
        api = self.api() if ready else None
        if api is None or any("klubster_cni" in problem.variable for problem in refused):
            return list(refused)
        return [*refused, *cni_match.refused(api, self.cluster.kept)]

    def _ca_hash(self) -> str:
        """A server has the CA; an agent has the token that it joined with."""
        if self.is_server:
            return tokens.ca_hash(self._at(self.layout.server_ca).read_text(encoding="ascii"))
        return tokens.parse(self._read(self.layout.agent_token)).ca_hash

    def _secrets(self) -> list[str]:
        texts = [self._read(path) for path in (self.layout.token, self.layout.agent_token)]
        return [tokens.parse(text).secret for text in texts if text]

    def _place(self, authority: t.Mapping[str, str]) -> None:
        """Before k3s makes CAs of its own.

        :raises EngineError: it has made them already.
        """
        folder = self._at(self.layout.authorities)
        for name, text in authority.items():
            place = folder / name
            if place.exists() and place.read_text(encoding="utf-8") != text:
                raise EngineError(
                    f"klubster_ca_dir: {place} is there already, and is another one: k3s was started here without it. "
                    f"Reset this machine (playbooks/reset.yml with --limit), or leave klubster_ca_dir empty."
                )
        for name, text in authority.items():
            for parent in (folder.parent, folder, (folder / name).parent):
                parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(folder / name, text.encode(), mode=0o600)

    def _write_token(self, path: str, text: str) -> None:
        place = self._at(path)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.parent.chmod(0o700)
        if self._read(path) != text:
            write_atomically(place, f"{text}\n".encode(), mode=0o600)

    def _read(self, path: str) -> str:
        with contextlib.suppress(FileNotFoundError):
            return self._at(path).read_text(encoding="utf-8").strip()
        return ""

    def _mark(self, marker: Marker) -> None:
        self.state_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_marker(self.state_directory, self.layout.marker, marker)

    def _at(self, path: str) -> Path:
        return self.root / path.lstrip("/")


def _refused(config: t.Mapping[str, t.Any] | None, node: t.Mapping[str, t.Any]) -> tuple[Problem, ...]:
    """What the running cluster does not bear of a configuration that differs."""
    if config is None:
        return ()
    # Knows every flag, which a look at a machine that lacks nothing can do without.
    from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_match  # noqa: PLC0415

    return tuple(k3s_match.refused(config, node))


def _other_authority(name: str, wanted: str, have: str) -> list[Problem]:
    if wanted in ("", have):
        return []
    return [
        Problem(
            "klubster_ca_dir",
            f"a CA with the hash {wanted[:8]}…",
            f"The cluster lives with another CA: that of {name} has the hash {have[:8]}….",
            "Leave it empty. To replace the CA of a living cluster, see 'k3s certificate rotate-ca'; to begin anew, "
            "run playbooks/reset.yml first.",
        )
    ]


def farewell(layout: K3sLayout, node_name: str, runner: Runner, *, joined: bool) -> list[str]:
    """Before a machine is taken back from a cluster that goes on: k3s takes the member out when its Node goes.

    :param joined: whether its join was seen to end. If not, it may be under way.
    """
    done = []
    patience = 0.0 if joined else _end_join(layout, runner)
    api = api_of_kubeconfig(Path(layout.kubeconfig), "127.0.0.1", _api_port(Path(layout.config)))
    if api is not None:
        with contextlib.suppress(ApiError):
            api.delete(f"/api/v1/nodes/{node_name}")
            done.append(f"deleted Node {node_name}")
    # Of a join that was cut short, certificates are not there, or empty: etcd has not started then.
    with contextlib.suppress(OSError):
        etcd = Etcd(layout.etcd_url, layout.etcd_certificates)
        how = {"timeout": _LEAVING} if done else {"timeout": 0.0, "patience": patience}
        if leave_etcd(etcd, node_name, **how):
            done.append("left etcd")
    return done


def _end_join(layout: K3sLayout, runner: Runner) -> float:
    """Stop a join before etcd knows of it; seconds to wait for the end of one of which it does.

    A member that is stopped at the moment at which it begins to vote takes the quorum of two with it.
    """
    unit, member = layout.unit("server"), Path(layout.etcd_data) / "member"
    if states([unit], runner)[unit].get("ActiveState") not in ("active", "activating"):
        return 0.0
    if not member.exists():
        runner(["systemctl", "stop", unit], check=False, timeout=120)
        if not member.exists():
            return 0.0
        runner(["systemctl", "--no-block", "start", unit], check=False)
    return _JOINING


def _api_port(config: Path) -> int:
    """As it stands in the configuration that we wrote; k3s's default where there is none."""
    try:
        found = block_yaml.loads(config.read_text(encoding="utf-8")).get("https-listen-port")
    except (OSError, block_yaml.YamlError):
        found = None
    return found if isinstance(found, int) else _PORT


def leave_etcd(etcd: Etcd, node_name: str, timeout: float = _LEAVING, patience: float = 0.0) -> bool:
    """Wait until another server has taken this one's member out of etcd; of two, the one that stays could not any more.

    Its etcd stops by that, so no answer is an answer. One that has just joined votes before its API can delete a Node:
    that takes itself out.

    :param timeout: seconds that the others are given.
    :param patience: seconds that this server is given to vote, where it is joining.
    :returns: whether it took itself out.
    """
    begun = time.monotonic()
    while True:
        try:
            members = etcd.members()
            member = find(members, node_name)
            if member is None or len(members) == 1:
                return False
            if not member.learner and time.monotonic() - begun >= timeout:
                etcd.remove(member)
                return True
            waited = member.learner
        except EtcdError:
            waited = True
        if waited and time.monotonic() - begun >= patience:
            return False
        time.sleep(_PAUSE)


__all__ = ("Action", "K3s", "K3sInvitation", "K3sSettings", "farewell", "leave_etcd")
