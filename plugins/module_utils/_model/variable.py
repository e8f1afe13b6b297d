# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What is known of one public variable."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

Scope = t.Literal["cluster", "host"]
TypeName = t.Literal["str", "path", "int", "bool", "list", "dict"]


@dataclass(frozen=True)
class Variable:
    """One public variable, or one key of a structure."""

    name: str
    type: TypeName
    meaning: str
    scope: Scope = "cluster"
    default: t.Any = None
    #: the default in words, where it depends on something
    computed: str = ""
    required: bool = False
    #: never shown, and never part of the plan
    secret: bool = False
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    #: type of a list's elements, or of a dict's values where its keys are free
    elements: TypeName | None = None
    #: how it is written, where YAML may read something else
    example: str = ""
    #: where it has to stand instead of here; a value that stands here is not shown
    elsewhere: str = ""
    #: keys of a structure, or of the structures in a list; none: keys are free
    options: tuple[Variable, ...] = field(default=())


__all__ = ("Scope", "TypeName", "Variable")
