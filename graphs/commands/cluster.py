"""`orrery cluster`: find what is wrong with a cluster's file before it costs money."""

import argparse
import copy
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ray
import yaml
from ray.autoscaler._private import util as ray_cluster

from graphs.commands import kuberay
from graphs.commands.failure import Failure
from graphs.commands.launcher import PRICE_LABEL, find_slips
from graphs.commands.terminal import Subcommands, say

START_COMMANDS = ("head_start_ray_commands", "worker_start_ray_commands")
TOKEN = "/.ray/auth_token"  # noqa: S105 - the place of it
EVERYONE = {"0.0.0.0/0", "::/0"}
WEB_PORTS = {80, 443, 8000}
Document = Mapping[str, Any]


def add_parser(subcommands: Subcommands) -> None:
    """Describe the subcommand."""
    parser = subcommands.add_parser("cluster", help="check a cluster's file offline")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    check = actions.add_parser("check", help="validate it and estimate its cost")
    check.add_argument("file", type=Path, nargs="?", default=Path("cluster.yaml"))
    check.set_defaults(run=run)
    manifest = actions.add_parser("manifest", help="print a KubeRay manifest, complete")
    manifest.add_argument("file", type=Path, nargs="?", default=Path("clusters/kuberay.yaml"))
    manifest.add_argument("--config", type=Path, default=Path("serve_config.yaml"))
    manifest.set_defaults(run=run_manifest)


def run(options: argparse.Namespace) -> int:
    """Print every mistake with its mend, or the cost; status 1 if there are mistakes."""
    document = read(options.file)
    on_kubernetes = "kind" in document
    mistakes = list(
        kuberay.find_mistakes(dict(document), ray.__version__)
        if on_kubernetes
        else find_mistakes(document)
    )
    for mistake in mistakes:
        say(f"- {mistake}")
    if mistakes:
        return 1
    if on_kubernetes:
        say(f"{options.file} is valid for KubeRay.")
        return 0
    least, most = cost_usd_per_hour(document)
    say(f"{options.file} is valid for Ray's cluster launcher.")
    if most:
        say(f"By its {PRICE_LABEL} labels: {least:.2f} USD per hour idle, at most {most:.2f}.")
    return 0


def run_manifest(options: argparse.Namespace) -> int:
    """Print the manifest with the configuration of the application in its place."""
    say(kuberay.complete(dict(read(options.file)), dict(read(options.config))))
    return 0


def read(path: Path) -> Document:
    """The file as a mapping.

    Raises:
        Failure: It cannot be read.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise Failure(f"{path} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise Failure(f"{path} holds no mapping; start from cluster.yaml")
    return document


def find_mistakes(document: Document) -> Iterator[str]:
    """What Ray, or Orrery on it, would stumble over; each says the mend."""
    found = _by_schema(document)
    if found:
        yield found
        return
    yield from _node_types(document)
    yield from _start_commands(document)
    yield from _firewall(document)
    yield from find_slips(document)
    if not _place_of_app(document):
        yield "file_mounts: the repository is not mounted; add `{/home/ubuntu/app: .}`"
    if not any(place.endswith(TOKEN) for place in document.get("file_mounts") or {}):
        yield (
            "file_mounts: no machine has the token, so Ray does not start; add "
            "`{/home/ubuntu/.ray/auth_token: ~/.ray/auth_token}` (`ray get-auth-token --generate`)"
        )
    if not any("constraints.txt" in line for line in document.get("setup_commands") or ()):
        yield "setup_commands: versions are not pinned; install with `-c constraints.txt`"


def _by_schema(document: Document) -> str:
    try:
        ray_cluster.validate_config(ray_cluster.prepare_config(copy.deepcopy(dict(document))))
    except Exception as error:  # noqa: BLE001 - each cloud's part of Ray raises its own
        message = getattr(error, "message", None)
        if message is None:
            return f"Ray refuses it: {error}"
        place = ".".join(str(part) for part in getattr(error, "absolute_path", ())) or "the file"
        return f"{place}: {message}; see the cluster YAML reference of Ray"
    return ""


def _node_types(document: Document) -> Iterator[str]:
    types: Mapping[str, Any] = document.get("available_node_types") or {}
    if not types:
        return
    head = document["head_node_type"]
    gpus = 0.0
    for name, node in types.items():
        count = float((node.get("resources") or {}).get("GPU", 0))
        if name == head:
            if count:
                yield f"{name}: the head should have no GPU, it never goes; move it to a worker"
            continue
        gpus += count
        if count != int(count):
            yield f"{name}: GPU is {count:g}; a machine has whole GPUs, shares belong to replicas"
        low, high = node.get("min_workers", 0), node.get("max_workers", 0)
        if low > high:
            yield f"{name}: min_workers {low} is above max_workers {high}; raise max_workers"
        if high == 0:
            yield f"{name}: max_workers is 0, so it never starts; set it to 1 or more"
        elif count and low:
            yield f"{name}: min_workers is {low}, so an idle GPU is paid for; set it to 0"
    if not gpus:
        yield "available_node_types: no worker has a GPU; give one `resources: {GPU: 1}`"


def _place_of_app(document: Document) -> str:
    """Where the repository is mounted; empty if it is not."""
    mounts: Mapping[str, str] = document.get("file_mounts") or {}
    return next((place for place in mounts if not place.endswith(TOKEN)), "")


def _start_commands(document: Document) -> Iterator[str]:
    app = _place_of_app(document) or "/home/ubuntu/app"
    for key in START_COMMANDS:
        starts = [line for line in document.get(key) or () if "ray start" in line]
        if not starts:
            yield f"{key}: nothing starts Ray; add `ray start`"
            continue
        start = starts[-1]
        for needed, why in (
            (f"PYTHONPATH={app}", "or Serve's controller does not find the autoscaling policy"),
            ("RAY_AUTH_MODE=token", "or anyone who reaches a port runs code"),
            ("ORRERY_ACCELERATOR=gpu", "or a cluster scaled to zero never asks for a GPU"),
        ):
            if needed not in start:
                yield f"{key}: set {needed}, {why}"
        if re.search(r"--dashboard-host[= ](?!127\.0\.0\.1|localhost)", start):
            yield f"{key}: set --dashboard-host=127.0.0.1 and reach it by `ray dashboard`"
        if key == START_COMMANDS[0] and not re.search(r"RAY_REDIS_ADDRESS=|redis\.env", start):
            yield f"{key}: set RAY_REDIS_ADDRESS (or read ~/redis.env), or a lost head loses all"
        if key == START_COMMANDS[1] and "$RAY_HEAD_IP" not in start:
            yield f"{key}: join with --address=$RAY_HEAD_IP:6379"


def _firewall(document: Document) -> Iterator[str]:
    """On AWS the file decides who reaches a machine; elsewhere the network does."""
    provider: Mapping[str, Any] = document["provider"]
    if provider["type"] != "aws":
        return
    group: Mapping[str, Any] = provider.get("security_group") or {}
    types: Mapping[str, Any] = document.get("available_node_types") or {}
    own = [(node.get("node_config") or {}).get("SecurityGroupIds") for node in types.values()]
    if not group.get("GroupName") and not all(own):
        yield (
            "provider: the security group that Ray makes opens ssh to everyone; make one of your own "
            "and name it: `security_group: {GroupName: orrery}`"
        )
    for rule in group.get("IpPermissions") or ():
        sources = [ip.get("CidrIp") for ip in rule.get("IpRanges") or ()]
        sources += [ip.get("CidrIpv6") for ip in rule.get("Ipv6Ranges") or ()]
        if not EVERYONE.isdisjoint(sources) and not _only_web(rule):
            ports = f"{rule.get('FromPort', 'all')} to {rule.get('ToPort', 'all')}"
            yield f"security_group: ports {ports} are open to everyone; name your own addresses"


def _only_web(rule: Mapping[str, Any]) -> bool:
    return rule.get("FromPort") == rule.get("ToPort") and rule.get("FromPort") in WEB_PORTS


def cost_usd_per_hour(document: Document) -> tuple[float, float]:
    """Price with no load and at most, from the labels; 0 where there are none."""
    types: Mapping[str, Any] = document.get("available_node_types") or {}
    least = most = 0.0
    workers = []
    for name, node in types.items():
        price = float((node.get("labels") or {}).get(PRICE_LABEL, 0))
        if name == document.get("head_node_type"):
            least, most = least + price, most + price
            continue
        least += price * int(node.get("min_workers", 0))
        workers += [price] * int(node.get("max_workers", 0))
    dearest = sorted(workers, reverse=True)[: int(document.get("max_workers", 0))]
    return least, most + sum(dearest)
