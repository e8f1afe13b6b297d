# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Selectors: objects by their labels."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._model import rules
from ansible_collections.kateskit.klubster.plugins.module_utils._model.load_balancer_spec import Expression, Selector
from ansible_collections.kateskit.klubster.plugins.module_utils._model.schema import WRONG, Complain, ruled

HOST_NAME = "kubernetes.io/hostname"


class Reader:
    """Reads lists of selectors.

    :param nodes: names of the nodes, where nodes are selected.
    """

    def __init__(self, complain: Complain, nodes: t.Sequence[str] = ()) -> None:
        self._complain, self._nodes = complain, nodes

    def read(self, where: str, given: t.Any) -> tuple[Selector, ...]:
        """The selectors of a list that are right."""
        found: list[Selector] = []
        for index, entry in enumerate(() if given is WRONG else given):
            if entry is WRONG or WRONG in entry.values():
                continue
            one = self._selector(f"{where}[{index}]", entry)
            if one in found:
                self._complain(f"{where}[{index}]", entry, "It is there twice.", "Leave one of them out.")
            else:
                found.append(one)
        return tuple(found)

    def _selector(self, where: str, entry: dict[str, t.Any]) -> Selector:
        labels, expressions = entry["match_labels"], entry["match_expressions"]
        if not labels and not expressions:
            rule = "An empty selector fits everything."
            self._complain(where, entry, rule, "Give match_labels or match_expressions, or leave the selector out.")
        for key, value in labels.items():
            self._rule(f"{where}.match_labels.{key}", key, rules.selector_key)
            self._rule(f"{where}.match_labels.{key}", value, rules.label_value)
            self._node(f"{where}.match_labels.{key}", key, value)
        made = []
        for index, one in enumerate(expressions):
            if one is not WRONG and WRONG not in one.values():
                made.append(self._expression(f"{where}.match_expressions[{index}]", one))
        return Selector(labels, tuple(made))

    def _expression(self, where: str, entry: dict[str, t.Any]) -> Expression:
        key, operator, values = entry["key"], entry["operator"], entry["values"]
        self._rule(f"{where}.key", key, rules.selector_key)
        with_values = operator in ("In", "NotIn")
        if with_values != bool(values):
            rule = f"{operator} compares with values." if with_values else f"{operator} has nothing to compare with."
            self._complain(f"{where}.values", values, rule, "Give at least one." if with_values else "Leave it out.")
        for index, value in enumerate(values):
            if self._rule(f"{where}.values[{index}]", value, rules.label_value) and value in values[:index]:
                self._complain(f"{where}.values[{index}]", value, "It is there twice.", "Leave one of them out.")
            if operator == "In":
                self._node(f"{where}.values[{index}]", key, value)
        return Expression(key, operator, tuple(values))

    def _node(self, where: str, key: str, value: t.Any) -> None:
        if key == HOST_NAME and self._nodes and value is not WRONG and value not in self._nodes:
            remedy = rules.one_of(str(value), [str(node) for node in self._nodes])
            self._complain(where, value, "There is no node of this name.", remedy)

    def _rule(self, where: str, value: t.Any, rule: t.Callable[[str], t.Any]) -> bool:
        return ruled(where, value, rule, self._complain) is not WRONG


__all__ = ("HOST_NAME", "Reader")
