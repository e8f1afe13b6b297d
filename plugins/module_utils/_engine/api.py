# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""A few calls to the Kubernetes API from a node, with the credentials that the engine left there."""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
import tempfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.kubeconfig import Credentials, read
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError


class ApiError(KlubsterError):
    """The API does not answer, or answers with an error."""

    def __init__(self, message: str, status: int = 0, body: str = "") -> None:
        super().__init__(message)
        self.status, self.body = status, body


class Api(t.Protocol):
    """What the engine asks of the API; tests have a small one of their own."""

    def ready(self) -> bool: ...

    def get(self, path: str) -> dict[str, t.Any]: ...

    def patch(self, path: str, body: t.Mapping[str, t.Any]) -> dict[str, t.Any]: ...

    def post(self, path: str, body: t.Mapping[str, t.Any]) -> dict[str, t.Any]: ...

    def delete(self, path: str) -> None: ...


@dataclass(frozen=True)
class HttpsApi:
    """The API at an address.

    :param certificate: PEM file of the client's certificate; None asks without one.
    :param key: PEM file of its key; None when ``certificate`` holds both.
    """

    address: str
    port: int
    ca: Path
    certificate: Path | None = None
    key: Path | None = None
    timeout: float = 5.0
    #: made from credentials that are in no file of their own; ``ca`` and the others are not read then
    context: ssl.SSLContext | None = None

    def ready(self) -> bool:
        """Whether the API says that it can serve."""
        return self.passes("/readyz")

    def passes(self, check: str) -> bool:
        """Whether a check of the API's own health passes."""
        try:
            status, dummy = self._call("GET", check)
        except (ApiError, OSError):
            return False
        return status == 200

    def get(self, path: str) -> dict[str, t.Any]:
        """An object or a list.

        :raises ApiError: ``status`` is 404 when there is none.
        """
        return self._json("GET", path)

    def patch(self, path: str, body: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Merge ``body`` into an object."""
        return self._json("PATCH", path, body, "application/merge-patch+json")

    def post(self, path: str, body: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Create an object, or ask for something to be done."""
        return self._json("POST", path, body, "application/json")

    def delete(self, path: str) -> None:
        """Delete an object; that it is gone already is no error."""
        try:
            self._json("DELETE", path)
        except ApiError as exc:
            if exc.status != 404:
                raise

    def _made_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.ca))
        if self.certificate:
            context.load_cert_chain(str(self.certificate), str(self.key) if self.key else None)
        return context

    def _json(
        self, method: str, path: str, body: t.Mapping[str, t.Any] | None = None, kind: str = ""
    ) -> dict[str, t.Any]:
        status, text = self._call(method, path, json.dumps(body) if body is not None else None, kind)
        if not 200 <= status < 300:
            raise ApiError(
                f"{method} {path} at {self.address}:{self.port}: status {status}: {_message(text)}",
                status,
                text.decode(errors="replace"),
            )
        found: dict[str, t.Any] = json.loads(text)
        return found

    def _call(self, method: str, path: str, body: str | None = None, kind: str = "") -> tuple[int, bytes]:
        try:
            context = self.context or self._made_context()
            connection = http.client.HTTPSConnection(self.address, self.port, timeout=self.timeout, context=context)
            try:
                connection.request(method, path, body, {"Content-Type": kind} if kind else {})
                answer = connection.getresponse()
                return answer.status, answer.read()
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as exc:
            raise ApiError(f"The API at {self.address}:{self.port} does not answer: {exc}") from exc


def api_of_kubeconfig(path: Path, address: str, port: int) -> HttpsApi | None:
    """The API with the rights of the engine's kubeconfig; None where there is none."""
    found = read(path)
    return None if found is None else HttpsApi(address, port, path, context=context_of(found))


def context_of(credentials: Credentials) -> ssl.SSLContext:
    """The administrator's rights from a kubeconfig. Python reads keys from files only: this one is gone at once."""
    context = ssl.create_default_context(cadata=base64.b64decode(credentials.ca).decode("ascii"))
    with tempfile.NamedTemporaryFile(dir="/run" if os.access("/run", os.W_OK) else None) as file:
        file.write(base64.b64decode(credentials.certificate) + b"\n" + base64.b64decode(credentials.key))
        file.flush()
        context.load_cert_chain(file.name)
    return context


def _message(text: bytes) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text[:300].decode(errors="replace")


__all__ = ("Api", "ApiError", "HttpsApi", "api_of_kubeconfig", "context_of")
