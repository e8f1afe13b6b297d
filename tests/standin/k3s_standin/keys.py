# SPDX-License-Identifier: Apache-2.0
"""Keys that sign: P-256 ones of our own, and RSA ones that a user gives. For tests only: not constant in time."""

from __future__ import annotations

import functools
import hashlib
import secrets
import typing as t
from dataclasses import dataclass

from k3s_standin import der

_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_A = _P - 3
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_EC, _P256, _RSA = "1.2.840.10045.2.1", "1.2.840.10045.3.1.7", "1.2.840.113549.1.1.1"
_NULL = b"\x05\x00"
_SHA256 = der.sequence(der.oid("2.16.840.1.101.3.4.2.1"), _NULL)

Point = t.Optional[tuple[int, int]]


class Key(t.Protocol):
    """What a certificate needs of a key."""

    @property
    def algorithm(self) -> bytes: ...

    def sign(self, data: bytes) -> bytes: ...

    def public(self) -> bytes: ...


def _add(one: Point, two: Point) -> Point:
    if one is None or two is None:
        return one or two
    if one[0] == two[0]:
        if (one[1] + two[1]) % _P == 0:
            return None
        slope = (3 * one[0] * one[0] + _A) * pow(2 * one[1], -1, _P)
    else:
        slope = (two[1] - one[1]) * pow(two[0] - one[0], -1, _P)
    x = (slope * slope - one[0] - two[0]) % _P
    return x, (slope * (one[0] - x) - one[1]) % _P


@functools.lru_cache(maxsize=64)
def _times(number: int) -> tuple[int, int]:
    result: Point = None
    point: Point = _G
    while number:
        if number & 1:
            result = _add(result, point)
        point = _add(point, point)
        number >>= 1
    assert result is not None
    return result


@dataclass(frozen=True)
class EcKey:
    """On the curve P-256."""

    secret: int

    @property
    def algorithm(self) -> bytes:
        return der.sequence(der.oid("1.2.840.10045.4.3.2"))

    def sign(self, data: bytes) -> bytes:
        digest = int.from_bytes(hashlib.sha256(data).digest(), "big")
        while True:
            once = secrets.randbelow(_N - 1) + 1
            r = _times(once)[0] % _N
            s = pow(once, -1, _N) * (digest + r * self.secret) % _N
            if r and s:
                return der.sequence(der.integer(r), der.integer(s))

    def _point(self) -> bytes:
        x, y = _times(self.secret)
        return b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")

    def public(self) -> bytes:
        return der.sequence(der.sequence(der.oid(_EC), der.oid(_P256)), der.bits(self._point()))

    def pem(self) -> str:
        content = der.sequence(
            der.integer(1),
            der.tlv(der.OCTETS, self.secret.to_bytes(32, "big")),
            der.tlv(0xA0, der.oid(_P256)),
            der.tlv(0xA1, der.bits(self._point())),
        )
        return der.to_pem("EC PRIVATE KEY", content)


@dataclass(frozen=True)
class RsaKey:
    """Modulus and exponents."""

    modulus: int
    exponent: int
    secret: int

    @property
    def algorithm(self) -> bytes:
        return der.sequence(der.oid("1.2.840.113549.1.1.11"), _NULL)

    def sign(self, data: bytes) -> bytes:
        info = der.sequence(_SHA256, der.tlv(der.OCTETS, hashlib.sha256(data).digest()))
        size = (self.modulus.bit_length() + 7) // 8
        block = b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info
        return pow(int.from_bytes(block, "big"), self.secret, self.modulus).to_bytes(size, "big")

    def public(self) -> bytes:
        numbers = der.sequence(der.integer(self.modulus), der.integer(self.exponent))
        return der.sequence(der.sequence(der.oid(_RSA), _NULL), der.bits(numbers))


def new() -> EcKey:
    return EcKey(secrets.randbelow(_N - 1) + 1)


def load(text: str) -> EcKey | RsaKey:
    """A private key in PEM form: SEC 1, PKCS 1 or PKCS 8.

    :raises ValueError: none that this program can sign with.
    """
    for kind, data in der.from_pem(text):
        if kind == "EC PRIVATE KEY":
            return _ec(data)
        if kind == "RSA PRIVATE KEY":
            return _rsa(data)
        if kind == "PRIVATE KEY":
            _version, algorithm, content, *_rest = der.parse(data)[0].parts()
            return _rsa(content.content) if der.oid(_RSA) in algorithm.whole else _ec(content.content)
    raise ValueError("no private key in PEM form, or it is encrypted")


def _ec(data: bytes) -> EcKey:
    secret = der.parse(data)[0].parts()[1].number
    if der.oid(_P256) not in data and len(der.parse(data)[0].parts()[1].content) != 32:
        raise ValueError("not in the stand-in: of elliptic curves only P-256")
    return EcKey(secret)


def _rsa(data: bytes) -> RsaKey:
    numbers = [part.number for part in der.parse(data)[0].parts()]
    return RsaKey(numbers[1], numbers[2], numbers[3])


__all__ = ("EcKey", "Key", "RsaKey", "load", "new")
