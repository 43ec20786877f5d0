import gzip
import importlib.util
import uuid
from collections.abc import Iterator

import pytest

from models.core.artifacts import CHUNK_BYTES, Provenance
from models.core.errors import InvalidInput, UnknownAsset, UpstreamUnavailable
from models.core.remote_store import REQUEST_BYTES, RemoteArtifactStore

ORIGIN = Provenance(capability="image", backend="scene")
TEXT = b"a line that repeats\n" * 500
S3_PACKAGES = ("s3fs", "moto", "flask")


@pytest.fixture
def memory() -> RemoteArtifactStore:
    return RemoteArtifactStore(f"memory://{uuid.uuid4().hex}")


@pytest.fixture
def s3() -> Iterator[RemoteArtifactStore]:
    missing = [name for name in S3_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"a loopback S3 needs {', '.join(missing)}")
    from moto.server import ThreadedMotoServer  # noqa: PLC0415

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    store = RemoteArtifactStore(
        "s3://orrery/assets",
        key="test",
        secret="test",  # noqa: S106
        endpoint_url=f"http://{host}:{port}",
    )
    store._fs.mkdir("orrery")
    yield store
    server.stop()


@pytest.fixture(params=["memory", "s3"])
def store(request: pytest.FixtureRequest) -> RemoteArtifactStore:
    return request.getfixturevalue(request.param)


def put(store, content, *, owner="ann", media_type="image/png"):
    return store.put(content, owner=owner, media_type=media_type, filename="a", provenance=ORIGIN)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the loopback server
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_promises_of_a_store(store, tmp_path):
    path = tmp_path / "video"
    path.write_bytes(bytes(REQUEST_BYTES) + b"end")
    video, text = put(store, path), put(store, TEXT, media_type="text/plain")

    assert [len(c) for c in store.read(video.id, "ann")] == [CHUNK_BYTES] * 16 + [3]
    assert [record.asset for record in store.owned("ann", "text/plain")] == [text]
    assert not list(store.owned("bert", "text/plain"))
    assert b"".join(store.read(video.id, "ann", REQUEST_BYTES - 1, 3)) == b"\0en"
    coded = b"".join(store.read(text.id, "ann", encoding="gzip"))
    assert gzip.decompress(coded) == TEXT
    assert store.stat(text.id, "ann").gzip_bytes == len(coded)
    assert put(store, TEXT, media_type="text/html") == text
    empty = put(store, b"")
    assert list(store.read(empty.id, "ann")) == []
    with pytest.raises(UnknownAsset):
        store.stat(text.id, "bob")
    assert list(store.verify()) == []
    put(store, TEXT, owner="bob")
    store.delete(text.id, "ann")
    assert b"".join(store.read(text.id, "bob")) == TEXT
    store.delete(text.id, "bob")
    store.delete(video.id, "ann")
    store.delete(empty.id, "ann")
    assert store._fs.find(store._root) == []


@pytest.mark.parametrize("asset_id", ["", "../a", "A" * 64, "0" * 64])
def test_what_is_no_asset_is_unknown(memory, asset_id):
    for act in (memory.stat, memory.read, memory.delete):
        with pytest.raises(UnknownAsset):
            act(asset_id, "ann")


def test_verify_names_what_is_corrupt(memory):
    kept, flipped, gone = (put(memory, c * 9) for c in (b"a", b"b", b"c"))
    text = put(memory, TEXT, media_type="text/plain")
    coded = b"".join(memory.read(text.id, "ann", encoding="gzip"))
    memory._fs.pipe_file(memory._blob(flipped.id), b"x" * 9)
    memory._fs.rm_file(memory._blob(gone.id))
    memory._fs.pipe_file(memory._blob(text.id, "gzip"), coded[:40] + b"xxxx" + coded[44:])

    faults = {fault.asset_id for fault in memory.verify()}
    assert faults == {flipped.id, gone.id, text.id}
    assert kept.id not in faults


def test_a_cut_object_never_looks_complete(memory):
    asset = put(memory, b"0123456789")
    memory._fs.pipe_file(memory._blob(asset.id), b"01234")

    with pytest.raises(UpstreamUnavailable, match="fewer bytes"):
        list(memory.read(asset.id, "ann"))


def test_a_store_that_does_not_answer_is_an_upstream_failure(memory, monkeypatch):
    def refuse(*_: object) -> bytes:
        raise ConnectionRefusedError("secret-bucket.example")

    monkeypatch.setattr(memory._fs, "cat_file", refuse)

    with pytest.raises(UpstreamUnavailable) as caught:
        memory.stat("0" * 64, "ann")
    assert caught.value.retry_after_s
    assert "secret-bucket" not in caught.value.detail


def test_a_missing_driver_names_the_extra(monkeypatch):
    def missing(*_: object, **__: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)

    with pytest.raises(InvalidInput, match=r"install orrery\[s3\]"):
        RemoteArtifactStore("s3://bucket/prefix")
    with pytest.raises(InvalidInput, match=r"install orrery\[gcs\]"):
        RemoteArtifactStore("gs://bucket/prefix")


@pytest.mark.parametrize("url", ["nonsense://x", "file:///tmp", "folder"])
def test_what_is_no_object_store_is_refused(url):
    with pytest.raises(InvalidInput):
        RemoteArtifactStore(url)
