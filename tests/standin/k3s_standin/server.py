# SPDX-License-Identifier: Apache-2.0
"""``k3s server``: begin a cluster, join one, or go on with what lies here."""

from __future__ import annotations

import ipaddress
import socket
import time
import typing as t
from pathlib import Path

from k3s_standin import controlplane, join, node, notify, packaged
from k3s_standin import token as tokens
from k3s_standin.client import Api, HttpError, trusting
from k3s_standin.config import Settings
from k3s_standin.controllers import Controllers
from k3s_standin.etcd import Etcd
from k3s_standin.front import Front
from k3s_standin.identity import Identity
from k3s_standin.kine import Kine
from k3s_standin.log import Fatal, error, info, warning
from k3s_standin.manifests import Manifests
from k3s_standin.paths import write
from k3s_standin.start import Start
from k3s_standin.supervisor import Refused, Supervisor

_PREFIX = "starting kubernetes: preparing server: "
#: seconds after which k3s says again that etcd is not there
_ETCD_SAID = 5.0
_SQLITE = (
    "This is no SQLite database. The stand-in for k3s keeps the data of a server without embedded etcd in an etcd of "
    "one member, in standin-single.\n"
)


class Server:
    """One start of ``k3s server``."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self.settings, self.paths, self.children = start.settings, start.paths, start.children
        self.name, self.address = node.name(self.settings), node.address(self.settings)
        self.port = self.settings.number("https-listen-port")
        self.identity = Identity(self.paths)
        self.embedded = self._choose_datastore()
        self.kine = None if self.embedded else self._choose_kine()
        self._resumed = False
        folder = self.paths.etcd if self.embedded else self.paths.single
        self.etcd = Etcd(
            self.paths, folder, self.address if self.embedded else "127.0.0.1", socket.gethostname().lower()
        )

    @property
    def _begun(self) -> bool:
        return self.etcd.exists if self.kine is None else self.kine.exists

    def start(self) -> None:
        """Until the node is there; returns when everything runs."""
        node.see_cgroups()
        self._resumed = self._begun
        members = self._come_to_be()
        self.identity.write_tokens()
        self.identity.issue(self._names(), self._service_names())
        supervisor = self._supervisor()
        front = Front(supervisor, self.paths.tls, controlplane.API_PORT)
        front.start(self.settings.text("bind-address"), self.port)
        self._start_etcd(members)
        if self.embedded:
            supervisor.etcd = self.etcd
        arguments = controlplane.kube_apiserver(self._start.programs, self.paths, self.settings, self.address)
        arguments = self.kine.adapted(arguments) if self.kine else arguments
        self.children.start("kube-apiserver", arguments)
        here = self._node()
        here.prepare()
        api = self._api()
        self.children.wait_for("kube-apiserver", api.ready)
        supervisor.api = api
        self._start_controllers()
        self.identity.write_kubeconfig(self.settings)
        self._manifests().start()
        here.register(self._certificates(supervisor))
        controllers = Controllers(api, supervisor, self.children, self.etcd if self.embedded else None, self.port)
        self.children.wait_for("labels", lambda: _tried(lambda: controllers.label(self.name, self.address)))
        self.children.wait_for("endpoints", lambda: _tried(controllers.once))
        controllers.start()
        info("k3s is up and running")
        notify.ready()
        here.network()

    # --- who we are

    def _choose_datastore(self) -> bool:
        """Whether it is embedded etcd (k3s.md C.3). Files on disk decide over what is configured."""
        paths, settings = self.paths, self.settings
        if paths.etcd.exists():
            return True
        if paths.single.exists() and settings.on("cluster-init"):
            info("Migrating content from sqlite to etcd")
            paths.single.rename(paths.etcd)
            paths.state_db.rename(paths.state_db.with_name("state.db.migrated"))
            self._start.record.add("substitute", "migration", "an etcd of one member became embedded etcd")
            return True
        if settings.text("datastore-endpoint"):
            return False
        if paths.state_db.exists() and not paths.single.exists() and settings.on("cluster-init"):
            raise Fatal("not in the stand-in: SQLite to etcd, where kine keeps the data")
        return settings.on("cluster-init") or bool(settings.text("server") and not paths.single.exists())

    def _choose_kine(self) -> Kine | None:
        """What keeps the data where that is not embedded etcd; None: an etcd of one member plays SQLite."""
        program, endpoint = self._start.programs / "kine", self.settings.text("datastore-endpoint")
        if program.exists() and not self.paths.single.exists():
            return Kine(self.paths, program, endpoint)
        if endpoint:
            raise Fatal("not in the stand-in: --datastore-endpoint: it was built without kine")
        write(self.paths.state_db, _SQLITE)
        self._start.record.add("substitute", "sqlite", "an etcd of one member keeps the data; state.db says so")
        return None

    def _come_to_be(self) -> list[str]:
        """Have CAs and passwords; the members to join, or nothing."""
        given = self._token("token")
        if self._begun:
            self._resume(given)
            return []
        if self.embedded and self.settings.text("server"):
            entry = join.Join(self.settings, self.identity, self.etcd, self.children)
            return entry.run(given, self._token("agent-token"), critical(self.settings))
        self.identity.create(self.settings)
        self._first(given)
        return []

    def _first(self, given: str) -> None:
        password = ""
        if given:
            try:
                token = tokens.parse(given, "server")
                tokens.compare(token, self.identity.server_ca)
            except tokens.TokenError as exc:
                raise Fatal(f"{_PREFIX}failed to bootstrap cluster data: failed to validate token: {exc}") from exc
            if token.bootstrap or token.user != "server":
                raise Fatal(
                    f"{_PREFIX}failed to normalize server token; must be in format "
                    "K10<CA-HASH>::<USERNAME>:<PASSWORD> or <PASSWORD>"
                )
            password = token.password
        password = password or tokens.generate()
        self.identity.set_passwords(password, self._node_password() or password)

    def _resume(self, given: str) -> None:
        if not self.paths.passwd.exists():
            raise Fatal("not in the stand-in: server/db is there, but server/cred is not; k3s would read it from etcd")
        self.identity.create(self.settings)
        have = self.identity.passwords()
        if given:
            try:
                token = tokens.parse(given, "server")
                tokens.compare(token, self.identity.server_ca)
            except tokens.TokenError as exc:
                raise Fatal(f"{_PREFIX}failed to bootstrap cluster data: failed to validate token: {exc}") from exc
            if token.password != have["server"]:
                raise Fatal(f"{_PREFIX}bootstrap data already found and encrypted with different token")
        self.identity.set_passwords(have["server"], self._node_password() or have["node"])
        if self.embedded:
            info("Managed etcd cluster bootstrap already complete and initialized")

    def _token(self, flag: str) -> str:
        text = self.settings.text(flag)
        if file := self.settings.text(f"{flag}-file"):
            if text:
                raise Fatal(f"--{flag} and --{flag}-file are mutually exclusive")
            try:
                text = Path(file).read_text(encoding="utf-8").strip()
            except OSError as exc:
                raise Fatal(f"{_PREFIX}failed to read {flag}-file: {exc}") from exc
            if not text:
                raise Fatal(f"{_PREFIX}{flag}-file {file} is empty")
        if not text and flag == "token" and self.paths.token.exists():
            text = self.paths.token.read_text(encoding="utf-8").strip()
        return text

    def _node_password(self) -> str:
        text = self._token("agent-token")
        return tokens.parse(text, "node").password if text else ""

    def _names(self) -> list[str]:
        """As k3s.md A.2 lists them."""
        addresses = [self.address, self.settings.text("advertise-address"), *self.settings.values("node-external-ip")]
        names = ["127.0.0.1", "::1", "localhost", self.name, socket.gethostname(), *addresses]
        return [name for name in (*names, *self.settings.values("tls-san")) if name]

    def _service_names(self) -> list[str]:
        first = ipaddress.ip_network(self.settings.values("service-cidr")[0])[1]
        words = ["kubernetes", "default", "svc", *self.settings.text("cluster-domain").split(".")]
        return [str(first), *(".".join(words[:count]) for count in (1, 2, 3, len(words)))]

    # --- parts

    def _supervisor(self) -> Supervisor:
        supervisor = Supervisor(self.paths, self.identity, str(self._start.stamp["version"]))
        supervisor.cluster = cluster(self.settings)
        supervisor.critical = critical(self.settings)
        if not self.embedded:
            supervisor.no_join = "etcd datastore is not in use: this server keeps its data elsewhere"
        supervisor.api_servers = [f"{self.address}:{self.port}"]
        return supervisor

    def _start_etcd(self, members: t.Sequence[str]) -> None:
        if self.kine is not None:
            self.kine.start(self.children, begun=self._resumed)
            return
        arguments = self.etcd.arguments(
            self._start.programs / "etcd",
            cluster=",".join(members),
            existing=bool(members),
            metrics=self.settings.on("etcd-expose-metrics") and self.embedded,
            extra=self.settings.values("etcd-arg"),
        )
        self.children.start("etcd", arguments)
        if members:
            join.promoted(self.etcd, members, self.children)
        said = 0.0
        while why := self.etcd.trouble():
            if time.monotonic() - said > _ETCD_SAID:
                info(f"Failed to test etcd connection: {why}")
                said = time.monotonic()
            self.children.wait(0.2)
        info("Connection to etcd is ready")

    def _start_controllers(self) -> None:
        elect = self.embedded
        parts = (self._start.programs, self.paths, self.settings)
        self.children.start("kube-controller-manager", controlplane.kube_controller_manager(*parts, elect=elect))
        if not self.settings.on("disable-scheduler"):
            self.children.start("kube-scheduler", controlplane.kube_scheduler(*parts, elect=elect))

    def _manifests(self) -> Manifests:
        manifests = Manifests(self.paths, self.children, self.settings.values("disable"))
        manifests.package(packaged.ROLEBINDINGS, packaged.text(packaged.rolebindings()))
        facts = cluster(self.settings)
        image = str(self._start.stamp["images"]["coredns"])
        objects = packaged.coredns(image, facts["cluster-dns"][0], facts["cluster-domain"])
        manifests.package(packaged.COREDNS, packaged.text(objects))
        if "local-storage" not in self.settings.values("disable"):
            path = self.settings.text("default-local-storage-path") or str(self.paths.storage)
            manifests.package("local-storage.yaml", packaged.local_storage(self._start.stamp, path))
        return manifests

    def _node(self) -> node.Node:
        return node.Node(
            start=self._start,
            name=self.name,
            address=self.address,
            url=f"https://127.0.0.1:{controlplane.API_PORT}",
            ca=self.identity.server_ca,
            client_ca=(self.paths.tls / "client-ca.crt").read_text(encoding="ascii"),
            cluster=cluster(self.settings),
        )

    def _certificates(self, supervisor: Supervisor) -> dict[str, dict[str, str]]:
        while True:
            try:
                return supervisor.node(self.name, node.password(), self.address)
            except Refused as exc:
                warning(f"Waiting to retrieve agent configuration; server is not ready: {exc}")
            except (OSError, HttpError) as exc:
                error(f"Waiting to retrieve agent configuration; server is not ready: {exc}")
            self.children.wait(2)

    def _api(self) -> Api:
        tls = self.paths.tls
        context = trusting(self.identity.server_ca, tls / "client-supervisor.crt", tls / "client-supervisor.key")
        return Api(f"https://127.0.0.1:{controlplane.API_PORT}", context)


def cluster(settings: Settings) -> dict[str, t.Any]:
    """What every node has to know."""
    dns = settings.values("cluster-dns")
    services = settings.values("service-cidr")
    return {
        "cluster-cidr": ",".join(settings.values("cluster-cidr")),
        "service-cidr": ",".join(services),
        "cluster-dns": dns or [str(ipaddress.ip_network(text)[10]) for text in services],
        "cluster-domain": settings.text("cluster-domain"),
        "flannel-backend": settings.text("flannel-backend"),
        "disable-kube-proxy": settings.on("disable-kube-proxy"),
    }


def critical(settings: Settings) -> dict[str, t.Any]:
    """What has to be the same on all servers (k3s.md A.12: as the code compares, without agent-token)."""
    facts = cluster(settings)
    flags = (
        "disable-cloud-controller",
        "disable-helm-controller",
        "disable-network-policy",
        "embedded-registry",
        "flannel-external-ip",
        "flannel-ipv6-masq",
        "flannel-ip-masq-disable-random-fully",
        "secrets-encryption",
        "supervisor-metrics",
    )
    return {
        **{name: facts[name] for name in ("cluster-cidr", "service-cidr", "cluster-dns", "cluster-domain")},
        **{name: settings.text(name) for name in ("flannel-backend", "egress-selector-mode")},
        "secrets-encryption-provider": settings.text("secrets-encryption-provider"),
        **{name: settings.on(name) for name in flags},
        "disable-servicelb": "servicelb" in settings.values("disable"),
    }


def _tried(action: t.Callable[[], None]) -> bool:
    try:
        action()
    except (OSError, HttpError) as exc:
        info(f"{exc}")
        return False
    return True


__all__ = ("Server", "cluster", "critical")
