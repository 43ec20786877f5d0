"""One log: what our packages say goes where Serve writes, as JSON with the request's id."""

import logging
from collections.abc import Mapping

import ray
from ray import serve

SERVE_LOGGER = "ray.serve"
PACKAGES = ("models", "deployments", "graphs")


def join_serve_log() -> None:
    """Send the records of our packages to Serve's handlers; call it in a replica's constructor."""
    serve = logging.getLogger(SERVE_LOGGER)
    for name in PACKAGES:
        own = logging.getLogger(name)
        own.handlers = serve.handlers
        own.setLevel(serve.level)
        own.propagate = False


def fixed_context() -> Mapping[str, object]:
    """What each record of a replica says of its place, to be passed as a part of its `extra`.

    Serve's filters ask Ray's core for it with every record, which takes a third as long as a quick
    run; they leave records alone that have it.
    """
    context, runtime = serve.get_replica_context(), ray.get_runtime_context()
    return {
        "skip_context_filter": True,
        "worker_id": runtime.get_worker_id(),
        "node_id": runtime.get_node_id(),
        "actor_id": runtime.get_actor_id(),
        "actor_name": runtime.get_actor_name(),
        "application": context.app_name,
        "deployment": f"{context.app_name}_{context.deployment}",
        "replica": context.replica_tag,
        "component_name": "replica",
    }
