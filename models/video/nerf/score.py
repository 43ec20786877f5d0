"""How near a field's pictures come to those it has never seen."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.video.nerf.arrays import Floats
from models.video.nerf.frame import Field
from models.video.nerf.views import Views

if TYPE_CHECKING:
    from models.core.capability import Run

Picture = NDArray[np.floating]

BLUR_PX, BLUR_SIGMA = 11, 1.5


def held_out_scores(
    field: Field, views: Views, background: Floats, run: "Run"
) -> tuple[float, float]:
    """Mean PSNR in dB and mean SSIM over the held-out views, 8-bit sRGB.

    Args:
        field: To be judged.
        views: Transparent pixels stand over the background.
        background: `(3,)`.
        run: Polled between views.
    """
    scores = []
    for view in views.held_out:
        run.check()
        camera, truth = views.cameras[view], views.rgba(view)
        rgb = field.render(camera, range(camera.height)).rgb
        alpha = truth[..., 3:]
        if views.sky is None:
            wanted = truth[..., :3] * alpha + background * (1 - alpha)
        else:
            wanted = truth[..., :3]
        shown, wanted = (np.round(np.clip(a, 0, 1) * 255) / 255 for a in (rgb, wanted))
        scores.append((psnr_db(shown, wanted), ssim(shown, wanted)))
    psnr, similarity = np.mean(scores, 0)
    return float(psnr), float(similarity)


def psnr_db(shown: Picture, wanted: Picture) -> float:
    """Peak signal over noise of values in 0-1; equal pictures have 99 dB."""
    error = float(np.mean((shown.astype(np.float64) - wanted) ** 2))
    return min(-10 * float(np.log10(max(error, 1e-12))), 99.0)


def ssim(shown: Picture, wanted: Picture) -> float:
    """Structural similarity, mean over channels.

    Source: Wang et al. 2004, "Image quality assessment: from error visibility to structural
    similarity", with its 11-pixel Gaussian window.
    """
    x, y = shown.astype(np.float64), wanted.astype(np.float64)
    mean_x, mean_y = _blurred(x), _blurred(y)
    var_x, var_y = _blurred(x * x) - mean_x**2, _blurred(y * y) - mean_y**2
    both = _blurred(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    top = (2 * mean_x * mean_y + c1) * (2 * both + c2)
    return float(np.mean(top / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))))


def _blurred(image: Picture) -> Picture:
    reach = BLUR_PX // 2
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / BLUR_SIGMA) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        length = image.shape[axis] - 2 * reach
        parts = [k * np.take(image, range(i, i + length), axis) for i, k in enumerate(kernel)]
        image = np.sum(parts, 0)
    return image
