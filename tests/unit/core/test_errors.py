import pickle

import pytest

from models.core import errors

ALL = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)]


@pytest.mark.parametrize("kind", ALL)
def test_an_error_survives_pickling(kind):
    original = kind("what was wrong", 2.5)
    copy = pickle.loads(pickle.dumps(original))

    assert type(copy) is kind
    assert (copy.detail, copy.retry_after_s, str(copy)) == ("what was wrong", 2.5, "what was wrong")
    assert (copy.code, copy.status, copy.title) == (kind.code, kind.status, kind.title)


def test_codes_are_distinct():
    assert len({kind.code for kind in ALL}) == len(ALL)
