"""Nerfacto on the CPU, beside which fields are measured: `PYTHON benchmarks/nerfacto.py FOLDER CPU_S...`.

For the interpreter of an environment that has `nerfstudio` (1.1.5), and nothing of this repository.
The settings are those that nerfstudio's documentation names for synthetic scenes, its own network in
torch; time for scoring is not counted. Prints one line of JSON: CPU seconds and PSNR on views kept
from the fit.
"""

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
from nerfstudio.cameras.camera_optimizers import CameraOptimizerConfig
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManagerConfig
from nerfstudio.data.dataparsers.nerfstudio_dataparser import NerfstudioDataParserConfig
from nerfstudio.engine.callbacks import TrainingCallbackAttributes, TrainingCallbackLocation
from nerfstudio.models.nerfacto import NerfactoModelConfig
from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig
from torchmetrics.image import lpip

RAYS, RATE, EPS, SEED = 4096, 1e-2, 1e-15, 0
HALF_WIDTH, NEAR, FAR = 1.5, 2.0, 6.0
DECAY = (1e-4 / 1e-2) ** (1 / 200_000)


def pipeline_of(folder: Path) -> Any:  # noqa: ANN401  # see `call`
    """The model and the pictures of a folder with `transforms.json`."""
    views = NerfstudioDataParserConfig(
        data=folder,
        orientation_method="none",
        center_method="none",
        auto_scale_poses=False,
        scene_scale=HALF_WIDTH,
    )
    # Else it would fetch the weights of a score that is not asked for.
    lpip.LearnedPerceptualImagePatchSimilarity = lambda **_: torch.nn.Identity()
    model = NerfactoModelConfig(
        implementation="torch",
        background_color="white",
        proposal_initial_sampler="uniform",
        near_plane=NEAR,
        far_plane=FAR,
        use_average_appearance_embedding=False,
        distortion_loss_mult=0.0,
        disable_scene_contraction=True,
        average_init_density=0.01,
        camera_optimizer=CameraOptimizerConfig(mode="off"),
    )
    data = VanillaDataManagerConfig(dataparser=views, train_num_rays_per_batch=RAYS)
    return VanillaPipelineConfig(datamanager=data, model=model).setup(
        device="cpu", test_mode="test"
    )


def score(pipeline: Any) -> float:  # noqa: ANN401  # see `call`
    """Mean PSNR on the held-out views, dB."""
    pipeline.eval()
    found = []
    with torch.no_grad():
        dataset = pipeline.datamanager.eval_dataset
        for number in range(len(dataset)):
            rgb = pipeline.model.get_outputs_for_camera(dataset.cameras[number : number + 1])["rgb"]
            truth = dataset[number]["image"]
            if truth.shape[-1] == 4:
                truth = truth[..., :3] * truth[..., 3:] + 1 - truth[..., 3:]
            found.append(-10 * torch.log10(torch.mean((rgb.clamp(0, 1) - truth) ** 2)))
    pipeline.train()
    return float(torch.stack(found).mean())


def call(hooks: list[Any], step: int, place: Any) -> None:  # noqa: ANN401  # of a library that has no types here
    """Tell the model's own schedules where the fit is."""
    for hook in hooks:
        hook.run_callback_at_location(step, place)


def main() -> None:
    """Fit until each of the given CPU seconds, and score."""
    folder, *limits = sys.argv[1:]
    torch.manual_seed(SEED)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    with contextlib.redirect_stdout(sys.stderr):
        pipeline = pipeline_of(Path(folder))
        pipeline.train()
        hooks = pipeline.get_training_callbacks(
            TrainingCallbackAttributes({}, None, pipeline, None)
        )
        weights = [one for group in pipeline.get_param_groups().values() for one in group]
        adam = torch.optim.Adam(weights, lr=RATE, eps=EPS)
        decay = torch.optim.lr_scheduler.ExponentialLR(adam, DECAY)
        scores, spent, step = [], 0.0, 0
        for limit in map(float, limits):
            started = time.process_time()
            while spent + time.process_time() - started < limit:
                call(hooks, step, TrainingCallbackLocation.BEFORE_TRAIN_ITERATION)
                losses = pipeline.get_train_loss_dict(step)[1]
                adam.zero_grad()
                sum(losses.values()).backward()
                adam.step()
                decay.step()
                call(hooks, step, TrainingCallbackLocation.AFTER_TRAIN_ITERATION)
                step += 1
            spent += time.process_time() - started
            scores.append(
                {"cpu_s": round(spent, 1), "steps": step, "psnr_db": round(score(pipeline), 2)}
            )
            print(scores[-1], file=sys.stderr)
    print(json.dumps(scores))


if __name__ == "__main__":
    main()
