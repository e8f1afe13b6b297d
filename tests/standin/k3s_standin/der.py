# SPDX-License-Identifier: Apache-2.0
"""As much of ASN.1's DER as certificates need: test machines have Python, but no openssl."""

from __future__ import annotations

import base64
import re
import textwrap
import time
import typing as t

SEQUENCE, SET, INTEGER, BITS, OCTETS, OID, BOOLEAN, UTF8 = 0x30, 0x31, 0x02, 0x03, 0x04, 0x06, 0x01, 0x0C
_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----(.+?)-----END \1-----", re.DOTALL)


def tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def sequence(*parts: bytes) -> bytes:
    return tlv(SEQUENCE, b"".join(parts))


def integer(value: int) -> bytes:
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(dotted: str) -> bytes:
    first, second, *rest = (int(part) for part in dotted.split("."))
    content = [first * 40 + second]
    for part in rest:
        digits = [part & 0x7F]
        while part := part >> 7:
            digits.append(part & 0x7F | 0x80)
        content.extend(reversed(digits))
    return tlv(OID, bytes(content))


def bits(content: bytes) -> bytes:
    return tlv(BITS, b"\0" + content)


def moment(seconds: float) -> bytes:
    return tlv(0x17, time.strftime("%y%m%d%H%M%SZ", time.gmtime(seconds)).encode())


class Element(t.NamedTuple):
    """A parsed element: its tag, what it holds, and its whole text."""

    tag: int
    content: bytes
    whole: bytes

    def parts(self) -> list[Element]:
        return parse(self.content)

    @property
    def number(self) -> int:
        return int.from_bytes(self.content, "big")


def parse(data: bytes) -> list[Element]:
    """All elements that stand beside one another."""
    result = []
    position = 0
    while position < len(data):
        start = position
        tag, size = data[position], data[position + 1]
        position += 2
        if size & 0x80:
            count = size & 0x7F
            size = int.from_bytes(data[position : position + count], "big")
            position += count
        if position + size > len(data):
            raise ValueError("the DER data is cut short")
        result.append(Element(tag, data[position : position + size], data[start : position + size]))
        position += size
    return result


def to_pem(kind: str, data: bytes) -> str:
    lines = textwrap.wrap(base64.b64encode(data).decode(), 64)
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""])


def from_pem(text: str) -> list[tuple[str, bytes]]:
    """Kind and content of each block."""
    return [(kind, base64.b64decode(body)) for kind, body in _PEM.findall(text)]


__all__ = ("Element", "bits", "from_pem", "integer", "moment", "oid", "parse", "sequence", "tlv", "to_pem")
