# SPDX-License-Identifier: Apache-2.0
"""Configuration files, environment and command line become settings (k3s.md A.10, A.11)."""

from __future__ import annotations

import os
import re
import typing as t
from pathlib import Path

import yaml
from k3s_standin import flags
from k3s_standin.log import Fatal, warning
from k3s_standin.record import Record

_DURATION = re.compile(r"-?([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+|0")
_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_FALSE = ("0", "f", "F", "false", "FALSE", "False")
#: these k3s splits at commas itself
_SPLIT = ("tls-san", "cluster-cidr", "service-cidr", "cluster-dns", "disable", "node-ip", "node-external-ip")


class Settings:
    """What counts for this start: by flag, as text."""

    def __init__(self, role: flags.Role, given: t.Mapping[str, t.Sequence[str]], arguments: t.Sequence[str]) -> None:
        self.role = role
        self.given = {name: list(values) for name, values in given.items()}
        #: as after the merge, for the node's annotation
        self.arguments = list(arguments)

    def text(self, name: str) -> str:
        values = self.given.get(name)
        return values[-1] if values else flags.FLAGS[name].default

    def number(self, name: str) -> int:
        return int(self.text(name) or "0", 0)

    def on(self, name: str) -> bool:
        return self.text(name) in _TRUE

    def values(self, name: str) -> list[str]:
        values = self.given.get(name) or [flags.FLAGS[name].default]
        if name in _SPLIT:
            values = [part.strip() for value in values for part in value.split(",")]
        return [value for value in values if value]

    def is_given(self, name: str) -> bool:
        """Whether it stands anywhere with a value that asks for something."""
        values = self.given.get(name)
        if not values:
            return False
        return self.on(name) if flags.FLAGS[name].kind == "bool" else any(values)


def load(role: flags.Role, arguments: t.Sequence[str], record: Record) -> Settings:
    """Environment < files < command line.

    :raises Fatal: a value is no such thing, or the command line names a flag that the command does not have.
    """
    known = flags.of(role)
    base = _base_file(arguments)
    merged = [*from_files(base, known, record), *arguments]
    given = parse(merged, known)
    for flag in known.values():
        if flag.name not in given and flag.environment and os.environ.get(flag.environment):
            given[flag.name] = [_checked(flag, os.environ[flag.environment])]
    return Settings(role, given, merged)


def from_files(base: Path, known: t.Mapping[str, flags.Flag], record: Record) -> list[str]:
    """The merged files as arguments."""
    result: list[str] = []
    for key, value in merge(base).items():
        flag = known.get(key)
        if flag is None:
            warning(f"Unknown flag --{key} found in config.yaml, skipping")
            record.add("unknown-key", key, "k3s skips it with a warning in its log (k3s.md A.10)")
            continue
        dashes = "-" if len(key) == 1 else "--"
        values = value if isinstance(value, list) else [value]
        result.extend(f"{dashes}{key}={_text(key, entry)}" for entry in values)
    return result


def merge(base: Path) -> dict[str, t.Any]:
    """The base file and its drop-ins in the order of their names: the last one wins, ``key+`` appends."""
    folder = base.with_name(base.name + ".d")
    drop_ins = sorted(path for path in folder.glob("*") if path.is_file() and path.suffix in (".yaml", ".yml"))
    result: dict[str, t.Any] = {}
    for path in [base, *drop_ins]:
        for key, value in _document(path).items():
            name = str(key)
            if name.endswith("+"):
                name = name[:-1]
                have = result.get(name)
                result[name] = [*_as_list(have), *_as_list(value)] if name in result else _as_list(value)
            else:
                result[name] = value
    return result


def parse(arguments: t.Sequence[str], known: t.Mapping[str, flags.Flag]) -> dict[str, list[str]]:
    """Arguments in order; of a flag that is no list the last one counts."""
    given: dict[str, list[str]] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word in ("-", "--"):
            raise Fatal(f"Incorrect Usage: unexpected argument {word!r}")
        name, equals, value = word.lstrip("-").partition("=")
        flag = known.get(name)
        if flag is None:
            hint = " (k3s removed it)" if name in flags.REMOVED else ""
            raise Fatal(f"Incorrect Usage: flag provided but not defined: -{name}{hint}")
        if not equals:
            if flag.kind == "bool":
                value = "true"
            elif rest:
                value = rest.pop(0)
            else:
                raise Fatal(f"Incorrect Usage: flag needs an argument: -{name}")
        value = _checked(flag, value)
        if flag.kind == "list":
            given.setdefault(flag.name, []).append(value)
        else:
            given[flag.name] = [value]
    return given


def _checked(flag: flags.Flag, value: str) -> str:
    wrong = False
    if flag.kind == "int":
        try:
            int(value, 0)
        except ValueError:
            wrong = True
    elif flag.kind == "duration":
        wrong = not _DURATION.fullmatch(value)
    elif flag.kind == "bool" and value not in (*_TRUE, *_FALSE):
        raise Fatal(f'Incorrect Usage: invalid boolean value "{value}" for -{flag.name}: parse error')
    if wrong:
        raise Fatal(f'Incorrect Usage: invalid value "{value}" for flag -{flag.name}: parse error')
    return value


def _base_file(arguments: t.Sequence[str]) -> Path:
    found = os.environ.get("K3S_CONFIG_FILE", "")
    words = list(arguments)
    for position, word in enumerate(words):
        name, equals, value = word.lstrip("-").partition("=")
        if not found and word.startswith("-") and name in ("config", "c"):
            found = value if equals else "".join(words[position + 1 : position + 2])
    return Path(found or flags.FLAGS["config"].default)


def _document(path: Path) -> dict[t.Any, t.Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise Fatal(f"failed to load configuration from {path}: {exc}") from exc
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise Fatal(f"failed to load configuration from {path}: it is no mapping of keys")
    return document


def _as_list(value: t.Any) -> list[t.Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _text(key: str, value: t.Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        raise Fatal(f"not in the stand-in: the value of {key} in config.yaml is a {type(value).__name__} within")
    return str(value)


__all__ = ("Settings", "from_files", "load", "merge", "parse")
