"""One log: what our packages say goes where Serve writes, as JSON with the request's id."""

import logging

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
