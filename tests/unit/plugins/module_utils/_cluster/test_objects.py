# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import re
import typing as t

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.masking import shown
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import (
    DIGEST,
    DefinitionError,
    Kind,
    Object,
    Ref,
    contains,
    flatten,
    normalised,
    prepared,
    rank,
    satisfied,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.sets import ObjectSet, parse_sets

TEST_CONTAINS: list[tuple[t.Any, t.Any, bool]] = [
    ({"a": 1, "b": 2}, {"a": 1}, True),
    ({"a": 1}, {"a": 1, "b": 2}, False),
    ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 2]}}, True),
    ({"a": [1, 2, 3]}, {"a": [1, 2]}, False),
    ({"a": [{"name": "x", "extra": 1}]}, {"a": [{"name": "x"}]}, True),
    ({"a": [2, 1]}, {"a": [1, 2]}, False),
    ({"a": True}, {"a": 1}, False),
    ({"a": "1"}, {"a": 1}, False),
    ({}, {"a": []}, True),
    ({}, {"a": {}}, False),
    ({"a": 1}, {"a": []}, False),
    ("x", "x", True),
    (None, {}, False),
]


@pytest.mark.parametrize(("live", "wanted", "expected"), TEST_CONTAINS)
def test_contains(live: t.Any, wanted: t.Any, expected: bool) -> None:
    assert contains(live, wanted) is expected


TEST_REFUSED: list[tuple[Object, str]] = [
    ({"kind": "Pod", "metadata": {"name": "x"}}, "apiVersion = None"),
    ({"apiVersion": "v1", "metadata": {"name": "x"}}, "kind = None"),
    ({"apiVersion": "v1", "kind": "Pod"}, "metadata.name = None"),
    ({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": 7}}, "metadata.name = 7"),
    ({"apiVersion": "v1", "kind": "Pod", "metadata": "x"}, "metadata.name = None"),
]


@pytest.mark.parametrize(("obj", "words"), TEST_REFUSED)
def test_incomplete_definitions_are_refused(obj: Object, words: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(words)):
        Ref.of(obj)


TEST_CUSTOM: list[tuple[str, bool]] = [
    ("v1", False),
    ("apps/v1", False),
    ("batch/v1", False),
    ("rbac.authorization.k8s.io/v1", False),
    ("apiextensions.k8s.io/v1", False),
    ("metallb.io/v1beta1", True),
]


@pytest.mark.parametrize(("api_version", "expected"), TEST_CUSTOM)
def test_custom_kinds(api_version: str, expected: bool) -> None:
    kind = Kind(api_version, "Any")
    assert kind.custom is expected
    assert Kind.parse(str(kind)) == kind


def test_order() -> None:
    kinds = [
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ("v1", "Namespace"),
        ("v1", "ServiceAccount"),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
        ("v1", "ConfigMap"),
        ("v1", "Service"),
        ("apps/v1", "Deployment"),
        ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
        ("metallb.io/v1beta1", "IPAddressPool"),
    ]
    ranks = [rank(Ref(Kind(*kind), "x")) for kind in kinds]
    assert ranks == sorted(set(ranks))


def test_prepared_takes_away_what_only_the_server_writes_and_adds_our_marks() -> None:
    obj = prepared(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "x", "creationTimestamp": None, "uid": "1", "labels": {"mine": "yes"}},
            "stringData": {"password": "hunter2"},
            "type": None,
            "status": {"phase": "x"},
        },
        "house",
    )
    digest = obj["metadata"]["annotations"].pop(DIGEST)
    assert re.fullmatch("[0-9a-f]{32}", digest)
    assert obj == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "x",
            "annotations": {},
            "labels": {
                "mine": "yes",
                "app.kubernetes.io/managed-by": "klubster",
                "klubster.kateskit.dev/set": "house",
            },
        },
        "data": {"password": base64.b64encode(b"hunter2").decode()},
    }


def test_satisfied_needs_the_digest_and_the_values() -> None:
    wanted = prepared({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "1"}}, "s")
    live = {**wanted, "metadata": {**wanted["metadata"], "uid": "1", "resourceVersion": "7"}, "extra": 1}
    assert satisfied(live, wanted)
    assert not satisfied({**live, "data": {"a": "2"}}, wanted)
    other = {**live["metadata"], "annotations": {DIGEST: "0" * 32}}
    assert not satisfied({**live, "metadata": other}, wanted)


def test_normalised_forgets_noise_only() -> None:
    noisy = {
        "kind": "X",
        "metadata": {"name": "x", "managedFields": [], "resourceVersion": "1", "generation": 2, "labels": {"a": "b"}},
        "spec": {"a": 1},
        "status": {"ready": True},
    }
    assert normalised(noisy) == {"kind": "X", "metadata": {"name": "x", "labels": {"a": "b"}}, "spec": {"a": 1}}


def test_lists_are_taken_apart_and_empty_documents_left_out() -> None:
    one, two = {"kind": "A", "x": 1}, {"kind": "B"}
    assert flatten([None, {}, one, {"kind": "List", "items": [two, None]}]) == [one, two]


def obj(name: str = "x") -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "n"}}


TEST_BAD_SETS: list[tuple[list[Object], str]] = [
    ([{"name": "Bad_Name"}], "sets: name = 'Bad_Name'"),
    ([{"name": ""}], "sets: name = ''"),
    ([{"name": "a" * 55}], "at most 54"),
    ([{"name": "a", "definitions": [obj(), obj()]}], "ConfigMap n/x is defined twice"),
    ([{"name": "a"}, {"name": "a"}], "the name 'a' is used twice"),
    (
        [{"name": "a", "definitions": [obj()]}, {"name": "b", "definitions": [obj()]}],
        "ConfigMap n/x is defined in the sets 'a' and 'b'",
    ),
]


@pytest.mark.parametrize(("data", "words"), TEST_BAD_SETS)
def test_bad_sets_are_refused(data: list[Object], words: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(words)):
        parse_sets(data)


def test_a_set_knows_its_kinds() -> None:
    one = ObjectSet.parse(
        {
            "name": "a",
            "definitions": [obj()],
            "generated_secrets": [{"name": "s", "namespace": "n", "key": "k", "length": None}],
        }
    )
    assert one.kinds == {Kind("v1", "ConfigMap"), Kind("v1", "Secret")}
    assert one.generated[0].length == 32


def test_secrets_are_masked_and_differences_stay_visible() -> None:
    before = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"same": "YQ==", "other": "Yg==", "old": "Yw=="}}
    after = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"same": "YQ==", "other": "ZA=="}}
    left, right = shown(before, "before", other=after), shown(after, "after", other=before)
    assert left["data"] == {"same": "(masked)", "other": "(masked) before", "old": "(masked) before"}
    assert right["data"] == {"same": "(masked)", "other": "(masked) after"}


def test_fingerprints_and_schemas_are_not_shown() -> None:
    last = "kubectl.kubernetes.io/last-applied-configuration"
    secret = {"kind": "Secret", "metadata": {"name": "s", "annotations": {DIGEST: "abc", last: "{}"}}, "data": "odd"}
    assert shown(secret, "after") == {"kind": "Secret", "metadata": {"name": "s"}, "data": "(masked)"}
    crd = {
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "x"},
        "spec": {"versions": [{"name": "v1", "schema": {"a": 1}}, {"name": "v2", "schema": {"a": 2}}]},
    }
    versions = shown(crd, "after")["spec"]["versions"]
    assert versions[0]["schema"].startswith("(schema ")
    assert versions[0]["schema"] != versions[1]["schema"]
    assert shown(None, "before") == {}
