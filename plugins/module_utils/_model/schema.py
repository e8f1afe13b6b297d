# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The table of the public variables, and how a value is brought to its type.

``playbooks/site.meta.yml`` is written from this table by ``meta_text``; a contract test keeps the two equal.
"""

from __future__ import annotations

import json
import textwrap
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._model.cni import PROVIDERS
from ansible_collections.kateskit.klubster.plugins.module_utils._model.load_balancer_fields import (
    BGP,
    L2_ADVERTISEMENT,
    POOL,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._model.rules import Refused, one_of
from ansible_collections.kateskit.klubster.plugins.module_utils._model.variable import TypeName, Variable

PREFIX = "klubster_"
_LINE = 115

#: what O(klubster_api_provider) V(kube_vip) runs
KUBE_VIP_IMAGE = "ghcr.io/kube-vip/kube-vip:v1.1.2"

#: what playbooks register under our prefix; everything else that begins so is a public variable or a mistake
REGISTERED = ("klubster_plan", "klubster_seen")


NAMES = (
    Variable("zone", "str", "Zone of the names, such as V(apps.example.org). Without it there are none.", default=""),
    Variable(
        "address", "str", "Address of a pool for the DNS server; without it the load balancer chooses.", default=""
    ),
    Variable(
        "aliases",
        "dict",
        "Short names in the zone, and the C(service.namespace) that each stands for.",
        default={},
        elements="str",
    ),
    Variable("ttl", "int", "Seconds that others may keep an answer.", default=30, minimum=1, maximum=3600),
)

LOCAL_PATH = (
    Variable("enabled", "bool", "Offer volumes in a folder of the node.", default=True),
    Variable("path", "path", "The folder.", default="/var/lib/klubster/local-path"),
    Variable("class_name", "str", "Name of the storage class.", default="local-path"),
    Variable("default_class", "bool", "Whether claims without a class get this one.", default=True),
)

STORAGE = (
    Variable(
        "local_path",
        "dict",
        "Volumes in a folder of the node on which the pod runs.",
        default={},
        options=LOCAL_PATH,
    ),
)

PROXY = (
    Variable("http", "str", "The proxy for HTTP, and for HTTPS unless that has its own.", default=""),
    Variable("https", "str", "The proxy for HTTPS.", default=""),
    Variable(
        "outside",
        "list",
        "Names, addresses and networks that are reached directly, besides the cluster's own.",
        default=[],
        elements="str",
    ),
    Variable("images_only", "bool", "Whether only images are fetched through it.", default=False),
)

VARIABLES: tuple[Variable, ...] = (
    Variable("klubster_name", "str", "Name of the cluster, a DNS label.", required=True),
    Variable(
        "klubster_engine",
        "str",
        "What makes machines a cluster.",
        default="kubeadm",
        choices=("kubeadm", "k3s"),
    ),
    Variable(
        "klubster_engine_version",
        "str",
        "Version of the engine, without a leading v.",
        computed="V(1.34.2), or V(1.34.2+k3s1) for k3s",
    ),
    Variable(
        "klubster_engine_source",
        "str",
        "Where programs and images come from. V(bundle): built from source, for kubeadm. For k3s, V(release): the"
        " official one, fetched by the controller; V(airgap): a folder that holds one, or a build of your own with its"
        " list of sums.",
        computed="V(bundle), or V(release) for k3s",
        choices=("bundle", "release", "airgap"),
    ),
    Variable(
        "klubster_airgap_dir",
        "path",
        "Folder on the controller with the files of a release, for the source V(airgap).",
    ),
    Variable(
        "klubster_engine_images",
        "str",
        "Form of a release's archive of images that machines get with it; V(none): they pull images themselves.",
        default="none",
        choices=("none", "tar.zst", "tar.gz", "tar"),
    ),
    Variable(
        "klubster_engine_download",
        "str",
        "Who fetches a release. V(controller): once, and sends it to the machines; V(nodes): each machine for itself.",
        default="controller",
        choices=("controller", "nodes"),
    ),
    Variable(
        "klubster_engine_mirrors",
        "list",
        "Where a release is fetched instead of the official place, in this order. V({tag}) and V({file}) may stand in"
        " them.",
        default=[],
        elements="str",
    ),
    Variable(
        "klubster_layers_source",
        "str",
        "Where MetalLB and the local-path provisioner come from. V(release), for k3s: manifests of upstream's releases,"
        " fetched by the controller; machines pull the images that they name.",
        computed="V(release) where that is O(klubster_engine_source), else V(bundle)",
        choices=("bundle", "release"),
    ),
    Variable(
        "klubster_layers_mirrors",
        "list",
        "What stands in the place of V(https://raw.githubusercontent.com) for these manifests, in this order.",
        default=[],
        elements="str",
    ),
    Variable(
        "klubster_bundle_dir",
        "path",
        "Folder of the source bundle on the controller.",
        computed="where playbooks/bundle.yml puts it",
    ),
    Variable(
        "klubster_single_node",
        "bool",
        "Make a cluster of one machine, which then runs the pods too.",
        default=False,
    ),
    Variable(
        "klubster_batch",
        "int",
        "Agents that are changed at the same time. For an upgrade they are all emptied, so the others need room.",
        computed="a quarter of the agents, one at least",
        minimum=1,
        maximum=1000,
    ),
    Variable("klubster_canary", "str", "Inventory name of the machine that is changed first, alone."),
    Variable(
        "klubster_drain_timeout",
        "int",
        "Seconds that pods have to leave a node that is changed.",
        default=300,
        minimum=1,
        maximum=86400,
    ),
    Variable(
        "klubster_drain_force",
        "bool",
        "End pods that nothing brings back when their node is changed.",
        default=False,
    ),
    Variable(
        "klubster_snapshots_kept",
        "int",
        "Snapshots from before upgrades that a server keeps.",
        default=5,
        minimum=1,
        maximum=1000,
    ),
    Variable("klubster_api_name", "str", "Name of the API; every node knows it.", computed="V(api.NAME.internal)"),
    Variable("klubster_api_port", "int", "Port of the API.", default=6443, minimum=1, maximum=65535),
    Variable("klubster_api_address", "str", "Address for the API's name.", computed="the first server's address"),
    Variable(
        "klubster_api_provider",
        "str",
        "Who moves O(klubster_api_address) between the servers. V(kube_vip): a pod on each server, for k3s. V(none):"
        " nobody; it may be a load balancer's.",
        default="none",
        choices=("none", "keepalived", "kube_vip"),
    ),
    Variable("klubster_api_image", "str", "kube-vip's image, with tag or digest.", computed=f"V({KUBE_VIP_IMAGE})"),
    Variable(
        "klubster_api_vrrp_id",
        "int",
        "keepalived's number, which no other VRRP in the same network may have.",
        computed="made from the cluster's name",
        minimum=1,
        maximum=255,
    ),
    Variable(
        "klubster_firewall",
        "str",
        "Whose rules let the cluster through the machines' firewalls. V(auto): of the one that is at work on a machine;"
        " V(none): you open the ports yourself.",
        default="auto",
        choices=("auto", "firewalld", "ufw", "nftables", "none"),
    ),
    Variable(
        "klubster_api_sources",
        "list",
        "Addresses and networks that a firewall lets through to the API, besides machines and pods.",
        default=[],
        elements="str",
    ),
    Variable("klubster_api_host", "str", "Inventory host from which the API is spoken to.", default="localhost"),
    Variable(
        "klubster_kubeconfig",
        "path",
        "The administrator's kubeconfig on O(klubster_api_host).",
        computed="V(~/.kube/klubster-NAME.yaml)",
    ),
    Variable(
        "klubster_pod_network",
        "str",
        "Network of the pods; two with a comma for two address families.",
        default="10.244.0.0/16",
    ),
    Variable(
        "klubster_service_network",
        "str",
        "Network of the services; two with a comma for two address families.",
        default="10.96.0.0/16",
    ),
    Variable("klubster_dns_domain", "str", "Domain of the cluster's DNS.", default="cluster.local"),
    Variable(
        "klubster_dhcp_ranges",
        "list",
        "What the network's DHCP server hands out; pools keep off it.",
        default=[],
        elements="str",
    ),
    Variable(
        "klubster_other_pools",
        "list",
        "What other clusters announce in the same networks; pools keep off it.",
        default=[],
        elements="str",
    ),
    Variable(
        "klubster_cni",
        "str",
        "Provider of the pod network. V(custom): manifests or a chart of your own; V(none): you bring it later.",
        default="flannel",
        choices=tuple(PROVIDERS),
    ),
    Variable(
        "klubster_cni_backend",
        "str",
        "How packets get from node to node. Each provider has some of them.",
        computed="the provider's first one: V(vxlan), or V(ipip) of kube_router",
        choices=tuple(dict.fromkeys(backend.name for row in PROVIDERS.values() for backend in row.backends)),
    ),
    Variable(
        "klubster_cni_service_proxy",
        "bool",
        "Whether the provider does kube-proxy's work, too; V(kube_router) and V(cilium) can.",
        default=False,
    ),
    Variable(
        "klubster_cni_chart",
        "str",
        "Helm chart of the provider: a folder or a .tgz on the controller, or a URL. V(calico) needs one, V(cilium) has"
        " one in the bundle.",
    ),
    Variable("klubster_cni_chart_sha256", "str", "Sum of the chart's .tgz; a URL needs it."),
    Variable("klubster_cni_values", "dict", "Values of the chart, laid over ours. No secrets.", default={}),
    Variable(
        "klubster_cni_manifests",
        "list",
        "Files on the controller with objects of the provider V(custom), or further ones of V(calico).",
        default=[],
        elements="path",
    ),
    Variable(
        "klubster_cni_mtu",
        "int",
        "Largest packet in the pod network, in bytes.",
        computed="what the provider finds out",
        minimum=1280,
        maximum=65535,
    ),
    Variable(
        "klubster_load_balancer",
        "str",
        "Provider of addresses for services. V(servicelb): k3s's own, which gives them the addresses of the nodes.",
        default="metallb",
        choices=("metallb", "openelb", "servicelb", "none"),
    ),
    Variable(
        "klubster_load_balancer_mode",
        "str",
        "How these addresses are announced.",
        default="l2",
        choices=("l2", "bgp"),
    ),
    Variable(
        "klubster_metallb_speaker",
        "str",
        "Who speaks BGP. V(native): MetalLB itself. V(frr): FRR beside it, with BFD, IPv6 and graceful restart, by"
        " O(klubster_layers_source) V(release) only. V(cni): MetalLB gives addresses and announces none, the pod"
        " network does; O(klubster_cni) V(calico) with O(klubster_cni_backend) V(bgp) can.",
        default="native",
        choices=("native", "frr", "cni"),
    ),
    Variable(
        "klubster_openelb_manifest",
        "str",
        "Manifest of OpenELB 0.6 or later: a file on the controller, or a URL. V(openelb) needs one.",
    ),
    Variable("klubster_openelb_manifest_sha256", "str", "Sum of this manifest; a URL needs it."),
    Variable("klubster_pools", "list", "Addresses for services.", default=[], elements="dict", options=POOL),
    Variable(
        "klubster_names",
        "dict",
        "A DNS server in the cluster that gives every service of type LoadBalancer the name C(service.namespace.zone).",
        default={},
        options=NAMES,
    ),
    Variable(
        "klubster_l2_advertisements",
        "list",
        "From where pools are announced in their own network. A pool that none of these names is announced by all"
        " nodes.",
        default=[],
        elements="dict",
        options=L2_ADVERTISEMENT,
    ),
    Variable(
        "klubster_bgp",
        "dict",
        "To whom pools are announced by BGP, and how.",
        default={},
        options=BGP,
    ),
    Variable(
        "klubster_bgp_passwords",
        "dict",
        "Passwords of the sessions, by the names of the peers. Keep them in a vault.",
        default={},
        elements="str",
        secret=True,
    ),
    Variable("klubster_storage", "dict", "Storage by provider.", default={}, options=STORAGE),
    Variable("klubster_kubelet_config", "dict", "Entries of KubeletConfiguration, laid over ours.", default={}),
    Variable("klubster_kube_proxy_config", "dict", "Entries of KubeProxyConfiguration, laid over ours.", default={}),
    Variable(
        "klubster_lower_oom_score",
        "bool",
        "Whether the machines may protect system programs from the out-of-memory killer; some containers may not.",
        default=True,
    ),
    Variable(
        "klubster_images",
        "list",
        "Images of the bundle to put on every node besides those that the cluster needs, by their names there.",
        default=[],
        elements="str",
    ),
    Variable(
        "klubster_image_archives",
        "list",
        "Archives of images of your own on the controller, by OCI or Docker, ending in .tar. Every node gets all of"
        " them, so that it need not pull these images.",
        default=[],
        elements="path",
    ),
    Variable(
        "klubster_k3s_config",
        "dict",
        "Keys of k3s's configuration, laid over ours; unknown ones are refused.",
        scope="host",
        default={},
    ),
    Variable("klubster_k3s_registries", "dict", "Content of k3s's registries.yaml.", default={}, secret=True),
    Variable(
        "klubster_k3s_environment",
        "dict",
        "Further variables of the environment of k3s's service.",
        default={},
        elements="str",
        secret=True,
    ),
    Variable(
        "klubster_k3s_datastore",
        "str",
        "Endpoint of an external datastore, such as V(postgres://user:password@host:5432/db). Without it servers share"
        " an etcd of their own; O(klubster_single_node) alone has SQLite.",
        secret=True,
    ),
    Variable("klubster_proxy", "dict", "How machines reach the world outside.", default={}, options=PROXY),
    Variable(
        "klubster_profile",
        "str",
        "V(cis): k3s's hardening guide as one switch.",
        default="none",
        choices=("none", "cis"),
    ),
    Variable("klubster_secrets_encryption", "bool", "Encrypt Secrets in k3s's datastore.", default=False),
    Variable(
        "klubster_ca_dir",
        "path",
        "Folder on the controller with CAs of your own for k3s (C(server-ca.crt), C(server-ca.key) and so on). They are"
        " placed before the first start; a living cluster keeps its CA.",
    ),
    Variable(
        "klubster_token",
        "str",
        "Token with which servers of k3s join. It also protects the datastore's keys: keep it with your backups.",
        computed="made once, and kept on the servers",
        secret=True,
    ),
    Variable(
        "klubster_agent_token",
        "str",
        "Token with which agents of k3s join.",
        computed="made once, and kept on the servers",
        secret=True,
    ),
    Variable("klubster_secure_logging", "bool", "Hide the output of tasks that handle secrets.", default=True),
    Variable("klubster_remove", "str", "CLUSTER/NODE, which playbooks/remove_node.yml takes out of the cluster."),
    Variable("klubster_reset", "str", "The cluster's name again, to confirm playbooks/reset.yml."),
    Variable(
        "klubster_node_name",
        "str",
        "Name of the node in the cluster.",
        scope="host",
        computed="the machine's name in the inventory",
    ),
    Variable(
        "klubster_address",
        "str",
        "The machine's address in the cluster.",
        scope="host",
        computed="E(ansible_host)",
    ),
    Variable(
        "klubster_node_kubelet_config",
        "dict",
        "Entries for KubeletConfiguration on this machine, laid over O(klubster_kubelet_config).",
        scope="host",
        default={},
    ),
    Variable("klubster_labels", "dict", "Labels of the node.", scope="host", default={}, elements="str"),
    Variable(
        "klubster_taints",
        "list",
        "Taints of the node, as V(key=value:Effect).",
        scope="host",
        default=[],
        elements="str",
    ),
)

BY_NAME: dict[str, Variable] = {variable.name: variable for variable in VARIABLES}

_WRITTEN: dict[TypeName, str] = {
    "str": "text",
    "path": "a path",
    "int": "a whole number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a mapping",
}
_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")

Complain = t.Callable[[str, t.Any, str, str], None]
#: what ``typed`` returns for a value that it complained about
WRONG: t.Final = object()


def ruled(where: str, value: t.Any, rule: t.Callable[[t.Any], t.Any], complain: Complain) -> t.Any:
    """The value as the rule makes it; ``WRONG``, with a complaint, when the rule refuses it."""
    if value is WRONG:
        return WRONG
    try:
        return rule(value)
    except Refused as exc:
        complain(where, value, exc.rule, exc.remedy)
        return WRONG


def typed(variable: Variable, value: t.Any, where: str, complain: Complain) -> t.Any:
    """The value in the variable's type, its structure filled up with defaults.

    :param where: the variable as the user would find it, for example ``klubster_pools[0].name``.
    :param complain: takes variable, value, rule and remedy of each problem; all are reported.
    :returns: ``WRONG`` when there was a problem with the value itself; faulty parts of a structure are ``WRONG`` in it.
    """
    try:
        value = _converted(variable.type, value)
        _within_bounds(variable, value)
    except Refused as exc:
        # YAML reads 65010:20 as a number to the base of 60.
        misread = variable.example and isinstance(value, int)
        complain(where, value, exc.rule, f"Write it in quotes, like '{variable.example}'." if misread else exc.remedy)
        return WRONG
    if variable.type == "list":
        element = Variable(where, variable.elements or "str", "", options=variable.options, example=variable.example)
        return [typed(element, entry, f"{where}[{index}]", complain) for index, entry in enumerate(value)]
    if variable.type == "dict" and variable.options:
        return _structure(variable, value, where, complain)
    if variable.type == "dict" and variable.elements:
        element = Variable(where, variable.elements, "", example=variable.example)
        return {str(key): typed(element, entry, f"{where}.{key}", complain) for key, entry in value.items()}
    return value


def _structure(variable: Variable, value: dict[str, t.Any], where: str, complain: Complain) -> dict[str, t.Any]:
    known = {option.name: option for option in variable.options}
    for key, entry in value.items():
        if key not in known:
            complain(f"{where}.{key}", entry, f"There is no key {key!r} here.", one_of(str(key), tuple(known)))
        elif known[key].elsewhere:
            complain(f"{where}.{key}", "(masked)", "A password does not stand among other data.", known[key].elsewhere)
    filled: dict[str, t.Any] = {}
    for name, option in known.items():
        if option.elsewhere:
            continue
        if name in value:
            filled[name] = typed(option, value[name], f"{where}.{name}", complain)
        elif option.required:
            complain(
                f"{where}.{name}",
                None,
                "This key is required.",
                f"Add it: {option.meaning[0].lower()}{option.meaning[1:]}",
            )
            filled[name] = WRONG
        elif option.default is None:
            filled[name] = None
        else:
            filled[name] = typed(option, option.default, f"{where}.{name}", complain)
    return filled


def _converted(kind: TypeName, value: t.Any) -> t.Any:
    """The value in its type. Numbers and truth values may come as text: ``-e name=value`` can give nothing else."""
    if kind in ("str", "path"):
        if isinstance(value, str):
            return value
    elif kind == "int":
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
            return int(value)
    elif kind == "bool":
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in _YES + _NO:
            return value.lower() in _YES
    elif isinstance(value, list if kind == "list" else dict):
        return value
    raise Refused(f"It is {_WRITTEN[kind]}, not {_found(value)}.", _type_remedy(kind, value))


def _found(value: t.Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "a truth value"
    for kind, words in (
        (int, "a whole number"),
        (float, "a decimal number"),
        (str, "text"),
        (list, "a list"),
        (dict, "a mapping"),
    ):
        if isinstance(value, kind):
            return words
    return f"a {type(value).__name__}"


def _type_remedy(kind: TypeName, value: t.Any) -> str:
    if value is None:
        return "Give it a value, or leave the variable out."
    if kind in ("str", "path"):
        scalar = isinstance(value, (bool, int, float))
        return (
            f'Put it in quotes: "{value}".'
            if scalar
            else "Write one text, where there are several with commas between."
        )
    if kind == "list":
        return "Write '- ' before each entry, or [a, b]."
    if kind == "dict":
        return "Write 'key: value' lines below it."
    return f"Write {_WRITTEN[kind]}, without quotes and units."


def _within_bounds(variable: Variable, value: t.Any) -> None:
    if variable.choices and value not in variable.choices:
        raise Refused(f"{value!r} is none of its choices.", one_of(value, variable.choices))
    low, high = variable.minimum, variable.maximum
    if low is not None and high is not None and not low <= value <= high:
        raise Refused(f"It is between {low} and {high}.", f"Choose a number from {low} to {high}.")


def meta_text() -> str:
    """The text of ``playbooks/site.meta.yml``."""
    head = textwrap.dedent(
        """\
        ---
        # SPDX-License-Identifier: Apache-2.0
        # Written from plugins/module_utils/_model/schema.py by .config/write_site_meta.py; a test keeps the two equal.
        short_description: From bare machines to a cluster
        description: >-
          Makes the machines of the groups servers and agents a Kubernetes cluster, as the inventory says, and brings a
          cluster that differs from the inventory back to it.
        argument_specs:
          site:
            short_description: Public variables of kateskit.klubster
            description:
              - Variables marked as a host's are set for each machine, all others once for the cluster.
            options:
        """
    )
    examples = textwrap.indent(
        textwrap.dedent(
            """\
            examples: |-
              klubster_name: home
              klubster_pools:
                - name: home
                  addresses: [192.168.1.240-192.168.1.250]
            """
        ),
        " " * 4,
    )
    return head + "".join(_meta_option(variable, 6) for variable in VARIABLES) + examples


def _meta_option(variable: Variable, indent: int) -> str:
    pad = " " * indent
    described = variable.meaning
    if variable.scope == "host":
        described += " Set for each machine."
    if variable.computed:
        described += f" By default {variable.computed}."
    lines = [f"{pad}{variable.name}:", f"{pad}  type: {variable.type}"]
    if variable.elements and variable.type == "list":
        lines.append(f"{pad}  elements: {variable.elements}")
    if variable.required:
        lines.append(f"{pad}  required: true")
    if variable.default is not None:
        lines.append(f"{pad}  default: {_scalar(variable.default)}")
    if variable.choices:
        lines.append(f"{pad}  choices: [{', '.join(variable.choices)}]")
    lines += _described(described, f"{pad}  ")
    text = "\n".join(lines) + "\n"
    if variable.options:
        text += f"{pad}  options:\n" + "".join(
            _meta_option(option, indent + 4) for option in variable.options if not option.elsewhere
        )
    return text


def _described(text: str, pad: str) -> list[str]:
    if len(text) <= _LINE:
        return [f"{pad}description: {json.dumps(text)}"]
    return [
        f"{pad}description: >-",
        *textwrap.wrap(text, _LINE, initial_indent=f"{pad}  ", subsequent_indent=f"{pad}  "),
    ]


def _scalar(value: t.Any) -> str:
    """A default as YAML that reads well: quotes only where the type would change."""
    if isinstance(value, str) and not any(letter.isalpha() for letter in value):
        return json.dumps(value)
    return value if isinstance(value, str) else json.dumps(value)


__all__ = (
    "BY_NAME",
    "KUBE_VIP_IMAGE",
    "PREFIX",
    "REGISTERED",
    "VARIABLES",
    "WRONG",
    "Complain",
    "Variable",
    "meta_text",
    "ruled",
    "typed",
)
