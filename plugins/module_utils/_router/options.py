# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""From plain data to dataclasses and back: a field's declaration says how its value is read.

A mapping from names to entries becomes a tuple of entries sorted by name, a list of rules one sorted by number, so
that two models that mean the same are equal.
"""

from __future__ import annotations

import dataclasses
import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._model.rules import Refused, one_of
from ansible_collections.kateskit.klubster.plugins.module_utils._router import words
from ansible_collections.kateskit.klubster.plugins.module_utils._router.words import Rule

S = t.TypeVar("S")
_KEY = "router"


class Wrong:
    """Stands for a value that was refused."""


WRONG = Wrong()


class Problems:
    """Collects what is wrong, with the name of the variable that it is in."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, where: str, value: t.Any, rule: str, remedy: str) -> None:
        self.found.append(Problem(where, value, rule, remedy))


class Kind(t.Protocol):
    """How a field is read from plain data and written back."""

    def read(self, where: str, value: t.Any, problems: Problems) -> t.Any: ...

    def dump(self, value: t.Any) -> t.Any: ...


@dataclass(frozen=True)
class Scalar:
    """One value with a rule."""

    rule: Rule

    def read(self, where: str, value: t.Any, problems: Problems) -> t.Any:
        try:
            return self.rule(value)
        except Refused as exc:
            problems.add(where, value, exc.rule, exc.remedy)
            return WRONG

    def dump(self, value: t.Any) -> t.Any:
        return value


@dataclass(frozen=True)
class Many:
    """A list of values.

    :param order: sorts them; without it their order counts.
    """

    rule: Rule
    order: t.Optional[t.Callable[[t.Any], t.Any]] = None
    repeated: bool = False

    def read(self, where: str, value: t.Any, problems: Problems) -> t.Any:
        if not isinstance(value, (list, tuple)):
            problems.add(where, value, "It is a list.", "Write it in [ ], also when it is one value.")
            return ()
        one = Scalar(self.rule)
        found = [one.read(f"{where}[{index}]", entry, problems) for index, entry in enumerate(value)]
        kept = [entry for entry in found if entry is not WRONG]
        if not self.repeated:
            for entry in sorted({entry for entry in kept if kept.count(entry) > 1}, key=str):
                problems.add(where, entry, "It is there twice.", "Leave one of them out.")
        return tuple(sorted(kept, key=self.order) if self.order else kept)

    def dump(self, value: t.Any) -> t.Any:
        return list(value)


@dataclass(frozen=True)
class One:
    """One entry of its own.

    :param short: the field that a bare value, which is no mapping, stands for.
    """

    cls: t.Any
    short: str = ""

    def read(self, where: str, value: t.Any, problems: Problems) -> t.Any:
        if self.short and not isinstance(value, dict):
            value = {self.short: value}
        return read(self.cls, where, value, problems)

    def dump(self, value: t.Any) -> t.Any:
        plain = dump(value)
        return plain[self.short] if list(plain) == [self.short] else plain


@dataclass(frozen=True)
class Listed:
    """A list of entries, sorted."""

    kind: One
    order: t.Callable[[t.Any], t.Any]

    def read(self, where: str, value: t.Any, problems: Problems) -> t.Any:
        if not isinstance(value, (list, tuple)):
            problems.add(where, value, "It is a list.", "Write it in [ ], also when it is one value.")
            return ()
        found = [self.kind.read(f"{where}[{index}]", entry, problems) for index, entry in enumerate(value)]
        return tuple(sorted((entry for entry in found if entry is not WRONG), key=self.order))

    def dump(self, value: t.Any) -> t.Any:
        return [self.kind.dump(entry) for entry in value]


@dataclass(frozen=True)
class Named:
    """A mapping from names to entries.

    :param key: the field that holds the name.
    :param short: the field that a bare list stands for.
    """

    cls: t.Any
    key: str = "name"
    order: t.Callable[[t.Any], t.Any] = str
    short: str = ""

    def read(self, where: str, value: t.Any, problems: Problems) -> t.Any:
        if not isinstance(value, dict):
            problems.add(where, value, "It is a mapping from names to entries.", "Write {} for none.")
            return ()
        found = {}
        for name, given in value.items():
            entry = {self.short: given} if self.short and isinstance(given, list) else given
            if entry is not None and not isinstance(entry, dict):
                problems.add(f"{where}.{name}", entry, "It is a mapping.", "Write {} if nothing is to be said of it.")
                continue
            said = entry or {}
            if self.key in said:
                rule = f"There is no such key: the {self.key} stands before the colon."
                problems.add(f"{where}.{name}.{self.key}", said[self.key], rule, "Leave it out.")
                continue
            bare = self.short if isinstance(given, list) else ""
            made: t.Any = read(self.cls, f"{where}.{name}", {self.key: name, **said}, problems, bare=bare)
            if made is WRONG:
                continue
            if getattr(made, self.key) in found:
                rule = "Another entry is the same, only written in another way."
                problems.add(f"{where}.{name}", name, rule, "Leave one of them out.")
            found[getattr(made, self.key)] = made
        return tuple(found[name] for name in sorted(found, key=self.order))

    def dump(self, value: t.Any) -> t.Any:
        plain = {}
        for entry in value:
            fields = dump(entry)
            name = fields.pop(self.key)
            plain[name] = fields[self.short] if list(fields) == [self.short] else fields
        return plain


@dataclass(frozen=True)
class Numbered:
    """A list of rules; those without a number of their own get 10, 20, 30 and so on.

    :param empty: whether there may be none.
    """

    cls: t.Any
    empty: bool = False

    def read(self, where: str, value: t.Any, problems: Problems) -> t.Any:
        if self.empty and isinstance(value, (list, tuple)) and not value:
            return ()
        if not isinstance(value, (list, tuple)) or not value:
            problems.add(where, value, "It is a list of at least one rule.", "Write the rules with '-' before each.")
            return ()
        found: dict[int, t.Any] = {}
        last = 0
        for index, given in enumerate(value):
            unnumbered = isinstance(given, dict) and "seq" not in given
            entry = {"seq": (last // 10 + 1) * 10, **given} if unnumbered else given
            made: t.Any = read(self.cls, f"{where}[{index}]", entry, problems)
            if made is WRONG:
                continue
            if made.seq in found:
                rule = f"Another rule has the number {made.seq}."
                problems.add(f"{where}[{index}].seq", made.seq, rule, "Leave the numbers out, or give each its own.")
            found[made.seq] = made
            last = made.seq
        return tuple(found[seq] for seq in sorted(found))

    def dump(self, value: t.Any) -> t.Any:
        return [dump(entry) for entry in value]


# What these three return is the default of a dataclass's field, which pylint does not see.
def option(kind: t.Union[Kind, Rule], default: t.Any = None) -> t.Any:
    """A field with a default."""
    # pylint: disable-next=invalid-field-call
    return dataclasses.field(default=default, metadata={_KEY: _kind(kind)})


def needed(kind: t.Union[Kind, Rule]) -> t.Any:
    """A field that has to be given."""
    # pylint: disable-next=invalid-field-call
    return dataclasses.field(metadata={_KEY: _kind(kind)})


def secret(kind: t.Union[Kind, Rule]) -> t.Any:
    """A field that comes from elsewhere, is never shown and never written back."""
    # pylint: disable-next=invalid-field-call
    return dataclasses.field(default=None, repr=False, metadata={_KEY: _kind(kind), "secret": True})


def _kind(kind: t.Union[Kind, Rule]) -> Kind:
    return t.cast("Kind", kind) if hasattr(kind, "read") else Scalar(kind)


def read(cls: t.Callable[..., S], where: str, value: t.Any, problems: Problems, *, bare: str = "") -> t.Union[S, Wrong]:
    """An entry from its mapping; every problem is collected.

    :param bare: a field whose name the user did not write.
    """
    if not isinstance(value, dict):
        problems.add(where, value, "It is a mapping.", "Write {} if nothing is to be said of it.")
        return WRONG
    fields = {field.name: field for field in dataclasses.fields(t.cast("t.Any", cls))}
    public = [name for name, field in fields.items() if not field.metadata.get("secret")]
    made: dict[str, t.Any] = {}
    for name in value:
        if name not in public:
            _unknown(f"{where}.{name}" if where else str(name), value[name], fields, problems)
    complete = True
    for name in public:
        field = fields[name]
        inside = where if name == bare else f"{where}.{name}" if where else name
        if value.get(name) is None:
            if field.default is dataclasses.MISSING:
                problems.add(inside, None, "It is required.", "Give it.")
                complete = False
            continue
        kind: Kind = field.metadata[_KEY]
        found = kind.read(inside, value[name], problems)
        if found is not WRONG:
            made[name] = found
        elif field.default is dataclasses.MISSING:
            complete = False
    return cls(**made) if complete else WRONG


def _unknown(inside: str, value: t.Any, fields: t.Mapping[str, t.Any], problems: Problems) -> None:
    name = inside.rpartition(".")[2]
    public = [known for known, field in fields.items() if not field.metadata.get("secret")]
    if name in fields:
        remedy = "Put it into the passwords, by the name of what has it: they are kept out of every log."
        problems.add(inside, "(not shown)", "A password does not stand among other data.", remedy)
    else:
        problems.add(inside, value, "There is no such key.", one_of(name, public))


def dump(entry: t.Any) -> dict[str, t.Any]:
    """An entry as plain data that :func:`read` takes; what has its default is left out, and so are secrets."""
    plain = {}
    for field in dataclasses.fields(entry):
        value = getattr(entry, field.name)
        if field.metadata.get("secret") or (value == field.default and value is not dataclasses.MISSING):
            continue
        plain[field.name] = field.metadata[_KEY].dump(value)
    return plain


def by_address(entry: t.Any) -> t.Any:
    return words.address_order(str(entry))


__all__ = (
    "WRONG",
    "Kind",
    "Listed",
    "Many",
    "Named",
    "Numbered",
    "One",
    "Problems",
    "Scalar",
    "Wrong",
    "by_address",
    "dump",
    "needed",
    "option",
    "read",
    "secret",
)
