"""`orrery rollout` and `orrery rollback`: another configuration for a running service, and back.

Serve replaces replicas a few at a time: those that go finish what they have, requests wait in the
proxy for those that come. What was served before is kept, and put back by itself if the new
configuration does not become healthy.
"""

import argparse
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml
from ray.dashboard.modules.serve.sdk import ServeSubmissionClient
from ray.exceptions import AuthenticationError
from ray.serve.schema import ServeDeploySchema

from graphs.commands.failure import DEPLOY_FAILED, Failure
from graphs.commands.terminal import Subcommands, say
from graphs.settings import Settings

DASHBOARD: Final = "http://127.0.0.1:8265"
TOKEN: Final = Path.home() / ".ray/auth_token"
POLL_S: Final = 0.5
BROKEN: Final = {DEPLOY_FAILED, "UNHEALTHY"}

Config = dict[str, Any]
Details = Mapping[str, Any]


def add_parser(subcommands: Subcommands) -> None:
    """Describe the subcommands."""
    forth = subcommands.add_parser("rollout", help="change the configuration of a running service")
    forth.add_argument("config", type=Path)
    forth.set_defaults(run=run)
    back = subcommands.add_parser("rollback", help="return to the configuration before")
    back.set_defaults(run=run_back)
    for parser in (forth, back):
        parser.add_argument("--address", default=DASHBOARD, help="of Ray's dashboard")
        parser.add_argument("--timeout-s", type=float, default=600.0, help="until it is healthy")


def run(options: argparse.Namespace) -> int:
    """Roll a configuration out; status 1 if the one before had to be put back."""
    config = _read(options.config)
    service = _connect(options.address)
    before = deployed(service.get_serve_details())
    kept = _keep(before)
    if _deploy(service, config, options.timeout_s):
        say("Rolled out. `orrery rollback` returns to what was served before.")
        return 0
    say("It did not become healthy; putting back what was served before ...")
    kept.unlink()
    _deploy(service, before, options.timeout_s)
    return 1


def run_back(options: argparse.Namespace) -> int:
    """Return to the newest configuration that was replaced."""
    kept = sorted(_folder().glob("*.yaml"))
    if not kept:
        raise Failure(f"nothing to return to: {_folder()} holds no earlier configuration")
    service = _connect(options.address)
    if not _deploy(service, _read(kept[-1]), options.timeout_s):
        return 1
    kept[-1].unlink()
    say("Rolled back.")
    return 0


def _connect(address: str) -> ServeSubmissionClient:
    # Ray's client sends the token only where RAY_AUTH_MODE says so, but its clusters all ask for it.
    token = TOKEN.read_text().strip() if TOKEN.is_file() else ""
    try:
        return ServeSubmissionClient(address, headers={"Authorization": f"Bearer {token}"})
    except AuthenticationError as error:
        raise Failure(f"{address} wants the token of its cluster in {TOKEN}") from error
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise Failure(
            f"no dashboard of Ray at {address}: start with `orrery serve --dashboard-port 8265`, "
            "or open a tunnel to the head with `ray dashboard cluster.yaml`"
        ) from error


def _read(path: Path) -> Config:
    try:
        config = yaml.safe_load(path.read_text())
        ServeDeploySchema.model_validate(config)
    except (OSError, yaml.YAMLError, ValueError) as error:
        raise Failure(f"{path} is no configuration of Serve: {error}") from error
    assert isinstance(config, dict)  # noqa: S101 - the schema takes nothing else
    return config


def deployed(details: Details) -> Config:
    """The configuration that a cluster serves.

    Raises:
        Failure: It serves none.
    """
    applications = details.get("applications", {}).values()
    configs = [one.get("deployed_app_config") for one in applications]
    if not configs or None in configs:
        raise Failure("nothing that came from a configuration is served there")
    return {"proxy_location": details.get("proxy_location"), "applications": configs}


def _folder() -> Path:
    return Settings().data_dir.expanduser().absolute() / "rollouts"


def _keep(config: Config) -> Path:
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.yaml"
    path.write_text(yaml.safe_dump(config))
    path.chmod(0o600)  # settings may hold credentials
    return path


def _deploy(service: ServeSubmissionClient, config: Config, timeout_s: float) -> bool:
    """Whether the configuration became healthy."""
    before = {n: one["last_deployed_time_s"] for n, one in _applications(service).items()}
    # How the proxies listen can't change while they run; Serve warns and keeps it.
    service.deploy_applications({k: v for k, v in config.items() if k != "http_options"})
    end, told = time.monotonic() + timeout_s, ""
    while time.monotonic() < end:
        time.sleep(POLL_S)
        now = _applications(service)
        if any(one["last_deployed_time_s"] == before.get(name) for name, one in now.items()):
            continue
        state = _state(now)
        if state != told:
            say(f"  {state}")
            told = state
        if any(one["status"] in BROKEN for one in now.values()):
            say("  " + "; ".join(str(one["message"]) for one in now.values() if one["message"]))
            return False
        if all(_is_settled(one) for one in now.values()):
            return True
    say(f"  not healthy after {timeout_s:.0f} s")
    return False


def _applications(service: ServeSubmissionClient) -> dict[str, Details]:
    found: dict[str, Details] = service.get_serve_details().get("applications", {})
    return found


def _is_settled(application: Details) -> bool:
    deployments = application["deployments"].values()
    return application["status"] == "RUNNING" and all(d["status"] == "HEALTHY" for d in deployments)


def _state(applications: Mapping[str, Details]) -> str:
    parts = []
    for name, application in applications.items():
        changing = [n for n, d in application["deployments"].items() if d["status"] != "HEALTHY"]
        parts.append(f"{name} {application['status'].lower()}: {', '.join(changing) or 'settled'}")
    return "; ".join(parts)
