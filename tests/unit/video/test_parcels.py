"""What travels between machines is dropped, whoever dies on the way."""

import os
from pathlib import Path

import pytest

from models.core.errors import UnknownAsset, UpstreamUnavailable
from models.core.local_store import LocalArtifactStore
from models.video.parcels import Parcels, owner_of
from models.video.workplace import KEPT_S, sweep

CLIP = "c" * 64
OWNER = owner_of(CLIP)


class Outage(LocalArtifactStore):
    """A store that takes files and is gone when they should be deleted."""

    def delete(self, asset_id: str, owner: str) -> None:
        raise UpstreamUnavailable("the object store did not answer")


def sent(folder: Path, parcels: Parcels, content: bytes) -> str:
    path = folder / "00001.m4s"
    path.write_bytes(content)
    return parcels.send(path)


def test_the_next_attempt_drops_what_a_killed_one_left(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path / "assets", min_free_bytes=0)
    here, there = tmp_path / "here" / CLIP, tmp_path / "there" / CLIP
    dead = Parcels(store, here)
    own = sent(tmp_path, dead, b"field")
    dead.note(sent(tmp_path, Parcels(store, there), b"segment"))

    assert Parcels(store, here).open(own) == b"field"
    assert Parcels(store, here).forget()
    with pytest.raises(UnknownAsset):
        store.stat(own, OWNER)
    assert not list((tmp_path / "assets" / "blobs").rglob("*.*"))
    assert Parcels(store, there).forget()  # what is gone already is no fault


def test_what_was_taken_leaves_the_store_at_once(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path / "assets", min_free_bytes=0)
    parcels = Parcels(store, tmp_path / CLIP)
    asset_id = sent(tmp_path, parcels, b"segment")

    assert parcels.take(asset_id) == b"segment"
    with pytest.raises(UnknownAsset):
        store.stat(asset_id, OWNER)
    with pytest.raises(UnknownAsset):
        parcels.take(asset_id)


def test_what_nobody_came_back_for_is_swept_with_its_clip(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path / "assets", min_free_bytes=0)
    clips = tmp_path / "clips"
    left = sent(tmp_path, Parcels(store, clips / CLIP), b"left")
    fresh = sent(tmp_path, Parcels(store, clips / ("d" * 64)), b"fresh")
    old = (clips / CLIP).stat().st_mtime - 2 * KEPT_S
    os.utime(clips / CLIP, (old, old))
    sweep(clips, lambda folder: Parcels(store, folder).forget())

    assert [path.name for path in clips.iterdir()] == ["d" * 64]
    with pytest.raises(UnknownAsset):
        store.stat(left, OWNER)
    assert store.stat(fresh, owner_of("d" * 64))


def test_a_store_that_is_gone_keeps_the_note_for_the_next_time(tmp_path: Path) -> None:
    store, clips = Outage(tmp_path / "assets", min_free_bytes=0), tmp_path / "clips"
    sent(tmp_path, Parcels(store, clips / CLIP), b"left")
    os.utime(clips / CLIP, (0, 0))
    sweep(clips, lambda folder: Parcels(store, folder).forget())

    assert (clips / CLIP).exists()
    sweep(clips, lambda folder: Parcels(LocalArtifactStore(tmp_path / "assets"), folder).forget())
    assert not (clips / CLIP).exists()
