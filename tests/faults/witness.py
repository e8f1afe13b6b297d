# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Somebody who uses the cluster all the while: writes numbered objects, and asks every server whether it serves.

What the API has acknowledged must be there in the end. An object whose answer got lost may be there or not.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
import tempfile
import threading
import time
import typing as t
from dataclasses import dataclass, field

from ground import Ground

_CLONE_NEWNET = 0x40000000
_OBJECTS = "/api/v1/namespaces/default/configmaps"


@dataclass
class Seen:
    """What the witness has to say at the end of a round."""

    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    #: seconds in which no server at all served, while the cluster had all its servers
    longest_gap: float = 0.0
    judged_gap: bool = False


class _Administrator:
    """Connections with the rights of the kubeconfig that a server holds; read anew when it fails.

    :param address: of the one server to ask; without it servers take turns.
    """

    def __init__(self, ground: Ground, address: str = "") -> None:
        self._ground, self._address = ground, address
        self._connection: http.client.HTTPSConnection | None = None
        self._turn = 0

    def request(self, method: str, path: str, body: t.Any = None) -> tuple[int, bytes]:
        """:raises OSError: no answer."""
        try:
            connection = self._connection or self._connect()
            self._connection = connection
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as exc:
            self.close()
            raise OSError(str(exc)) from exc

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _connect(self) -> http.client.HTTPSConnection:
        config = self._ground.kubeconfig()
        if config is None:
            raise ConnectionError("there is no cluster yet")
        addresses = [self._address] if self._address else [self._ground.servers[name] for name in self._ground.begun()]
        self._turn += 1
        address = addresses[self._turn % len(addresses)]
        user = config["users"][0]["user"]
        cluster = config["clusters"][0]["cluster"]
        context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        # A CA made before Python 3.13 may lack what its strict checks ask for.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        with tempfile.NamedTemporaryFile("wb", suffix=".pem") as pair:
            pair.write(base64.b64decode(user["client-certificate-data"]) + b"\n")
            pair.write(base64.b64decode(user["client-key-data"]))
            pair.flush()
            context.load_cert_chain(pair.name)
        return http.client.HTTPSConnection(address, 6443, timeout=5, context=context)


class Witness:
    """Works in threads of its own inside the lab's network, from ``__enter__`` to ``close``."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._end = threading.Event()
        self._acknowledged: list[str] = []
        self._served: dict[str, float] = {}
        self._begun_at = 0.0
        self._gap = 0.0
        self._threads: list[threading.Thread] = []
        #: which numbers this witness uses; a lab may have seen another one before
        self._prefix = f"acked-{os.getpid()}-{int(time.time())}"

    def __enter__(self) -> Witness:
        work: list[t.Callable[[], None]] = [self._write, self._watch]
        if len(self._ground.servers) > 1:
            work += [lambda address=address: self._probe(address) for address in self._ground.servers.values()]
        self._threads = [threading.Thread(target=self._inside, args=(one,), daemon=True) for one in work]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop()

    def close(self) -> Seen:
        """Stop, and compare what was acknowledged with what is there.

        :raises OSError: the API does not answer.
        """
        self._stop()
        found: list[set[str]] = []

        def look() -> None:
            administrator = _Administrator(self._ground)
            deadline = time.monotonic() + 30
            while not found and time.monotonic() < deadline:
                try:
                    status, listing = administrator.request("GET", _OBJECTS)
                    if status == 200:
                        found.append({item["metadata"]["name"] for item in json.loads(listing)["items"]})
                except OSError:
                    administrator.close()
                self._end.wait(0)
            administrator.close()

        looking = threading.Thread(target=self._inside, args=(look,))
        looking.start()
        looking.join()
        if not found and self._acknowledged:
            raise OSError("the API did not answer at the end")
        kept = found[0] if found else set()
        lost = [name for name in self._acknowledged if name not in kept]
        return Seen(len(self._acknowledged), lost, round(self._gap, 1), bool(self._begun_at))

    def _stop(self) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()
        self._threads = []

    def _inside(self, work: t.Callable[[], None]) -> None:
        """A thread can be in another network than its process."""
        descriptor = os.open(self._ground.paths.namespace, os.O_RDONLY)
        try:
            os.setns(descriptor, _CLONE_NEWNET)
        finally:
            os.close(descriptor)
        work()

    def _write(self) -> None:
        administrator = _Administrator(self._ground)
        number = 0
        while not self._end.wait(0.1):
            number += 1
            name = f"{self._prefix}-{number:06d}"
            body = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": name},
                "data": {"number": str(number)},
            }
            try:
                status, _answer = administrator.request("POST", _OBJECTS, body)
            except OSError:
                continue
            if status == 201:
                self._acknowledged.append(name)
        administrator.close()

    def _watch(self) -> None:
        """From when all servers are in the cluster, time in which none serves counts."""
        while len(self._ground.servers) > 1 and not self._end.wait(0.2):
            now = time.monotonic()
            if not self._begun_at:
                if len(self._ground.begun()) == len(self._ground.servers):
                    self._begun_at = now
                continue
            last = max([self._begun_at, *self._served.values()])
            self._gap = max(self._gap, now - last)

    def _probe(self, address: str) -> None:
        # k3s tells nobody unknown whether it is ready.
        administrator = _Administrator(self._ground, address)
        while not self._end.wait(0.25):
            try:
                # etcd without a quorum makes this fail.
                if administrator.request("GET", "/readyz")[0] == 200:
                    self._served[address] = time.monotonic()
            except OSError:
                continue
        administrator.close()
