# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Makes the cluster's objects what the sets say.

A set leaves a record in the cluster (a ConfigMap): which kinds it has had, so that prune knows where to look, and the
properties that must not change. The record is written before the first object, so that a run cut short leaves nothing
behind that the next one would not find.
"""

from __future__ import annotations

import base64
import json
import math
import secrets
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.causes import explain
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import (
    FIELD_MANAGER,
    MANAGED_BY,
    RECORD_LABEL,
    RECORD_NAMESPACE,
    SET_LABEL,
    Kind,
    Object,
    Ref,
    has_owner,
    is_ours,
    normalised,
    rank,
    satisfied,
    set_of,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.ready import (
    ANSWERING,
    HELD,
    Clock,
    RealClock,
    Waiter,
    why_not_answering,
    why_not_ready,
    why_not_released,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.service import (
    ClusterError,
    Refused,
    Service,
    UnknownKind,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.sets import (
    Change,
    GeneratedSecret,
    ObjectSet,
    Options,
    Report,
    WaitFor,
)

_CONFIG_MAP = Kind("v1", "ConfigMap")
_SERVICE = Kind("v1", "Service")
_DEFINITION = "CustomResourceDefinition"
#: seconds for controllers to let go of custom resources; they do so at once, or never. Other sets wait meanwhile.
_LET_GO = 120.0


class NotOurs(ClusterError):
    """Objects stand where ours should be, and they belong to somebody else."""


class FixedProperty(ClusterError):
    """A property that a living cluster cannot change was to be changed."""


def would_create(sets: t.Iterable[ObjectSet], reason: str) -> Report:
    """What check mode says when there is no cluster to ask: all of it would be made."""
    report = Report(no_cluster=reason)
    for one in sets:
        if one.state == "absent":
            continue
        for obj in (_record_of(one, one.kinds), *one.definitions):
            report.add(Change(one.name, Ref.of(obj), "created", None, obj))
        for secret in one.generated:
            report.add(Change(one.name, secret.ref, "created", None, _secret_of(one, secret, "")))
    return report


class Applier:
    """One call: all sets, in their order."""

    def __init__(
        self, service: Service, sets: t.Sequence[ObjectSet], options: Options, clock: Clock | None = None
    ) -> None:
        self._service, self._sets, self._options = service, tuple(sets), options
        self._waiter = Waiter(clock or RealClock(), options.timeout)
        self._live: dict[Ref, Object] = {}
        self._records: dict[str, Object | None] = {}
        self._kinds: dict[str, frozenset[Kind]] = {}
        self._removed: set[Ref] = set()
        self._report = Report()

    def run(self) -> Report:
        """Make it so.

        :raises ClusterError: refused, unreachable, not ours, or not ready in time.
        """
        present = [one for one in self._sets if one.state == "present"]
        self._look(present)
        # Before what comes instead of it: two load balancers would want the same ports and addresses.
        for one in reversed(self._sets):
            if one.state == "absent":
                self._remove_set(one)
        for one in present:
            self._write_record(one, self._kinds[one.name])
            for step in one.steps:
                if isinstance(step, GeneratedSecret):
                    self._generate(one, step)
                else:
                    self._satisfy_all(one, [step])
        if self._options.begin:
            return self._report
        # All of them start together; but none gets ready before the pods' network, which an operator may bring.
        for one in present:
            self._waiter.begin()
            self._wait_ready(one, [Ref.of(obj) for obj in one.base], self._foreign(one, before=True))
            if one.custom:
                self._satisfy_all(one, list(one.custom))
            self._prune(one)
            self._wait_ready(one, [Ref.of(obj) for obj in one.custom], self._foreign(one, before=False))
            if self._options.prune:
                self._write_record(one, one.kinds)
        self._report.waited, self._report.last = self._waiter.waited, tuple(self._waiter.last)
        return self._report

    # What is there

    def _look(self, present: t.Sequence[ObjectSet]) -> None:
        for one in self._sets:
            record = self._service.get(_record_ref(one.name))
            self._records[one.name] = record
            self._kinds[one.name] = one.kinds | _recorded_kinds(record)
            if one.state == "present":
                _refuse_fixed(one, record)
        labels = f"{MANAGED_BY}={FIELD_MANAGER},{SET_LABEL} in ({','.join(sorted(one.name for one in self._sets))})"
        for kind in sorted(frozenset().union(*self._kinds.values())):
            try:
                found = self._service.list(kind, labels=labels)
            except UnknownKind:
                continue
            for obj in found:
                if not has_owner(obj):
                    self._live[Ref.of(obj)] = obj
        self._refuse_foreign(present)

    def _refuse_foreign(self, present: t.Sequence[ObjectSet]) -> None:
        foreign: list[str] = []
        for one in present:
            reusable = {secret.ref for secret in one.generated}
            for ref in sorted(one.refs, key=lambda ref: (rank(ref), ref)):
                live = self._live.get(ref) or self._service.get(ref)
                if live is None:
                    continue
                self._live[ref] = live
                if ref in reusable:
                    continue
                if not is_ours(live):
                    foreign.append(f"{ref} is there already and was not made by klubster")
                elif set_of(live) != one.name:
                    foreign.append(f"{ref} belongs to the set {set_of(live)!r}, not to {one.name!r}")
        if foreign:
            listed = "\n".join(f"  - {entry}" for entry in foreign)
            raise NotOurs(
                f"These objects are in the way; nothing was changed:\n{listed}\n"
                f"Remove them, or hand one over with: kubectl label KIND NAME {MANAGED_BY}={FIELD_MANAGER} "
                f"{SET_LABEL}=SET"
            )

    # The record

    def _write_record(self, one: ObjectSet, kinds: frozenset[Kind]) -> None:
        wanted, live = _record_of(one, kinds), self._records.get(one.name)
        if live is not None and live.get("data") == wanted["data"]:
            return
        result = wanted if self._options.check else self._service.apply(wanted, dry_run=False)
        already = [change for change in self._report.changes if change.ref == Ref.of(wanted)]
        if not already:
            self._report.add(
                Change(one.name, Ref.of(wanted), "updated" if live else "created", live, result),
            )
        self._records[one.name] = result

    # Applying

    def _satisfy_all(self, one: ObjectSet, objects: list[Object]) -> None:
        """Apply until all are accepted.

        A webhook that does not answer yet is waited for. An object that was not accepted gets another chance after
        others went through or objects that left were removed, because they may have stood in its way: a pool that
        was renamed keeps its addresses, a webhook may be one that left.
        """
        pending, refusals = objects, dict[Ref, Refused]()

        def missing() -> dict[str, str]:
            nonlocal pending
            silent: dict[str, str] = {}
            while pending:
                before, left = len(pending), []
                refusals.clear()
                silent.clear()
                for obj in pending:
                    reason = self._try(one, obj, refusals)
                    if reason is not None:
                        left.append(obj)
                        silent.update({str(Ref.of(obj)): reason} if reason else {})
                pending = left
                if not left or len(left) < before or self._prune(one):
                    continue
                if refusals:
                    raise next(iter(refusals.values()))
                break
            return silent

        self._waiter.until(missing, self._causes)

    def _try(self, one: ObjectSet, obj: Object, refusals: dict[Ref, Refused]) -> str | None:
        """Nothing when done; a reason to wait; an empty reason when it was refused."""
        try:
            self._satisfy(one, obj)
        except UnknownKind as exc:
            if not self._defined(exc.kind):
                raise
            return "the API does not serve its kind yet"
        except Refused as exc:
            if exc.webhook_silent:
                return f"the admission webhook does not answer: {exc.said}"
            refusals[Ref.of(obj)] = exc
            return ""
        return None

    def _satisfy(self, one: ObjectSet, wanted: Object) -> None:
        ref = Ref.of(wanted)
        live = self._live.get(ref)
        if live is not None and satisfied(live, wanted):
            self._report.keep(one.name)
            return
        result = self._predicted(one, wanted) if self._options.check else self._service.apply(wanted, dry_run=False)
        if live is not None and normalised(live) == normalised(result):
            self._report.keep(one.name)
        else:
            self._report.add(Change(one.name, ref, "updated" if live else "created", live, result))
        self._live[ref] = result

    def _predicted(self, one: ObjectSet, wanted: Object) -> Object:
        """What the API would make of it; where it cannot say, because what the object needs is only predicted too,
        the definition itself."""
        try:
            return self._service.apply(wanted, dry_run=True)
        except UnknownKind as exc:
            if not self._defined(exc.kind):
                raise
        except Refused as exc:
            kind = Ref.of(wanted).kind
            in_the_way = any(
                change.ref.kind.group == kind.group and kind.custom for change in self._report.changes
            ) or any(ref.kind == kind for ref in self._leaving(one))
            if not (exc.missing or exc.webhook_silent or in_the_way):
                raise
        return wanted

    def _defined(self, kind: Kind) -> bool:
        """Whether one of the sets brings the definition of this kind, or waits for definitions of its group."""
        for one in self._sets:
            for obj in one.base:
                spec = obj.get("spec") or {}
                brought = (spec.get("group"), (spec.get("names") or {}).get("kind"))
                if obj["kind"] == _DEFINITION and brought == (kind.group, kind.kind):
                    return True
            # A definition is called by the plural of its kind, and its group.
            awaited = [other.name for other in one.wait_for if other.kind.kind == _DEFINITION]
            if any(name.partition(".")[2] == kind.group for name in awaited):
                return True
        return False

    def _generate(self, one: ObjectSet, secret: GeneratedSecret) -> None:
        if secret.ref in self._live:
            self._report.keep(one.name)
            return
        made = _secret_of(one, secret, secrets.token_urlsafe(secret.length))
        if not self._options.check:
            try:
                made = self._service.create(made, dry_run=False)
            except Refused as exc:
                if exc.status != 409:
                    raise
                self._report.keep(one.name)
                return
        self._live[secret.ref] = made
        self._report.add(Change(one.name, secret.ref, "created", None, made))

    # Removing

    def _leaving(self, one: ObjectSet) -> list[Ref]:
        wanted = one.refs
        return [
            ref
            for ref, live in self._live.items()
            if set_of(live) == one.name and is_ours(live) and ref not in wanted and ref not in self._removed
        ]

    def _prune(self, one: ObjectSet) -> bool:
        """Remove what left the set; whether there was anything."""
        return bool(self._options.prune) and self._remove_in_order(one, self._leaving(one))

    def _remove_set(self, one: ObjectSet) -> None:
        ours = [ref for ref, live in self._live.items() if set_of(live) == one.name and is_ours(live)]
        self._remove_in_order(one, ours)
        record = self._records.get(one.name)
        if record is not None:
            self._live[Ref.of(record)] = record
            self._remove(one, [Ref.of(record)])

    def _remove_in_order(self, one: ObjectSet, refs: t.Sequence[Ref]) -> bool:
        """Custom resources first: their controllers must still run to take their finalizers off."""
        custom = self._remove(one, [ref for ref in refs if ref.kind.custom])
        return self._remove(one, [ref for ref in refs if not ref.kind.custom]) or custom

    def _remove(self, one: ObjectSet, refs: t.Sequence[Ref]) -> bool:
        uids = {ref: str((self._live[ref].get("metadata") or {}).get("uid", "")) for ref in refs}
        pending = sorted(refs, key=lambda ref: (-rank(ref), ref))
        while pending:
            refusals: dict[Ref, Refused] = {}
            for ref in pending:
                try:
                    self._remove_one(one, ref, uids[ref])
                except Refused as exc:
                    refusals[ref] = exc
            # A webhook keeps what another object still names, and that one may just have left.
            if len(refusals) == len(pending):
                raise next(iter(refusals.values()))
            pending = list(refusals)
        if self._options.wait and not self._options.check and uids:
            self._waiter.until(
                lambda: self._remaining(uids),
                lambda names: [*self._causes(names), *self._holders(uids)],
                within=_LET_GO if all(ref.kind.custom for ref in uids) else math.inf,
            )
        return bool(uids)

    def _remove_one(self, one: ObjectSet, ref: Ref, uid: str) -> None:
        if not self._options.check:
            self._service.delete(ref, uid=uid)
        self._removed.add(ref)
        self._report.add(Change(one.name, ref, "removed", self._live[ref], None))

    def _holders(self, uids: t.Mapping[Ref, str]) -> list[str]:
        """What keeps objects from going, and what to do about it."""
        found = []
        for ref, uid in uids.items():
            metadata = (self._service.get(ref) or {}).get("metadata") or {}
            held = metadata.get("finalizers") or []
            if metadata.get("uid", "") != uid or not held:
                continue
            name = f"{ref.kind.kind.lower()}{'.' if ref.kind.group else ''}{ref.kind.group} {ref.name}"
            place = f" -n {ref.namespace}" if ref.namespace else ""
            found.append(
                f"{ref} waits for its controller to take off the finalizer {', '.join(held)}. Look whether its pods"
                " run, and run again. Only where they are gone for good: kubectl patch"
                f' {name}{place} --type=merge -p \'{{"metadata":{{"finalizers":null}}}}\''
            )
        return found

    def _remaining(self, uids: t.Mapping[Ref, str]) -> dict[str, str]:
        missing: dict[str, str] = {}
        for ref, uid in uids.items():
            live = self._service.get(ref)
            metadata = (live or {}).get("metadata") or {}
            if live is not None and metadata.get("uid", "") == uid:
                held = ", ".join(metadata.get("finalizers") or []) or "its dependants"
                missing[str(ref)] = f"is being removed, held by {held}"
        pools = [ref for ref in uids if ref.kind.kind in HELD]
        services = self._service.list(_SERVICE) if pools else []
        for pool in pools:
            reason = why_not_released(pool.kind.kind, pool.name, services)
            if reason:
                missing[f"{pool.kind.kind} {pool.name}"] = reason
        return missing

    # Waiting

    @staticmethod
    def _foreign(one: ObjectSet, *, before: bool) -> list[WaitFor]:
        """What is waited for before a set's custom resources, or after them.

        A webhook has to answer before, and a definition that somebody else brings has to be there; what an operator
        makes of custom resources cannot be there before them.
        """
        if not one.custom:
            return list(one.wait_for) if before else []
        first = (*ANSWERING, _DEFINITION)
        return [other for other in one.wait_for if (other.kind.kind in first) is before]

    def _wait_ready(self, one: ObjectSet, refs: t.Sequence[Ref], others: t.Sequence[WaitFor] = ()) -> None:
        if not self._options.wait:
            return
        waiting = [ref for ref in refs if one.wait_own and why_not_ready(self._live[ref])]
        foreign = list(others)

        def missing() -> dict[str, str]:
            nonlocal waiting, foreign
            reasons: dict[str, str] = {}
            still: list[Ref] = []
            for ref in waiting:
                live = self._service.get(ref)
                reason = "does not exist any more" if live is None else why_not_ready(live)
                if reason:
                    still.append(ref)
                    reasons[str(ref)] = reason
            waiting = still
            others_still: list[WaitFor] = []
            for other in foreign:
                found = self._missing_other(other)
                if found:
                    others_still.append(other)
                    reasons.update(found)
            foreign = others_still
            return reasons

        if self._options.check:
            found = [f"{name}: {reason}" for name, reason in missing().items()]
            self._report.not_ready.setdefault(one.name, []).extend(found)
            return
        self._waiter.until(
            missing,
            lambda _names: explain(
                self._service, [*waiting, *(Ref(o.kind, o.name, o.namespace) for o in foreign if o.name)]
            ),
        )

    def _missing_other(self, other: WaitFor) -> dict[str, str]:
        if other.name:
            live = self._service.get(Ref(other.kind, other.name, other.namespace))
            found = [live] if live else []
        else:
            found = self._service.list(other.kind, namespace=other.namespace, labels=other.labels)
        if not found:
            return {str(other): "does not exist"}
        reasons = {}
        for obj in found:
            reason = why_not_answering(obj)
            if reason:
                reasons[str(Ref.of(obj))] = reason
        return reasons

    def _causes(self, _missing: t.Collection[str]) -> list[str]:
        workloads = [ref for one in self._sets for ref in sorted(one.refs) if why_not_ready(self._live.get(ref) or {})]
        return explain(self._service, workloads)


def _record_ref(name: str) -> Ref:
    return Ref(_CONFIG_MAP, f"klubster-set-{name}", RECORD_NAMESPACE)


def _record_of(one: ObjectSet, kinds: t.Iterable[Kind]) -> Object:
    ref = _record_ref(one.name)
    return {
        "apiVersion": ref.kind.api_version,
        "kind": ref.kind.kind,
        "metadata": {
            "name": ref.name,
            "namespace": ref.namespace,
            "labels": {MANAGED_BY: FIELD_MANAGER, RECORD_LABEL: one.name},
        },
        "data": {
            "fixed": json.dumps(one.fixed, sort_keys=True),
            "kinds": "\n".join(str(kind) for kind in sorted(kinds)),
        },
    }


def _recorded_kinds(record: Object | None) -> frozenset[Kind]:
    text = str(((record or {}).get("data") or {}).get("kinds") or "")
    return frozenset(Kind.parse(line) for line in text.splitlines() if line.strip())


def _refuse_fixed(one: ObjectSet, record: Object | None) -> None:
    try:
        before = json.loads(((record or {}).get("data") or {}).get("fixed") or "{}")
    except ValueError:
        before = {}
    different = [
        f"{key} is {before[key]!r} in the cluster and {value!r} in the inventory"
        for key, value in one.fixed.items()
        if isinstance(before, dict) and key in before and before[key] != value
    ]
    if different:
        changes = "; ".join(different)
        text = f"Set {one.name!r} cannot change this in a living cluster: {changes}. {one.fixed_remedy}"
        raise FixedProperty(text.strip())


def _secret_of(one: ObjectSet, secret: GeneratedSecret, value: str) -> Object:
    return {
        "apiVersion": secret.ref.kind.api_version,
        "kind": secret.ref.kind.kind,
        "metadata": {
            "name": secret.name,
            "namespace": secret.namespace,
            "labels": {MANAGED_BY: FIELD_MANAGER, SET_LABEL: one.name},
        },
        "type": "Opaque",
        "data": {secret.key: base64.b64encode(value.encode()).decode()},
    }


__all__ = ("Applier", "FixedProperty", "NotOurs", "would_create")
