# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_environment import (
    Environment,
    EnvironmentUnwritable,
    Proxy,
    render,
    validate,
)
from hypothesis import given, settings
from hypothesis import strategies as st

BAD: list[tuple[Environment, str, str, str]] = [
    (Environment(Proxy(http="proxy:3128")), "klubster_proxy.http", "Here stands a URL", "http://"),
    (Environment(Proxy(https="ftp://u:hunter22@proxy")), "klubster_proxy.https", "Here stands a URL", "http://"),
    (Environment(Proxy(outside=("x",))), "klubster_proxy", "no proxy to go round", "Give 'http'"),
    (Environment(Proxy(http="http://p", outside=("a b",))), "klubster_proxy.outside", "no blank", "host.example"),
    (Environment(Proxy(http="http://p", outside=("http://a",))), "klubster_proxy.outside", "scheme", "host.example"),
    (Environment(datastore="hunter22"), "klubster_k3s_datastore", "PostgreSQL, MySQL", "postgres://"),
    (Environment(datastore="sqlite:///hunter22"), "klubster_k3s_datastore", "PostgreSQL, MySQL", "mysql://"),
    (Environment(datastore="postgres://u:hunter22 x@h/d"), "klubster_k3s_datastore", "no blank", "%20"),
    (Environment(datastore="mysql://u:hunter22@h:3306/d"), "klubster_k3s_datastore", "'tcp(…)'", "tcp(host"),
    (Environment(datastore="mysql://u:hunter22@tcp(h)/d?tls=x"), "klubster_k3s_datastore", "no 'tls='", "-cafile"),
    (Environment(datastore="https://a:2379,hunter22"), "klubster_k3s_datastore", "Here stands a URL", "https://"),
    (Environment(further={"k3s_x": "hunter22"}), "klubster_k3s_environment.k3s_x", "capital letters", "Rename"),
    (Environment(further={"K3S_TOKEN": "hunter22"}), "klubster_k3s_environment.K3S_TOKEN", "another way", "Leave"),
    (Environment(further={"K3S_URL": "x"}), "klubster_k3s_environment.K3S_URL", "another way", "Leave"),
    (Environment(further={"NO_PROXY": "x"}), "klubster_k3s_environment.NO_PROXY", "of their own", "klubster_proxy"),
    (
        Environment(further={"CONTAINERD_HTTP_PROXY": "x"}),
        "klubster_k3s_environment.CONTAINERD_HTTP_PROXY",
        "of their own",
        "klubster_proxy",
    ),
    (Environment(further={"A": t.cast(str, 1)}), "klubster_k3s_environment.A", "is a text", "quotes"),
    (Environment(further={"A": "x\ny"}), "klubster_k3s_environment.A", "line break", "one line"),
]


@pytest.mark.parametrize(("environment", "variable", "rule", "remedy"), BAD)
def test_a_mistake_is_refused(environment: Environment, variable: str, rule: str, remedy: str) -> None:
    (problem,) = validate(environment)
    assert problem.variable == variable
    assert rule in problem.rule
    assert remedy in problem.remedy
    assert "hunter22" not in str(problem)
    assert "hunter22" not in repr(Environment(datastore="hunter22", further={"A": "hunter22"}))


@pytest.mark.parametrize(
    "endpoint",
    [
        "postgres://u:p@h:5432/k3s",
        "mysql://u:p@tcp(h:3306)/k3s",
        "mysql://",
        "https://a:2379,https://b:2379",
        "nats://h:4222",
    ],
)
def test_datastores(endpoint: str) -> None:
    assert validate(Environment(datastore=endpoint)) == []
    assert read(render(Environment(datastore=endpoint))) == {"K3S_DATASTORE_ENDPOINT": endpoint}


def read(text: str) -> dict[str, str]:
    """As systemd reads double quotes: only what would mean something has a backslash before it."""
    result = {}
    for line in text.split("\n"):
        name, equals, value = line.partition("=")
        if line.startswith("#") or not equals:
            continue
        assert (value[0], value[-1], len(value) > 1) == ('"', '"', True)
        assert re.fullmatch(r'([^"\\`$]|\\["\\`$])*', value[1:-1]), value
        result[name] = re.sub(r'\\(["\\`$])', r"\1", value[1:-1])
    return result


def test_a_machine_that_comes_does_not_change_the_file() -> None:
    proxy = Proxy("http://proxy:3128", outside=("git.home.internal",))
    networks = ("192.0.2.0/24",)
    before = render(Environment(proxy, ("192.0.2.11", "api.home.internal"), networks))
    assert before == render(Environment(proxy, ("192.0.2.11", "api.home.internal", "192.0.2.12"), networks))
    assert read(before) == {
        "HTTP_PROXY": "http://proxy:3128",
        "HTTPS_PROXY": "http://proxy:3128",
        "NO_PROXY": "localhost,127.0.0.0/8,::1,192.0.2.0/24,api.home.internal,git.home.internal",
    }
    assert "198.51.100.7" in read(render(Environment(proxy, ("198.51.100.7",), networks)))["NO_PROXY"]


def test_a_proxy_for_images_alone() -> None:
    found = read(render(Environment(Proxy(https="http://u:p$w@proxy:3128", images_only=True))))
    assert found["CONTAINERD_HTTPS_PROXY"] == "http://u:p$w@proxy:3128"
    assert set(found) == {"CONTAINERD_HTTPS_PROXY", "CONTAINERD_NO_PROXY"}
    assert read(render(Environment())) == {}


VALUES = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)


@settings(deadline=None)
@given(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True), VALUES, max_size=4))
def test_what_is_written_is_read(further: dict[str, str]) -> None:
    assert read(render(Environment(further=further))) == further


def test_a_line_break_is_never_written() -> None:
    with pytest.raises(EnvironmentUnwritable, match="A holds a line break"):
        render(Environment(further={"A": "x\nK3S_TOKEN=y"}))
