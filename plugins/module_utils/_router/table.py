# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Forms of configuration lines, written once: the same table renders an entry and reads it back.

A form is words, some of which stand for fields: ``timers {keepalive} {hold_time}``. ``{prepend...}`` is a list in one
line, or a text with blanks; a field that is a list without dots gives a line for each of its values.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import typing as t
from dataclasses import dataclass

_FIELD = re.compile(r"\{(\w+)(\.\.\.)?\}")

Values = t.Mapping[str, t.Any]
Said = t.Union[str, int, bool, tuple[t.Any, ...], None]


@dataclass(frozen=True)
class Form:
    """One form of line.

    :param text: its words.
    :param fixed: fields and the values with which it is written at all.
    :param tails: what may follow, in this order; each says fields of its own.
    """

    text: str
    fixed: tuple[tuple[str, Said], ...] = ()
    tails: tuple[Form, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(name for name, dummy in _FIELD.findall(self.text))

    def lines(self, values: Values) -> list[list[str]]:
        """The lines, as words, that these values give: none, one, or one for each value of a list."""
        if any(values.get(name) != value for name, value in self.fixed):
            return []
        if any(values.get(name) in (None, ()) for name in self.fields):
            return []
        listed = [name for name, dots in _FIELD.findall(self.text) if not dots and isinstance(values[name], tuple)]
        if listed:
            return [self._words({**values, listed[0]: one}) for one in values[listed[0]]]
        return [self._words(values)]

    def _words(self, values: Values) -> list[str]:
        said = [_FIELD.sub(lambda found: _said(values[found.group(1)]), word) for word in self.text.split(" ")]
        for tail in self.tails:
            for words in tail.lines(values):
                said += words
        return said

    def read(self, line: str, separator: str) -> t.Optional[dict[str, t.Any]]:
        """The fields that a line says; None when it has another form."""
        found = _compiled(self, separator).fullmatch(line)
        if found is None:
            return None
        fields: dict[str, t.Any] = dict(self.fixed)
        dotted = {name for form in (self, *self.tails) for name, dots in _FIELD.findall(form.text) if dots}
        for name, value in found.groupdict().items():
            if value is None:
                continue
            if name.startswith("_tail"):
                fields.update(self.tails[int(name[5:])].fixed)
            else:
                fields[name] = value.split(" ") if name in dotted and name not in _TEXTS else value
        return fields


#: fields whose blanks are part of a text
_TEXTS = ("description",)


def form(text: str, *tails: Form, **fixed: Said) -> Form:
    """A form with the values of the fields that it is written for."""
    return Form(text, tuple(fixed.items()), tails)


def switches(*forms: Form) -> dict[str, bool]:
    """What yes-or-no fields are where no line says them: the opposite of what their line says."""
    found = {}
    for one in forms:
        if not one.fields:
            for name, value in one.fixed:
                if isinstance(value, bool):
                    found[name] = not value
    return found


def lines(forms: t.Sequence[Form], entry: t.Any) -> list[list[str]]:
    """An entry's lines, as words. A field that one form has said is not said again by a later one."""
    values = {field.name: getattr(entry, field.name) for field in dataclasses.fields(entry)}
    made: list[list[str]] = []
    said: set[str] = set()
    for one in forms:
        about = {*one.fields, *(name for name, value in one.fixed)}
        if about and about <= said:
            continue
        new = one.lines(values)
        if new:
            said |= about
            made += new
    return made


def read(
    forms: t.Sequence[Form], found: t.Iterable[str], separator: str = " "
) -> tuple[dict[str, t.Any], tuple[str, ...]]:
    """The fields that lines say, and the lines that no form fits."""
    fields: dict[str, t.Any] = dict(switches(*forms))
    several = {name for one in forms for name, dots in _FIELD.findall(one.text) if not dots}
    strange = []
    for line in found:
        for one in forms:
            said = one.read(line, separator)
            if said is not None:
                _merge(fields, said, several)
                break
        else:
            strange.append(line)
    return fields, tuple(strange)


def _merge(fields: dict[str, t.Any], said: t.Mapping[str, t.Any], several: t.Collection[str]) -> None:
    for name, value in said.items():
        if name in LISTS and name in several:
            fields.setdefault(name, []).append(value)
        else:
            fields[name] = value


#: fields with a line for each of their values
LISTS = (
    "addresses",
    "allow_from",
    "communities",
    "interfaces",
    "large_communities",
    "listen",
    "name_servers",
    "servers",
    "states",
)


def _said(value: t.Any) -> str:
    return " ".join(str(one) for one in value) if isinstance(value, tuple) else str(value)


@functools.lru_cache(maxsize=1024)
def _compiled(one: Form, separator: str) -> re.Pattern[str]:
    gap = re.escape(separator)
    pattern = _pattern(one.text, gap)
    for index, tail in enumerate(one.tails):
        pattern += f"(?P<_tail{index}>{gap}{_pattern(tail.text, gap)})?"
    return re.compile(pattern)


def _pattern(text: str, gap: str) -> str:
    words = []
    for word in text.split(" "):
        found = _FIELD.fullmatch(word)
        if found is None:
            words.append(re.escape(word))
        elif found.group(2) and gap == re.escape(" "):
            words.append(f"(?P<{found.group(1)}>.+)")
        else:
            words.append(f"(?P<{found.group(1)}>[^{gap}]+)")
    return gap.join(words)


__all__ = ("LISTS", "Form", "Said", "Values", "form", "lines", "read", "switches")
