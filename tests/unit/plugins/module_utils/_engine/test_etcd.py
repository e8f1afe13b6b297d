# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.etcd import (
    EtcdError,
    Member,
    find,
    parse,
    refuse_without_quorum,
)


def members(count: int) -> list[Member]:
    return [Member(str(number), f"server{number}") for number in range(1, count + 1)]


#: members, those that are down, the one that leaves, what is said
CASES = {
    "one of three": (3, (), 1, ""),
    "the dead one of three": (3, (3,), 3, ""),
    "a living one of three while another is down": (3, (2,), 1, "needs 2 of them, but only 1 answer"),
    "one of two": (2, (), 2, ""),
    "the living one of two": (2, (2,), 1, "needs 1 of them, but only 0 answer"),
    "the last": (1, (), 1, "the last server"),
    "a living one of five while one is down": (5, (2,), 1, ""),
    "a living one of five while two are down": (5, (2, 3), 1, "needs 3 of them, but only 2 answer"),
    "a dead one of five while two are down": (5, (2, 3), 2, ""),
}


@pytest.mark.parametrize(("count", "down", "leaves", "said"), CASES.values(), ids=CASES)
def test_the_quorum_after_it(count: int, down: tuple[int, ...], leaves: int, said: str) -> None:
    found = members(count)
    healthy = {member.id for member in found if int(member.id) not in down}
    leaving = found[leaves - 1]
    if not said:
        refuse_without_quorum(found, healthy, leaving)
        return
    with pytest.raises(EtcdError, match=said):
        refuse_without_quorum(found, healthy, leaving)


def test_a_learner_has_no_vote() -> None:
    found = [*members(2), Member("9", "new", learner=True)]
    with pytest.raises(EtcdError, match="needs 1 of them, but only 0"):
        refuse_without_quorum(found, {"2", "9"}, found[1])


def test_the_answer_of_the_api() -> None:
    answer = {
        "members": [
            {"ID": "10276657743932975437", "name": "server1", "clientURLs": ["https://192.0.2.11:2379"]},
            {"ID": "7", "peerURLs": ["https://192.0.2.12:2380"], "isLearner": True},
        ]
    }
    assert parse(answer) == [
        Member("10276657743932975437", "server1", ("https://192.0.2.11:2379",)),
        Member("7", "", (), ("https://192.0.2.12:2380",), learner=True),
    ]


def test_a_member_without_a_name_is_found_by_its_address() -> None:
    lost = Member("7", "", (), ("https://192.0.2.12:2380",), learner=True)
    found = [*members(1), lost]
    assert find(found, "server2", "192.0.2.12") == lost
    assert find(found, "server2", "192.0.2.13") is None
    assert find(found, "server2") is None
    assert find(found, "server1", "192.0.2.12") == found[0]
