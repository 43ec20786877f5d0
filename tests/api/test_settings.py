"""Keys of providers come from the environment and are shown nowhere."""

import pickle
from pathlib import Path

import pytest

from deployments.replica import ReplicaSpec
from graphs.settings import Settings

NAME = "ORRERY_SECRETS__IMAGE__OPENAI_API_KEY"


def test_a_key_of_the_environment_reaches_its_capability_unseen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(NAME, "sk-very-secret")

    settings = Settings(data_dir=tmp_path)
    spec = ReplicaSpec(
        "image", "a:b", "", 0, tmp_path, tmp_path, 0, {}, secrets=settings.secrets["image"]
    )
    travelled = pickle.loads(pickle.dumps(spec))

    assert travelled.secrets["openai_api_key"].get_secret_value() == "sk-very-secret"
    assert "sk-very-secret" not in repr(settings) + repr(spec) + settings.model_dump_json()
