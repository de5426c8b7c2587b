"""Reads docker-compose.yml and Dockerfile without Docker, and says what is wrong with them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
SERVICES = {"api", "worker", "postgres", "redis"}
# `$$`, `$NAME`, `${NAME}` and the forms with `:-` `-` `:?` `?`, as Compose substitutes them.
_VARIABLE = re.compile(r"\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-?])([^}]*))?\})")
# An exact version. PostgreSQL's have two numbers, others three.
_VERSION = re.compile(
    r"(postgres:\d+\.\d+|[^\s:@]+:\d+\.\d+\.\d+)[^\s:@]*(@sha256:[0-9a-f]{64})?|[^\s:@]+:RELEASE\.[\dTZ-]+"
)


class NotSet(ValueError):
    """A variable that the file demands isn't set."""


@dataclass
class Stage:
    """One stage of a Dockerfile: its name, the image or stage it starts from, and its instructions."""

    name: str
    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, keyword: str) -> list[str]:
        """The arguments of every instruction `keyword`."""
        return [rest for found, rest in self.instructions if found == keyword]


def compose(environment: Mapping[str, str], path: Path = ROOT / "docker-compose.yml") -> dict[str, Any]:
    """The file with `environment` in place of its variables. Raises NotSet for one that is demanded."""
    document: dict[str, Any] = _substitute(yaml.safe_load(path.read_text(encoding="utf-8")), environment)
    for service in document["services"].values():
        values = service.get("environment") or {}
        given = {name: environment.get(name) if value is None else value for name, value in values.items()}
        service["environment"] = {name: str(value) for name, value in given.items() if value is not None}
    return document


def _substitute(node: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _substitute(value, environment) for key, value in node.items()}
    if isinstance(node, list):
        return [_substitute(value, environment) for value in node]
    return interpolate(node, environment) if isinstance(node, str) else node


def interpolate(text: str, environment: Mapping[str, str]) -> str:
    """`text` with its variables replaced. Raises NotSet."""

    def value(match: re.Match[str]) -> str:
        dollar, plain, name, operator, rest = match.groups()
        if dollar:
            return "$"
        found = environment.get(plain or name)
        absent = not found if (operator or "").startswith(":") else found is None
        if absent and operator and operator.endswith("?"):
            raise NotSet(f"{name}: {rest}")
        return rest if absent and operator else found or ""

    return _VARIABLE.sub(value, text)


def dockerfile(path: Path = ROOT / "Dockerfile") -> tuple[dict[str, str], dict[str, Stage]]:
    """The default of each ARG before the first stage, and the stages by name."""
    arguments: dict[str, str] = {}
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for keyword, rest in _instructions(path.read_text(encoding="utf-8")):
        if keyword == "FROM":
            base, _, name = interpolate(rest, arguments).partition(" AS ")
            stage = stages[name] = Stage(name, base)
        elif stage is not None:
            stage.instructions.append((keyword, rest))
        elif keyword == "ARG":
            name, _, default = rest.partition("=")
            arguments[name] = default
    return arguments, stages


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    whole = ""
    for line in lines:
        whole += line.strip()
        if whole.endswith("\\"):
            whole = whole[:-1]
            continue
        keyword, _, rest = whole.partition(" ")
        yield keyword.upper(), rest.strip()
        whole = ""


def dockerfile_faults(path: Path = ROOT / "Dockerfile") -> list[str]:
    """What is wrong with the Dockerfile; empty when all is well."""
    _, stages = dockerfile(path)
    faults = [f"there is no target {name}" for name in ("api", "worker") if name not in stages]
    for stage in stages.values():
        if stage.base not in stages and not _VERSION.fullmatch(stage.base):
            faults.append(f"{stage.name}: the base {stage.base} isn't pinned to an exact version")
        faults += [f"{stage.name}: {fault}" for fault in _copy_faults(stage, stages)]
    for name in ("api", "worker"):
        if name in stages:
            faults += [f"{name}: {fault}" for fault in _target_faults(name, stages)]
    return faults


def _copy_faults(stage: Stage, stages: Mapping[str, Stage]) -> Iterator[str]:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    let_in = [pattern.removeprefix("!") for pattern in ignored if pattern.startswith("!")]
    for rest in stage.all("COPY"):
        words = shlex.split(rest)
        if words[0].startswith("--from="):
            if words[0].removeprefix("--from=") not in stages:
                yield f"COPY {words[0]}: no such stage"
            continue
        for source in words[:-1]:
            if not (ROOT / source).exists():
                yield f"COPY {source}: no such file"
            if not any(Path(source).match(pattern) for pattern in let_in):
                yield f"COPY {source}: .dockerignore keeps it out"


def _target_faults(name: str, stages: Mapping[str, Stage]) -> Iterator[str]:
    line = [stages[name]]
    while line[-1].base in stages:
        line.append(stages[line[-1].base])
    users = [rest for stage in line for rest in reversed(stage.all("USER"))]
    if not users or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[0]):
        yield "the last USER must be a number other than 0, so that it can be seen not to be root"
    for keyword in ("HEALTHCHECK", "CMD"):
        rest = next((found for stage in line for found in reversed(stage.all(keyword))), None)
        if rest is None:
            yield f"no {keyword}"
        elif not _is_exec_form(rest[rest.find("CMD") + 3 :] if keyword == "HEALTHCHECK" else rest):
            yield f"{keyword} must be a JSON list, so that the process gets the signals itself"
    if not any("SIGTERM" in rest for stage in line for rest in stage.all("STOPSIGNAL")):
        yield "STOPSIGNAL must be SIGTERM: it is what a checkpoint is written at"
    for packages in (stages[rest.split()[0].removeprefix("--from=")] for rest in stages[name].all("COPY")):
        locks = [shlex.split(rest)[0] for rest in packages.all("COPY") if rest.startswith("requirements/")]
        text = "".join((ROOT / lock).read_text(encoding="utf-8") for lock in locks)
        if not any("--require-hashes" in rest for rest in packages.all("RUN")):
            yield f"{packages.name} installs without --require-hashes"
        if (re.search(r"(?m)^(tensorflow|keras|ai-edge-litert)\b", text) is not None) != (name == "worker"):
            yield f"{', '.join(locks)}: TensorFlow belongs into the worker's image and only there"


def _is_exec_form(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list)
    except ValueError:
        return False


def compose_faults(document: Mapping[str, Any]) -> list[str]:
    """What is wrong with the compose file; empty when all is well."""
    services: Mapping[str, Any] = document["services"]
    faults = [f"there is no service {name}" for name in sorted(SERVICES - services.keys())]
    for name, service in services.items():
        faults += [f"{name}: {fault}" for fault in _service_faults(service, document)]
    for name in SERVICES & services.keys() - {"api"}:
        if services[name].get("ports"):
            faults.append(f"{name}: only the API is published")
    for name in ("api", "worker"):
        waits = services.get(name, {}).get("depends_on", {})
        if {other: rule.get("condition") for other, rule in waits.items()} != dict.fromkeys(
            ("postgres", "redis"), "service_healthy"
        ):
            faults.append(f"{name}: must wait until postgres and redis are healthy")
    redis = " ".join(services.get("redis", {}).get("command", ()))
    faults += [f"redis: {wish} is missing" for wish in ("--appendonly yes", "noeviction") if wish not in redis]
    return faults


def _service_faults(service: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    _, stages = dockerfile()
    built = service.get("build", {}).get("target")
    if built is not None and built not in stages:
        yield f"Dockerfile has no target {built}"
    if built is None and not _VERSION.fullmatch(service["image"]):
        yield f"the image {service['image']} isn't pinned to an exact version"
    for port in service.get("ports", ()):
        if not str(port).startswith("127.0.0.1:"):
            yield f"port {port} is open to other machines"
    if "container_name" in service:
        yield "container_name keeps it from being scaled"
    for wish, value in (("read_only", True), ("cap_drop", ["ALL"]), ("init", True), ("restart", "unless-stopped")):
        if service.get(wish) != value:
            yield f"{wish} must be {value}"
    if "no-new-privileges:true" not in service.get("security_opt", ()):
        yield "security_opt lacks no-new-privileges"
    for wish in ("healthcheck", "mem_limit", "stop_grace_period", "logging"):
        if wish not in service:
            yield f"no {wish}"
    if not any(str(place).partition(":")[0] == "/tmp" for place in service.get("tmpfs", ())):  # noqa: S108
        yield "no tmpfs at /tmp, and the root is read-only"
    if int(str(service.get("stop_grace_period", "0s")).removesuffix("s")) <= 20:
        yield "stop_grace_period must be over 20 s"
    for place in service.get("volumes", ()):
        name, separator, _ = place.partition(":")
        if separator and name not in document["volumes"]:
            yield f"{place} isn't a named volume"
    for network in service.get("networks", ()):
        if network not in document["networks"]:
            yield f"there is no network {network}"
