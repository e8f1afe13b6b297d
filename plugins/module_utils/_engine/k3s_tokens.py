# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Tokens of k3s: what they are made of, whether they fit a CA, and how they are hidden.

https://docs.k3s.io/cli/token
"""

from __future__ import annotations

import hashlib
import re
import ssl
import typing as t
from dataclasses import dataclass, field

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.certificates import CertificateError, element
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError

_PREFIX = "K10"
_HASH = re.compile(r"[0-9a-f]{64}")
_BOOTSTRAP = re.compile(r"[a-z0-9]{6}\.[a-z0-9]{16}")
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_IN_TEXT = re.compile(r"K10[0-9a-f]{0,64}::[^\s'\",]+|(?<![A-Za-z0-9.-])[a-z0-9]{6}\.[a-z0-9]{16}(?![A-Za-z0-9.-])")
HIDDEN = "(masked)"


class TokenError(KlubsterError):
    """A token is malformed, or does not belong to this cluster; the message never holds it."""


@dataclass(frozen=True)
class Token:
    """A token in parts. Its text is ``str(token.text)``; printing the object shows no secret.

    :param user: ``server`` or ``node`` in what servers write; empty in a short token.
    :param ca_hash: 64 hexadecimal digits; empty in a short token, and then no machine checks whom it joins.
    :param identity: the public half of a bootstrap token.
    """

    secret: str = field(repr=False)
    user: str = ""
    ca_hash: str = ""
    identity: str = ""

    @property
    def text(self) -> str:
        """As k3s takes it: short without a CA's hash."""
        if self.identity:
            credentials = f"{self.identity}.{self.secret}"
        elif self.ca_hash:
            credentials = f"{self.user}:{self.secret}"
        else:
            return self.secret
        return f"{_PREFIX}{self.ca_hash}::{credentials}" if self.ca_hash else credentials

    @property
    def short(self) -> str:
        """What a first server takes, whose CA does not exist yet: the secret alone."""
        return Token(self.secret, identity=self.identity).text

    def __str__(self) -> str:
        return HIDDEN if not self.ca_hash else f"{_PREFIX}{self.ca_hash[:8]}…::{HIDDEN}"


def parse(text: str) -> Token:
    """A token in any of its forms; white space at the ends, as files have it, is left out.

    :raises TokenError: what is wrong, without the token.
    """
    text = text.strip()
    if not text:
        raise TokenError("The token is empty. Give one, or leave it out and one is made.")
    if re.search(r"\s", text):
        raise TokenError("The token holds white space. It is one word.")
    ca = ""
    if text.startswith(_PREFIX):
        ca, separator, text = text[len(_PREFIX) :].partition("::")
        if not separator:
            raise TokenError("The token begins with K10, but '::' is missing. Copy the whole line.")
        if not _HASH.fullmatch(ca):
            raise TokenError(
                "Between K10 and '::' of the token stand 64 hexadecimal digits. Copy the whole line of server/token."
            )
    if _BOOTSTRAP.fullmatch(text):
        identity, dummy, secret = text.partition(".")
        return Token(secret, ca_hash=ca, identity=identity)
    if not ca:
        return Token(text)
    user, colon, secret = text.partition(":")
    if not (colon and user and secret):
        raise TokenError("Behind '::' of the token stands 'user:password' or 'id.secret'. Copy the whole line.")
    return Token(secret, user, ca)


def ca_hash(pem: str) -> str:
    """The hash that k3s puts into tokens; kubeadm's is another one, over the public key.

    One certificate: over the text of the file, every byte of it. A bundle: over the root's DER form, so that a renewed
    intermediate keeps its tokens.

    :raises CertificateError: the text holds no certificate in PEM form.
    """
    found = _CERTIFICATE.findall(pem)
    if not found:
        raise CertificateError("The CA's file holds no certificate in PEM form.")
    if len(found) == 1:
        return hashlib.sha256(pem.encode()).hexdigest()
    try:
        return hashlib.sha256(_root(found)).hexdigest()
    except (ValueError, IndexError) as exc:
        raise CertificateError("The CA's file holds a certificate that cannot be read.") from exc


def masked(text: str, secrets: t.Iterable[str] = ()) -> str:
    """A text without tokens, nor any of these secrets."""
    for secret in sorted({entry for entry in secrets if len(entry) >= 4}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _IN_TEXT.sub(HIDDEN, text)


def _root(certificates: t.Sequence[str]) -> bytes:
    """The DER form of the certificate at which the way from the first one ends."""
    ders = [ssl.PEM_cert_to_DER_cert(text) for text in certificates]
    names = [_issuer_and_subject(der) for der in ders]
    position = 0
    for dummy in ders:
        issuer, subject = names[position]
        above = [index for index, entry in enumerate(names) if entry[1] == issuer and index != position]
        if issuer == subject or not above:
            break
        position = above[0]
    return ders[position]


def _issuer_and_subject(der: bytes) -> tuple[bytes, bytes]:
    """Certificate → TBSCertificate → version (not in old ones), serial, signature, issuer, validity, subject."""
    start, dummy = element(der, 0)
    position, dummy = element(der, start)
    fields: list[bytes] = []
    while len(fields) < 5:
        begin, length = element(der, position)
        if der[position] != 0xA0:
            fields.append(der[begin : begin + length])
        position = begin + length
    return fields[2], fields[4]


__all__ = ("HIDDEN", "Token", "TokenError", "ca_hash", "masked", "parse")
