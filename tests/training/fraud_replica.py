"""A replica of the fraud capability in a process of its own: a request a line, an answer a line."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import SecretStr

from models.core.capability import Run, Setup
from models.core.local_store import LocalArtifactStore
from models.fraud import postgres
from models.fraud.cases_schema import CasesRequest
from models.fraud.model import FraudModel
from models.fraud.schema import FraudRequest

ROOT = Path(__file__).resolve().parents[2]
NOON_S = 1_767_268_800.0  # 2026-01-01 12:00 UTC, a Thursday
Json = dict[str, Any]


def be_patient() -> None:
    """A busy machine is slow; the database is not away."""
    postgres.ANSWER_S = 100.0  # type: ignore[misc]  # for this process
    postgres.SESSION = "SET search_path = orrery_fraud"  # type: ignore[misc]  # the same
    postgres.NETWORK["connect_timeout"] = 100


def model_of(folder: Path, url: str | None) -> FraudModel:
    """The capability as a replica builds it; on a file without a URL."""
    setup = Setup(
        store=LocalArtifactStore(folder / "assets", min_free_bytes=0),
        device="cpu",
        cache_dir=folder,
        data_dir=folder,
        secrets={} if url is None else {"record_url": SecretStr(url)},
    )
    return FraudModel(setup, clock=lambda: NOON_S + 400 * 86_400)


def answers(model: FraudModel, owner: str, events: Sequence[Json]) -> list[Json]:
    request = FraudRequest.model_validate({"events": list(events)})
    found = json.loads(model.run(request, Run(owner, "r")).model_dump_json())
    results: list[Json] = found["results"]
    return results


def cases(model: FraudModel, owner: str) -> list[Json]:
    """All but their numbers, which may leave some out."""
    page = model.run(CasesRequest(limit=200), Run(owner, "r"))
    found: list[Json] = json.loads(page.model_dump_json())["cases"]
    return [{name: each[name] for name in each if name != "case_id"} for each in found]


class Replica:
    """A process with the capability on a database."""

    def __init__(self, folder: Path, url: str) -> None:
        folder.mkdir()
        command = [sys.executable, "-m", "tests.training.fraud_replica", str(folder), url]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def send(self, owner: str, events: Sequence[Json]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([owner, list(events)]) + "\n")
        self._process.stdin.flush()

    def answered(self) -> list[Json]:
        assert self._process.stdout is not None
        found: list[Json] = json.loads(self._process.stdout.readline())
        return found

    def ask(self, owner: str, events: Sequence[Json]) -> list[Json]:
        self.send(owner, events)
        return self.answered()

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()


if __name__ == "__main__":
    be_patient()
    served = model_of(Path(sys.argv[1]), sys.argv[2])
    for line in sys.stdin:
        who, asked = json.loads(line)
        sys.stdout.write(json.dumps(answers(served, who, asked)) + "\n")
        sys.stdout.flush()
    served.close()
