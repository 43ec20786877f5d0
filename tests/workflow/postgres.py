"""A PostgreSQL of our own, where its programs are installed."""

import gc
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from dbos import run_dbos_database_migrations

from models.workflow.database import Database

USER = "postgres"


def programs() -> Path | None:
    """Folder of the newest server."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


class Server:
    """A server on a socket in a temporary folder."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self.folder = folder
        self._has_template = False
        self._binaries = binaries
        self._user = USER if os.getuid() == 0 else None
        if self._user:
            entry = pwd.getpwnam(self._user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
        self._run("initdb", "-D", str(folder / "data"), "-U", USER, "-A", "trust", "-N")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), *arguments]
        log = self.folder / f"{program}.out"
        with log.open("w") as out:
            subprocess.run(
                command, user=self._user, check=True, cwd=self.folder, stdout=out, stderr=out
            )

    def start(self) -> None:
        # The durability of PostgreSQL itself is not under test.
        options = f"-c fsync=off -c listen_addresses='' -c unix_socket_directories={self.folder}"
        data, log = str(self.folder / "data"), str(self.folder / "server.log")
        self._run("pg_ctl", "-D", data, "-w", "-l", log, "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", mode, "stop")

    def new_database(self) -> str:
        """URL of a database with the tables of the engine in it."""
        name = f"t{secrets.token_hex(4)}"
        if not self._has_template:
            self._create("template_runs", "template1")
            engine = Database(self._url("template_runs"))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)  # it leaves connections open
                run_dbos_database_migrations(system_database_url=engine.url)
                gc.collect()
            engine.close()
            self._has_template = True
        self._create(name, "template_runs")
        return self._url(name)

    def empty_database(self) -> str:
        """URL of a database with nothing in it."""
        name = f"e{secrets.token_hex(4)}"
        self._create(name, "template1")
        return self._url(name)

    def _create(self, name: str, template: str) -> None:
        self._run("createdb", "-h", str(self.folder), "-U", USER, "-T", template, name)

    def _url(self, name: str) -> str:
        return f"postgresql://{USER}@/{name}?host={self.folder}"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    binaries = programs()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed")
    if os.getuid() == 0 and USER not in {entry.pw_name for entry in pwd.getpwall()}:
        pytest.skip("PostgreSQL refuses to run as root, and there is no other user for it")
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    server = Server(folder, binaries)
    server.start()
    yield server
    server.stop("immediate")
    shutil.rmtree(folder)


@pytest.fixture
def postgres(postgres_server: Server) -> str:
    return postgres_server.new_database()
