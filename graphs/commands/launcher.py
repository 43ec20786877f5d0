"""Slips in a file of Ray's cluster launcher that its schema lets pass, and rented machines would show."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PRICE_LABEL = "usd-per-hour"
MACHINE = {"aws": "InstanceType", "gcp": "machineType"}
RESOURCES = ("CPU", "GPU")
PASSWORD = '${RAY_REDIS_PASSWORD:+--redis-password="$RAY_REDIS_PASSWORD"}'  # noqa: S105 - no secret
CONFIG = "--autoscaling-config=~/ray_bootstrap_config.yaml"
Document = Mapping[str, Any]


def find_slips(document: Document) -> Iterator[str]:
    """What would show on rented machines alone; each says the mend."""
    yield from _machines(document)
    yield from _files(document)
    yield from _joining(document)
    yield from _addresses(document["provider"])


def _machines(document: Document) -> Iterator[str]:
    provider: Mapping[str, Any] = document["provider"]
    field = MACHINE.get(provider["type"])
    if field and not provider.get("region"):
        yield "provider: name the region, such as `region: us-west-2`"
    types: Mapping[str, Any] = document.get("available_node_types") or {}
    for name, node in types.items():
        if field and field not in (node.get("node_config") or {}):
            yield f"{name}: node_config names no machine; set {field}"
        for resource in node.get("resources") or {}:
            if resource not in RESOURCES and resource.upper() in RESOURCES:
                yield f"{name}: resources: {resource} is none of Ray's; write {resource.upper()}"
        price = (node.get("labels") or {}).get(PRICE_LABEL, "0")
        if not re.fullmatch(r"\d+(\.\d+)?", price):
            yield f'{name}: {PRICE_LABEL} is {price!r}; write the bare number, such as "0.80"'
    if len(types) > 1 and document.get("max_workers") == 0:
        yield "max_workers: 0 in all, so no worker ever starts; raise it"


def _files(document: Document) -> Iterator[str]:
    """Those that are taken from this machine, and where they go."""
    auth: Mapping[str, Any] = document.get("auth") or {}
    key = auth.get("ssh_private_key")
    if key and not Path(key).expanduser().exists():
        yield f"auth: ssh_private_key: there is no {key} on this machine; name the key you have"
    user = auth.get("ssh_user")
    home = "/root" if user == "root" else f"/home/{user}"
    mounts: Mapping[str, str] = document.get("file_mounts") or {}
    for place, source in mounts.items():
        if user and place.startswith(("/home/", "/root/")) and not place.startswith(f"{home}/"):
            yield f"file_mounts: {place} is not in {home}, the home of {user} (`auth`); move it there"
        if "auth_token" not in source and not Path(source).expanduser().exists():
            yield f"file_mounts: there is no {source} here; start from the root of the repository"


def _joining(document: Document) -> Iterator[str]:
    head = _start(document, "head_start_ray_commands")
    if head and "--autoscaling-config" not in head:
        yield f"head_start_ray_commands: add {CONFIG}, or no worker ever joins"
    if re.search(r"RAY_REDIS_PASSWORD=|redis\.env", head) and "--redis-password" not in head:
        yield f"head_start_ray_commands: `ray start` reads no RAY_REDIS_PASSWORD; add {PASSWORD}"
    port = re.search(r"--port[= ](\d+)", head)
    joined = re.search(r"\$RAY_HEAD_IP:(\d+)", _start(document, "worker_start_ray_commands"))
    if port and joined and port[1] != joined[1]:
        yield (
            f"worker_start_ray_commands: they join at {joined[1]}, the head listens on {port[1]}; "
            f"use --address=$RAY_HEAD_IP:{port[1]}"
        )


def _start(document: Document, key: str) -> str:
    return next((line for line in document.get(key) or () if "ray start" in line), "")


def _addresses(provider: Mapping[str, Any]) -> Iterator[str]:
    if provider.get("head_ip") in (provider.get("worker_ips") or ()):
        yield f"provider: {provider['head_ip']} is the head and a worker; take it off worker_ips"
