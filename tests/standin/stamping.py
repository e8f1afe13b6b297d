# SPDX-License-Identifier: Apache-2.0
"""Gives a program written in Go another version: nodes of k3s say v1.34.2+k3s1, and those who upgrade look at that.

Kubernetes keeps its version in a string variable, so a text of another length needs a place: the date of the build,
which nobody reads, gives up its own.
"""

from __future__ import annotations

import struct
import typing as t

#: what k8s.io/component-base/version says when a build gives no date
_DATE = b"1970-01-01T00:00:00Z"


class Section(t.NamedTuple):
    """Where a part of the program lies, in memory and in the file."""

    address: int
    offset: int
    size: int


def stamped(program: bytes, old: str, new: str) -> bytes:
    """:raises ValueError: the program keeps no such version, or not as expected."""
    text = new.encode()
    if len(text) > len(_DATE):
        raise ValueError(f"the version {new} is longer than {len(_DATE)} characters")
    found = _sections(program)
    data = bytearray(program)
    versions = [
        head
        for address in _all(program, found[".rodata"], old.encode())
        for head in _heads(program, found, address, len(old))
    ]
    dates = {
        address: heads
        for address in _all(program, found[".rodata"], _DATE)
        if (heads := _heads(program, found, address, len(_DATE)))
    }
    if not versions or len(dates) != 1:
        raise ValueError(f"it keeps no version {old}, or no date of its build, where one is expected")
    address = next(iter(dates))
    place = address - found[".rodata"].address + found[".rodata"].offset
    data[place : place + len(text)] = text
    for head in versions:
        struct.pack_into("<QQ", data, head, address, len(text))
    for head in dates[address]:
        struct.pack_into("<QQ", data, head, address, 0)
    return bytes(data)


def _sections(program: bytes) -> dict[str, Section]:
    """Of a 64-bit little-endian ELF file."""
    if program[:6] != b"\x7fELF\x02\x01":
        raise ValueError("it is no 64-bit program")
    (table,) = struct.unpack_from("<Q", program, 0x28)
    size, count, names = struct.unpack_from("<HHH", program, 0x3A)
    entries = [struct.unpack_from("<IIQQQQ", program, table + number * size) for number in range(count)]
    start = entries[names][4]
    result = {}
    for name, _kind, _flags, address, offset, length in entries:
        end = program.index(b"\0", start + name)
        result[program[start + name : end].decode()] = Section(address, offset, length)
    return result


def _all(program: bytes, section: Section, text: bytes) -> list[int]:
    """Addresses of a text."""
    return [section.address + place - section.offset for place in _places(program, section, text)]


def _heads(program: bytes, found: t.Mapping[str, Section], address: int, length: int) -> list[int]:
    """String variables that hold the text at an address: a pointer and a length."""
    return _places(program, found[".data"], struct.pack("<QQ", address, length))


def _places(program: bytes, section: Section, text: bytes) -> list[int]:
    result = []
    place = program.find(text, section.offset, section.offset + section.size)
    while place >= 0:
        result.append(place)
        place = program.find(text, place + 1, section.offset + section.size)
    return result


__all__ = ("stamped",)
