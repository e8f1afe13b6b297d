# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_registries import render, validate
from hypothesis import given, settings
from hypothesis import strategies as st

GOOD: dict[str, t.Any] = {
    "mirrors": {
        "*": {"endpoint": ["https://mirror.example.org:5000"]},
        "docker.io": {
            "endpoint": ["https://mirror.example.org", "http://192.0.2.5:5000"],
            "rewrite": {"^rancher/(.*)": "mirror/$1"},
        },
        "registry.k8s.io": None,
        "r.example.org": {"endpoint": ["https://r.example.org:443"]},
    },
    "configs": {
        "mirror.example.org:5000": {
            "auth": {"username": "u", "password": "p: #"},
            "tls": {"ca_file": "/etc/ca.pem", "cert_file": "/c", "key_file": "/k", "insecure_skip_verify": False},
        },
        "r.example.org": {"auth": {"token": "x"}},
        "docker.io": None,
    },
}


def mirror(value: t.Any, name: str = "docker.io") -> dict[str, t.Any]:
    return {"mirrors": {name: value}}


def config(value: t.Any, name: str = "r.example.org") -> dict[str, t.Any]:
    return {"configs": {name: value}}


BAD: dict[str, tuple[t.Any, str, str, str]] = {
    "list": ([], "", "names with values", "name: value"),
    "text": ("mirrors", "", "names with values", "name: value"),
    "top": ({"mirror": {}}, ".mirror", "no such entry", "Did you mean 'mirrors'?"),
    "mirrors list": ({"mirrors": ["docker.io"]}, ".mirrors", "names with values", "name: value"),
    "scheme": (mirror({}, "https://r.example.org"), ".mirrors", "without scheme", "registry.example.org:5000"),
    "path": (mirror({}, "r.example.org/x"), ".mirrors", "without scheme and path", "registry.example.org:5000"),
    "star": (mirror({}, "*.example.org"), ".mirrors", "or '*'", "registry.example.org:5000"),
    "endpoints": (mirror({"endpoints": []}), "endpoints", "no such entry", "Did you mean 'endpoint'?"),
    "endpoint text": (mirror({"endpoint": "https://m"}), "endpoint", "Endpoints are a list", "line of its own"),
    "endpoint bare": (mirror({"endpoint": ["m.example.org"]}), "endpoint[0]", "Here stands a URL", "https://"),
    "endpoint scheme": (mirror({"endpoint": ["oci://m"]}), "endpoint[0]", "Here stands a URL", "https://"),
    "endpoint number": (mirror({"endpoint": [1]}), "endpoint[0]", "An endpoint is a text", "https://"),
    "endpoint password": (mirror({"endpoint": ["https://u:hunter22@m"]}), "endpoint[0]", "Credentials", "auth"),
    "endpoint broken": (mirror({"endpoint": ["ftp://u:hunter22@m"]}), "endpoint[0]", "Here stands a URL", "https"),
    "itself": (
        mirror({"endpoint": ["https://r.example.org/v2"]}, "r.example.org"),
        "endpoint[0]",
        "the registry itself",
        "https://r.example.org:443",
    ),
    "docker itself": (mirror({"endpoint": ["https://index.docker.io"]}), "endpoint[0]", "registry itself", "Leave"),
    "rewrite list": (mirror({"rewrite": ["a"]}), "rewrite", "names with values", "name: value"),
    "rewrite pattern": (mirror({"rewrite": {"(": "a"}}), "rewrite['(']", "no regular expression", "Correct it"),
    "rewrite look": (mirror({"rewrite": {"(?!x)": "a"}}), "rewrite", "do not look around", "Do without"),
    "rewrite group": (mirror({"rewrite": {"(x)": "a/\\1"}}), "rewrite", "groups as $1", "x/$1"),
    "config": (config({"tsl": {}}), ".tsl", "no such entry", "Did you mean 'tls'?"),
    "config name": (config({}, "https://r.example.org"), ".configs", "without scheme", "registry.example.org:5000"),
    "config text": (config("hunter22"), "r.example.org", "names with values", "name: value"),
    "auth": (config({"auth": {"pasword": "hunter22"}}), ".pasword", "no such entry", "Did you mean 'password'?"),
    "auth text": (config({"auth": "hunter22"}), ".auth", "names with values", "name: value"),
    "no password": (config({"auth": {"username": "u"}}), ".auth", "a password a user", "Give both"),
    "no user": (config({"auth": {"password": "hunter22"}}), ".auth", "a password a user", "Give both"),
    "number": (config({"auth": {"token": 1}}), ".auth.token", "a text", "quotes"),
    "two ways": (
        config({"auth": {"token": "hunter22", "auth": "hunter22"}}),
        ".auth",
        "auth and token are two ways",
        "Keep one",
    ),
    "relative": (config({"tls": {"ca_file": "ca.pem"}}), ".tls.ca_file", "absolute", "/srv/"),
    "path number": (config({"tls": {"ca_file": 1}}), ".tls.ca_file", "path of a file", "/etc/ssl"),
    "skip": (config({"tls": {"insecure_skip_verify": "true"}}), "skip_verify", "true or false", "without quotes"),
    "no key": (config({"tls": {"cert_file": "/c"}}), ".tls", "a key a certificate", "Give both"),
}


@pytest.mark.parametrize(("data", "variable", "rule", "remedy"), BAD.values(), ids=BAD.keys())
def test_a_mistake_is_refused(data: t.Any, variable: str, rule: str, remedy: str) -> None:
    (problem,) = validate(data)
    assert problem.variable.startswith("klubster_k3s_registries")
    assert variable in problem.variable
    assert rule in problem.rule
    assert remedy in problem.remedy
    assert "hunter22" not in str(problem)


def test_good_ones_pass_and_are_written() -> None:
    assert validate(GOOD) == validate(None) == validate({}) == []
    expected = {
        top: {name: {} if entry is None else entry for name, entry in entries.items()} for top, entries in GOOD.items()
    }
    assert yaml.safe_load(render(GOOD)) == expected
    assert render(dict(reversed(GOOD.items()))) == render(GOOD)


@pytest.mark.parametrize("data", [None, {}, {"configs": {}}, {"mirrors": {}}])
def test_the_embedded_registry_serves_what_is_listed(data: t.Any) -> None:
    (problem,) = validate(data, embedded=True)
    assert "stands under 'mirrors'" in problem.rule
    assert validate({"mirrors": {"*": None}}, embedded=True) == []


@settings(deadline=None)
@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,5}\.[a-z]{2}(:[0-9]{4})?", fullmatch=True),
        st.fixed_dictionaries(
            {}, optional={"auth": st.fixed_dictionaries({"token": st.text("ab: #'\"\\\n", min_size=1)})}
        ),
        max_size=4,
    )
)
def test_what_passes_is_read_as_it_was_given(configs: dict[str, t.Any]) -> None:
    data = {"configs": configs}
    assert validate(data) == []
    assert yaml.safe_load(render(data)) == data
