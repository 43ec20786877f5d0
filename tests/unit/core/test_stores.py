import pytest

from models.core.errors import InvalidInput
from models.core.local_store import LocalArtifactStore
from models.core.remote_store import RemoteArtifactStore
from models.core.stores import open_store


def test_paths_and_file_urls_are_folders(tmp_path):
    for address in (tmp_path / "a", str(tmp_path / "b"), f"file://{tmp_path}/c%20d"):
        assert isinstance(open_store(address), LocalArtifactStore)
    assert (tmp_path / "c d" / "blobs").is_dir()


def test_other_urls_are_object_stores():
    assert isinstance(open_store("memory://assets"), RemoteArtifactStore)


def test_a_folder_of_another_host_is_refused():
    with pytest.raises(InvalidInput, match="another host"):
        open_store("file://host/folder")
