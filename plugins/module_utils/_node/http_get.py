# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""One GET request: redirects, proxies, certificates and time limits, with reasons that a user may read.

What is secret in a URL (user, password, query) never gets into a text.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import ssl
import threading
import time
import typing as t
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._node.urls import is_url, shown

_BLOCK = 256 * 1024
_REDIRECTS = (301, 302, 303, 307, 308)
_AGENT = "kateskit-klubster"


class GetFailed(Exception):
    """The request, or the transfer that followed it, did not succeed; the text is the reason, without the URL."""


@dataclass(frozen=True)
class Limits:
    """How long a download may take.

    :param stall: seconds without progress, also for the connection and the first byte.
    :param total: seconds for everything, all mirrors together.
    :param redirects: how many are followed.
    :param speed: bytes per second; less than this over ``stall`` seconds is no progress.
    """

    stall: float = 60.0
    total: float = 3600.0
    redirects: int = 5
    speed: int = 1024


@dataclass(frozen=True)
class Client:
    """How to speak to servers.

    :param headers: sent with every request, but not after a redirect to another server.
    :param ca_file: certificates that are trusted besides the system's.
    """

    headers: t.Mapping[str, str] = field(default_factory=dict)
    ca_file: Path | None = None
    limits: Limits = field(default_factory=Limits)


class Deadline:
    """A point in time."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        return max(self._end - time.monotonic(), 0.001)

    @property
    def passed(self) -> bool:
        return time.monotonic() >= self._end


class Response:
    """The answer to a request; ``chunks`` gives its body in pieces of bounded size."""

    def __init__(self, raw: http.client.HTTPResponse, limits: Limits, deadline: Deadline) -> None:
        self._raw, self._limits, self._deadline = raw, limits, deadline
        self.status: int = raw.status
        self.reason: str = raw.reason or ""
        self.headers = raw.headers

    def chunks(self) -> t.Iterator[bytes]:
        """The body as it arrives. It ends early, without a word, when the connection ends early: count the bytes.

        :raises GetFailed: nothing came for too long, or the connection broke.
        """
        began, got = time.monotonic(), 0
        while True:
            try:
                block = self._raw.read1(_BLOCK)
            except (OSError, http.client.HTTPException) as exc:
                raise GetFailed(_why(exc, self._limits, self._deadline)) from exc
            if self._deadline.passed:
                raise GetFailed(_too_long(self._limits))
            if not block:
                return
            yield block
            got += len(block)
            elapsed = time.monotonic() - began
            if elapsed >= self._limits.stall:
                if got < self._limits.speed * elapsed:
                    raise GetFailed(f"sent only {got} bytes in {elapsed:.3g} s")
                began, got = time.monotonic(), 0


@contextlib.contextmanager
def get(url: str, headers: t.Mapping[str, str], client: Client, deadline: Deadline) -> t.Iterator[Response]:
    """Ask for ``url``, following redirects; any other status is the caller's to judge.

    :param headers: of this request; sent after redirects too.
    :raises GetFailed: there was no answer, or too many redirects.
    """
    private: t.Mapping[str, str] = client.headers
    asked, seen = url, {url}
    with _Watch(deadline) as watch:
        opener = _opener(client, watch)
        while True:
            raw = _ask(asked, {**private, **headers}, opener, client.limits, deadline)
            with contextlib.closing(raw):
                if raw.status not in _REDIRECTS:
                    yield Response(raw, client.limits, deadline)
                    return
                target = _target(asked, raw.headers.get("Location"))
            if target in seen or len(seen) > client.limits.redirects:
                raise GetFailed(
                    f"redirects in a circle, at {shown(target)}"
                    if target in seen
                    else f"redirects more than {client.limits.redirects} times"
                )
            if _origin(target) != _origin(asked):
                private = {}
            seen.add(target)
            asked = target


def _target(asked: str, location: str | None) -> str:
    target = urljoin(asked, location or "")
    if not location or not is_url(target):
        raise GetFailed("redirects to something that is no http or https URL")
    if urlsplit(asked).scheme == "https" and urlsplit(target).scheme != "https":
        raise GetFailed(f"redirects from https to {shown(target)}, which is refused")
    return target


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def _ask(
    url: str,
    headers: t.Mapping[str, str],
    opener: urllib.request.OpenerDirector,
    limits: Limits,
    deadline: Deadline,
) -> http.client.HTTPResponse:
    parts = urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    bare = urlunsplit((parts.scheme, place, parts.path or "/", parts.query, ""))
    sent = {"User-Agent": _AGENT}
    if at:
        sent["Authorization"] = "Basic " + base64.b64encode(unquote(user).encode()).decode("ascii")
    # The opener knows only http and https: no other scheme can be asked for.
    request = urllib.request.Request(bare, headers={**sent, **headers})  # noqa: S310
    try:
        answer = opener.open(request, timeout=min(limits.stall, deadline.remaining))
    except (OSError, http.client.HTTPException, ValueError) as exc:
        through = f" (through the proxy {request.host})" if request.host != place else ""
        raise GetFailed(_why(exc, limits, deadline) + through) from exc
    return t.cast("http.client.HTTPResponse", answer)


def _too_long(limits: Limits) -> str:
    return f"took longer than {limits.total:g} s in all"


def _why(exc: BaseException, limits: Limits, deadline: Deadline) -> str:
    """The reason in words. Texts of exceptions that may hold the URL or a header are not used."""
    if isinstance(exc, urllib.error.URLError) and isinstance(exc.reason, BaseException):
        exc = exc.reason
    if deadline.passed:
        return _too_long(limits)
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({exc.verify_message}); a CA file of your own can be given"
    for kind, words in _WORDS:
        if isinstance(exc, kind):
            return words.format(stall=f"{limits.stall:g}")
    if isinstance(exc, OSError):
        return exc.strerror or str(exc)
    return f"gave an answer that is no proper HTTP ({type(exc).__name__})"


_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    # Two names for one thing since Python 3.10.
    (socket.timeout, "sent nothing for {stall} s"),
    (http.client.RemoteDisconnected, "closed the connection without an answer"),
    (http.client.IncompleteRead, "broke off"),
    (socket.gaierror, "its name cannot be resolved on this machine"),
    (ConnectionRefusedError, "refused the connection"),
    (ConnectionError, "broke the connection"),
    (ValueError, "the URL or a header holds characters that HTTP does not allow"),
)


class _Watch:
    """Ends a connection when time is over, wherever it waits: a socket's own timeout starts anew with every byte."""

    def __init__(self, deadline: Deadline) -> None:
        self._timer = threading.Timer(deadline.remaining, self._over)
        self._timer.daemon = True
        self._connection: http.client.HTTPConnection | None = None
        self._socket: socket.socket | None = None

    def __enter__(self) -> _Watch:
        self._timer.start()
        return self

    def __exit__(self, *dummy: object) -> None:
        self._timer.cancel()

    def begin(self, connection: http.client.HTTPConnection) -> None:
        self._connection, self._socket = connection, None

    def connected(self, sock: socket.socket) -> None:
        self._socket = sock

    def _over(self) -> None:
        sock = self._socket or getattr(self._connection, "sock", None)
        if sock is not None:
            with contextlib.suppress(OSError):
                # Not sock.shutdown: that of a TLS socket also takes away what the reader is using.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _Connection(http.client.HTTPConnection):
    watch: _Watch

    def connect(self) -> None:
        self.watch.begin(self)
        super().connect()
        self.watch.connected(self.sock)


class _SecureConnection(http.client.HTTPSConnection):
    watch: _Watch

    def connect(self) -> None:
        self.watch.begin(self)
        super().connect()
        self.watch.connected(self.sock)


class _Handler(urllib.request.AbstractHTTPHandler):
    """Opens http and https with connections that are watched."""

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_

    def __init__(self, context: ssl.SSLContext, watch: _Watch) -> None:
        super().__init__()
        self._context, self._watch = context, watch

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        def connection(host: str, **options: t.Any) -> http.client.HTTPConnection:
            made = _Connection(host, **options)
            made.watch = self._watch
            return made

        return self.do_open(connection, request)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        def connection(host: str, **options: t.Any) -> http.client.HTTPConnection:
            made = _SecureConnection(host, context=self._context, **options)
            made.watch = self._watch
            return made

        return self.do_open(connection, request)


def _opener(client: Client, watch: _Watch) -> urllib.request.OpenerDirector:
    context = ssl.create_default_context()
    if client.ca_file is not None:
        try:
            context.load_verify_locations(cafile=str(client.ca_file))
        except OSError as exc:
            raise InvalidInput(
                [
                    Problem(
                        "ca_file",
                        str(client.ca_file),
                        f"holds no certificates that can be read ({exc.strerror or type(exc).__name__}).",
                        "Give a file with PEM certificates.",
                    )
                ]
            ) from exc
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler(), _Handler(context, watch), urllib.request.UnknownHandler()):
        opener.add_handler(handler)
    return opener


__all__ = ("Client", "Deadline", "GetFailed", "Limits", "Response", "get")
