"""Samples the replicas of a deployment from Serve's controller, as a process of its own.

`/status` would ask a replica as well, and so take part in what is measured. Run:
`python -m benchmarks.scaling_watch ADDRESS DEPLOYMENT`; prints time on the monotonic clock, replicas
that exist and those that run, a line each time one of them changes.
"""

import sys
import time

import ray
from ray import serve

SAMPLE_S = 0.2


def main(address: str, name: str) -> None:
    """Sample until killed."""
    ray.init(address=address, namespace="serve", log_to_driver=False)
    last = (-1, -1)
    while True:
        states = serve.status().applications["orrery"].deployments[name].replica_states
        now = (sum(states.values()), states.get("RUNNING", 0))  # type: ignore[call-overload]  # a str
        if now != last:
            print(time.monotonic(), *now, flush=True)
            last = now
        time.sleep(SAMPLE_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
