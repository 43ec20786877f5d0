"""`orrery chaos`: kill, freeze and restart parts of a service under load; report what was kept."""

import argparse
import asyncio
import json
import shlex
import signal
import subprocess
import time
from contextlib import ExitStack
from types import FrameType
from typing import Final

from graphs.chaos.ledger import Ledger
from graphs.chaos.load import Load, orders
from graphs.chaos.schedule import Fault, Role, plan
from graphs.chaos.service import NotStarted, started
from graphs.chaos.takeovers import Hit
from graphs.chaos.verdict import Verdict, judge
from graphs.chaos.victims import Victims
from graphs.commands.failure import Failure
from graphs.commands.terminal import Subcommands, say

CLIENTS: Final = 8
VICTIM_LIMIT_S: Final = 60.0
PEER_LIMIT_S: Final = 60.0
SEEN_S: Final = 2.5
REPORT_EVERY: Final = 20


def add_parser(subcommands: Subcommands) -> None:
    """Describe the subcommand."""
    parser = subcommands.add_parser("chaos", help="break a service under load, check its promises")
    parser.add_argument("--kills", type=int, default=30, help="faults: kills, freezes, restarts")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same schedule")
    parser.add_argument("--minutes", type=float, default=60.0, help="no new fault after this time")
    parser.add_argument("--clients", type=int, default=CLIENTS, help="workflows at the same time")
    parser.add_argument("--runs-url", default="", help="postgresql://…; default: embedded store")
    parser.add_argument("--restart-database", help="command that restarts the database")
    parser.add_argument("--url", help="of a service of your own that serves the drill (see docs)")
    parser.add_argument("--pid", type=int, help="of its `orrery serve` on this machine, or raylet")
    parser.add_argument("--ledger-port", type=int, default=0, help="where it makes its effects")
    parser.add_argument("--key", help="API key, where the service needs one")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Break, wait for what was accepted, judge; status 1 if a promise was broken."""
    for name in ("kills", "minutes", "clients"):
        if getattr(options, name) <= 0:
            raise Failure(f"--{name} must be above 0")
    if (options.url is None) != (options.pid is None):
        raise Failure("give --url and --pid together, or neither to break a service of its own")
    signal.signal(signal.SIGTERM, _leave)  # so that nothing of ours stays behind
    try:
        return _run(options)
    except NotStarted as error:
        raise Failure(str(error)) from error


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _run(options: argparse.Namespace) -> int:
    with ExitStack() as stack:
        ledger = Ledger(options.ledger_port)
        stack.callback(ledger.close)
        url, pid = options.url, options.pid
        if url is None:
            say("Starting a service to break ...")
            url, pid = stack.enter_context(started(ledger.url, options.runs_url))
        verdict = asyncio.run(_break(options, url, pid, ledger))
    if options.json:
        say(json.dumps({name: float(value) for name, value in verdict.rows()}))
    else:
        for name, value in verdict.rows():
            say(f"| {name} | {value} |")
    say("Every promise was kept." if verdict.is_kept else "A promise was BROKEN.")
    return 0 if verdict.is_kept else 1


async def _break(options: argparse.Namespace, url: str, pid: int, ledger: Ledger) -> Verdict:
    headers = {"Authorization": f"Bearer {options.key}"} if options.key else {}
    load = Load(url, headers, orders(options.seed))
    attack = Attack(Victims(pid), load, options)
    began = time.monotonic()
    async with load.running(options.clients):
        await attack.carry_out()
    minutes = (time.monotonic() - began) / 60
    return judge(load.orders, ledger.effects(), ledger.repeats, attack.hits, attack.faults, minutes)


class Attack:
    """Carries a schedule out.

    Args:
        victims: What can be hit.
        load: Asks the service how it is.
        options: Of the command.
    """

    def __init__(self, victims: Victims, load: Load, options: argparse.Namespace) -> None:
        self._victims = victims
        self._load = load
        self._options = options
        self.faults = 0
        self.hits: list[Hit] = []

    async def carry_out(self) -> None:
        """Hit one after the other; a victim that is away is waited for."""
        options = self._options
        unreachable: set[Role] = set() if options.restart_database else {"database"}
        end = time.monotonic() + 60 * options.minutes
        for fault in plan(options.kills, options.seed, frozenset(unreachable)):
            if time.monotonic() > end:
                say(f"time is up after {self.faults} faults")
                break
            await asyncio.sleep(fault.pause_s)
            if not await self._hit(fault):
                say(f"skipped: no living {fault.role} within {VICTIM_LIMIT_S:.0f} s")
                continue
            self.faults += 1
            if self.faults % REPORT_EVERY == 0:
                say(f"{self.faults} of {options.kills} faults")
        await asyncio.to_thread(self._victims.wait_until_awake)

    async def _hit(self, fault: Fault) -> bool:
        """Whether there was something to hit."""
        if fault.role == "database":
            command = shlex.split(self._options.restart_database)
            at = time.time()
            await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
            self.hits.append(Hit(at, time.time(), "restart"))
            return True
        if fault.role == "orchestrator":
            await self._until_another_can_take_over()
        deadline = time.monotonic() + VICTIM_LIMIT_S
        at = time.time()
        while (pid := await asyncio.to_thread(self._victims.strike, fault)) is None:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.1)
            at = time.time()
        if fault.role == "orchestrator":
            woke_at = at + (fault.freeze_s if fault.blow == "freeze" else 0)
            self.hits.append(Hit(at, woke_at, fault.blow, pid))
        return True

    async def _until_another_can_take_over(self) -> None:
        """Wait until two are up; where one stays alone, it is hit all the same."""
        deadline = time.monotonic() + PEER_LIMIT_S
        while time.monotonic() < deadline:
            # Serve needs a second or two to see that a replica died.
            is_known = not self.hits or time.time() - self.hits[-1].at > SEEN_S
            there = len(self._victims.of("orchestrator"))
            if is_known and there > 1 and await self._load.replicas("orchestrator") > 1:
                return
            await asyncio.sleep(0.2)
