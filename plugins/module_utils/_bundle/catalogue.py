# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The catalogue of the source bundle as a model, the key of what it yields, and the folders of the cache."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, KlubsterError, Problem

try:
    import yaml
except ImportError:
    yaml = None  # type: ignore[assignment]

SCHEMA = 1
_VARIABLE = "__source_bundle_catalogue"
_OVERLAY_VARIABLE = "__source_bundle_overlay"
#: the component whose version names a bundle
_NAMING = "kubernetes"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?(\+incompatible)?")
_TAG = re.compile(r"[0-9A-Za-z][0-9A-Za-z._/+-]*")
_REPOSITORY = re.compile(r"(https|ssh|file)://\S+")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_FLAG = re.compile(r"-X [\w./-]+=[^\s'\"]*")
_GO_ARCH = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64", "armv7l": "arm"}
_FOLDERS = {"binary": "bin", "cni": "cni", "tool": "tool", "part": "part"}

ProgramKind = t.Literal["binary", "cni", "tool", "part"]
SourceKind = t.Literal["module", "git"]


@dataclass(frozen=True)
class Program:
    """One program of a component.

    :param package: import path; ``./x`` is relative to the component's module.
    :param output: the file's name.
    :param kind: where it goes: ``bin/`` or ``cni/``, into images only (part), or nowhere (a tool of the build).
    """

    package: str
    output: str
    kind: ProgramKind
    #: a C source in the module instead of a package; linked statically
    source: str = ""
    #: definitions for the C compiler
    defines: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        return f"{_FOLDERS[self.kind]}/{self.output}"


@dataclass(frozen=True)
class Tree:
    """A file or folder of the component's module that goes into the bundle as it is."""

    origin: str
    path: str

    @property
    def kind(self) -> str:
        return {"charts": "chart", "manifests": "manifest"}[self.path.split("/", 1)[0]]


@dataclass(frozen=True)
class Image:
    """One image archive.

    :param files: path in the image → path of a component's output.
    :param links: path in the image → what the symbolic link says.
    :param system: names of sets of the build machine's programs.
    """

    name: str
    component: str
    tag: str
    files: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...] = ()
    entrypoint: tuple[str, ...] = ()
    user: str = ""
    system: tuple[str, ...] = ()


@dataclass(frozen=True)
class SystemSet:
    """Programs of the build machine's distribution, for what no Go module offers.

    :param packages: Debian packages they come from.
    :param files: paths or patterns; the libraries they need are found by themselves.
    :param links: path → what the symbolic link says.
    """

    name: str
    packages: tuple[str, ...]
    files: tuple[str, ...]
    links: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Component:
    """One source and how it is built."""

    name: str
    set: str
    source: SourceKind
    module: str
    version: str
    programs: tuple[Program, ...]
    licences: tuple[str, ...]
    trees: tuple[Tree, ...] = ()
    #: for source ``git``
    repository: str = ""
    tag: str = ""
    commit: str = ""
    cgo: bool = False
    tags: tuple[str, ...] = ()
    ldflags: tuple[str, ...] = ()
    #: modules required beside the component's own: path → version
    requires: tuple[tuple[str, str], ...] = ()
    #: prefixes of modules that the component replaces by folders of its repository → version they are published as
    siblings: tuple[tuple[str, str], ...] = ()
    #: seconds on the machine on which the catalogue was measured; the progress display counts with it
    weight: int = 60
    #: MiB at the peak of its build
    memory: int = 1200
    #: folder with its go.mod and go.sum, seen from ``files/``; its name where the catalogue is not overlaid
    sums: str = ""

    def package_path(self, program: Program) -> str:
        """The import path of a program."""
        if program.package == ".":
            return self.module
        if program.package.startswith("./"):
            return f"{self.module}/{program.package[2:]}"
        return program.package

    def fill(self, text: str) -> str:
        """Replace ``{version}``, ``{major}`` and ``{minor}``."""
        major, minor = self.version.split(".")[:2]
        return text.format(version=self.version, major=major, minor=minor)

    @property
    def go_programs(self) -> tuple[Program, ...]:
        return tuple(program for program in self.programs if not program.source)

    @property
    def c_programs(self) -> tuple[Program, ...]:
        return tuple(program for program in self.programs if program.source)

    @property
    def needs_c(self) -> bool:
        return self.cgo or bool(self.c_programs)

    @property
    def link_flags(self) -> str:
        """The value of ``-ldflags``: nothing that differs between two builds."""
        flags = ["-s", "-w", "-buildid=", *(self.fill(flag) for flag in self.ldflags)]
        if self.cgo:
            flags += ["-linkmode=external", '-extldflags "-static -Wl,--build-id=none"']
        return " ".join(flags)


@dataclass(frozen=True)
class Catalogue:
    """All components, and the folder with their go.mod and go.sum."""

    registry: str
    components: tuple[Component, ...]
    images: tuple[Image, ...]
    system: tuple[SystemSet, ...]
    files: Path
    text: str

    def reference(self, image: Image) -> str:
        """The name under which containerd knows an image."""
        return f"{self.registry}/{image.name}:{self.component(image.component).fill(image.tag)}"

    def system_set(self, name: str) -> SystemSet:
        return next(entry for entry in self.system if entry.name == name)

    def component(self, name: str) -> Component:
        for component in self.components:
            if component.name == name:
                return component
        names = ", ".join(component.name for component in self.components)
        raise InvalidInput([Problem("name", name, "The catalogue has no such component.", f"Choose one of: {names}.")])

    def of_sets(self, sets: t.Collection[str]) -> tuple[Component, ...]:
        return tuple(component for component in self.components if component.set in sets)


@dataclass(frozen=True)
class Cache:
    """The folders we own below the user's cache folder."""

    root: Path

    @property
    def components(self) -> Path:
        return self.root / "components"

    @property
    def bundles(self) -> Path:
        return self.root / "bundles"

    @property
    def go_build(self) -> Path:
        return self.root / "go-build"

    @property
    def work(self) -> Path:
        return self.root / "work"

    def bundle(self, key: str) -> Path:
        return self.bundles / key


def default_cache() -> Cache:
    """``klubster`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Cache(Path(base).expanduser() / "klubster")


def default_role_dir() -> Path:
    """The folder of the role ``source_bundle`` of this collection."""
    return Path(__file__).resolve().parents[3] / "roles" / "source_bundle"


def go_arch(machine: str = "") -> str:
    """The processor as Go names it; by default this machine's."""
    machine = machine or platform.machine()
    if machine not in _GO_ARCH:
        known = ", ".join(sorted(set(_GO_ARCH.values())))
        raise InvalidInput([Problem("architecture", machine, "No build is known for it.", f"Use one of: {known}.")])
    return _GO_ARCH[machine]


def load(role_dir: Path | None = None, version: str = "") -> Catalogue:
    """Read the catalogue of a role folder: ``vars/components.yml`` and ``files/``.

    :param version: another version of Kubernetes; ``versions/<version>/`` says what differs.
    :raises InvalidInput: with every problem found.
    """
    role_dir = role_dir or default_role_dir()
    text = _text(role_dir)
    overlay = _overlay(role_dir, text, version)
    return parse(text, role_dir / "files", overlay.read_text(encoding="utf-8") if overlay else "", version)


def versions(role_dir: Path | None = None) -> tuple[str, ...]:
    """The versions of Kubernetes of which a bundle can be built, the catalogue's own first."""
    role_dir = role_dir or default_role_dir()
    others = sorted(path.parent.name for path in (role_dir / "versions").glob("*/components.yml"))
    return (_own_version(_text(role_dir)), *others)


def parse(text: str, files: Path, overlay: str = "", version: str = "") -> Catalogue:
    """Parse the text of a catalogue, and of what differs for one version."""
    data = _data(text)
    problems: list[Problem] = []
    if overlay:
        _lay_over(data, _read(overlay)[_OVERLAY_VARIABLE], version, problems)
    if problems:
        raise InvalidInput(problems)
    components = [_component(entry, problems) for entry in data["components"]]
    seen: set[str] = set()
    for component in components:
        if component.name in seen:
            problems.append(Problem("name", component.name, "Names are unique.", "Give the second one another name."))
        seen.add(component.name)
    if problems:
        raise InvalidInput(problems)
    system = [_system_set(entry) for entry in data.get("system", ())]
    images = [_image(entry) for entry in data.get("images", ())]
    _check_images(images, components, system, problems)
    if problems:
        raise InvalidInput(problems)
    return Catalogue(
        registry=data["registry"],
        components=tuple(components),
        images=tuple(images),
        system=tuple(system),
        files=files,
        text=text + overlay,
    )


def bundle_key(role_dir: Path | None = None, arch: str = "", version: str = "") -> str:
    """Name of the bundle that a catalogue yields: 16 digits over it, the go.mod and go.sum files, and architecture."""
    role_dir = role_dir or default_role_dir()
    digest = hashlib.sha256(f"klubster bundle {SCHEMA} {arch or go_arch()}\n".encode())
    paths = [role_dir / "vars" / "components.yml", *sorted((role_dir / "files").glob("*/go.*"))]
    overlay = _overlay(role_dir, _text(role_dir), version)
    if overlay:
        paths += [overlay, *sorted(overlay.parent.glob("*/go.*"))]
    for path in paths:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(role_dir).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def default_bundle_dir(role_dir: Path | None = None, arch: str = "", version: str = "") -> Path:
    """Where the bundle of this catalogue lies, whether it is built or not."""
    return default_cache().bundle(bundle_key(role_dir, arch, version))


def _text(role_dir: Path) -> str:
    return (role_dir / "vars" / "components.yml").read_text(encoding="utf-8")


def _data(text: str) -> dict[str, t.Any]:
    if yaml is None:
        raise KlubsterError("Reading the catalogue needs PyYAML: pip install PyYAML")
    found: dict[str, t.Any] = _read(text)[_VARIABLE]
    return found


def _read(text: str) -> t.Any:
    # The safe loader, in C where there is one: every run reads the catalogue.
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _own_version(text: str) -> str:
    for entry in _data(text)["components"]:
        if entry.get("name") == _NAMING:
            return str(entry.get("version", ""))
    return ""


def _overlay(role_dir: Path, text: str, version: str) -> Path | None:
    """The file that says what differs for a version; None for the catalogue's own.

    :raises InvalidInput: no bundle of this version can be built.
    """
    if not version or version == _own_version(text):
        return None
    path = role_dir / "versions" / version / "components.yml"
    known = versions(role_dir)
    if not path.is_file():
        raise InvalidInput(
            [
                Problem(
                    "klubster_engine_version",
                    version,
                    f"The catalogue knows how to build {', '.join(known)}.",
                    "Choose one of these, or name the folder of a bundle of yours: klubster_bundle_dir.",
                )
            ]
        )
    return path


def _lay_over(data: dict[str, t.Any], overlay: t.Mapping[str, t.Any], version: str, problems: list[Problem]) -> None:
    """Change the entries of components and images that an overlay names; it cannot add any."""
    for kind in ("components", "images"):
        known = {entry["name"]: entry for entry in data[kind]}
        for name, changes in (overlay.get(kind) or {}).items():
            if name not in known:
                rule = f"The catalogue has no such entry in {kind}."
                problems.append(Problem(f"versions/{version}/{kind}", name, rule, f"Use: {', '.join(sorted(known))}."))
                continue
            known[name].update(changes)
            if kind == "components":
                known[name]["sums"] = f"../versions/{version}/{name}"


def _component(entry: t.Mapping[str, t.Any], problems: list[Problem]) -> Component:
    name = str(entry.get("name", ""))

    def refuse(field: str, value: t.Any, rule: str, remedy: str) -> None:
        problems.append(Problem(f"components[{name}].{field}", value, rule, remedy))

    known = set(Component.__dataclass_fields__)
    for field in sorted(set(entry) - known):
        refuse(field, entry[field], "Unknown field.", f"Use: {', '.join(sorted(known))}.")
    if not _NAME.fullmatch(name):
        refuse("name", name, "Lower-case letters, digits and underscores.", "Rename it.")
    version = str(entry.get("version", ""))
    if not _VERSION.fullmatch(version):
        refuse("version", version, "major.minor.patch, without a leading v.", "Write for example 1.34.2.")
    source = entry.get("source", "module")
    if source not in ("module", "git"):
        refuse("source", source, "One of module, git.", "Choose one.")
    if source == "git":
        for field, pattern, rule in (
            ("repository", _REPOSITORY, "An address that starts with https://, ssh:// or file://."),
            ("tag", _TAG, "The tag's name."),
            ("commit", _COMMIT, "The full commit id, 40 hexadecimal digits; `git ls-remote` shows it."),
        ):
            if not pattern.fullmatch(str(entry.get(field, ""))):
                refuse(field, entry.get(field, ""), rule, "The source kind git needs repository, tag and commit.")
    for flag in entry.get("ldflags", ()):
        if not _FLAG.fullmatch(flag):
            refuse(
                "ldflags",
                flag,
                "Only `-X variable=value` without blanks or quotes.",
                "The rest is fixed by the builder.",
            )
    return Component(
        name=name,
        set=str(entry.get("set", "")),
        source=source,
        module=str(entry.get("module", "")),
        version=version,
        programs=tuple(_program(name, program, problems) for program in entry.get("programs", ())),
        licences=tuple(entry.get("licences", ())),
        trees=tuple(Tree(tree["from"], tree["to"]) for tree in entry.get("trees", ())),
        repository=str(entry.get("repository", "")),
        tag=str(entry.get("tag", "")),
        commit=str(entry.get("commit", "")),
        cgo=bool(entry.get("cgo", False)),
        tags=tuple(entry.get("tags", ())),
        ldflags=tuple(entry.get("ldflags", ())),
        requires=tuple(sorted(dict(entry.get("requires", {})).items())),
        siblings=tuple(sorted(dict(entry.get("siblings", {})).items())),
        weight=int(entry.get("weight", 60)),
        memory=int(entry.get("memory", 1200)),
        sums=str(entry.get("sums", "")) or name,
    )


def _program(component: str, entry: t.Mapping[str, t.Any], problems: list[Problem]) -> Program:
    package, source = str(entry.get("package", "")), str(entry.get("source", ""))
    kind = entry.get("kind", "binary")
    if kind not in _FOLDERS:
        rule = "One of binary, cni, part, tool."
        problems.append(Problem(f"components[{component}].programs.kind", kind, rule, "Choose one."))
    if bool(package) == bool(source):
        rule = "Either a Go package or a C source."
        problems.append(Problem(f"components[{component}].programs", dict(entry), rule, "Give one of the two."))
    output = str(entry.get("output") or package.rsplit("/", 1)[-1])
    return Program(package, output, kind, source, tuple(entry.get("defines", ())))


def _image(entry: t.Mapping[str, t.Any]) -> Image:
    return Image(
        name=entry["name"],
        component=entry["component"],
        tag=entry["tag"],
        files=tuple(dict(entry["files"]).items()),
        links=tuple(dict(entry.get("links", {})).items()),
        entrypoint=tuple(entry.get("entrypoint", ())),
        user=str(entry.get("user", "")),
        system=tuple(entry.get("system", ())),
    )


def _system_set(entry: t.Mapping[str, t.Any]) -> SystemSet:
    links = tuple(dict(entry.get("links", {})).items())
    return SystemSet(entry["name"], tuple(entry["packages"]), tuple(entry["files"]), links)


def _check_images(
    images: t.Sequence[Image],
    components: t.Sequence[Component],
    system: t.Sequence[SystemSet],
    problems: list[Problem],
) -> None:
    """Every image names a component, outputs of it, and system sets that exist."""
    outputs = {entry.name: {program.path for program in entry.programs} for entry in components}
    sets = {entry.name for entry in system}
    for image in images:
        where = f"images[{image.name}]"
        if image.component not in outputs:
            problems.append(
                Problem(f"{where}.component", image.component, "No such component.", "Name one that exists.")
            )
            continue
        for path in sorted({path for _target, path in image.files} - outputs[image.component]):
            rule = f"The component {image.component} has no such output."
            problems.append(Problem(f"{where}.files", path, rule, "Name one of its programs."))
        for name in sorted(set(image.system) - sets):
            problems.append(Problem(f"{where}.system", name, "No such set.", f"Use: {', '.join(sorted(sets))}."))


__all__ = (
    "SCHEMA",
    "Cache",
    "Catalogue",
    "Component",
    "Image",
    "Program",
    "SystemSet",
    "Tree",
    "bundle_key",
    "default_bundle_dir",
    "default_cache",
    "default_role_dir",
    "go_arch",
    "load",
    "parse",
    "versions",
)
