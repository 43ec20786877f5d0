"""Webhooks are written with their event, signed, and sent until they are taken."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa

from models.core.errors import UpstreamUnavailable
from models.workflow.database import hooks
from models.workflow.webhooks import Dispatcher, signature
from tests.unit.workflow.test_validation import echo
from tests.workflow.started import OWNER, Started

HOOK = {"url": "https://example.org/hook", "events": ["workflow.*", "task.failed"]}


@dataclass
class Mailbox:
    """Takes messages, after it refused a number of them."""

    refusals: int = 0
    taken: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> None:
        if self.refusals:
            self.refusals -= 1
            raise UpstreamUnavailable("not now")
        self.taken.append((url, dict(headers), body))


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def dispatcher(engine: Started, mailbox: Mailbox) -> Dispatcher:
    return Dispatcher(engine.engine._database, mailbox.post)


def stop_the_own_dispatcher(engine: Started) -> None:
    engine.engine._background[-1].cancel()


def test_the_signature_is_that_of_the_specification() -> None:
    # The example of the specification of Standard Webhooks.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105
    body = '{"test": 2432232314}'

    signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)

    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_the_wanted_events_are_sent_and_signed(
    engine: Started, dispatcher: Dispatcher, mailbox: Mailbox
) -> None:
    stop_the_own_dispatcher(engine)
    await engine.submit("r", {"tasks": [echo("a")], "webhook": HOOK})
    await engine.ended("r")

    await dispatcher.deliver_due()
    await dispatcher.deliver_due()

    bodies = [json.loads(body) for _, _, body in mailbox.taken]
    assert sorted(body["type"] for body in bodies) == ["workflow.completed", "workflow.started"]
    assert {body["data"]["task_id"] for body in bodies} == {"r"}
    secret = await engine.engine.webhook_secret(OWNER)
    for url, headers, body in mailbox.taken:
        assert url == HOOK["url"]
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        key = base64.b64decode(secret.removeprefix("whsec_"))
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"


async def test_what_is_not_taken_is_sent_again_later(
    engine: Started, dispatcher: Dispatcher, mailbox: Mailbox
) -> None:
    stop_the_own_dispatcher(engine)
    mailbox.refusals = 2
    await engine.submit("r", {"tasks": [echo("a")], "webhook": HOOK})
    await engine.ended("r")

    assert await dispatcher.deliver_due() == 0
    assert await dispatcher.deliver_due() == 0, "not before its time"
    engine.engine._database.transact(lambda c: c.execute(sa.update(hooks).values(due_at=0)))
    assert await dispatcher.deliver_due() == 2


async def test_the_secret_of_another_owner_is_another_one(engine: Started) -> None:
    assert await engine.engine.webhook_secret("a") == await engine.engine.webhook_secret("a")
    assert await engine.engine.webhook_secret("a") != await engine.engine.webhook_secret("b")
