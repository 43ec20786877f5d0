"""Samples the replicas of a deployment from Serve's controller, as a process of its own.

`/status` would ask a replica as well, and so take part in what is measured. Run:
`python -m benchmarks.scaling_watch ADDRESS DEPLOYMENT`; prints time on the monotonic clock, replicas
that exist, those of them that are not told to stop, and those that run, a line each time one changes.
"""

import sys
import time

import ray
from ray import serve

SAMPLE_S = 0.2


def main(address: str, name: str) -> None:
    """Sample until killed."""
    ray.init(address=address, namespace="serve", log_to_driver=False)
    last = (-1, -1, -1)
    while True:
        status = serve.status().applications["orrery"].deployments[name]
        states: dict[str, int] = {**status.replica_states}  # its keys are strings too
        alive = sum(states.values())
        now = (alive, alive - states.get("STOPPING", 0), states.get("RUNNING", 0))
        if now != last:
            print(time.monotonic(), *now, flush=True)
            last = now
        time.sleep(SAMPLE_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
