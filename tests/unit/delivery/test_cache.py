import pytest

from models.delivery.cache import cache_control


@pytest.mark.parametrize(
    ("public", "alias", "value"),
    [
        (True, False, "public, max-age=2592000, immutable"),
        (False, False, "private, max-age=2592000, immutable"),
        (True, True, "public, no-cache"),
        (False, True, "private, no-cache"),
    ],
)
def test_content_addressed_answers_last_thirty_days_and_aliases_are_asked_again(
    public, alias, value
):
    assert cache_control(public=public, alias=alias) == value
