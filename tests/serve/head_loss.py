"""A head that is lost and comes back, seen from a worker: what stops, what goes on, what is kept.

Runs on the worker that `head_loss.sh` makes; prints one line of JSON. Ray starts as the on-premises
file says, but for the autoscaler, which has no machines to start here. No replica runs on the head.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import yaml

from tests.serve.conftest import ROOT, probe_config

APART = ("--pid", "--fork", "--mount-proc", "--net", "--mount", "--ipc", "--kill-child")
WORKER_IP, HEAD_IP, REDIS_PORT, PASSWORD = "192.0.2.11", "192.0.2.10", 6380, "drill"
URL = "http://127.0.0.1:8000"
AWAY_S = 70.0  # more than the minute that Ray's workers wait unless told otherwise
LIMIT_S = 240.0


def start_command(key: str) -> str:
    """As the on-premises file starts Ray."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "clusters/on-premises.yaml").read_text())
    command: str = document[key][-1]
    return command.replace("--autoscaling-config=~/ray_bootstrap_config.yaml", "--num-cpus=0")


class Head:
    """The machine that is lost, and its successors."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> float:
        """Seconds until `ray start` has returned."""
        began = time.monotonic()
        self._count += 1
        link = f"head{self._count}"
        script = ["unshare", *APART, "/bin/bash", "tests/serve/head_loss.sh", "head", link]
        with (self._folder / f"{link}.log").open("w") as log:
            process = subprocess.Popen(
                script,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        self._plug_in(link)
        process.stdin.write(start_command("head_start_ray_commands"))
        process.stdin.close()
        assert process.stdout.readline() == "up\n", "the head did not start"
        return time.monotonic() - began

    def _plug_in(self, link: str) -> None:
        assert self._process is not None
        pid = self._process.pid
        mine = Path("/proc/self/ns/net").readlink()
        while Path(f"/proc/{pid}/ns/net").readlink() == mine:
            time.sleep(0.05)
        for command in (
            f"ip link add to-{link} type veth peer name {link}",
            f"ip link set to-{link} master switch up",
            f"ip link set {link} netns {pid}",
        ):
            subprocess.run(command.split(), check=True)

    def lose(self) -> None:
        """All at once, as when the power fails."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def run(self, *command: str) -> str:
        """A command of Serve, in the network of the head."""
        assert self._process is not None
        inside = ("nsenter", "--net", "--target", str(self._process.pid))
        done = subprocess.run(
            (*inside, "/home/ubuntu/venv/bin/serve", *command),
            cwd=ROOT,
            env={**os.environ, "RAY_AUTH_MODE": "token"},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr


class Answer(NamedTuple):
    """One request: when it was sent, how long it took, and the process that answered, if any."""

    sent_s: float
    seconds: float
    pid: int | None


@dataclass
class Caller:
    """Asks the worker's own proxy four times a second."""

    answers: list[Answer] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def calling(self) -> Iterator[None]:
        thread = threading.Thread(target=self._call)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _call(self) -> None:
        while not self._ended.wait(0.25):
            began = time.monotonic()
            try:
                answer = httpx.post(f"{URL}/api/v1/probe", json={}, timeout=10)
                pid = answer.json()["pid"] if answer.is_success else None
            except httpx.HTTPError:
                pid = None
            self.answers.append(Answer(began, time.monotonic() - began, pid))

    def between(self, start_s: float, end_s: float) -> list[Answer]:
        return [answer for answer in self.answers if start_s <= answer.sent_s < end_s]


def figures(answers: list[Answer], when: str) -> dict[str, float]:
    """How many were answered, and how soon."""
    seconds = sorted(answer.seconds for answer in answers)
    return {
        f"answered_{when}": sum(answer.pid is not None for answer in answers),
        f"failed_{when}": sum(answer.pid is None for answer in answers),
        f"median_s_{when}": round(seconds[len(seconds) // 2], 2),
        f"slowest_s_{when}": round(seconds[-1], 2),
    }


def replicas(answers: list[Answer]) -> set[int]:
    return {answer.pid for answer in answers if answer.pid is not None}


def configuration(folder: Path) -> Path:
    """The probe alone, reached on each machine, with what it keeps where both machines see it."""
    bounds = {"min_replicas": 1, "max_replicas": 1}  # so that the policy decides at all
    path = probe_config(folder, max_ongoing_requests=4, autoscaling_config=bounds)
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    document["proxy_location"] = "EveryNode"
    application = document["applications"][0]
    application["runtime_env"] = {"working_dir": "local:///home/ubuntu/app"}
    application["args"] |= {"accelerator": "cpu", "data_dir": str(folder / "data")}
    application["args"]["resources"]["probe"]["threads"] = 4  # a long task leaves room for others
    path.write_text(yaml.safe_dump(document))
    return path


def accept(sleep_s: float) -> str:
    """A task; its address."""
    step = {"id": "a", "uses": "probe.run", "with": {"sleep_s": sleep_s}}
    answer = httpx.post(f"{URL}/api/v1/orchestrate", json={"tasks": [step]}, timeout=30)
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    return answer.headers["location"]


def wait(what: str, condition: Any) -> float:
    """Seconds until it holds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < LIMIT_S, f"not in time: {what}"
        time.sleep(0.25)
    return time.monotonic() - began


def get(path: str) -> dict[str, Any]:
    """An answer; empty where there is none."""
    try:
        answer = httpx.get(f"{URL}{path}", timeout=5)
        return answer.json() if answer.is_success else {}
    except httpx.HTTPError:
        return {}


def main(folder: Path) -> None:
    home = Path.home()
    (home / "redis.env").write_text(
        f"RAY_REDIS_ADDRESS={WORKER_IP}:{REDIS_PORT}\nRAY_REDIS_PASSWORD={PASSWORD}\n"
    )
    server = os.environ["ORRERY_REDIS_SERVER"]
    place = ("--bind", WORKER_IP, "--port", str(REDIS_PORT), "--dir", str(folder))
    kept = ("--requirepass", PASSWORD, "--save", "", "--appendonly", "no")
    with (folder / "redis.log").open("w") as log:
        redis = subprocess.Popen((server, *place, *kept), stdout=log, stderr=log)
    head = Head(folder)
    try:
        head.start()
        with (folder / "worker.log").open("w") as log:
            join = start_command("worker_start_ray_commands")
            subprocess.run(
                ("/bin/bash", "-c", join),
                env={**os.environ, "RAY_HEAD_IP": HEAD_IP},
                stdout=log,
                stderr=log,
                check=True,
            )
        (folder / "deploy.log").write_text(head.run("deploy", str(configuration(folder))))
        wait("ready", lambda: get("/ready"))
        wait("a decision", lambda: get("/scaling-decision"))
        print(json.dumps(lose_and_return(head)))  # noqa: T201 - read by the test
    finally:
        redis.kill()
        redis.wait()


def lose_and_return(head: Head) -> dict[str, Any]:
    caller = Caller()
    with caller.calling():
        wait("answers", lambda: len(caller.answers) > 8)
        earlier = accept(60)
        time.sleep(1)
        lost_s = time.monotonic()
        head.lose()
        time.sleep(AWAY_S / 2)
        meanwhile = accept(1)
        told = {path: bool(get(path)) for path in ("/health", "/ready", "/scaling-decision")}
        time.sleep(AWAY_S / 2)
        start_s = head.start()
        back_s = time.monotonic()
        running_s = wait("RUNNING", lambda: "status: RUNNING" in head.run("status"))
        wait("the earlier task", lambda: get(earlier).get("state") == "completed")
        wait("the other task", lambda: get(meanwhile).get("state") == "completed")
        wait("a decision", lambda: get("/scaling-decision"))
        later = accept(0)
        wait("a later task", lambda: get(later).get("state") == "completed")
        end_s = time.monotonic()
    before = caller.between(0, lost_s)
    away, after = caller.between(lost_s, back_s), caller.between(back_s, end_s)
    return {
        "away_s": round(back_s - lost_s, 1),
        "start_s": round(start_s, 1),
        "running_s": round(running_s, 1),
        **figures(before, "before"),
        **figures(away, "away"),
        **figures(after, "after"),
        "told_away": told,
        "same_replicas": replicas(before) == replicas(away + after),
        "attempts": [get(task)["tasks"][0]["attempts"] for task in (earlier, meanwhile)],
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
