# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Drives kubeadm on one machine: what the machine is, beginning, joining, inviting, leaving.

A marker file says which kubeadm command was started and whether it came to its end. So a machine on which a run was
cut short is told from one that belongs to the cluster, and only the former is ever cleaned.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import secrets
import shutil
import time
import typing as t
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result, Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import cni_match, drain, nodes
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import kubeadm_config as config
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.api import Api, ApiError, HttpsApi
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.certificates import public_key_hash
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.diagnosis import likely_cause
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.etcd import Etcd, at, health, take_out
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import Layout
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
    Problem,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._files import write_atomically
from ansible_collections.kateskit.klubster.plugins.module_utils._node.services import journal

_SETTINGS = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config"
_PROXY = "/api/v1/namespaces/kube-system/configmaps/kube-proxy"
_PROXY_SET = "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy"
_DIGEST = "klubster.kateskit.dev/config-digest"
_PAUSE = 0.2
_MANIFESTS = "/etc/kubernetes/manifests"
_TAG = re.compile(r"^\s*image:\s*\S+:v?(\S+)\s*$", re.MULTILINE)
_UPGRADE_TIMEOUT = 1800.0


def _etcd(layout: Layout) -> Etcd:
    return Etcd(layout.etcd_url, layout.etcd_certificates)


@dataclass
class Kubeadm:
    """One machine under kubeadm."""

    layout: Layout
    cluster: config.ClusterSettings
    node: NodeSettings
    run: Runner
    state_directory: Path
    #: tests give another root
    root: Path = Path("/")
    timeout: float = 300.0
    api_of: t.Callable[[Kubeadm, bool], Api] | None = None
    #: what etcd of this machine says of itself
    etcd_health: t.Callable[[], str] = health
    #: the cluster's etcd, as a server sees it
    etcd_of: t.Callable[[Layout], Etcd] = _etcd
    #: what was in the journal before says nothing about what failed
    since: float | None = None

    # --- what the machine is

    def phase(self) -> Phase:
        """How far this machine is.

        :raises EngineError: it belongs to another cluster, or to nothing we know; it is left alone.
        """
        marker = self.marker()
        joined = self._at(self.layout.node_kubeconfig).exists()
        if marker is None:
            if joined:
                raise EngineError(
                    f"This machine is a node of a cluster already ({self.layout.node_kubeconfig} exists), and this "
                    "collection did not make it. It was left alone. If it may go, run kubeadm reset on it first."
                )
            return "none"
        if marker.cluster != self.cluster.name:
            raise EngineError(
                f"This machine belongs to the cluster {marker.cluster!r}, not to {self.cluster.name!r}. It was left "
                f"alone. Reset it first: playbooks/reset.yml with klubster_name={marker.cluster} and --limit."
            )
        if not marker.complete:
            return "half"
        if joined:
            return "complete"
        if self._at("/var/lib/etcd/member").exists():
            raise EngineError(
                f"This machine was a server of {self.cluster.name!r}; {self.layout.node_kubeconfig} is gone, but "
                "etcd's data is not. It was left alone. Bring the file back, or reset the machine (reset.yml, --limit)."
            )
        # Somebody ran kubeadm reset: nothing of the node is left but our marker.
        return "none"

    def state(self) -> NodeState:
        """What this machine says of itself, for the cluster's decision."""
        phase = self.phase()
        if phase != "complete":
            return NodeState(phase, node_name=self.node.name, address=self.node.address)
        ca_hash = public_key_hash(self._ca.read_text(encoding="ascii"))
        api_ready, proxy, unlike = False, "", list[Problem]()
        node = self._node_object()
        if self.is_server:
            admin = self.api(administrator=True)
            api_ready = admin.ready()
            if api_ready:
                proxy = self._proxy_digest(admin)
                unlike = cni_match.refused(admin, self.cluster.kept)
        return NodeState(
            phase,
            api_ready=api_ready,
            ca_hash=ca_hash,
            kube_proxy=proxy,
            node_differs=bool(
                node and nodes.patch_for(node, self.node, taints_of(self.node, open_servers=self.cluster.open_servers))
            ),
            node_name=self.node.name,
            address=self.node.address,
            versions=self._versions(node),
            closed=drain.is_ours(node),
            refused=tuple({key: str(value) for key, value in vars(problem).items()} for problem in unlike),
        )

    def control_plane_differs(self) -> bool:
        """Whether the control plane of this server has another version than wanted, or an upgrade was cut short."""
        if not self.is_server:
            return False
        wanted = {"kube-apiserver": self.cluster.version, "etcd": self.cluster.etcd_tag}
        running = {name: self._manifest_tag(name) for name in wanted}
        return self._upgrade_note.exists() or any(running[name] not in ("", wanted[name]) for name in wanted)

    def is_forgotten(self) -> bool:
        """Whether somebody deleted the Node object; kubelet registers again only when it starts."""
        try:
            self.api(administrator=False).get(f"/api/v1/nodes/{self.node.name}")
        except ApiError as exc:
            return exc.status == 404
        return False

    @property
    def is_server(self) -> bool:
        return self.node.role == "server"

    def marker(self) -> Marker | None:
        return read_marker(self.state_directory, self.layout.marker)

    def api(self, *, administrator: bool) -> Api:
        """The API: of this server with all rights, or at the cluster's endpoint with the node's own."""
        if self.api_of is not None:
            return self.api_of(self, administrator)
        pki = self._at(self.layout.pki)
        if administrator:
            return HttpsApi(
                self.node.address,
                self.cluster.api_port,
                self._ca,
                pki / "apiserver-kubelet-client.crt",
                pki / "apiserver-kubelet-client.key",
            )
        return HttpsApi(
            self.cluster.api_name,
            self.cluster.api_port,
            self._ca,
            self._at("/var/lib/kubelet/pki/kubelet-client-current.pem"),
        )

    # --- verbs

    def begin(self) -> None:
        """Start the cluster on its first server."""
        self._started("init")
        with self._secret_file("init", config.init(self.cluster, self.node)) as path:
            self._kubeadm(["init", "--config", str(path), "--skip-token-print", "--skip-certificate-key-print"])
        self.wait_ready()
        api = self.api(administrator=True)
        if self.cluster.has_kube_proxy:
            api.patch(_PROXY, {"metadata": {"annotations": {_DIGEST: self.proxy_wanted()}}})
        self._reconcile(api, self.node)
        self._completed("init")

    def join(self, invitation: config.Invitation) -> None:
        """Join the cluster of a live server."""
        self._started("join")
        documents = config.join(self.cluster, self.node, invitation, patience=self.timeout)
        with self._secret_file("join", documents) as path:
            self._kubeadm(["join", "--config", str(path)])
        if self.is_server:
            self.wait_ready()
        self.wait_node()
        self._completed("join")

    def invite(self, *, servers: bool, forget: t.Sequence[t.Mapping[str, str]] = ()) -> config.Invitation:
        """On a live server: a token that is good for minutes.

        :param servers: also upload the control plane's certificates, under a new key.
        :param forget: name and address of machines on which a join was cut short; kubeadm refuses a name that is
            taken. A Node of that name that is another machine's stays, and the join will say so. Their members
            of etcd go too: what they had written goes with the join, and etcd takes none back that has lost it.
        """
        admin = self.api(administrator=True)
        for entry in forget:
            taken = f"/api/v1/nodes/{entry['name']}"
            if nodes.may_be_of(_found(admin, taken), entry["address"]):
                admin.delete(taken)
        if forget:
            self._forget_members([entry["address"] for entry in forget])
        said = self._kubeadm(
            ["token", "create", "--ttl", config.INVITATION_TTL, "--kubeconfig", str(self._at(self.layout.kubeconfig))]
        )
        key = ""
        if servers:
            key = secrets.token_hex(32)
            documents = config.certificates(self.cluster, self.node, key)
            with self._secret_file("certificates", documents) as path:
                self._kubeadm(["init", "phase", "upload-certs", "--upload-certs", "--config", str(path)])
        return config.Invitation(
            endpoint=self.cluster.endpoint,
            token=said.stdout.strip().splitlines()[-1],
            ca_hash=public_key_hash(self._ca.read_text(encoding="ascii")),
            certificate_key=key,
        )

    def _forget_members(self, addresses: t.Sequence[str]) -> None:
        etcd = self.etcd_of(self.layout)
        for address in addresses:
            members = etcd.members()
            leaving = at(members, address)
            if leaving is not None:
                take_out(etcd, members, leaving)

    def clean(self) -> None:
        """Undo a command that was cut short. Never called on a machine that completed one."""
        marker = self.marker()
        if marker is None or marker.complete:
            raise EngineError("This machine has no half-finished state to clean.")
        self.reset()
        self._marker_path.unlink()

    def reset(self) -> None:
        """Let kubeadm take the node off this machine."""
        self._kubeadm(reset_arguments(self.layout, leave=True), explain=False, check=False)
        for name in ("/etc/kubernetes", "/var/lib/etcd"):
            _empty(self._at(name))

    def configure_proxy(self) -> None:
        """Bring a changed kube-proxy configuration to the cluster and let its pods take it up."""
        with self._secret_file("proxy", config.proxy_documents(self.cluster, self.node)) as path:
            self._kubeadm(["init", "phase", "addon", "kube-proxy", "--config", str(path)])
        wanted = self.proxy_wanted()
        api = self.api(administrator=True)
        # Pods read the configuration when they start: a changed template lets the DaemonSet roll them.
        api.patch(_PROXY_SET, {"spec": {"template": {"metadata": {"annotations": {_DIGEST: wanted}}}}})
        api.patch(_PROXY, {"metadata": {"annotations": {_DIGEST: wanted}}})

    def upgrade(self) -> bool:
        """Let kubeadm bring this machine's control plane and kubelet's configuration to the wanted version.

        The first server of a cluster brings the cluster's settings along; a note tells the next run when this one
        was cut short.

        :return: whether there was anything to do.
        """
        kubelet = self._versions(self._node_object())
        if not self.control_plane_differs() and all(version == self.cluster.version for version in kubelet):
            return False
        write_atomically(self._upgrade_note, (json.dumps({"to": self.cluster.version}) + "\n").encode(), mode=0o600)
        action = ["node"]
        proxy = ""
        if self.is_server:
            admin = self.api(administrator=True)
            proxy = self._proxy_digest(admin)
            now = _cluster_version(admin.get(_SETTINGS))
            if now != self.cluster.version:
                action = ["apply", "--yes"]
                # etcd's and CoreDNS's versions are settings of the cluster; they go along with those of this bundle.
                before = config.settings(replace(self.cluster, version=now), self.node)
                with self._secret_file("settings", before) as path:
                    self._kubeadm(["init", "phase", "upload-config", "kubeadm", "--config", str(path)])
        with self._secret_file("upgrade", config.upgrade(self.cluster)) as path:
            self._kubeadm(["upgrade", *action, "--config", str(path)], timeout=_UPGRADE_TIMEOUT)
        if self.is_server:
            self.wait_ready()
            if proxy:
                # kubeadm writes kube-proxy's configuration anew, without our note on what it was made from.
                self.api(administrator=True).patch(_PROXY, {"metadata": {"annotations": {_DIGEST: proxy}}})
        self._upgrade_note.unlink()
        return True

    def reconcile(self, node: NodeSettings) -> bool:
        """On a live server: give a Node object its labels and taints; whether that changed it."""
        return self._reconcile(self.api(administrator=True), node)

    def proxy_wanted(self) -> str:
        """Digest of what kube-proxy's configuration is made from; empty where there is no kube-proxy."""
        if not self.cluster.has_kube_proxy:
            return ""
        return nodes.digest(config.kube_proxy(self.cluster))

    # --- waiting

    def wait_ready(self) -> None:
        """Wait until this server's API serves.

        :raises EngineError: the deadline passed; with the likely cause first.
        """
        api = self.api(administrator=True)
        deadline = time.monotonic() + self.timeout
        while not api.ready():
            if time.monotonic() > deadline:
                raise EngineError(
                    self.explained(f"The API of this server did not get ready within {self.timeout:g} s.")
                )
            time.sleep(_PAUSE)

    def wait_node(self) -> None:
        """Wait until kubelet has registered this node.

        :raises EngineError: the deadline passed; with the likely cause first.
        """
        deadline = time.monotonic() + self.timeout
        last = ""
        while True:
            try:
                self.api(administrator=False).get(f"/api/v1/nodes/{self.node.name}")
            except ApiError as exc:
                last = str(exc)
            else:
                return
            if time.monotonic() > deadline:
                raise EngineError(self.explained(f"Node {self.node.name} did not register: {last}"))
            time.sleep(_PAUSE)

    def wait_kubelet(self) -> None:
        """Wait until kubelet says that it is healthy: a start that systemd calls good may fail a moment later.

        :raises EngineError: the deadline passed; with the likely cause first.
        """
        settings = {**self.cluster.kubelet_config, **self.node.kubelet_config}
        port = int(settings.get("healthzPort", 10248))
        deadline = time.monotonic() + min(self.timeout, 120.0)
        # Port 0 turns the answer off; then the Node object alone tells.
        while port and not _healthy(str(settings.get("healthzBindAddress", "127.0.0.1")), port):
            if time.monotonic() > deadline:
                raise EngineError(self.explained("kubelet does not say that it is healthy."))
            time.sleep(_PAUSE)

    def explained(self, what: str, said: str = "") -> str:
        """A message that begins with the likely cause and ends with the journal."""
        units = (self.layout.node_unit, self.layout.runtime_unit)
        text = "".join(journal(unit, self.run, since=self.since) for unit in units)
        etcd = self.etcd_health() if self.is_server else ""
        cause = likely_cause(said, etcd, text, conditions=self._conditions())
        parts = [cause, what, said.strip()[-1500:]]
        tail = "\n".join(text.splitlines()[-12:])
        if tail:
            parts.append(f"The journal ends:\n{tail}")
        return "\n".join(part for part in parts if part)

    # --- inside

    @property
    def _ca(self) -> Path:
        return self._at(self.layout.pki) / "ca.crt"

    @property
    def _marker_path(self) -> Path:
        return self.state_directory / self.layout.marker

    @property
    def _upgrade_note(self) -> Path:
        return self.state_directory / "upgrade.json"

    def _manifest_tag(self, name: str) -> str:
        """The tag of a static pod's image, without a leading v; empty where there is no such pod."""
        try:
            found = _TAG.search(self._at(f"{_MANIFESTS}/{name}.yaml").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return ""
        return found[1] if found else ""

    def _node_object(self) -> dict[str, t.Any]:
        """This machine's Node object; empty where the API does not have it or does not answer."""
        try:
            return self.api(administrator=False).get(f"/api/v1/nodes/{self.node.name}")
        except ApiError:
            return {}

    def _versions(self, node: t.Mapping[str, t.Any]) -> tuple[str, ...]:
        """Versions of the API server's manifest and of kubelet as the Node object has it."""
        kubelet = str(((node.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion", "")).lstrip("v")
        server = self._manifest_tag("kube-apiserver") if self.is_server else ""
        return tuple(version for version in (server, kubelet) if version)

    def _at(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def _started(self, action: Action) -> None:
        self.since = time.time()
        self._mark(Marker(self.cluster.name, action, complete=False))

    def _completed(self, action: Action) -> None:
        self._mark(Marker(self.cluster.name, action, complete=True))

    def _mark(self, marker: Marker) -> None:
        write_marker(self.state_directory, self.layout.marker, marker)

    @contextlib.contextmanager
    def _secret_file(self, name: str, documents: t.Sequence[t.Mapping[str, t.Any]]) -> t.Iterator[Path]:
        """kubeadm's configuration in memory-backed storage, readable by root only, gone afterwards."""
        folder = self._at("/run/klubster")
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"{name}.yaml"
        write_atomically(path, config.text(documents).encode(), mode=0o600)
        try:
            yield path
        finally:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _kubeadm(
        self, arguments: t.Sequence[str], *, explain: bool = True, check: bool = True, timeout: float = 0.0
    ) -> Result:
        # kubeadm looks for the newest version on the internet unless it is told not to.
        environment = {"NO_PROXY": "*", "no_proxy": "*"}
        try:
            return self.run(
                [self._program("kubeadm"), *arguments],
                check=check,
                env=environment,
                timeout=timeout or self.timeout + 60,
            )
        except CommandFailed as exc:
            if not explain:
                raise
            what = f"kubeadm {arguments[0]} failed (exit status {exc.rc})."
            raise EngineError(self.explained(what, exc.stderr or exc.stdout)) from exc

    def _program(self, name: str) -> str:
        return self.layout.programs[f"bin/{name}"]

    def _proxy_digest(self, api: Api) -> str:
        try:
            found = api.get(_PROXY)
        except ApiError:
            return ""
        return str(((found.get("metadata") or {}).get("annotations") or {}).get(_DIGEST, ""))

    def _reconcile(self, api: Api, node: NodeSettings) -> bool:
        path = f"/api/v1/nodes/{node.name}"
        patch = nodes.patch_for(api.get(path), node, taints_of(node, open_servers=self.cluster.open_servers))
        if patch:
            api.patch(path, patch)
        return bool(patch)

    def _conditions(self) -> list[dict[str, t.Any]]:
        try:
            node = self.api(administrator=False).get(f"/api/v1/nodes/{self.node.name}")
        except (ApiError, OSError):
            return []
        return list((node.get("status") or {}).get("conditions") or [])


def _found(api: Api, path: str) -> dict[str, t.Any]:
    """An object; empty when there is none."""
    try:
        return api.get(path)
    except ApiError as exc:
        if exc.status == 404:
            return {}
        raise


def reset_arguments(layout: Layout, *, leave: bool) -> list[str]:
    """Arguments of ``kubeadm reset``.

    :param leave: tell etcd that its member goes; pointless, and slow, when the whole cluster goes.
    """
    arguments = ["reset", "--force", "--cri-socket", f"unix://{layout.runtime_socket}"]
    return arguments if leave else [*arguments, "--skip-phases", "remove-etcd-member"]


def _cluster_version(settings: t.Mapping[str, t.Any]) -> str:
    """The version that the cluster's settings name, without a leading v."""
    text = str((settings.get("data") or {}).get("ClusterConfiguration", ""))
    found = re.search(r"^kubernetesVersion:\s*v?(\S+)", text, re.MULTILINE)
    if not found:
        raise EngineError(
            "The cluster's settings (ConfigMap kube-system/kubeadm-config) name no version of Kubernetes."
        )
    return found[1]


def _healthy(address: str, port: int) -> bool:
    connection = http.client.HTTPConnection(address, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def farewell(layout: Layout, run: Runner, *, leave: bool) -> list[str]:
    """Before a machine is taken back: what kubeadm undoes itself, best effort."""
    program = layout.programs["bin/kubeadm"]
    if not Path(program).exists():
        return []
    # A cluster that no longer answers must not keep its machines.
    run([program, *reset_arguments(layout, leave=leave)], check=False, timeout=180)
    return ["kubeadm reset"]


def _empty(folder: Path) -> None:
    """Remove what is in a folder; the folder may be a mount point and stays."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


__all__ = ("Kubeadm", "farewell", "reset_arguments")
