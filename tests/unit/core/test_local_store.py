import gzip
import hashlib
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from models.core.artifacts import CHUNK_BYTES, Provenance
from models.core.errors import InvalidInput, StorageFull, UnknownAsset
from models.core.local_store import LocalArtifactStore

ORIGIN = Provenance(capability="image", backend="scene", seed=7)
TEXT = b"a line that repeats\n" * 500


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path / "store", min_free_bytes=0)


def put(store, content, *, owner="ann", media_type="image/png", filename="a.png"):
    return store.put(
        content, owner=owner, media_type=media_type, filename=filename, provenance=ORIGIN
    )


def files(store) -> list[Path]:
    root = store._layout.root
    return [p for p in root.rglob("*") if p.is_file() and "locks" not in p.parts]


def test_what_was_put_is_read_back(store):
    asset = put(store, b"stars")

    assert asset.id == hashlib.sha256(b"stars").hexdigest()
    assert b"".join(store.read(asset.id, "ann")) == b"stars"
    assert store.stat(asset.id, "ann").asset == asset
    assert store.stat(asset.id, "ann").provenance == ORIGIN


def test_an_owners_assets_are_found_by_their_type(store):
    mine = [put(store, bytes([n]), media_type="application/x-thing") for n in range(3)]
    put(store, b"picture", filename="application/x-thing")
    put(store, b"of bert", owner="bert", media_type="application/x-thing")
    store.delete(mine[0].id, "ann")

    found = {record.asset.id for record in store.owned("ann", "application/x-thing")}
    assert found == {asset.id for asset in mine[1:]}
    assert not list(store.owned("../ann", "application/x-thing"))


def test_a_file_is_put_like_bytes(store, tmp_path):
    path = tmp_path / "video.mp4"
    path.write_bytes(os.urandom(3 * CHUNK_BYTES + 5))

    asset = put(store, path, media_type="video/mp4")

    assert asset.size_bytes == 3 * CHUNK_BYTES + 5
    assert [len(c) for c in store.read(asset.id, "ann")] == [CHUNK_BYTES] * 3 + [5]
    assert path.exists()


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [(0, None, b"0123456789"), (3, 4, b"3456"), (8, 99, b"89"), (10, 1, b""), (99, None, b""), (2, 0, b"")],
)  # fmt: skip
def test_slices(store, start, length, expected):
    asset = put(store, b"0123456789")

    assert b"".join(store.read(asset.id, "ann", start, length)) == expected


def test_a_slice_before_the_first_byte_is_refused(store):
    asset = put(store, b"0123456789")

    with pytest.raises(InvalidInput):
        store.read(asset.id, "ann", -1)


def test_text_has_a_gzip_form_that_can_be_reproduced(store, tmp_path):
    asset = put(store, TEXT, media_type="text/plain")
    record = store.stat(asset.id, "ann")
    coded = b"".join(store.read(asset.id, "ann", encoding="gzip"))

    assert gzip.decompress(coded) == TEXT
    assert record.gzip_bytes == len(coded) == store.locate(asset.id, "ann", "gzip").stat().st_size
    again = LocalArtifactStore(tmp_path / "again", min_free_bytes=0)
    put(again, TEXT, media_type="text/plain")
    assert b"".join(again.read(asset.id, "ann", encoding="gzip")) == coded


@pytest.mark.parametrize(
    ("content", "media_type"),
    [(TEXT, "image/png"), (b"short", "text/plain"), (os.urandom(5000), "text/plain")],
)
def test_what_gzip_does_not_help_has_no_gzip_form(store, content, media_type):
    asset = put(store, content, media_type=media_type)

    assert store.stat(asset.id, "ann").gzip_bytes is None
    with pytest.raises(InvalidInput, match="no gzip form"):
        store.read(asset.id, "ann", encoding="gzip")


def test_no_bytes_are_an_asset_too(store):
    asset = put(store, b"")

    assert asset.size_bytes == 0
    assert list(store.read(asset.id, "ann")) == []


def test_each_owner_has_the_type_that_they_gave(store):
    asset = put(store, TEXT, owner="ann", media_type="application/octet-stream")
    put(store, TEXT, owner="bob", media_type="text/plain")

    assert store.stat(asset.id, "ann").gzip_bytes is None
    assert store.stat(asset.id, "bob").gzip_bytes
    assert store.stat(asset.id, "bob").asset.media_type == "text/plain"


def test_the_first_record_of_an_owner_stays(store):
    first = put(store, b"stars", filename="first.png")
    second = put(store, b"stars", filename="second.png")

    assert second == first


def test_a_foreign_asset_is_as_unknown_as_a_missing_one(store):
    asset = put(store, b"stars", owner="ann")
    missing = "0" * 64

    for asset_id, owner in ((asset.id, "bob"), (missing, "ann")):
        for act in (store.stat, store.read, store.delete, store.locate):
            with pytest.raises(UnknownAsset, match="no such asset"):
                act(asset_id, owner)


@pytest.mark.parametrize(
    "asset_id", ["", "..", "../../etc/passwd", "/etc/passwd", "A" * 64, "a" * 64 + "\n", "a\0b", "é" * 64]
)  # fmt: skip
def test_an_id_that_is_a_path_is_unknown(store, asset_id):
    with pytest.raises(UnknownAsset):
        store.stat(asset_id, "ann")


@pytest.mark.parametrize("owner", ["../../escape", "/root", "", "a/b", "ö\n"])
def test_an_owner_that_is_a_path_stays_inside(store, owner, tmp_path):
    asset = put(store, b"stars", owner=owner)

    assert b"".join(store.read(asset.id, owner)) == b"stars"
    assert {p.name for p in tmp_path.iterdir()} == {"store"}
    names = [p.name for p in (tmp_path / "store" / "owners").iterdir()]
    assert all(re.fullmatch("[0-9a-f]{64}", name) for name in names)


def test_bytes_go_with_their_last_owner(store):
    asset = put(store, TEXT, owner="ann", media_type="text/plain")
    put(store, TEXT, owner="bob", media_type="text/plain")

    store.delete(asset.id, "ann")

    assert b"".join(store.read(asset.id, "bob")) == TEXT
    store.delete(asset.id, "bob")
    assert files(store) == []


def test_a_full_disk_is_refused_with_advice(tmp_path):
    store = LocalArtifactStore(tmp_path, min_free_bytes=10**18)

    with pytest.raises(StorageFull, match="delete assets"):
        put(store, b"stars")
    assert files(store) == []


def test_folders_are_private(store, tmp_path):
    put(store, b"stars")

    folders = [p for p in tmp_path.rglob("*") if p.is_dir()]
    assert {p.stat().st_mode & 0o777 for p in folders} == {0o700}


def test_verify_names_what_is_corrupt(store):
    kept, flipped, cut, gone = (put(store, c * 9) for c in (b"a", b"b", b"c", b"d"))
    text = put(store, TEXT, media_type="text/plain")
    assert list(store.verify()) == []

    store.locate(flipped.id, "ann").write_bytes(b"x" * 9)
    store.locate(cut.id, "ann").write_bytes(b"c" * 8)
    store.locate(gone.id, "ann").unlink()
    store.locate(text.id, "ann", "gzip").write_bytes(b"no gzip")

    faults = {fault.asset_id for fault in store.verify()}
    assert faults == {flipped.id, cut.id, gone.id, text.id}
    assert kept.id not in faults


def test_missing_bytes_are_unknown_and_cut_bytes_never_look_complete(store):
    cut, gone = put(store, b"c" * 9), put(store, b"d" * 9)
    store.locate(cut.id, "ann").write_bytes(b"c" * 8)
    store.locate(gone.id, "ann").unlink()

    with pytest.raises(OSError, match="too early"):
        list(store.read(cut.id, "ann"))
    with pytest.raises(UnknownAsset):
        store.read(gone.id, "ann")


def test_putting_again_repairs_cut_bytes(store):
    asset = put(store, b"c" * 9)
    store.locate(asset.id, "ann").write_bytes(b"c" * 8)

    put(store, b"c" * 9)

    assert b"".join(store.read(asset.id, "ann")) == b"c" * 9


def test_old_left_overs_go_at_start(store):
    old, young = (store._layout.temporary / name for name in ("old", "young"))
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)

    LocalArtifactStore(store._layout.root)

    assert not old.exists()
    assert young.exists()


def test_bytes_without_a_record_can_be_removed(store):
    asset = put(store, b"stars")
    orphan = put(store, TEXT, media_type="text/plain")
    store._layout.record(orphan.id, "ann").unlink()

    assert store.remove_orphans() == 0
    assert store.remove_orphans(older_than_s=-1) == 2
    assert b"".join(store.read(asset.id, "ann")) == b"stars"


def test_threads_that_put_and_delete_the_same_bytes_lose_nothing(store):
    failures = []

    def work(owner: str) -> None:
        for _ in range(15):
            asset = put(store, TEXT, owner=owner, media_type="text/plain")
            if b"".join(store.read(asset.id, owner)) != TEXT:
                failures.append(owner)
            store.delete(asset.id, owner)

    threads = [threading.Thread(target=work, args=(f"owner {i}",)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert files(store) == []


PUT_MANY = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from models.core.artifacts import Provenance
    from models.core.local_store import LocalArtifactStore

    store = LocalArtifactStore(Path(sys.argv[1]), min_free_bytes=0)
    origin = Provenance(capability="test", backend="test")
    print("ready", flush=True)
    for number in range(int(sys.argv[2])):
        content = number.to_bytes(4, "big") * 500_000
        store.put(content, owner=sys.argv[3], media_type="text/plain", filename="a", provenance=origin)
    """
)


def start(root: Path, count: int, owner: str) -> subprocess.Popen:
    command = [sys.executable, "-c", PUT_MANY, str(root), str(count), owner]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    return process


def test_a_killed_put_leaves_nothing_that_looks_complete(tmp_path):
    temporary = tmp_path / "tmp"
    for delay_s in (0, 0.001, 0.005, 0.02):
        process = start(tmp_path, 100_000, "ann")
        before = set(temporary.iterdir())
        while set(temporary.iterdir()) == before:
            assert process.poll() is None
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        process.communicate()

    store = LocalArtifactStore(tmp_path, min_free_bytes=0)
    records = list((tmp_path / "owners").glob("*/*/*.json"))
    assert any(temporary.iterdir()), "no put was caught half-way"
    assert list(store.verify()) == []
    for record in records:
        digest = hashlib.sha256(b"".join(store.read(record.stem, "ann")))
        assert digest.hexdigest() == record.stem
    assert put(store, b"life goes on").size_bytes == 12


def test_two_processes_put_the_same_bytes(tmp_path):
    processes = [start(tmp_path, 10, owner) for owner in ("ann", "bob")]
    codes = [process.communicate() and process.returncode for process in processes]

    store = LocalArtifactStore(tmp_path, min_free_bytes=0)
    assert codes == [0, 0]
    assert list(store.verify()) == []
    assert len([p for p in store._layout.blobs() if p.suffix != ".gz"]) == 10
    assert len(list((tmp_path / "owners").glob("*/*/*.json"))) == 20
    assert list(store._layout.temporary.iterdir()) == []
