# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Rules for the values of k3s's keys: type, form, allowed words. Each returns the value as it will be written."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_flags import PACKAGED, Flag
from ansible_collections.kateskit.klubster.plugins.module_utils._model.rules import (
    Refused,
    absolute_path,
    dns_label,
    dns_name,
    interface,
    nearest,
    one_of,
    url,
)

Value = t.Union[str, int, bool, tuple[str, ...]]

_DURATION = re.compile(r"([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+")
_CRON_FIELD = re.compile(r"[0-9A-Za-z*/,?-]+")
_CRON_WORDS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_ARGUMENT = re.compile(r"(?P<name>[a-z][a-z0-9.-]*[a-z0-9]|[a-z])(?P<how>[+-]?)=(?P<value>.*)", re.DOTALL)
_HOST_PORT = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?")
_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._:-]*(/[a-z0-9][a-z0-9._-]*)*(:[A-Za-z0-9._-]+)?(@sha256:[0-9a-f]{64})?")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
#: words of a backend that k3s once took, and since when not any more
RETIRED_BACKENDS = {"wireguard": "1.26", "ipsec": "1.27"}
#: options of the parts that the collection, or k3s for it, sets; k3s would take them and go wrong
_OUR_ARGUMENTS = {
    ("kubelet-arg", "config"): "Set klubster_kubelet_config.",
    ("kubelet-arg", "config-dir"): "Set klubster_kubelet_config.",
    ("kubelet-arg", "node-ip"): "Set klubster_address.",
    ("kubelet-arg", "hostname-override"): "Set klubster_node_name.",
    ("kubelet-arg", "node-labels"): "Set klubster_labels.",
    ("kubelet-arg", "register-with-taints"): "Set klubster_taints.",
    ("kube-apiserver-arg", "service-cluster-ip-range"): "Set klubster_service_network.",
    ("kube-apiserver-arg", "secure-port"): "Set klubster_api_port.",
    ("kube-controller-manager-arg", "cluster-cidr"): "Set klubster_pod_network.",
    ("kube-controller-manager-arg", "service-cluster-ip-range"): "Set klubster_service_network.",
    ("kube-proxy-arg", "cluster-cidr"): "Set klubster_pod_network.",
}


def checked(flag: Flag, value: t.Any) -> Value:
    """The value of a key in the form in which it is written: lists as tuples, split where k3s splits.

    :raises Refused: wrong type, wrong form, or none of the allowed words.
    """
    if flag.kind == "bool":
        if not isinstance(value, bool):
            raise Refused("This key is true or false.", _unquoted(value, ("true", "false")))
        return value
    if flag.kind == "int":
        return _number(flag, value)
    if flag.kind == "list":
        return _entries(flag, value)
    return _one(flag, _text(value, flag))


def _number(flag: Flag, value: t.Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused("This key is a whole number.", _unquoted(value, ()))
    low, high = _RANGES[flag.form]
    if not low <= value <= high:
        raise Refused(f"This number lies between {low} and {high}.", "Choose one in between.")
    return value


_RANGES: t.Final = {"port": (1, 65535), "port or 0": (0, 65535), "count": (0, 100000), "verbosity": (0, 10)}


def _unquoted(value: t.Any, words: t.Sequence[str]) -> str:
    if isinstance(value, str) and (value.lower() in words or re.fullmatch(r"-?[0-9]+", value)):
        return f"Write {value.lower()} without quotes."
    return f"Write {words[0]} or {words[1]}." if words else "Write it as a number, without quotes."


def _text(value: t.Any, flag: Flag) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and flag.form == "mode":
        raise Refused("A mode is a text, because YAML reads 0644 as the number 420.", "Write '\"0644\"', in quotes.")
    if isinstance(value, (bool, int, float)):
        raise Refused("This key is a text.", f"Put it in quotes: '\"{str(value).lower()}\"'.")
    if not isinstance(value, str):
        raise Refused("This key is one text.", "Write a single text, not a list or a mapping.")
    if not value.strip() or value != value.strip():
        raise Refused(
            "The text is empty, or begins or ends with a blank.", "Leave the key out, or write the text alone."
        )
    if _CONTROL.search(value):
        raise Refused("The text holds a line break or another control character.", "Write it in one line.")
    return value


def _entries(flag: Flag, value: t.Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    if isinstance(value, t.Mapping) or not isinstance(value, (list, tuple)):
        raise Refused("This key is a list of texts.", "Write one entry for each line, with '- ' before it.")
    texts: list[str] = []
    for entry in value:
        text = _text(entry, flag)
        texts += [part.strip() for part in text.split(",")] if flag.commas else [text]
    found = [_one(flag, text) for text in texts]
    twice = next((entry for entry in found if found.count(entry) > 1), None)
    if twice is not None:
        raise Refused(f"{twice!r} stands twice in the list.", "Leave one out.")
    return tuple(found)


def _one(flag: Flag, text: str) -> str:
    if flag.allowed and text not in flag.allowed:
        if flag.name == "flannel-backend" and text.partition("=")[0] in RETIRED_BACKENDS:
            gone = RETIRED_BACKENDS[text.partition("=")[0]]
            raise Refused(f"k3s has no such backend since {gone}.", "Use 'wireguard-native'.")
        raise Refused(f"{text!r} is no value of this key.", one_of(text, flag.allowed))
    if flag.form == "argument":
        return _argument(flag.name, text)
    return _FORMS[flag.form](text) if flag.form else text


def _argument(key: str, text: str) -> str:
    """``flag=value``; ``flag+=`` and ``flag-=`` put the value behind or before k3s's own."""
    if text.startswith("-"):
        raise Refused("Options stand here without dashes.", f"Write {text.lstrip('-')!r}.")
    found = _ARGUMENT.fullmatch(text)
    if found is None:
        raise Refused(
            "An option is written 'name=value'.", f"Write for example '{text.partition('=')[0].strip()}=true'."
        )
    remedy = _OUR_ARGUMENTS.get((key, found.group("name")))
    if remedy:
        raise Refused("The collection, or k3s for it, sets this option itself.", remedy)
    return text


def address(text: str) -> str:
    """An IP address in its shortest form."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as exc:
        raise Refused("This is no IP address.", "Write it like '192.168.1.10', or 'fd00::10'.") from exc


def network(text: str) -> str:
    """A network without host bits, in its shortest form."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as exc:
        raise Refused("This is no network.", "Write it like '10.42.0.0/16', with no bits behind the prefix.") from exc


def _host(text: str) -> str:
    try:
        return address(text)
    except Refused:
        pass
    if re.fullmatch(r"[0-9.]+", text):
        raise Refused("This is neither a name nor an IP address.", "Write it like 'api.home.internal' or '192.0.2.10'.")
    bare = text[2:] if text.startswith("*.") else text
    dns_name(bare)
    return text


def _port_range(text: str) -> str:
    low, dash, high = text.partition("-")
    if not (dash and low.isdigit() and high.isdigit()):
        raise Refused("Ports are given as a range.", "Write it like '30000-32767'.")
    if not 1 <= int(low) <= int(high) <= 65535:
        raise Refused("A range of ports lies between 1 and 65535 and begins at its lower end.", "Write '30000-32767'.")
    return text


def _mode(text: str) -> str:
    if not re.fullmatch(r"0?[0-7]{3}", text):
        raise Refused("A mode has three octal digits, with a 0 before them.", "Write '0640'.")
    if int(text, 8) & 0o002:
        raise Refused("The administrator's kubeconfig would be writable by everybody.", "Write '0640'.")
    return text


def _duration(text: str) -> str:
    if not _DURATION.fullmatch(text):
        raise Refused("A duration is numbers with units.", "Write it like '5m0s' or '12h'.")
    return text


def _cron(text: str) -> str:
    if text in _CRON_WORDS or (text.startswith("@every ") and _DURATION.fullmatch(text[7:])):
        return text
    fields = text.split()
    if len(fields) != 5 or not all(_CRON_FIELD.fullmatch(entry) for entry in fields):
        raise Refused("A schedule has five fields: minute, hour, day, month, weekday.", "Write it like '0 */12 * * *'.")
    return text


def _host_and_port(text: str) -> str:
    found = _HOST_PORT.fullmatch(text)
    if found is None or not 0 < int(found.group("port") or 1) < 65536:
        raise Refused(
            "Here stands a host, with a port where it helps, and no scheme.", "Write 'host.example.org:5000'."
        )
    return text


def _socket(text: str) -> str:
    scheme, separator, path = text.partition("://")
    if separator and scheme != "unix":
        raise Refused("A socket is a path, with or without 'unix://' before it.", "Write 'unix:///run/x/x.sock'.")
    absolute_path(path if separator else text)
    return text


def _component(text: str) -> str:
    """A packaged component, or a file of the user's among the manifests: so only what looks like one is refused."""
    near = nearest(text, PACKAGED)
    if text not in PACKAGED and near is not None:
        raise Refused(f"k3s has no component {text!r}; it would leave nothing out.", f"Did you mean {near!r}?")
    if not _WORD.fullmatch(text):
        raise Refused("A component is one word.", one_of(text, PACKAGED))
    return text


def _matching(pattern: re.Pattern[str], rule: str, remedy: str) -> t.Callable[[str], str]:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise Refused(rule, remedy)
        return text

    return check


_FORMS: t.Final[dict[str, t.Callable[[str], str]]] = {
    "component": _component,
    "cron": _cron,
    "domain": dns_name,
    "duration": _duration,
    "host": _host,
    "host and port": _host_and_port,
    "https URL": lambda text: url(text, ("https",)),
    "image": _matching(_IMAGE, "This is no name of an image.", "Write it like 'registry.example.org/pause:3.10'."),
    "interface": interface,
    "ip": address,
    "label": dns_label,
    "mode": _mode,
    "name": dns_name,
    "network": network,
    "path": absolute_path,
    "port range": _port_range,
    "socket": _socket,
    "URL": url,
    "vmodule": _matching(
        re.compile(r"[^\s,=]+=[0-9]+(,[^\s,=]+=[0-9]+)*"),
        "It is pairs of file pattern and level.",
        "Write it like 'kubelet*=4,proxy*=2'.",
    ),
    "word": _matching(_WORD, "This is one word of letters, digits, '.', '_', '/' and '-'.", "Write it so."),
}


def split_argument(text: str) -> tuple[str, str]:
    """Name and value of an option in the form that ``checked`` lets through."""
    name, dummy, value = text.partition("=")
    return name.rstrip("+-"), value


__all__ = ("RETIRED_BACKENDS", "Value", "address", "checked", "network", "split_argument")
