# SPDX-License-Identifier: Apache-2.0
"""Small HTTPS clients: for a server's supervisor, for the Kubernetes API, for etcd's JSON gateway."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import typing as t
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

from k3s_standin import token as tokens
from k3s_standin.log import warning

TIMEOUT = 10.0


class HttpError(Exception):
    """The other side answered, but not as hoped."""

    def __init__(self, url: str, status: int, body: str) -> None:
        super().__init__(f"{url}: {status} {http.client.responses.get(status, '')}")
        self.status = status
        self.body = body


def request(
    url: str,
    context: ssl.SSLContext,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: t.Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
) -> bytes:
    """:raises HttpError: a status of 400 and up. :raises OSError: no answer."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPSConnection(parts.hostname or "", parts.port or 443, timeout=timeout, context=context)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        content = response.read()
        if response.status >= 400:
            raise HttpError(url, response.status, content.decode(errors="replace"))
        return content
    except http.client.HTTPException as exc:
        raise OSError(f"{url}: {exc!r}") from exc
    finally:
        connection.close()


def unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def trusting(pem: str, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=pem)
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


@dataclass
class Remote:
    """A server that is joined: its CA has been compared with the token."""

    url: str
    token: tokens.Token
    ca: str
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> t.Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return json.loads(self.call("GET", path, None, named) or b"null")

    def post(self, path: str, content: t.Any) -> t.Any:
        return json.loads(self.call("POST", path, json.dumps(content).encode(), {}) or b"null")

    def call(self, method: str, path: str, body: bytes | None, headers: t.Mapping[str, str]) -> bytes:
        token = self.token
        if token.bootstrap:
            authorization = f"Bearer {token.bootstrap}"
        else:
            authorization = "Basic " + base64.b64encode(f"{token.user}:{token.password}".encode()).decode()
        return request(
            f"{self.url}{path}",
            trusting(self.ca),
            method=method,
            body=body,
            headers={"Authorization": authorization, **self.headers, **headers},
        )


def connect(url: str, text: str, user: str) -> Remote:
    """Fetch the CA from a server without trusting it, compare its hash with the token, then trust it (k3s.md C.1).

    :raises tokens.TokenError: the token is malformed, or of another cluster.
    :raises OSError: no answer.
    """
    url = url.rstrip("/")
    token = tokens.parse(text, user)
    try:
        ca = request(f"{url}/cacerts", unverified()).decode()
    except (OSError, HttpError) as exc:
        raise OSError(f'failed to get CA certs: Get "{url}/cacerts": {exc}') from exc
    if not token.ca_hash:
        warning(
            "Cluster CA certificate is not trusted by the host CA bundle, but the token does not include a CA hash. "
            "Use the full token from the server's node-token file to enable Cluster CA validation."
        )
    tokens.compare(token, ca)
    return Remote(url, token, ca)


class Api:
    """The Kubernetes API, as JSON."""

    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        self._url, self._context = url.rstrip("/"), context

    def get(self, path: str) -> t.Any:
        return self._call("GET", path)

    def find(self, path: str) -> t.Any:
        """None when it is not there."""
        try:
            return self._call("GET", path)
        except HttpError as exc:
            if exc.status == 404:
                return None
            raise

    def create(self, path: str, content: t.Any) -> t.Any:
        return self._call("POST", path, content)

    def replace(self, path: str, content: t.Any) -> t.Any:
        return self._call("PUT", path, content)

    def patch(self, path: str, content: t.Any) -> t.Any:
        return self._call("PATCH", path, content, "application/merge-patch+json")

    def delete(self, path: str) -> None:
        try:
            self._call("DELETE", path)
        except HttpError as exc:
            if exc.status != 404:
                raise

    def ready(self) -> bool:
        try:
            request(f"{self._url}/readyz", self._context, timeout=5)
        except (OSError, HttpError):
            return False
        return True

    def _call(self, method: str, path: str, content: t.Any = None, kind: str = "application/json") -> t.Any:
        body = None if content is None else json.dumps(content).encode()
        said = request(f"{self._url}{path}", self._context, method=method, body=body, headers={"Content-Type": kind})
        return json.loads(said or b"null")


__all__ = ("TIMEOUT", "Api", "HttpError", "Remote", "connect", "request", "trusting", "unverified")
