# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import copy
import json
import typing as t

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.apply import (
    Applier,
    FixedProperty,
    NotOurs,
    would_create,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import Kind, Object, Ref
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.ready import Timeout
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.service import Refused, UnknownKind
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.sets import Options, Report, parse_sets
from fake_cluster import FakeClock, FakeCluster

CONFIG_MAP = Kind("v1", "ConfigMap")
NAMESPACE = Kind("v1", "Namespace")
SECRET = Kind("v1", "Secret")
POOL = Kind("metallb.io/v1beta1", "IPAddressPool")
DEPLOYMENT = Kind("apps/v1", "Deployment")


def config_map(name: str, namespace: str = "house", **data: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data or {"a": "1"},
    }


def namespace(name: str = "house") -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def deployment(name: str = "web") -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "house"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}},
    }


def definition() -> Object:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "ipaddresspools.metallb.io"},
        "spec": {"group": "metallb.io", "names": {"kind": "IPAddressPool"}},
    }


def pool(name: str = "one", address: str = "10.0.0.0/24") -> Object:
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": name, "namespace": "house"},
        "spec": {"addresses": [address]},
    }


def one(*definitions: Object, name: str = "house", **more: t.Any) -> list[dict[str, t.Any]]:
    return [{"name": name, "definitions": list(definitions), **more}]


def apply(
    cluster: FakeCluster, data: list[dict[str, t.Any]], clock: FakeClock | None = None, **options: t.Any
) -> Report:
    applier = Applier(cluster, parse_sets(copy.deepcopy(data)), Options(**options), clock or FakeClock())
    return applier.run()


def done(report: Report) -> list[str]:
    return [f"{change.action} {change.ref}" for change in report.changes]


def test_objects_are_applied_in_a_safe_order_with_our_marks() -> None:
    cluster = FakeCluster()
    report = apply(cluster, one(pool(), config_map("settings"), definition(), namespace()))
    assert done(report) == [
        "created ConfigMap kube-system/klubster-set-house",
        "created CustomResourceDefinition ipaddresspools.metallb.io",
        "created Namespace house",
        "created ConfigMap house/settings",
        "created IPAddressPool house/one",
    ]
    labels = cluster.objects[Ref(CONFIG_MAP, "settings", "house")]["metadata"]["labels"]
    assert labels == {"app.kubernetes.io/managed-by": "klubster", "klubster.kateskit.dev/set": "house"}


def test_what_only_begins_waits_for_nothing_and_a_later_run_does_the_rest() -> None:
    cluster = FakeCluster()
    data = one(pool(), definition(), namespace(), deployment())
    report = apply(cluster, data, begin=True)
    assert done(report) == [
        "created ConfigMap kube-system/klubster-set-house",
        "created CustomResourceDefinition ipaddresspools.metallb.io",
        "created Namespace house",
        "created Deployment house/web",
    ]
    assert report.waited == 0
    assert done(apply(cluster, data, wait=False)) == ["created IPAddressPool house/one"]


def test_a_second_run_changes_nothing_and_only_lists() -> None:
    cluster = FakeCluster()
    data = one(namespace(), config_map("settings"), definition(), pool())
    apply(cluster, data)
    cluster.calls.clear()
    report = apply(cluster, data)
    assert done(report) == []
    assert report.unchanged == {"house": 4}
    assert {verb for verb, _what in cluster.calls} == {"list", "get"}
    assert [what for verb, what in cluster.calls if verb == "get"] == ["ConfigMap kube-system/klubster-set-house"]


def test_values_that_the_server_writes_in_its_own_way_cost_an_apply_but_are_no_change() -> None:
    cluster = FakeCluster()

    def default(obj: Object) -> None:
        if obj["kind"] == "Deployment":
            obj["spec"]["cpu"] = "1"

    cluster.default = default
    data = one(namespace(), deployment() | {"spec": {"replicas": 0, "selector": {}, "cpu": "1000m"}})
    apply(cluster, data, wait=False)
    report = apply(cluster, data, wait=False)
    assert ("apply", "Deployment house/web") in cluster.calls
    assert done(report) == []


@pytest.mark.parametrize(
    "drift",
    [
        lambda obj: obj["data"].update(a="2"),
        lambda obj: obj["data"].pop("a"),
        lambda obj: obj["metadata"]["annotations"].clear(),
    ],
    ids=["changed", "taken away", "without our digest"],
)
def test_drift_is_repaired(drift: t.Callable[[Object], None]) -> None:
    cluster = FakeCluster()
    data = one(namespace(), config_map("settings"))
    apply(cluster, data)
    drift(cluster.objects[Ref(CONFIG_MAP, "settings", "house")])
    assert done(apply(cluster, data, check=True)) == ["updated ConfigMap house/settings"]
    assert done(apply(cluster, data)) == ["updated ConfigMap house/settings"]
    assert done(apply(cluster, data)) == []


def test_a_field_that_left_the_definition_is_taken_away() -> None:
    cluster = FakeCluster()
    apply(cluster, one(namespace(), config_map("settings", a="1", b="2")))
    report = apply(cluster, one(namespace(), config_map("settings", a="1")))
    assert done(report) == ["updated ConfigMap house/settings"]
    assert cluster.objects[Ref(CONFIG_MAP, "settings", "house")]["data"] == {"a": "1"}


def test_check_mode_writes_nothing_and_predicts_what_then_happens() -> None:
    cluster = FakeCluster()
    data = one(pool(), config_map("settings"), definition(), namespace())
    predicted = apply(cluster, data, check=True)
    assert cluster.writes() == []
    assert done(predicted) == done(apply(cluster, data))
    assert done(apply(cluster, data, check=True)) == []


def test_check_mode_asks_the_api_where_it_can_answer() -> None:
    cluster = FakeCluster()
    cluster.add(namespace())
    cluster.refuse = lambda obj, _dry: (
        Refused("applying", 422, "Invalid", "no such colour") if obj["kind"] == "ConfigMap" else None
    )
    data = [{"name": "other", "definitions": [config_map("settings")]}]
    with pytest.raises(Refused, match="no such colour"):
        apply(cluster, data, check=True)


def test_without_a_cluster_everything_would_be_made() -> None:
    sets = parse_sets(one(namespace(), pool()) + one(name="gone", state="absent"))
    report = would_create(sets, "no kubeconfig")
    assert done(report) == [
        "created ConfigMap kube-system/klubster-set-house",
        "created Namespace house",
        "created IPAddressPool house/one",
    ]
    assert report.no_cluster == "no kubeconfig"


def test_what_left_the_set_is_removed_and_nothing_else() -> None:
    cluster = FakeCluster()
    apply(cluster, one(namespace(), config_map("a"), config_map("b")) + one(config_map("x"), name="other"))
    foreign = cluster.add(config_map("c"))
    owned = cluster.add(config_map("copy"))
    cluster.objects[owned]["metadata"]["labels"] = dict(
        cluster.objects[Ref(CONFIG_MAP, "a", "house")]["metadata"]["labels"]
    )
    cluster.objects[owned]["metadata"]["ownerReferences"] = [{"kind": "Deployment"}]
    report = apply(cluster, one(namespace(), config_map("a")))
    assert done(report) == ["removed ConfigMap house/b"]
    assert {foreign, owned, Ref(CONFIG_MAP, "x", "house")} <= set(cluster.objects)


def test_the_last_object_of_a_kind_is_found_through_the_record() -> None:
    cluster = FakeCluster()
    apply(cluster, one(namespace(), definition(), pool()))
    report = apply(cluster, one(namespace(), definition()))
    assert done(report) == [
        "removed IPAddressPool house/one",
        "updated ConfigMap kube-system/klubster-set-house",
    ]
    assert done(apply(cluster, one(namespace(), definition()))) == []


def test_a_run_cut_short_leaves_nothing_that_the_next_would_not_find() -> None:
    cluster = FakeCluster()
    cluster.refuse = lambda obj, _dry: (
        Refused("applying", 500, "Boom", "disk full") if obj["metadata"]["name"] == "b" else None
    )
    with pytest.raises(Refused):
        apply(cluster, one(namespace(), config_map("a"), config_map("b")))
    cluster.refuse = lambda _obj, _dry: None
    assert done(apply(cluster, one(namespace())))[0] == "removed ConfigMap house/a"


def test_prune_can_be_switched_off() -> None:
    cluster = FakeCluster()
    apply(cluster, one(namespace(), config_map("a")))
    assert done(apply(cluster, one(namespace()), prune=False)) == []
    assert Ref(CONFIG_MAP, "a", "house") in cluster.objects
    # The record still knows the kind.
    assert "removed ConfigMap house/a" in done(apply(cluster, one(namespace())))


def test_removal_in_check_mode_is_told_and_not_done() -> None:
    cluster = FakeCluster()
    apply(cluster, one(namespace(), config_map("a")))
    report = apply(cluster, one(namespace()), check=True)
    assert "removed ConfigMap house/a" in done(report)
    assert Ref(CONFIG_MAP, "a", "house") in cluster.objects


def test_a_removed_pool_is_gone_when_no_service_holds_its_address() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    apply(cluster, one(namespace(), definition(), pool("a"), pool("b")))
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "web",
            "namespace": "house",
            "annotations": {"metallb.io/ip-allocated-from-pool": "a"},
        },
    }
    ref = cluster.add(service, status={"loadBalancer": {"ingress": [{"ip": "10.0.0.7"}]}})
    clock.at(3, lambda: cluster.objects[ref]["metadata"].pop("annotations"))
    report = apply(cluster, one(namespace(), definition(), pool("b")), clock)
    assert done(report) == ["removed IPAddressPool house/a"]
    assert report.waited >= 3


def test_a_removed_pool_whose_address_stays_is_an_error_that_names_the_service() -> None:
    cluster = FakeCluster()
    apply(cluster, one(namespace(), definition(), pool("a")))
    cluster.add(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": "web",
                "namespace": "house",
                "annotations": {"metallb.io/ip-allocated-from-pool": "a"},
            },
        },
        status={"loadBalancer": {"ingress": [{"ip": "10.0.0.7"}]}},
    )
    with pytest.raises(Timeout, match=r"IPAddressPool a: services still hold its addresses: house/web \(10\.0\.0\.7\)"):
        apply(cluster, one(namespace(), definition()), timeout=5)


def test_a_renamed_pool_gives_its_addresses_to_the_new_one() -> None:
    """MetalLB refuses overlapping pools, so the old one has to go first."""
    cluster = FakeCluster()
    apply(cluster, one(namespace(), definition(), pool("old")))

    def overlap(obj: Object, _dry: bool) -> Refused | None:
        old = Ref(POOL, "old", "house") in cluster.objects
        if obj["kind"] == "IPAddressPool" and obj["metadata"]["name"] == "new" and old:
            return Refused("applying", 403, "Forbidden", 'admission webhook denied the request: CIDR overlaps "old"')
        return None

    cluster.refuse = overlap
    data = one(namespace(), definition(), pool("new"))
    expected = {"created IPAddressPool house/new", "removed IPAddressPool house/old"}
    assert set(done(apply(cluster, data, check=True))) == expected
    assert set(done(apply(cluster, data))) == expected


def test_a_pool_that_is_refused_for_good_is_an_error() -> None:
    cluster = FakeCluster()
    cluster.refuse = lambda obj, _dry: (
        Refused("applying", 403, "Forbidden", "denied: bad range") if obj["kind"] == "IPAddressPool" else None
    )
    with pytest.raises(Refused, match="bad range"):
        apply(cluster, one(namespace(), definition(), pool()))


def test_pools_that_swap_addresses_are_applied_in_whatever_order_works() -> None:
    cluster = FakeCluster()
    apply(cluster, one(namespace(), definition(), pool("a", "10.0.0.0/24"), pool("b", "10.0.1.0/24")))

    def overlap(obj: Object, _dry: bool) -> Refused | None:
        if obj["kind"] != "IPAddressPool":
            return None
        for ref, live in cluster.objects.items():
            same = ref.kind == POOL and live["spec"]["addresses"] == obj["spec"]["addresses"]
            if same and ref.name != obj["metadata"]["name"]:
                return Refused("applying", 403, "Forbidden", "overlaps")
        return None

    cluster.refuse = overlap
    report = apply(cluster, one(namespace(), definition(), pool("a", "10.0.1.0/24"), pool("b", "10.0.2.0/24")))
    assert done(report) == ["updated IPAddressPool house/b", "updated IPAddressPool house/a"]


def test_a_silent_webhook_is_waited_for() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    silent = Refused("applying", 500, "InternalError", 'Internal error occurred: failed calling webhook "x": refused')
    cluster.refuse = lambda obj, _dry: silent if obj["kind"] == "IPAddressPool" and clock.time < 4 else None
    report = apply(cluster, one(namespace(), definition(), pool()), clock)
    assert "created IPAddressPool house/one" in done(report)
    assert report.waited >= 4


def test_a_webhook_that_stays_silent_is_an_error_with_its_words() -> None:
    cluster = FakeCluster()
    silent = Refused("applying", 500, "InternalError", 'failed calling webhook "x": connection refused')
    cluster.refuse = lambda obj, _dry: silent if obj["kind"] == "IPAddressPool" else None
    with pytest.raises(Timeout, match="connection refused"):
        apply(cluster, one(namespace(), definition(), pool()), timeout=3)


def test_a_custom_resource_without_its_definition_is_an_error_at_once() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    with pytest.raises(UnknownKind, match=r"metallb\.io/v1beta1/IPAddressPool"):
        apply(cluster, one(namespace(), pool()), clock)
    assert clock.time == 0


def test_what_stands_in_the_way_is_refused_before_any_change() -> None:
    cluster = FakeCluster()
    cluster.add(namespace())
    cluster.add(config_map("settings"))
    with pytest.raises(NotOurs, match=r"ConfigMap house/settings is there already and was not made by klubster"):
        apply(cluster, one(config_map("first"), config_map("settings")))
    assert cluster.writes() == []


def test_an_object_of_another_set_is_refused() -> None:
    cluster = FakeCluster()
    apply(cluster, one(namespace(), config_map("settings"), name="other"))
    with pytest.raises(NotOurs, match="belongs to the set 'other', not to 'house'"):
        apply(cluster, one(config_map("settings")))


def test_what_an_operator_makes_of_a_custom_resource_is_waited_for_after_it() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    data = one(
        namespace(),
        definition(),
        pool(),
        wait_for=[{"api_version": "apps/v1", "kind": "Deployment", "name": "made", "namespace": "house"}],
    )
    seen: list[bool] = []

    def operate() -> None:
        seen.append(Ref(POOL, "one", "house") in cluster.objects)
        cluster.add(
            deployment("made"),
            status={
                "observedGeneration": 1,
                "readyReplicas": 1,
                "updatedReplicas": 1,
                "availableReplicas": 1,
                "replicas": 1,
            },
        )

    clock.at(1.0, operate)
    apply(cluster, data, clock)
    assert seen == [True]


def test_own_objects_that_never_get_ready_may_be_left_alone() -> None:
    cluster = FakeCluster()
    report = apply(cluster, one(namespace(), deployment(), wait_own=False))
    assert "created Deployment house/web" in done(report)
    again = apply(cluster, one(namespace(), deployment(), wait_own=False), check=True)
    assert again.settled("house")
    with pytest.raises(Timeout):
        apply(cluster, one(namespace(), deployment()))


def test_a_fixed_property_cannot_change() -> None:
    cluster = FakeCluster()
    fixed = {"fixed": {"provider": "flannel"}, "fixed_remedy": "Make the cluster anew."}
    apply(cluster, one(namespace(), **fixed))
    assert done(apply(cluster, one(namespace(), **fixed))) == []
    writes = len(cluster.writes())
    with pytest.raises(
        FixedProperty,
        match=r"provider is 'flannel' in the cluster and 'none' in the inventory\. Make the cluster anew\.$",
    ):
        apply(cluster, one(fixed={"provider": "none"}, fixed_remedy="Make the cluster anew."), check=True)
    assert len(cluster.writes()) == writes


def test_a_generated_secret_is_made_once_and_then_left_alone() -> None:
    cluster = FakeCluster()
    data = one(
        namespace(),
        generated_secrets=[{"name": "key", "namespace": "house", "key": "secretkey", "length": 48}],
    )
    report = apply(cluster, data)
    ref = Ref(SECRET, "key", "house")
    value = cluster.objects[ref]["data"]["secretkey"]
    assert len(base64.b64decode(value)) == 64
    assert "created Secret house/key" in done(report)
    assert value not in json.dumps(report.as_diff())
    assert done(apply(cluster, data, check=True)) == []
    assert done(apply(cluster, data)) == []
    assert cluster.objects[ref]["data"]["secretkey"] == value


def test_an_existing_secret_is_reused_even_when_it_is_not_ours() -> None:
    cluster = FakeCluster()
    cluster.add(namespace("theirs"))
    cluster.add(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "key", "namespace": "theirs"},
            "data": {"secretkey": "b3du"},
        }
    )
    data = one(generated_secrets=[{"name": "key", "namespace": "theirs", "key": "secretkey"}])
    assert done(apply(cluster, data)) == ["created ConfigMap kube-system/klubster-set-house"]
    assert cluster.objects[Ref(SECRET, "key", "theirs")]["data"] == {"secretkey": "b3du"}


def test_generated_secrets_come_before_the_workloads_that_mount_them() -> None:
    cluster = FakeCluster()
    secret = {"name": "key", "namespace": "house", "key": "secretkey"}
    order = done(apply(cluster, one(deployment(), namespace(), generated_secrets=[secret]), wait=False))
    assert order.index("created Secret house/key") < order.index("created Deployment house/web")


def test_an_absent_set_goes_whole_with_its_record() -> None:
    cluster = FakeCluster()
    before = set(cluster.objects)
    apply(cluster, one(namespace(), definition(), pool(), config_map("a")))
    report = apply(cluster, one(state="absent"))
    assert [entry.split(" ", 1)[0] for entry in done(report)] == ["removed"] * 5
    assert done(report)[0] == "removed IPAddressPool house/one"
    assert done(report)[-1] == "removed ConfigMap kube-system/klubster-set-house"
    assert set(cluster.objects) == before
    assert done(apply(cluster, one(state="absent"))) == []


def test_removal_waits_for_finalizers_and_says_what_holds() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    apply(cluster, one(namespace(), config_map("a")))
    ref = Ref(CONFIG_MAP, "a", "house")
    cluster.finalized.add(ref)
    clock.at(2, lambda: cluster.objects.pop(ref, None))
    assert apply(cluster, one(namespace()), clock).waited >= 2
    apply(cluster, one(namespace(), config_map("a")))
    with pytest.raises(Timeout, match=r"ConfigMap house/a: is being removed, held by example\.org/hold"):
        apply(cluster, one(namespace()), timeout=2)


def test_a_finalizer_that_nobody_takes_off_is_named_with_a_remedy_before_all_time_is_over() -> None:
    """Other sets of the call wait meanwhile."""
    cluster, clock = FakeCluster(), FakeClock()
    apply(cluster, one(namespace(), definition(), deployment(), pool()), wait=False)
    held = Ref(POOL, "one", "house")
    cluster.finalized.add(held)
    begun = clock.now()
    with pytest.raises(Timeout) as caught:
        apply(cluster, one(namespace(), config_map("a")), clock, timeout=600)
    assert clock.now() - begun == pytest.approx(120, abs=2)
    said = str(caught.value)
    assert said.startswith("Likely cause: IPAddressPool house/one waits for its controller to take off the finalizer ")
    assert "finalizer example.org/hold. Look whether its pods run" in said
    assert (
        'kubectl patch ipaddresspool.metallb.io one -n house --type=merge -p \'{"metadata":{"finalizers":null}}\''
    ) in said
    assert Ref(DEPLOYMENT, "web", "house") in cluster.objects, "it could take it off yet"
    assert "After 120 s this was still not ready:\n  - IPAddressPool house/one: is being removed" in said


def test_a_controller_stays_until_what_it_has_to_let_go_is_gone() -> None:
    """Its pods take off the finalizers; without them the custom resources would stay for ever."""
    cluster, clock = FakeCluster(), FakeClock()
    apply(cluster, one(namespace(), definition(), deployment(), pool()), wait=False)
    held, controller = Ref(POOL, "one", "house"), Ref(DEPLOYMENT, "web", "house")
    cluster.finalized.add(held)

    def let_go() -> None:
        if controller in cluster.objects:
            del cluster.objects[held]

    clock.at(3, let_go)
    report = apply(cluster, one(namespace(), config_map("a")), clock)
    assert [ref for ref in (held, controller) if ref in cluster.objects] == []
    order = done(report)
    assert order.index("removed IPAddressPool house/one") < order.index("removed Deployment house/web")


@pytest.mark.parametrize("names", [("old", "new"), ("new", "old")])
def test_a_set_goes_before_another_comes_instead_of_it(names: tuple[str, str]) -> None:
    """Two load balancers at once would want the same ports."""
    cluster = FakeCluster()
    sets = {
        "old": one(namespace("old"), deployment("old") | {"spec": {"replicas": 0}}, namespace(), name="old"),
        "new": one(namespace("new"), name="new"),
    }
    apply(cluster, sets["old"], wait=False)
    data = [sets["new"][0] if name == "new" else {"name": "old", "state": "absent"} for name in names]
    changes = done(apply(cluster, data))
    assert changes.index("removed ConfigMap kube-system/klubster-set-old") < changes.index("created Namespace new")


def test_workloads_are_waited_for() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    ref = Ref(DEPLOYMENT, "web", "house")
    clock.at(5, lambda: cluster.set_status(ref, updatedReplicas=1, replicas=1, availableReplicas=1))
    report = apply(cluster, one(namespace(), deployment()), clock)
    assert report.waited >= 5
    assert [what for _seconds, what in report.last] == [
        "Deployment house/web: 0 of 1 replicas run the newest definition"
    ]


def test_others_are_waited_for() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"}}
    not_ready = {"conditions": [{"type": "Ready", "status": "False", "reason": "KubeletNotReady"}]}
    ref = cluster.add(node, status=not_ready)
    clock.at(4, lambda: cluster.set_status(ref, conditions=[{"type": "Ready", "status": "True"}]))
    data = one(namespace(), wait_for=[{"api_version": "v1", "kind": "Node"}])
    assert apply(cluster, data, clock).waited >= 4
    with pytest.raises(Timeout, match="every Pod: does not exist"):
        apply(cluster, one(namespace(), wait_for=[{"api_version": "v1", "kind": "Pod"}]), timeout=1)


def test_a_timeout_tells_the_cause_first() -> None:
    cluster = FakeCluster()
    cluster.add(namespace("house"))
    cluster.objects[Ref(NAMESPACE, "house")]["metadata"]["labels"] = {}
    cluster.add(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "web-1", "namespace": "house", "labels": {"app": "web"}},
            "spec": {"nodeName": "node2"},
        },
        status={
            "containerStatuses": [
                {"name": "web", "image": "x/web:1", "state": {"waiting": {"reason": "ErrImageNeverPull"}}}
            ]
        },
    )
    with pytest.raises(Timeout) as caught:
        apply(cluster, one(deployment()), timeout=2)
    assert str(caught.value).startswith(
        "Likely cause: Pod house/web-1 on node2: the image x/web:1 is not on that machine (ErrImageNeverPull)."
    )
    assert "Deployment house/web: 0 of 1 replicas run the newest definition" in str(caught.value)


def test_without_wait_nothing_is_waited_for() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    apply(cluster, one(namespace(), deployment()), clock, wait=False)
    assert clock.time == 0


def test_check_mode_says_what_is_settled() -> None:
    cluster = FakeCluster()
    data = one(namespace(), deployment()) + one(namespace("other"), name="other")
    ref = Ref(Kind("apps/v1", "Deployment"), "web", "house")
    apply(cluster, data, wait=False)

    def settled() -> dict[str, bool]:
        return {each["name"]: each["settled"] for each in apply(cluster, data, check=True).as_sets(parse_sets(data))}

    assert settled() == {"house": False, "other": True}
    found = apply(cluster, data, check=True).as_sets(parse_sets(data))[0]["not_ready"]
    assert [line.partition(":")[0] for line in found] == [str(ref)]
    cluster.set_status(ref, observedGeneration=1, replicas=1, updatedReplicas=1, readyReplicas=1, availableReplicas=1)
    assert settled() == {"house": True, "other": True}
    data[1]["definitions"][0]["metadata"]["labels"] = {"new": "label"}
    assert settled() == {"house": True, "other": False}


def test_several_sets_in_one_call() -> None:
    cluster = FakeCluster()
    data = one(namespace("a"), config_map("x", "a"), name="first") + one(namespace("b"), name="second")
    report = apply(cluster, data)
    summary = report.as_sets(parse_sets(data))
    assert summary == [
        {
            "name": "first",
            "created": ["ConfigMap kube-system/klubster-set-first", "Namespace a", "ConfigMap a/x"],
            "updated": [],
            "removed": [],
            "unchanged": 0,
            "not_ready": [],
            "settled": False,
        },
        {
            "name": "second",
            "created": ["ConfigMap kube-system/klubster-set-second", "Namespace b"],
            "updated": [],
            "removed": [],
            "unchanged": 0,
            "not_ready": [],
            "settled": False,
        },
    ]
    cluster.calls.clear()
    apply(cluster, data)
    # One list for each kind, however many sets.
    assert sorted(what for verb, what in cluster.calls if verb == "list") == ["v1/ConfigMap", "v1/Namespace"]


def ready(cluster: FakeCluster, name: str) -> None:
    ref = Ref(Kind("apps/v1", "Deployment"), name, "house")
    cluster.set_status(ref, observedGeneration=1, replicas=1, updatedReplicas=1, readyReplicas=1, availableReplicas=1)


def test_pods_that_need_the_network_start_with_it_and_do_not_keep_it_from_coming() -> None:
    """An operator makes the network of a custom resource; until then nobody else's pods get ready."""
    cluster, clock = FakeCluster(), FakeClock()
    awaited = [{"api_version": "v1", "kind": "ConfigMap", "name": "made", "namespace": "house"}]
    network = one(namespace(), definition(), pool(), wait_for=awaited, name="cni")
    volumes = one(deployment("volumes"), name="volumes")
    seen: list[bool] = []

    def operate() -> None:
        seen.append(Ref(POOL, "one", "house") in cluster.objects)
        seen.append(Ref(Kind("apps/v1", "Deployment"), "volumes", "house") in cluster.objects)
        cluster.add(config_map("made"))
        ready(cluster, "volumes")

    clock.at(1.0, operate)
    apply(cluster, network + volumes, clock)
    assert seen == [True, True]


def test_each_set_has_its_own_time() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    data = one(namespace(), deployment("slow"), name="slow") + one(deployment("slower"), name="slower")
    clock.at(1.5, lambda: ready(cluster, "slow"))
    clock.at(3.0, lambda: ready(cluster, "slower"))
    apply(cluster, data, clock, timeout=2)
    clock = FakeClock()
    with pytest.raises(Timeout, match="After 2 s"):
        apply(cluster, one(deployment("never"), name="never"), clock, timeout=2)


def test_a_webhook_that_left_the_set_does_not_block() -> None:
    cluster = FakeCluster()
    hook = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "hook"},
    }
    apply(cluster, one(namespace(), definition(), hook))
    ref = Ref(Kind("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"), "hook")
    silent = Refused("applying", 500, "InternalError", 'failed calling webhook "x": no endpoints')
    cluster.refuse = lambda obj, _dry: silent if obj["kind"] == "IPAddressPool" and ref in cluster.objects else None
    report = apply(cluster, one(namespace(), definition(), pool()))
    expected = ["removed ValidatingWebhookConfiguration hook", "created IPAddressPool house/one"]
    assert [entry for entry in done(report) if "klubster-set" not in entry] == expected


def test_an_object_that_another_still_names_goes_after_it() -> None:
    """MetalLB's webhook keeps a BFD profile that a peer uses, and both may leave at once."""
    cluster = FakeCluster()
    cluster.keep = lambda ref: (
        Refused(f"removing {ref}", 403, "Forbidden", "used by two")
        if ref.name == "one" and any(other.name == "two" for other in cluster.objects)
        else None
    )
    apply(cluster, one(namespace(), definition(), pool("one"), pool("two", "10.0.1.0/24")))
    report = apply(cluster, one(namespace(), definition()))
    assert [entry for entry in done(report) if entry.startswith("removed")] == [
        "removed IPAddressPool house/two",
        "removed IPAddressPool house/one",
    ]


def test_an_object_that_may_not_go_at_all_is_an_error() -> None:
    cluster = FakeCluster()
    apply(cluster, one(namespace(), definition(), pool()))
    cluster.keep = lambda ref: Refused(f"removing {ref}", 403, "Forbidden", "used by a stranger")
    with pytest.raises(Refused, match="used by a stranger"):
        apply(cluster, one(namespace(), definition()))


def endpoint_slice(name: str, service: str, *, ready: bool) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": "house", "labels": {"kubernetes.io/service-name": service}},
        "endpoints": [{"addresses": ["10.244.0.9"], "conditions": {"ready": ready}}],
    }


def test_custom_resources_come_when_the_webhook_answers() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    hook = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "hook"},
        "webhooks": [{"name": "one", "clientConfig": {"service": {"name": "hooks"}}}],
    }
    ref = Ref(Kind("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"), "hook")
    data = one(
        namespace(),
        definition(),
        hook,
        pool(),
        wait_for=[
            {"api_version": ref.kind.api_version, "kind": ref.kind.kind, "name": "hook"},
            {
                "api_version": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "namespace": "house",
                "labels": "kubernetes.io/service-name=hooks",
            },
        ],
    )
    cluster.add(endpoint_slice("other-1", "other", ready=False))
    asked: list[float] = []

    def refuse(obj: Object, _dry: bool) -> Refused | None:
        if obj["kind"] == "IPAddressPool":
            asked.append(clock.now())
        return None

    cluster.refuse = refuse
    clock.at(3, lambda: cluster.add(endpoint_slice("hooks-1", "hooks", ready=True)) and None)
    clock.at(7, lambda: cluster.objects[ref]["webhooks"][0]["clientConfig"].update(caBundle="Y2E="))
    apply(cluster, data, clock=clock)
    assert len(asked) == 1, "it is applied once, not tried until it goes"
    assert asked[0] >= 7


def test_a_webhook_that_never_answers_is_named() -> None:
    cluster = FakeCluster()
    cluster.add(endpoint_slice("hooks-1", "hooks", ready=False))
    waited = {
        "api_version": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "namespace": "house",
        "labels": "kubernetes.io/service-name=hooks",
    }
    with pytest.raises(Timeout, match=r"EndpointSlice house/hooks-1: no pod behind the service is ready"):
        apply(cluster, one(namespace(), definition(), pool(), wait_for=[waited]), timeout=1)
    assert not any(ref.kind.kind == "IPAddressPool" for ref in cluster.objects)
