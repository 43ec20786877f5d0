from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.delivery.signing import Grant, checked_grant, signed_target

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = b"k" * 32
ID = "0a" * 32
TARGET = signed_target(Grant(ID, "ann"), expires_at=NOW + timedelta(hours=1), key=KEY)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_signed_url_opens_the_asset_of_its_owner(owner):
    target = signed_target(Grant(ID, owner), expires_at=NOW + timedelta(seconds=1), key=KEY)

    assert target.isascii()
    assert checked_grant(target, now=NOW, key=KEY) == Grant(ID, owner)


@pytest.mark.parametrize(
    "target",
    [
        TARGET.replace("ann", "bob"),
        TARGET.replace(ID, "0b" * 32),
        TARGET.replace("expires=1", "expires=2"),
        TARGET[:-1],
        TARGET + "&owner=ann",
        TARGET.replace("expires=", "expires=%2B"),
        TARGET.replace("signature=", "signature=%ff"),
        f"/assets/{ID}",
        f"/assets/{ID}?expires=9&owner=ann&signature=",
        "/elsewhere" + TARGET,
    ],
)
def test_a_url_that_was_changed_opens_nothing(target):
    assert checked_grant(target, now=NOW, key=KEY) is None


def test_another_key_and_a_later_time_open_nothing():
    assert checked_grant(TARGET, now=NOW, key=b"x" * 32) is None
    assert checked_grant(TARGET, now=NOW + timedelta(hours=1), key=KEY) is None
