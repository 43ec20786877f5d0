"""Keeps the port on which replicas call each other off foreign networks."""

from typing import Any

import ray.util
from ray.serve._private import replica

ANY_ADDRESS = "[::]"


def bind_to_node_address() -> None:
    """Make this process's replica listen on the node's own address instead of all of them.

    Serve opens an unauthenticated gRPC server on every interface for calls between replicas, in
    which requests are pickled; there is no option for its address. Its peers reach it under the
    node's address, which is loopback on a laptop. Call it from a replica's constructor: the
    server is started right after.
    """
    internals: Any = replica
    node: Any = ray.util
    add_port = internals.add_port_to_grpc_server

    def add_node_port(server: object, address: str) -> int:
        port: int = add_port(server, address.replace(ANY_ADDRESS, node.get_node_ip_address()))
        return port

    internals.add_port_to_grpc_server = add_node_port
