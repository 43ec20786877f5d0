"""Scene to picture: meshes, path tracing, denoising, tone mapping and files."""

from models.image.render.encode import encode
from models.image.render.renderer import Renderer, samples_for
from models.image.render.rendering import Rendering

__all__ = ["Renderer", "Rendering", "encode", "samples_for"]
