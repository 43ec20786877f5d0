"""A KubeRay `RayService`: what is wrong with one, and a complete one to apply.

The fields are those of `ray.io/v1` that a service here can need; what is not among them is taken for
a mistake. Source: the API reference of KubeRay 1.5, https://ray-project.github.io/kuberay/reference/api.
"""

from collections.abc import Iterator
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

Document = dict[str, Any]
KIND = "RayService"
GPU = "nvidia.com/gpu"


class Part(BaseModel):
    """A part of a manifest."""

    model_config = ConfigDict(extra="forbid")


class Metadata(Part):
    """`ObjectMeta`."""

    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,45}[a-z0-9])?$")
    namespace: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Resources(Part):
    """`ResourceRequirements`."""

    requests: dict[str, str] = {}
    limits: dict[str, str] = {}


class Container(Part):
    """`Container`."""

    name: str
    image: str
    imagePullPolicy: Literal["Always", "IfNotPresent", "Never"] | None = None  # noqa: N815
    command: list[str] = []
    args: list[str] = []
    env: list[dict[str, Any]] = []
    envFrom: list[dict[str, Any]] = []  # noqa: N815
    ports: list[dict[str, Any]] = []
    resources: Resources
    volumeMounts: list[dict[str, Any]] = []  # noqa: N815
    lifecycle: dict[str, Any] = {}
    readinessProbe: dict[str, Any] = {}  # noqa: N815
    livenessProbe: dict[str, Any] = {}  # noqa: N815
    securityContext: dict[str, Any] = {}  # noqa: N815


class PodSpec(Part):
    """`PodSpec`."""

    containers: list[Container] = Field(min_length=1)
    initContainers: list[Container] = []  # noqa: N815
    volumes: list[dict[str, Any]] = []
    nodeSelector: dict[str, str] = {}  # noqa: N815
    tolerations: list[dict[str, Any]] = []
    affinity: dict[str, Any] = {}
    imagePullSecrets: list[dict[str, str]] = []  # noqa: N815
    serviceAccountName: str | None = None  # noqa: N815
    securityContext: dict[str, Any] = {}  # noqa: N815
    terminationGracePeriodSeconds: int | None = Field(None, ge=0)  # noqa: N815


class Template(Part):
    """`PodTemplateSpec`."""

    metadata: dict[str, Any] = {}
    spec: PodSpec


class HeadGroup(Part):
    """`HeadGroupSpec`."""

    template: Template
    rayStartParams: dict[str, str] = {}  # noqa: N815
    serviceType: Literal["ClusterIP", "NodePort", "LoadBalancer"] | None = None  # noqa: N815
    headService: dict[str, Any] = {}  # noqa: N815
    enableIngress: bool | None = None  # noqa: N815
    labels: dict[str, str] = {}
    resources: dict[str, str] = {}


class WorkerGroup(Part):
    """`WorkerGroupSpec`."""

    groupName: str  # noqa: N815
    template: Template
    replicas: int = Field(0, ge=0)
    minReplicas: int = Field(0, ge=0)  # noqa: N815
    maxReplicas: int = Field(ge=0)  # noqa: N815
    idleTimeoutSeconds: int | None = Field(None, ge=0)  # noqa: N815
    rayStartParams: dict[str, str] = {}  # noqa: N815
    numOfHosts: int = Field(1, ge=1)  # noqa: N815
    suspend: bool | None = None
    labels: dict[str, str] = {}
    resources: dict[str, str] = {}


class Autoscaler(Part):
    """`AutoscalerOptions`."""

    version: Literal["v1", "v2"] | None = None
    upscalingMode: Literal["Default", "Aggressive", "Conservative"] | None = None  # noqa: N815
    idleTimeoutSeconds: int | None = Field(None, ge=0)  # noqa: N815
    resources: Resources | None = None
    image: str | None = None
    env: list[dict[str, Any]] = []


class FaultTolerance(Part):
    """`GcsFaultToleranceOptions`."""

    redisAddress: str  # noqa: N815
    redisUsername: dict[str, Any] = {}  # noqa: N815
    redisPassword: dict[str, Any] = {}  # noqa: N815
    externalStorageNamespace: str | None = None  # noqa: N815


class Authentication(Part):
    """`AuthOptions`."""

    mode: Literal["disabled", "token"] = "token"


class Cluster(Part):
    """`RayClusterSpec`."""

    headGroupSpec: HeadGroup  # noqa: N815
    workerGroupSpecs: list[WorkerGroup] = []  # noqa: N815
    rayVersion: str  # noqa: N815
    authOptions: Authentication | None = None  # noqa: N815
    enableInTreeAutoscaling: bool = False  # noqa: N815
    autoscalerOptions: Autoscaler | None = None  # noqa: N815
    gcsFaultToleranceOptions: FaultTolerance | None = None  # noqa: N815
    suspend: bool | None = None


class Upgrade(Part):
    """`RayServiceUpgradeStrategy`."""

    type: Literal["NewCluster", "NewClusterWithIncrementalUpgrade", "None"]
    clusterUpgradeOptions: dict[str, Any] = {}  # noqa: N815


class Spec(Part):
    """`RayServiceSpec`."""

    rayClusterConfig: Cluster  # noqa: N815
    serveConfigV2: str = ""  # noqa: N815
    upgradeStrategy: Upgrade | None = None  # noqa: N815
    excludeHeadPodFromServeSvc: bool | None = None  # noqa: N815
    serveService: dict[str, Any] = {}  # noqa: N815


class Manifest(Part):
    """`RayService`."""

    apiVersion: Literal["ray.io/v1"]  # noqa: N815
    kind: Literal["RayService"]
    metadata: Metadata
    spec: Spec


def find_mistakes(document: Document, ray_version: str) -> Iterator[str]:
    """What KubeRay, or Orrery on it, would stumble over; each says the mend."""
    try:
        cluster = Manifest.model_validate(document).spec.rayClusterConfig
    except ValidationError as error:
        for found in error.errors(include_input=False):
            place = ".".join(str(part) for part in found["loc"])
            yield f"{place}: {found['msg']}; see the API reference of KubeRay"
        return
    if cluster.rayVersion != ray_version:
        yield f"rayVersion: {cluster.rayVersion} is not {ray_version}, which constraints.txt pins"
    if cluster.authOptions is None or cluster.authOptions.mode != "token":
        yield "authOptions: set mode: token, or anyone in the network of the pods runs code"
    if not cluster.enableInTreeAutoscaling:
        yield "enableInTreeAutoscaling: set it to true, or no worker ever joins"
    if cluster.gcsFaultToleranceOptions is None:
        yield "gcsFaultToleranceOptions: name a Redis (redisAddress), or a lost head loses all"
    yield from _pods(cluster)


def _pods(cluster: Cluster) -> Iterator[str]:
    groups = cluster.workerGroupSpecs
    if _has_gpu(cluster.headGroupSpec.template):
        yield "headGroupSpec: the head should have no GPU, it never goes; move it to a worker"
    if not any(_has_gpu(group.template) for group in groups):
        yield f"workerGroupSpecs: no worker has a GPU; give one the limit {GPU}: 1"
    for group in groups:
        if not group.minReplicas <= group.replicas <= group.maxReplicas:
            yield f"{group.groupName}: replicas must lie between minReplicas and maxReplicas"
        if group.maxReplicas == 0:
            yield f"{group.groupName}: maxReplicas is 0, so it never starts; set it to 1 or more"
        if group.minReplicas and _has_gpu(group.template):
            yield f"{group.groupName}: minReplicas is above 0, so an idle GPU is paid for; set it to 0"
    for template in (cluster.headGroupSpec.template, *(group.template for group in groups)):
        yield from _container(template.spec)


def _container(pod: PodSpec) -> Iterator[str]:
    first = pod.containers[0]
    values = {one.get("name"): one.get("value") for one in first.env}
    if values.get("ORRERY_ACCELERATOR") != "gpu":
        why = "or a cluster scaled to zero never asks for a GPU"
        yield f"{first.name}: set ORRERY_ACCELERATOR=gpu, {why}"
    for name, value in values.items():
        if value is not None and not isinstance(value, str):
            yield f'{first.name}: env {name} is no text; quote it: "{value}"'
    volumes = {volume.get("name") for volume in pod.volumes}
    for mount in first.volumeMounts:
        if mount.get("name") not in volumes:
            yield f"{first.name}: no volume is named {mount.get('name')}; add it to volumes"


def _has_gpu(template: Template) -> bool:
    return any(GPU in one.resources.limits for one in template.spec.containers)


class _Literal(yaml.SafeDumper):
    """Writes text of several lines as people do."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Literal.add_representer(str, _text)


def complete(document: Document, serve_config: Document) -> str:
    """The manifest with the configuration of the application in its place.

    In a pod the proxy listens on every address; Kubernetes decides who reaches it.
    """
    config = {**serve_config, "http_options": {"host": "0.0.0.0", "port": 8000}}  # noqa: S104
    spec = {**document["spec"], "serveConfigV2": yaml.safe_dump(config, sort_keys=False)}
    return yaml.dump({**document, "spec": spec}, Dumper=_Literal, sort_keys=False)
