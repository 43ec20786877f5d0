"""What the encoder keeps from one start to the next."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from models.core.minilm import MiniLM

WORDS = ["made of glass", "made of brass"]


@pytest.fixture(scope="module")
def encoder() -> MiniLM:
    return MiniLM.load()


def test_what_was_kept_is_what_was_computed(
    encoder: MiniLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = encoder.embed_once(WORDS, tmp_path / "words")
    monkeypatch.setattr(encoder, "embed", None)  # is not needed any more

    assert torch.equal(encoder.embed_once(WORDS, tmp_path / "words"), first)


@pytest.mark.parametrize("content", [b"torn", b"", save({"other": torch.zeros(1)})])
def test_what_was_damaged_is_computed_again(
    encoder: MiniLM, tmp_path: Path, content: bytes
) -> None:
    first = encoder.embed_once(WORDS, tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(content)

    assert torch.equal(encoder.embed_once(WORDS, tmp_path), first)
    assert path.stat().st_size > len(content)


def test_other_texts_are_kept_apart_and_a_folder_that_cannot_be_made_is_done_without(
    encoder: MiniLM, tmp_path: Path
) -> None:
    there = encoder.embed_once(WORDS, tmp_path / "words")
    other = encoder.embed_once(WORDS[::-1], tmp_path / "words")
    (tmp_path / "file").write_bytes(b"")
    nowhere = encoder.embed_once(WORDS, tmp_path / "file" / "words")

    assert torch.equal(other, there.flip(0))
    assert torch.equal(nowhere, there)
