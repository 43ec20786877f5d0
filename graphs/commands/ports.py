"""Who holds a TCP port."""

import psutil

EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound


def holder_of(host: str, port: int) -> str | None:
    """The process that listens where `host:port` would be bound, as `name (pid n)`."""
    for connection in psutil.net_connections("tcp"):
        ip, taken = connection.laddr or ("", 0)
        if connection.status != psutil.CONN_LISTEN or taken != port:
            continue
        if ip in {host, *EVERYWHERE} or host in EVERYWHERE:
            if connection.pid is None:
                return "a process of another user"
            return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return None
