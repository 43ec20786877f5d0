"""The cluster files are valid, and mistakes are found before machines are rented."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from graphs.cli import main

ROOT = Path(__file__).resolve().parents[2]
FILES = ("cluster.yaml", "clusters/gcp.yaml", "clusters/on-premises.yaml", "clusters/kuberay.yaml")
START = {"head": "head_start_ray_commands", "worker": "worker_start_ray_commands"}
SPOT = ("available_node_types", "gpu-l4-spot")


@pytest.mark.parametrize("name", FILES)
def test_the_files_as_checked_in_are_valid(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["cluster", "check", str(ROOT / name)])

    assert (status, "is valid" in capsys.readouterr().out) == (0, True)


def test_the_cost_is_that_of_the_dearest_machines(capsys: pytest.CaptureFixture[str]) -> None:
    main(["cluster", "check", str(ROOT / "cluster.yaml")])

    # The head alone; then 4 at 0.8048 and 4 at 0.4, eight workers being the limit.
    assert "0.40 USD per hour idle, at most 5.22" in capsys.readouterr().out


STATS = {"FromPort": 8404, "ToPort": 8404, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


def put(*path: str, value: Any) -> Any:
    def change(document: dict[str, Any]) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return change


def drop(*path: str) -> Any:
    def change(document: dict[str, Any]) -> None:
        for key in path[:-1]:
            document = document[key]
        del document[path[-1]]

    return change


def start(which: str, old: str, new: str = "") -> Any:
    def change(document: dict[str, Any]) -> None:
        document[START[which]] = [line.replace(old, new) for line in document[START[which]]]

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("max_worker", value=3), "'max_worker' was unexpected"),
        (put("head_node_type", value="haed"), "`head_node_type` must be one of"),
        (put(*SPOT, "resources", value={"CPU": 4, "GPU": 0.5}), "0.5 is not"),
        (put(*SPOT, "min_workers", value=20), "smaller than the sum of `min_workers`"),
        (put(*SPOT, "min_workers", value=1), "an idle GPU is paid for; set it to 0"),
        (put(*SPOT, "max_workers", value=0), "never starts; set it to 1 or more"),
        (put("available_node_types", "head", "resources", value={"GPU": 1}), "move it to a worker"),
        (start("head", "PYTHONPATH=/home/ubuntu/app "), "set PYTHONPATH=/home/ubuntu/app"),
        (start("worker", "RAY_AUTH_MODE=token "), "set RAY_AUTH_MODE=token"),
        (start("worker", "ORRERY_ACCELERATOR=gpu "), "set ORRERY_ACCELERATOR=gpu"),
        (start("head", "=127.0.0.1", "=0.0.0.0"), "set --dashboard-host=127.0.0.1"),
        (start("worker", "$RAY_HEAD_IP", "head"), "join with --address=$RAY_HEAD_IP"),
        (drop("file_mounts"), "the repository is not mounted"),
        (start("head", "ray start", "true"), "nothing starts Ray; add `ray start`"),
        (put("setup_commands", value=["pip install ray"]), "install with `-c constraints.txt`"),
        (put("provider", "type", value="awz"), "Ray refuses it"),
        (drop("file_mounts", "/home/ubuntu/.ray/auth_token"), "`ray get-auth-token --generate`"),
        (drop("provider", "security_group"), "opens ssh to everyone"),
        (put("provider", "security_group", "IpPermissions", value=[STATS]), "ports 8404 to 8404"),
        (start("head", "~/redis.env", "~/other.env"), "set RAY_REDIS_ADDRESS"),
        (start("head", "--autoscaling-config=~/ray_bootstrap_config.yaml"), "no worker ever joins"),
        (start("head", "--redis-password", "--other"), "`ray start` reads no RAY_REDIS_PASSWORD"),
        (start("head", "--port=6379", "--port=6380"), "use --address=$RAY_HEAD_IP:6380"),
        (put("max_workers", value=0), "no worker ever starts; raise it"),
        (put(*SPOT, "labels", value={"usd-per-hour": "0.4 USD"}), "write the bare number"),
        (put(*SPOT, "resources", value={"CPU": 4, "gpu": 1}), "gpu is none of Ray's; write GPU"),
        (put(*SPOT, "node_config", value={"instance_type": "g6.xlarge"}), "set InstanceType"),
        (drop("provider", "region"), "name the region"),
        (put("auth", "ssh_user", value="ec2-user"), "not in /home/ec2-user, the home of ec2-user"),
        (put("auth", "ssh_private_key", value="/no/key.pem"), "there is no /no/key.pem"),
        (put("file_mounts", "/home/ubuntu/app", value="/no/orrery"), "there is no /no/orrery here"),
    ],
)
def test_a_planted_mistake_is_found_with_its_mend(
    change: Any, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = copy.deepcopy(yaml.safe_load((ROOT / "cluster.yaml").read_text()))
    change(document)
    path = tmp_path / "cluster.yaml"
    path.write_text(yaml.safe_dump(document))
    status = main(["cluster", "check", str(path)])

    assert status == 1
    assert said in capsys.readouterr().out


def test_a_head_that_is_a_worker_too_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = yaml.safe_load((ROOT / "clusters/on-premises.yaml").read_text())
    document["provider"]["worker_ips"] = [document["provider"]["head_ip"], "192.0.2.12"]
    path = tmp_path / "cluster.yaml"
    path.write_text(yaml.safe_dump(document))

    assert main(["cluster", "check", str(path)]) == 1
    assert "take it off worker_ips" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["a: [", "- 1", None])
def test_a_file_that_is_none_is_refused(
    text: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cluster.yaml"
    if text is not None:
        path.write_text(text)

    assert main(["cluster", "check", str(path)]) == 2
    assert str(path) in capsys.readouterr().err


CLUSTER = ("spec", "rayClusterConfig")


def gpu_on_the_head(document: dict[str, Any]) -> None:
    cluster = document["spec"]["rayClusterConfig"]
    (head,) = cluster["headGroupSpec"]["template"]["spec"]["containers"]
    head["resources"]["limits"]["nvidia.com/gpu"] = "1"


def idle_gpus(document: dict[str, Any]) -> None:
    (group,) = document["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    group |= {"minReplicas": 1, "replicas": 1}


def worker(document: dict[str, Any]) -> Any:
    return document["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["template"]["spec"]


def another_volume(document: dict[str, Any]) -> None:
    worker(document)["volumes"] = []


def a_number(document: dict[str, Any]) -> None:
    worker(document)["containers"][0]["env"].append({"name": "ORRERY_RETENTION_DAYS", "value": 7})


def no_room(document: dict[str, Any]) -> None:
    document["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["maxReplicas"] = 0


def nothing_expected(document: dict[str, Any]) -> None:
    (group,) = document["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    group["template"]["spec"]["containers"][0]["env"] = []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("spec", "serveConfig", value=""), "Extra inputs are not permitted"),
        (put(*CLUSTER, "rayVersion", value="2.9.0"), "2.9.0 is not 2.60.0"),
        (drop(*CLUSTER, "authOptions"), "set mode: token"),
        (drop(*CLUSTER, "enableInTreeAutoscaling"), "no worker ever joins"),
        (put(*CLUSTER, "workerGroupSpecs", value=[]), "no worker has a GPU"),
        (gpu_on_the_head, "move it to a worker"),
        (idle_gpus, "set it to 0"),
        (nothing_expected, "set ORRERY_ACCELERATOR=gpu"),
        (another_volume, "no volume is named keys; add it to volumes"),
        (a_number, 'env ORRERY_RETENTION_DAYS is no text; quote it: "7"'),
        (no_room, "maxReplicas is 0, so it never starts"),
        (drop(*CLUSTER, "gcsFaultToleranceOptions"), "name a Redis"),
        (put("kind", value="RayCluster"), "kind: Input should be 'RayService'"),
    ],
)
def test_a_mistake_in_the_kuberay_manifest_is_named_with_its_mend(
    change: Any, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = yaml.safe_load((ROOT / "clusters/kuberay.yaml").read_text())
    change(document)
    path = tmp_path / "kuberay.yaml"
    path.write_text(yaml.safe_dump(document))

    assert main(["cluster", "check", str(path)]) == 1
    assert said in capsys.readouterr().out


def test_a_complete_manifest_serves_what_is_checked_in(capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(ROOT / "clusters/kuberay.yaml"), "--config", str(ROOT / "serve_config.yaml")]
    main(["cluster", "manifest", *files])
    printed = yaml.safe_load(capsys.readouterr().out)
    embedded = yaml.safe_load(printed["spec"]["serveConfigV2"])
    checked_in = yaml.safe_load((ROOT / "serve_config.yaml").read_text())

    assert embedded["applications"] == checked_in["applications"]
    assert embedded["http_options"]["host"] == "0.0.0.0"


def test_what_the_dockerfile_copies_exists_and_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = [name for line in lines if line.startswith("COPY") for name in line.split()[1:-1]]

    assert {"models", "graphs", "deployments", "serve_config.yaml"} <= set(copied)
    assert all((ROOT / name).exists() and f"!{name}" in ignored for name in copied)
    assert any("-c constraints.txt" in line for line in lines)
