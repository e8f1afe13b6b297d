# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What is asked for and what came of it: sets of objects, options, changes."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.masking import shown
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import (
    DefinitionError,
    Kind,
    Object,
    Ref,
    flatten,
    prepared,
    rank,
)

Action = t.Literal["created", "updated", "removed"]
State = t.Literal["present", "absent"]
_LABEL_VALUE = re.compile(r"[a-z0-9]([-a-z0-9]{0,52}[a-z0-9])?")
_SECRET = Kind("v1", "Secret")

#: the option ``sets`` of modules
ARGUMENT: dict[str, t.Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "definitions": {"type": "list", "elements": "dict", "default": []},
        "generated_secrets": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "no_log": False,
            "options": {
                "name": {"type": "str", "required": True},
                "namespace": {"type": "str", "required": True},
                "key": {"type": "str", "required": True, "no_log": False},
                "length": {"type": "int", "default": 32},
            },
        },
        "given_secrets": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "no_log": False,
            "options": {
                "name": {"type": "str", "required": True},
                "namespace": {"type": "str", "required": True},
                "type": {"type": "str", "default": "Opaque"},
                "key": {"type": "str", "required": True, "no_log": False},
                "value": {"type": "str", "required": True, "no_log": False},
            },
        },
        "wait_for": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "api_version": {"type": "str", "required": True},
                "kind": {"type": "str", "required": True},
                "name": {"type": "str"},
                "namespace": {"type": "str"},
                "labels": {"type": "str"},
            },
        },
        "wait_own": {"type": "bool", "default": True},
        "fixed": {"type": "dict", "default": {}},
        "fixed_remedy": {"type": "str", "default": ""},
    },
}

#: the option ``secret_values`` of modules: one text, for Ansible hides every value that contains a secret
SECRET_VALUES: dict[str, t.Any] = {"type": "raw", "no_log": True}


@dataclass(frozen=True)
class GeneratedSecret:
    """A Secret with one random value, made when there is none and left alone ever after."""

    name: str
    namespace: str
    key: str
    length: int = 32

    @property
    def ref(self) -> Ref:
        return Ref(_SECRET, self.name, self.namespace)


@dataclass(frozen=True)
class WaitFor:
    """An object that must be ready as well; without a name all objects of the kind, or those with the labels."""

    kind: Kind
    name: str = ""
    namespace: str = ""
    labels: str = ""

    def __str__(self) -> str:
        if not self.name:
            return f"every {self.kind.kind}" + (f" with {self.labels}" if self.labels else "")
        return str(Ref(self.kind, self.name, self.namespace))


@dataclass(frozen=True)
class ObjectSet:
    """Objects that belong together: applied, waited for, pruned and removed as one."""

    name: str
    definitions: tuple[Object, ...] = ()
    generated: tuple[GeneratedSecret, ...] = ()
    wait_for: tuple[WaitFor, ...] = ()
    #: whether its own objects have to be ready, too
    wait_own: bool = True
    #: properties that a living cluster cannot change, such as the provider of the pod network
    fixed: dict[str, str] = field(default_factory=dict)
    #: what to do when one of them has to change after all
    fixed_remedy: str = ""
    state: State = "present"

    @classmethod
    def parse(cls, data: t.Mapping[str, t.Any], secrets: t.Mapping[str, str] | None = None) -> ObjectSet:
        """A set from a module's arguments.

        :param secrets: values of Secrets, by the names that the set has for them.
        :raises DefinitionError: a definition is incomplete, or stands twice in the set, or the name is not usable.
        """
        name = str(data["name"])
        if not _LABEL_VALUE.fullmatch(name):
            raise DefinitionError(
                f"sets: name = {name!r}: at most 54 small letters, digits and dashes are allowed, "
                "with a letter or digit at both ends."
            )
        definitions = flatten(data.get("definitions") or [])
        definitions += [_given_secret(entry, secrets or {}) for entry in data.get("given_secrets") or []]
        objects = [prepared(definition, name) for definition in definitions]
        objects.sort(key=lambda obj: rank(Ref.of(obj)))
        seen: set[Ref] = set()
        for obj in objects:
            ref = Ref.of(obj)
            if ref in seen:
                raise DefinitionError(f"Set {name!r}: {ref} is defined twice. Keep one of the definitions.")
            seen.add(ref)
        return cls(
            name=name,
            definitions=tuple(objects),
            generated=tuple(
                GeneratedSecret(
                    str(entry["name"]), str(entry["namespace"]), str(entry["key"]), int(entry.get("length") or 32)
                )
                for entry in data.get("generated_secrets") or []
            ),
            wait_for=tuple(
                WaitFor(
                    Kind(str(entry["api_version"]), str(entry["kind"])),
                    str(entry.get("name") or ""),
                    str(entry.get("namespace") or ""),
                    str(entry.get("labels") or ""),
                )
                for entry in data.get("wait_for") or []
            ),
            wait_own=data.get("wait_own") is not False,
            fixed={str(key): str(value) for key, value in (data.get("fixed") or {}).items()},
            fixed_remedy=str(data.get("fixed_remedy") or ""),
            state="absent" if data.get("state") == "absent" else "present",
        )

    @property
    def base(self) -> tuple[Object, ...]:
        """The objects of kinds that Kubernetes brings itself."""
        return tuple(obj for obj in self.definitions if not Ref.of(obj).kind.custom)

    @property
    def steps(self) -> tuple[Object | GeneratedSecret, ...]:
        """The base and the generated Secrets in the order of applying."""
        steps: list[Object | GeneratedSecret] = [*self.base, *self.generated]
        return tuple(sorted(steps, key=lambda s: rank(s.ref if isinstance(s, GeneratedSecret) else Ref.of(s))))

    @property
    def custom(self) -> tuple[Object, ...]:
        return tuple(obj for obj in self.definitions if Ref.of(obj).kind.custom)

    @property
    def refs(self) -> frozenset[Ref]:
        return frozenset((*(Ref.of(obj) for obj in self.definitions), *(secret.ref for secret in self.generated)))

    @property
    def kinds(self) -> frozenset[Kind]:
        return frozenset(ref.kind for ref in self.refs)


def parse_sets(data: t.Iterable[t.Mapping[str, t.Any]], secrets: t.Any = None) -> tuple[ObjectSet, ...]:
    """All sets of one call.

    :param secrets: values of Secrets by name, as a mapping or as JSON.
    :raises DefinitionError: one of them is wrong, or two claim the same name or object.
    """
    values = _values(secrets)
    sets = tuple(ObjectSet.parse(entry, values) for entry in data)
    owner: dict[Ref, str] = {}
    names: set[str] = set()
    for one in sets:
        if one.name in names:
            raise DefinitionError(f"sets: the name {one.name!r} is used twice. Put all its definitions into one set.")
        names.add(one.name)
        for ref in one.refs:
            if ref in owner:
                raise DefinitionError(f"{ref} is defined in the sets {owner[ref]!r} and {one.name!r}. Keep one.")
            owner[ref] = one.name
    return sets


def _values(given: t.Any) -> dict[str, str]:
    try:
        found = json.loads(given) if isinstance(given, str) and given else given or {}
    except ValueError:
        # The text of the error would be the secret's.
        found = None
    if not isinstance(found, dict):
        raise DefinitionError("secret_values = (masked): it is a mapping from names to texts. Give it as JSON.")
    return {str(key): str(value) for key, value in found.items()}


def _given_secret(entry: t.Mapping[str, t.Any], values: t.Mapping[str, str]) -> Object:
    name, wanted = str(entry["name"]), str(entry["value"])
    if wanted not in values:
        raise DefinitionError(
            f"Secret {name}: secret_values has no {wanted!r}. Give it there; it is kept out of every output."
        )
    return {
        "apiVersion": _SECRET.api_version,
        "kind": _SECRET.kind,
        "type": str(entry.get("type") or "Opaque"),
        "metadata": {"name": name, "namespace": str(entry["namespace"])},
        "stringData": {str(entry["key"]): values[wanted]},
    }


@dataclass(frozen=True)
class Options:
    check: bool = False
    prune: bool = True
    wait: bool = True
    #: what sets begin with and nothing else: neither waiting nor custom resources
    begin: bool = False
    #: seconds for all waiting of one call together
    timeout: float = 300


@dataclass(frozen=True)
class Change:
    """One object that became, or in check mode would become, different."""

    set_name: str
    ref: Ref
    action: Action
    before: Object | None = None
    after: Object | None = None

    def as_diff(self) -> dict[str, t.Any]:
        header = f"{self.ref} (set {self.set_name})"
        return {
            "before_header": header,
            "after_header": header,
            "before": shown(self.before, "before", other=self.after) or "",
            "after": shown(self.after, "after", other=self.before) or "",
        }


@dataclass
class Report:
    """What a call has done."""

    changes: list[Change] = field(default_factory=list)
    unchanged: dict[str, int] = field(default_factory=dict)
    #: what check mode found not ready, by set; without check mode it was waited for
    not_ready: dict[str, list[str]] = field(default_factory=dict)
    waited: float = 0.0
    #: seconds of a wait, and what was missing until its end
    last: tuple[tuple[float, str], ...] = ()
    #: why there was no API to ask; set in check mode only
    no_cluster: str = ""

    def add(self, change: Change) -> None:
        self.changes.append(change)

    def keep(self, set_name: str) -> None:
        self.unchanged[set_name] = self.unchanged.get(set_name, 0) + 1

    @property
    def changed(self) -> bool:
        return bool(self.changes)

    def settled(self, set_name: str) -> bool:
        """Whether everything was as it should be, and ready."""
        return not self.not_ready.get(set_name) and all(change.set_name != set_name for change in self.changes)

    def as_sets(self, sets: t.Iterable[ObjectSet]) -> list[dict[str, t.Any]]:
        """The summary for each set that the user gets to see."""

        def names(set_name: str, action: Action) -> list[str]:
            return [str(c.ref) for c in self.changes if c.set_name == set_name and c.action == action]

        return [
            {
                "name": one.name,
                "created": names(one.name, "created"),
                "updated": names(one.name, "updated"),
                "removed": names(one.name, "removed"),
                "unchanged": self.unchanged.get(one.name, 0),
                "not_ready": self.not_ready.get(one.name, []),
                "settled": self.settled(one.name),
            }
            for one in sets
        ]

    def as_diff(self) -> list[dict[str, t.Any]]:
        return [change.as_diff() for change in self.changes]


__all__ = (
    "ARGUMENT",
    "SECRET_VALUES",
    "Action",
    "Change",
    "GeneratedSecret",
    "ObjectSet",
    "Options",
    "Report",
    "State",
    "WaitFor",
    "parse_sets",
)
