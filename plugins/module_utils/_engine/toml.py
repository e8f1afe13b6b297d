# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Writes TOML: as much of it as containerd's configuration needs. Python itself can only read it."""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError

_BARE = re.compile(r"[A-Za-z0-9_-]+")


class TomlError(KlubsterError):
    """A value has no form in TOML."""


def dumps(data: t.Mapping[str, t.Any]) -> str:
    """Nested mappings as tables; entries keep their order, plain values come before tables.

    :raises TomlError: names the key of a value that cannot be written.
    """
    lines: list[str] = []
    _table(data, (), lines)
    return "\n".join(lines).strip("\n") + "\n"


def _table(data: t.Mapping[str, t.Any], path: tuple[str, ...], lines: list[str]) -> None:
    values = {key: value for key, value in data.items() if not isinstance(value, t.Mapping)}
    tables = {key: value for key, value in data.items() if isinstance(value, t.Mapping)}
    if path and (values or not tables):
        lines += ["", f"[{'.'.join(_key(part) for part in path)}]"]
    for key, value in values.items():
        lines.append(f"{_key(key)} = {_value(value, (*path, key))}")
    for key, value in tables.items():
        _table(value, (*path, key), lines)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _string(key)


def _value(value: t.Any, path: tuple[str, ...]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(entry, path) for entry in value) + "]"
    raise TomlError(f"{'.'.join(path)} = {value!r}: TOML has no {type(value).__name__} here. Leave the key out.")


def _string(text: str) -> str:
    # JSON's escapes are a subset of TOML's, but for DEL, which JSON leaves as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


__all__ = ("TomlError", "dumps")
