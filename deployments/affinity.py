"""Serve's router for capabilities that keep models: a request goes where it is done first.

Serve's own sends all requests for a model to a replica that has it until that one is full, however long
they wait there and however idle others are.
"""

import random
import time
from collections import Counter
from typing import Any

from ray.serve.request_router import (
    FIFOMixin,
    MultiplexMixin,
    PendingRequest,
    ReplicaID,
    RequestRouter,
    RunningReplica,
)

from models.scaling.routing import Place, ranked

TRIED = 2  # replicas of which the one with fewer requests is taken, where any will do
SERVICE_S, LOAD_S = "service_s", "load_s"  # of what replicas report


class ModelAffinity(FIFOMixin, MultiplexMixin, RequestRouter):
    """Ranks replicas by when they would be done, as they report their work and their loads.

    Each process that sends requests has a router of its own, which counts what it sent itself and
    knows of the others what replicas answered in the last seconds.
    """

    def initialize_state(self, **_kwargs: object) -> None:
        """Called once, before the first request."""
        self._sent: Counter[ReplicaID] = Counter()
        self._waiting: list[PendingRequest] = []

    async def choose_replicas(
        self,
        candidate_replicas: list[RunningReplica],
        pending_request: PendingRequest | None = None,
    ) -> list[list[RunningReplica]]:
        """Replicas by rank; called again, after a while, until one has room."""
        home = "" if pending_request is None else pending_request.metadata.multiplexed_model_id
        if pending_request is None or not home:
            count = min(TRIED, len(candidate_replicas))
            return [random.sample(candidate_replicas, count)]
        pending_request.routing_context.should_backoff = True
        ranks = ranked(
            [self._place(one, home) for one in candidate_replicas],
            service_s=_mean(candidate_replicas, SERVICE_S),
            load_s=_mean(candidate_replicas, LOAD_S),
            ahead=self._ahead(home, pending_request),
            waited_s=time.time() - pending_request.created_at,
        )
        return [[candidate_replicas[n] for n in rank] for rank in ranks]

    def on_send_request(self, replica_id: ReplicaID) -> None:
        """A request is sent; its end is told once, whatever becomes of it."""
        super().on_send_request(replica_id)
        self._sent[replica_id] += 1

    def on_request_completed(self, replica_id: ReplicaID, *_request: object) -> None:
        """A replica has answered, refused the request, or died."""
        self._sent[replica_id] -= 1
        if self._sent[replica_id] <= 0:
            del self._sent[replica_id]

    def _place(self, replica: RunningReplica, home: str) -> Place:
        heard = self.replica_queue_len_cache.get(replica.replica_id) or 0
        in_hand = max(self._sent[replica.replica_id], heard)
        models = replica.multiplexed_model_ids
        return Place(home in models, in_hand, len(models))

    def _ahead(self, home: str, pending_request: PendingRequest) -> int:
        """Of the requests that wait for room, those for the same model that came before."""
        others = [
            one for one in self._waiting if one is not pending_request and not one.future.done()
        ]
        self._waiting = [*others, pending_request]
        return sum(
            one.metadata.multiplexed_model_id == home
            and one.created_at < pending_request.created_at
            for one in others
        )


def _mean(replicas: list[RunningReplica], what: str) -> float:
    """Of those that have measured it."""
    told: list[Any] = [one.routing_stats.get(what, 0.0) for one in replicas]
    known = [value for value in told if value > 0]
    return sum(known) / len(known) if known else 0.0
