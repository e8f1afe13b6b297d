# SPDX-License-Identifier: Apache-2.0
"""Small HTTPS clients: for a server's supervisor, for the Kubernetes API, for etcd's JSON gateway."""

from __future__ import annotations

import base64
import errno
import http.client
import json
import socket
import ssl
import time
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
    host, port = parts.hostname or "", parts.port or 443
    connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        content = response.read()
        if response.status >= 400:
            raise HttpError(url, response.status, content.decode(errors="replace"))
        return content
    except (OSError, http.client.HTTPException) as exc:
        raise Unanswered(as_go_says(exc, host, port)) from exc
    finally:
        connection.close()


class Unanswered(OSError):
    """Nobody answered; the text is as k3s, a program in Go, logs it."""


_DIALLED = {
    errno.ECONNREFUSED: "connection refused",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network is unreachable",
    errno.ETIMEDOUT: "connection timed out",
}
#: of OpenSSL: a certificate that begins later than now, one that has ended, three kinds of an unknown CA, another name
_LATER, _ENDED, _UNKNOWN, _NAME = 9, 10, (18, 19, 20, 21), (62, 64)


def as_go_says(exc: Exception, host: str, port: int) -> str:
    """The words of Go's net/http and crypto/x509 for what went wrong."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        words = {
            _LATER: f"certificate has expired or is not yet valid: current time {now} is before",
            _ENDED: f"certificate has expired or is not yet valid: current time {now} is after",
            **dict.fromkeys(_UNKNOWN, "certificate signed by unknown authority"),
            **dict.fromkeys(_NAME, f"certificate is not valid for {host}"),
        }
        return f"tls: failed to verify certificate: x509: {words.get(exc.verify_code, exc.verify_message)}"
    if isinstance(exc, OSError) and exc.errno in _DIALLED:
        return f"dial tcp {host}:{port}: connect: {_DIALLED[exc.errno]}"
    kinds: tuple[tuple[type[Exception], str], ...] = (
        (socket.gaierror, f"dial tcp: lookup {host}: no such host"),
        (ConnectionResetError, f"read tcp {host}:{port}: read: connection reset by peer"),
        (TimeoutError, "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"),
        (ssl.SSLEOFError, "EOF"),
        (ssl.SSLZeroReturnError, "EOF"),
        (http.client.HTTPException, "EOF"),
    )
    return next((words for kind, words in kinds if isinstance(exc, kind)), str(exc))


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
        try:
            return request(
                f"{self.url}{path}",
                trusting(self.ca),
                method=method,
                body=body,
                headers={"Authorization": authorization, **self.headers, **headers},
            )
        except OSError as exc:
            raise OSError(f'{method.capitalize()} "{self.url}{path}": {exc}') from exc


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
    try:
        request(f"{url}/cacerts", trusting(ca))
    except (OSError, HttpError) as exc:
        raise OSError(f'CA cert validation failed: Get "{url}/cacerts": {exc}') from exc
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


__all__ = (
    "TIMEOUT",
    "Api",
    "HttpError",
    "Remote",
    "Unanswered",
    "as_go_says",
    "connect",
    "request",
    "trusting",
    "unverified",
)
