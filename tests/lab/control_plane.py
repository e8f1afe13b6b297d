# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes API of one's own on loopback: etcd, kube-apiserver and kube-controller-manager as the bundle built them.

No node belongs to it, so no pod ever runs; everything about objects is real.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import ssl
import subprocess
import time
import typing as t
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "klubster"
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")
SCHEDULER = "kube-scheduler"
STARTUP = 60.0


def find(program: str) -> Path | None:
    """The newest build of a program in the cache of components."""
    found = [path for part in ("bin", "part") for path in CACHE.glob(f"components/*/{part}/{program}")]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def missing() -> list[str]:
    return [name for name in PROGRAMS if find(name) is None]


class ControlPlane:
    """Starts the programs in a folder and ends them again.

    :param scheduler: also give pods their nodes; what plays a node is for the test to make.
    """

    def __init__(self, folder: Path, *, scheduler: bool = False) -> None:
        self._folder, self._scheduler = folder, scheduler
        self._processes: list[subprocess.Popen[bytes]] = []
        self.port, self._client_port, self._peer_port = _free_ports(3)
        self.kubeconfig = folder / "kubeconfig"

    def __enter__(self) -> ControlPlane:
        try:
            self._certificates()
            self._start_all()
            self._wait()
            if self._scheduler:
                self._start(SCHEDULER, f"--kubeconfig={self.kubeconfig}", "--leader-elect=false", "--secure-port=0")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_ignored: object) -> None:
        self.stop()

    def stop(self) -> None:
        # What they hold is thrown away, so they need no time to save it.
        for process in reversed(self._processes):
            process.kill()
            process.wait()
        self._processes.clear()

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self._folder, check=True, capture_output=True)

    def _certificates(self) -> None:
        self._openssl("genrsa", "-out", "accounts.key", "2048")
        key = ("-newkey", "rsa:2048", "-noenc")
        # Python 3.13 demands what RFC 5280 says of the use of keys and of their names.
        use = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        ca = ("-keyout", "ca.key", "-out", "ca.crt", "-days", "1", "-subj", "/CN=test", *use)
        self._openssl("req", "-x509", *key, *ca)
        for name, subject in (("server", "/CN=localhost"), ("admin", "/O=system:masters/CN=admin")):
            self._openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject)
            extra = self._folder / f"{name}.ext"
            extra.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1,IP:10.96.0.1\nauthorityKeyIdentifier=keyid\n")
            signing = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1", "-extfile", extra.name)
            self._openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.crt", *signing)
        self.kubeconfig.write_text(json.dumps(self._kubeconfig()))
        self.kubeconfig.chmod(0o600)

    def _kubeconfig(self) -> dict[str, t.Any]:
        def data(name: str) -> str:
            return base64.b64encode((self._folder / name).read_bytes()).decode()

        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            "clusters": [
                {
                    "name": "test",
                    "cluster": {
                        "server": f"https://127.0.0.1:{self.port}",
                        "certificate-authority-data": data("ca.crt"),
                    },
                }
            ],
            "users": [
                {
                    "name": "admin",
                    "user": {"client-certificate-data": data("admin.crt"), "client-key-data": data("admin.key")},
                }
            ],
        }

    def _start_all(self) -> None:
        client, peer = f"http://127.0.0.1:{self._client_port}", f"http://127.0.0.1:{self._peer_port}"
        self._start(
            "etcd",
            "--data-dir=etcd",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        )
        self._start(
            "kube-apiserver",
            f"--etcd-servers={client}",
            f"--secure-port={self.port}",
            "--bind-address=127.0.0.1",
            "--tls-cert-file=server.crt",
            "--tls-private-key-file=server.key",
            "--client-ca-file=ca.crt",
            "--authorization-mode=RBAC",
            # As every engine has it: networks work in the nodes' own.
            "--allow-privileged=true",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file=accounts.key",
            "--service-account-signing-key-file=accounts.key",
            "--service-cluster-ip-range=10.96.0.0/16",
        )
        self._start(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            "--service-account-private-key-file=accounts.key",
            "--root-ca-file=ca.crt",
            "--leader-elect=false",
            "--secure-port=0",
        )

    def _start(self, name: str, *arguments: str) -> None:
        program = find(name)
        assert program is not None, f"{name} has not been built"
        with (self._folder / f"{name}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen([str(program), *arguments], cwd=self._folder, stdout=log, stderr=subprocess.STDOUT)
            )

    def _wait(self) -> None:
        deadline = time.monotonic() + STARTUP
        while not self._ready():
            for process in self._processes:
                if process.poll() is not None and "controller-manager" not in str(process.args):
                    raise RuntimeError(
                        f"{process.args} ended with {process.returncode}; see the logs in {self._folder}"
                    )
            if time.monotonic() > deadline:
                raise RuntimeError(f"The API is not ready after {STARTUP:g} s; see the logs in {self._folder}")
            time.sleep(0.1)

    def _ready(self) -> bool:
        context = ssl.create_default_context(cafile=str(self._folder / "ca.crt"))
        context.load_cert_chain(str(self._folder / "admin.crt"), str(self._folder / "admin.key"))
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=5, context=context)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for dummy in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
