# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What the machines' states mean for the cluster: who begins, who joins, who is asked."""

from __future__ import annotations

import typing as t
from dataclasses import asdict, dataclass, replace

Phase = t.Literal["none", "half", "complete"]


@dataclass(frozen=True)
class NodeState:
    """What one machine says of itself."""

    phase: Phase
    #: this server's own API answers
    api_ready: bool = False
    #: sha256 of the cluster's CA key; empty when it is in no cluster
    ca_hash: str = ""
    #: what kube-proxy's configuration was made from; only live servers know
    kube_proxy: str = ""
    #: labels or taints of the Node object differ from what is wanted
    node_differs: bool = False
    #: name of the Node object
    node_name: str = ""
    #: versions of what runs there, as far as known; they differ where an upgrade was cut short
    versions: tuple[str, ...] = ()
    #: the Node object is cordoned, and it was us
    closed: bool = False
    #: names of Nodes of which a server says that their labels or taints differ, that we cordoned, that are not there
    differing: tuple[str, ...] = ()
    shut: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    #: by which a Node object is told from one of another machine with the same name
    address: str = ""
    #: what is wanted of this machine and cannot be, as problems of the input
    refused: tuple[dict[str, str], ...] = ()


@dataclass(frozen=True)
class Decision:
    """What has to happen, in this order.

    :param begin: the machine that starts the cluster, or nothing.
    :param contact: a live server; empty until the cluster has begun.
    :param forget: name and address of machines that were cut short while they joined; their Node objects go.
    :param reopen: names of Node objects that a run which was cut short left cordoned.
    :param relabel: machines whose Node objects need other labels or taints.
    :param register: machines that are nodes, but whose Node objects somebody deleted.
    :param kube_proxy: what the cluster's kube-proxy configuration was made from.
    :param unseen: servers that this run did not look at, so that one of them may be the contact.
    :param problem: why nothing may happen.
    """

    begin: str = ""
    contact: str = ""
    join_servers: tuple[str, ...] = ()
    join_agents: tuple[str, ...] = ()
    forget: tuple[dict[str, str], ...] = ()
    reopen: tuple[str, ...] = ()
    relabel: tuple[str, ...] = ()
    register: tuple[str, ...] = ()
    kube_proxy: str = ""
    unseen: tuple[str, ...] = ()
    problem: str = ""

    @property
    def needed(self) -> bool:
        """Whether there is anything to do, or to refuse."""
        doing = (
            self.begin,
            self.join_servers,
            self.join_agents,
            self.relabel,
            self.register,
            self.reopen,
            self.problem,
        )
        return any(doing)

    def as_dict(self) -> dict[str, t.Any]:
        """Plain data for Ansible."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def informed(states: t.Mapping[str, NodeState]) -> dict[str, NodeState]:
    """States completed by what live servers say of the Nodes of others: an agent of k3s cannot ask itself."""
    differing = {name for state in states.values() for name in state.differing}
    shut = {name for state in states.values() for name in state.shut}
    return {
        name: replace(
            state,
            node_differs=state.node_differs or state.node_name in differing,
            closed=state.closed or state.node_name in shut,
        )
        for name, state in states.items()
    }


def decide(servers: t.Sequence[str], states: t.Mapping[str, NodeState]) -> Decision:
    """From the states of machines to what has to happen.

    A cluster begins only when every server was looked at and none has ever been part of one. Otherwise a second
    cluster could come up beside one that is merely out of reach.

    :param servers: inventory names of all servers, in the order in which they join.
    :param states: machines that this run looked at.
    """
    unseen = tuple(name for name in servers if name not in states)
    complete = [name for name in servers if name in states and states[name].phase == "complete"]
    live = [name for name in complete if states[name].api_ready]
    if live:
        return _with_cluster(live[0], servers, states, unseen)
    joiners = [name for name, state in states.items() if state.phase != "complete"]
    if not joiners and not complete:
        # Only agents were looked at, and all of them are nodes: nothing to do, nobody to ask.
        return Decision(unseen=unseen)
    problem = _why_not_begin(servers, states, complete, unseen)
    if problem:
        return Decision(unseen=unseen, problem=problem)
    return _joining(Decision(begin=servers[0], contact=servers[0]), servers[1:], states, servers[:1])


def _with_cluster(
    contact: str, servers: t.Sequence[str], states: t.Mapping[str, NodeState], unseen: tuple[str, ...]
) -> Decision:
    strangers = _strangers(states, states[contact].ca_hash)
    if strangers:
        return Decision(contact=contact, unseen=unseen, problem=_other_cluster(strangers, contact))
    said = states[contact]
    members = {name: state for name, state in states.items() if state.phase == "complete"}
    found = Decision(
        contact=contact,
        reopen=tuple(state.node_name for state in members.values() if state.closed),
        relabel=tuple(name for name, state in members.items() if state.node_differs),
        register=tuple(name for name, state in members.items() if state.node_name in said.absent),
        kube_proxy=states[contact].kube_proxy,
        unseen=unseen,
    )
    return _joining(found, servers, states)


def _joining(
    found: Decision, servers: t.Sequence[str], states: t.Mapping[str, NodeState], begun: t.Sequence[str] = ()
) -> Decision:
    joiners = [name for name, state in states.items() if state.phase != "complete" and name not in begun]
    half = [states[name] for name in joiners if states[name].phase == "half"]
    return replace(
        found,
        join_servers=tuple(name for name in servers if name in joiners),
        join_agents=tuple(name for name in joiners if name not in servers),
        forget=tuple({"name": state.node_name, "address": state.address} for state in half if state.node_name),
    )


def _why_not_begin(
    servers: t.Sequence[str],
    states: t.Mapping[str, NodeState],
    complete: t.Sequence[str],
    unseen: t.Sequence[str],
) -> str:
    """Why no cluster may begin although none is known to live; empty when it may."""
    if complete:
        return _no_answer(complete)
    if unseen:
        return _not_all_seen(unseen)
    if not servers:
        return "The cluster has no server. Put a machine into the group servers."
    members = [name for name, state in states.items() if state.phase == "complete"]
    return _orphans(members) if members else ""


def _strangers(states: t.Mapping[str, NodeState], ca_hash: str) -> list[str]:
    return [name for name, state in states.items() if state.phase == "complete" and state.ca_hash != ca_hash]


def _other_cluster(strangers: t.Sequence[str], contact: str) -> str:
    return (
        f"{', '.join(strangers)}: part of another cluster than {contact} (its CA is a different one). "
        "Reset these machines first: playbooks/reset.yml with --limit."
    )


def _no_answer(complete: t.Sequence[str]) -> str:
    return (
        f"The cluster exists ({', '.join(complete)} belong to it), but no server's API answers, so nothing can join "
        "and no second cluster is begun. Look at the servers: journalctl -u kubelet, or -u k3s."
    )


def _not_all_seen(unseen: t.Sequence[str]) -> str:
    return (
        f"{', '.join(unseen)}: not looked at in this run, so nobody knows whether the cluster exists already. "
        "Run without --limit, or make these servers reachable."
    )


def _orphans(members: t.Sequence[str]) -> str:
    return (
        f"{', '.join(members)}: belong to a cluster of which no server is left in the inventory. "
        "Name its servers, or reset these machines: playbooks/reset.yml."
    )


__all__ = ("Decision", "NodeState", "Phase", "decide", "informed")
