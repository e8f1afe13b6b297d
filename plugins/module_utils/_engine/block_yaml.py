# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Writes plain data as YAML in block style, and reads back what it wrote: nodes have no PyYAML.

Every text is quoted as JSON quotes it, so that no reader takes ``no``, ``0644`` or ``1e3`` for something else.
"""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError

_BARE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
#: words that some reader of YAML takes for something else than text
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_ENTRY = re.compile(r'(?P<key>"(?:[^"\\]|\\.)*"|[A-Za-z][A-Za-z0-9_.-]*):(?: (?P<value>.+))?')


class YamlError(KlubsterError):
    """A value has no form here, or a text is none of ours."""


def dumps(data: t.Mapping[str, t.Any]) -> str:
    """A mapping as a document; entries keep their order.

    :raises YamlError: names the key of a value that cannot be written.
    """
    lines = _mapping(data, "", ()) if data else ["{}"]
    return "\n".join(lines) + "\n"


def loads(text: str) -> dict[str, t.Any]:
    """A mapping of scalars and of lists of scalars, as ``dumps`` wrote it; comments are left out.

    :raises YamlError: names the line that has another form.
    """
    result: dict[str, t.Any] = {}
    current: t.Optional[list[t.Any]] = None
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#") or line == "{}":
            continue
        if line.startswith("  - ") and current is not None:
            current.append(_parsed(line[4:], number))
            continue
        found = _ENTRY.fullmatch(line)
        key = _parsed_key(found.group("key"), number) if found else ""
        if found is None or key in result:
            raise YamlError(f"Line {number} was not written by the collection: {line[:40]!r}.")
        current = None
        if found.group("value") is None:
            current = result[key] = []
        else:
            result[key] = _parsed(found.group("value"), number)
    return result


def _mapping(data: t.Mapping[str, t.Any], indent: str, path: tuple[str, ...]) -> list[str]:
    lines: list[str] = []
    for key, value in data.items():
        head = f"{indent}{_key(key)}:"
        if isinstance(value, t.Mapping) and value:
            lines += [head, *_mapping(value, f"{indent}  ", (*path, key))]
        elif isinstance(value, (list, tuple)) and value:
            lines += [head, *(f"{indent}  - {_scalar(entry, (*path, key))}" for entry in value)]
        else:
            lines.append(f"{head} {_scalar(value, (*path, key))}")
    return lines


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) and key.lower() not in _WORDS else quoted(key)


def _scalar(value: t.Any, path: tuple[str, ...]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, (list, tuple)) and not value:
        return "[]"
    if isinstance(value, t.Mapping) and not value:
        return "{}"
    raise YamlError(f"{'.'.join(path)} = {value!r}: there is no form for {type(value).__name__} here.")


def quoted(text: str) -> str:
    """A text in double quotes; JSON and YAML read the same from it."""
    return '"' + "".join(_character(character) for character in text) + '"'


def _character(character: str) -> str:
    number = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    if 0xD800 <= number < 0xE000:
        raise YamlError(f"The text holds half a character (U+{number:04X}). Write it as UTF-8.")
    printable = 0x20 <= number < 0x7F or 0xA0 <= number < 0xFFFE or number > 0xFFFF
    if printable and number not in (0x2028, 0x2029, 0xFEFF):
        return character
    return f"\\u{number:04X}"


def _parsed(text: str, number: int) -> t.Any:
    try:
        value = json.loads(text)
    except ValueError as exc:
        raise YamlError(f"Line {number} was not written by the collection: {text[:40]!r}.") from exc
    if value not in ([], {}) and not isinstance(value, (bool, int, str)):
        raise YamlError(f"Line {number} was not written by the collection: {text[:40]!r}.")
    return value


def _parsed_key(text: str, number: int) -> str:
    return str(_parsed(text, number)) if text.startswith('"') else text


__all__ = ("YamlError", "dumps", "loads", "quoted")
