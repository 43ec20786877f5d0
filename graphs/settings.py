"""Everything that can be configured, read once where the application is built."""

from pathlib import Path
from typing import Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from graphs.limits import UPLOAD_BYTES

Accelerator = Literal["auto", "cpu", "gpu"]
DEFAULT_DATA_DIR = Path.home() / ".orrery"


class Resources(BaseModel):
    """What one replica of a deployment is given.

    Attributes:
        num_cpus: Placement weight in cores; all minimum replicas together must fit the machine.
        num_gpus: Share of a GPU, or whole GPUs; taken only where the cluster has GPUs.
        threads: Runs that a replica works on at a time; further ones wait in it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_cpus: float = Field(0.1, ge=0)
    num_gpus: float = Field(0.0, ge=0)
    threads: int = Field(1, ge=1, le=256)

    @field_validator("num_gpus")
    @classmethod
    def _whole_above_one(cls, num_gpus: float) -> float:
        # Ray accepts such a fraction, logs the refusal in its controller and never answers.
        if num_gpus > 1 and num_gpus != int(num_gpus):
            raise ValueError("above 1, num_gpus must be a whole number")
        return num_gpus


class Settings(BaseSettings):
    """The application's settings: `args` of `serve_config.yaml`, then `ORRERY_*`, then defaults.

    Attributes:
        accelerator: `auto` uses GPUs where the cluster has some; `gpu` expects them to join.
        resources: Per deployment name.
        store_url: Folder or `s3://`, `gs://` URL of the artifact store; default in `data_dir`.
        runs_url: `postgresql://` URL of the workflows; default a SQLite file in `data_dir`.
        data_dir: Local folder for artifacts, workflows and caches.
        retention_days: Tasks that ended so long ago are forgotten, their events with them.
        min_free_bytes: New artifacts are refused below this much free space.
        keys_file: API keys; without it only this machine is served, as one principal.
        max_tasks_per_owner: Tasks of one owner that may be queued or running.
        max_calls_per_owner: Calls of one owner's tasks that may be under way in one capability.
        max_body_bytes: Longest request body.
        max_upload_bytes: Longest file that `POST /assets` takes.
        allow_hosts: Names that requests may be addressed to while no keys are configured.
        options: Per capability, validated by the capability.
        secrets: Keys of providers, per capability; better in the environment than in the file.
    """

    model_config = SettingsConfigDict(
        env_prefix="ORRERY_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    accelerator: Accelerator = "auto"
    resources: dict[str, Resources] = {}
    store_url: str = ""
    data_dir: Path = DEFAULT_DATA_DIR
    runs_url: str = ""
    retention_days: float = Field(30.0, gt=0)
    min_free_bytes: int = Field(2**30, ge=0)
    keys_file: Path | None = None
    max_tasks_per_owner: int = Field(500, ge=1)
    max_calls_per_owner: int = Field(8, ge=1)
    max_body_bytes: int = Field(2**20, ge=1024, le=2**28)
    max_upload_bytes: int = Field(UPLOAD_BYTES, ge=1024, le=2**30)
    allow_hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    options: dict[str, dict[str, JsonValue]] = {}
    secrets: dict[str, dict[str, SecretStr]] = {}

    @model_validator(mode="after")
    def _keys_file_exists(self) -> Self:
        if self.keys_file is not None and not self.keys_file.is_file():
            raise ValueError(
                f"keys_file {self.keys_file} is not a file; create it with "
                "`orrery keys add --file PATH --owner NAME`"
            )
        return self

    @property
    def store(self) -> str:
        """Folder or URL of the artifact store, absolute."""
        return self.store_url or str((self.data_dir / "assets").expanduser().absolute())

    @property
    def runs(self) -> str:
        """URL or path of the database of workflows."""
        return self.runs_url or str((self.data_dir / "runs.db").expanduser().absolute())

    @property
    def cache_dir(self) -> Path:
        """Local folder for what can be computed again."""
        return (self.data_dir / "cache").expanduser().absolute()

    @property
    def state_dir(self) -> Path:
        """Local folder for what capabilities must not lose."""
        return (self.data_dir / "state").expanduser().absolute()

    def resources_of(self, deployment: str) -> Resources:
        """What one replica of the deployment is given."""
        return self.resources.get(deployment, Resources())
