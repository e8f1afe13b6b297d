# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Reads one bucket of a file of bbolt (go.etcd.io/bbolt, internal/common), which is what a snapshot of etcd is."""

from __future__ import annotations

import struct
import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError

_MAGIC = 0xED0CDAED
_BRANCH, _LEAF, _META = 1, 2, 4
_HEADER = struct.Struct("<QHHI")
_META_HEAD = struct.Struct("<IIIIQQQQQ")
_LEAF_ENTRY = struct.Struct("<IIII")
_BRANCH_ENTRY = struct.Struct("<IIQ")
_BUCKET = struct.Struct("<QQ")


class DamagedFile(KlubsterError):
    """It is no file of bbolt, or a part of it is missing."""


@dataclass(frozen=True)
class _File:
    data: bytes
    page_size: int
    root: int


def read_bucket(data: bytes, name: bytes) -> dict[bytes, bytes]:
    """Keys and values of a bucket; nothing where there is no such bucket.

    :raises DamagedFile: the file is none of bbolt.
    """
    try:
        file = _open(data)
        for key, value, is_bucket in _page(file, file.root):
            if key == name and is_bucket:
                return {inner: content for inner, content, _nested in _bucket(file, value)}
    except (struct.error, RecursionError) as exc:
        raise DamagedFile(f"The file of etcd is damaged: {exc}") from exc
    return {}


def _open(data: bytes) -> _File:
    """The newer of the two heads; the second lies one page after the first, whose size only a head says."""
    found: list[tuple[int, _File]] = []
    for offset in (0, *(1 << power for power in range(9, 17))):
        if len(data) < offset + _HEADER.size + _META_HEAD.size:
            break
        _number, flags, _count, _overflow = _HEADER.unpack_from(data, offset)
        head = _META_HEAD.unpack_from(data, offset + _HEADER.size)
        magic, page_size, root, transaction = head[0], head[2], head[4], head[8]
        if flags & _META and magic == _MAGIC and offset in (0, page_size):
            found.append((transaction, _File(data, page_size, root)))
    if not found:
        raise DamagedFile("The file of etcd has no head.")
    return max(found, key=lambda entry: entry[0])[1]


def _bucket(file: _File, value: bytes) -> t.Iterator[tuple[bytes, bytes, bool]]:
    root, _sequence = _BUCKET.unpack_from(value)
    if root:
        yield from _page(file, root)
    else:
        # A small bucket lies inside its own entry.
        yield from _entries(file, value[_BUCKET.size :], 0)


def _page(file: _File, number: int) -> t.Iterator[tuple[bytes, bytes, bool]]:
    yield from _entries(file, file.data, number * file.page_size)


def _entries(file: _File, data: bytes, offset: int) -> t.Iterator[tuple[bytes, bytes, bool]]:
    _number, flags, count, _overflow = _HEADER.unpack_from(data, offset)
    if not flags & (_BRANCH | _LEAF):
        raise DamagedFile("The file of etcd has a page that leads nowhere.")
    for index in range(count):
        at = offset + _HEADER.size + index * 16
        if flags & _BRANCH:
            _position, _size, child = _BRANCH_ENTRY.unpack_from(data, at)
            yield from _page(file, child)
            continue
        kind, position, key_size, value_size = _LEAF_ENTRY.unpack_from(data, at)
        start = at + position
        middle = start + key_size
        yield data[start:middle], data[middle : middle + value_size], bool(kind & 1)


__all__ = ("DamagedFile", "read_bucket")
