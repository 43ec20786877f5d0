"""Serve's own autoscaling policy as a value: the yardstick of the simulator and of each decision."""

import math
from typing import Any, Protocol

from ray.serve import autoscaling_policy as serve_policy
from ray.serve._private.common import DeploymentID
from ray.serve.config import AutoscalingConfig, AutoscalingContext

ANY = DeploymentID(name="simulated", app_name="simulated")


class Seen(Protocol):
    """What a policy is told at a tick of the simulator."""

    @property
    def now_s(self) -> float:
        """Time from the start."""
        ...

    @property
    def replicas(self) -> int:
        """Asked for."""
        ...

    @property
    def ongoing(self) -> float:
        """Requests queued or worked on."""
        ...


class ServeDefault:
    """Serve's queue-length policy, scaling factors and delays, on a clock that is passed in.

    Args:
        config: As `autoscaling_config` of the configuration.
    """

    def __init__(self, config: AutoscalingConfig) -> None:
        self._config = config
        self._state: dict[str, Any] = {}

    def __call__(self, seen: Seen) -> int:
        """Replicas to have."""
        target = seen.replicas
        wish = wished(context(self._config, target, seen.ongoing, seen.now_s))
        if target == 0:
            return wish
        scaled = serve_policy._apply_scaling_factors(wish, target, self._config)  # noqa: SLF001
        decided, self._state = serve_policy._apply_delay_logic(  # noqa: SLF001
            scaled, target, self._config, self._state, seen.now_s
        )
        return int(decided)


def wished(ctx: AutoscalingContext) -> int:
    """What Serve's policy wishes for, before delays and bounds."""
    wish, _ = serve_policy.replica_queue_length_autoscaling_policy(ctx)
    return math.ceil(wish)


def context(
    config: AutoscalingConfig, replicas: int, ongoing: float, now_s: float
) -> AutoscalingContext:
    """A context of Serve for a deployment whose replicas all run."""
    return AutoscalingContext(
        deployment_id=ANY,
        deployment_name=ANY.name,
        app_name=ANY.app_name,
        current_num_replicas=replicas,
        target_num_replicas=replicas,
        running_replicas=[],
        total_num_requests=ongoing,
        total_queued_requests=0.0,
        aggregated_metrics={},
        raw_metrics={},
        capacity_adjusted_min_replicas=config.min_replicas,
        capacity_adjusted_max_replicas=config.max_replicas,
        policy_state={},
        last_scale_up_time=None,
        last_scale_down_time=None,
        current_time=now_s,
        config=config,
    )
