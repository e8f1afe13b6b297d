# SPDX-License-Identifier: Apache-2.0
"""Tokens (k3s.md C.1)."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass

from k3s_standin import der

_SECURE = re.compile(r"K10([0-9a-f]{64})::(.+)", re.DOTALL)
BOOTSTRAP = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")


class TokenError(ValueError):
    """The text is no token."""


@dataclass(frozen=True)
class Token:
    """What a machine shows to a server.

    :param ca_hash: empty in a short token, which no CA is compared with.
    :param bootstrap: ``id.secret``; user and password are empty then.
    """

    user: str
    password: str
    ca_hash: str = ""
    bootstrap: str = ""

    @property
    def text(self) -> str:
        credentials = self.bootstrap or f"{self.user}:{self.password}"
        return f"K10{self.ca_hash}::{credentials}"


def parse(text: str, user: str) -> Token:
    """:param user: whose password a short token is.

    :raises TokenError: the text is no token.
    """
    text = text.strip()
    if not text:
        raise TokenError("token must not be empty")
    ca_hash, credentials = "", text
    if text.startswith("K10"):
        found = _SECURE.fullmatch(text)
        if not found:
            raise TokenError("invalid token format")
        ca_hash, credentials = found.groups()
    if BOOTSTRAP.fullmatch(credentials):
        return Token("", "", ca_hash, credentials)
    if not ca_hash:
        return Token(user, credentials)
    name, colon, password = credentials.partition(":")
    if not (colon and name and password):
        raise TokenError("invalid token format")
    return Token(name, password, ca_hash)


def ca_hash(pem: str) -> str:
    """Of a self-signed CA the file, of a chain the root in DER form."""
    certificates = [data for kind, data in der.from_pem(pem) if kind == "CERTIFICATE"]
    if len(certificates) <= 1:
        return hashlib.sha256(pem.encode()).hexdigest()
    for data in reversed(certificates):
        parts = [part for part in der.parse(data)[0].parts()[0].parts() if part.tag != 0xA0]
        if parts[2].whole == parts[4].whole:
            return hashlib.sha256(data).hexdigest()
    return hashlib.sha256(certificates[-1]).hexdigest()


def compare(token: Token, pem: str) -> None:
    """:raises TokenError: the token belongs to another CA."""
    have = ca_hash(pem)
    if token.ca_hash and token.ca_hash != have:
        raise TokenError(f"token CA hash does not match the Cluster CA certificate hash: {token.ca_hash} != {have}")


def generate() -> str:
    """A password as k3s makes it."""
    return secrets.token_hex(16)


def generate_bootstrap() -> str:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    word = "".join(secrets.choice(letters) for _position in range(22))
    return f"{word[:6]}.{word[6:]}"


__all__ = ("BOOTSTRAP", "Token", "TokenError", "ca_hash", "compare", "generate", "generate_bootstrap", "parse")
