"""How many must work side by side so that few wait long: the queue M/M/c.

Source: Erlang 1917; for instance Gross et al., Fundamentals of Queueing Theory, 4th edition, 2.3.
"""

import math

HALVINGS = 40


def waiting_longer(servers: int, load: float, service_s: float, wait_s: float) -> float:
    """Share of requests that wait longer than `wait_s`; 1 where the queue grows for ever.

    Args:
        servers: Requests that can be worked on at once.
        load: Seconds of work that arrive per second.
        service_s: Seconds of work per request.
        wait_s: From the arrival to the beginning of the work.
    """
    if load >= servers:
        return 1.0
    blocked = 1.0  # Erlang's B
    for count in range(1, servers + 1):
        blocked = load * blocked / (count + load * blocked)
    waits = servers * blocked / (servers - load * (1 - blocked))  # Erlang's C
    return waits * math.exp(-(servers - load) * wait_s / service_s)


def servers_for(load: float, service_s: float, wait_s: float, kept: float, most: int) -> int:
    """The fewest servers with which a share `kept` begins within `wait_s`; at most `most`."""
    if load <= 0:
        return 0
    count = math.floor(load) + 1
    while count < most and waiting_longer(count, load, service_s, wait_s) > 1 - kept:
        count += 1
    return min(count, most)


def load_kept(servers: int, service_s: float, wait_s: float, kept: float) -> float:
    """The largest load at which so many servers keep the promise."""
    low, high = 0.0, float(servers)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        keeps = waiting_longer(servers, middle, service_s, wait_s) <= 1 - kept
        low, high = (middle, high) if keeps else (low, middle)
    return low
