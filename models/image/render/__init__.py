"""Scene to picture: meshes, path tracing, denoising, tone mapping and files."""

from models.image.render.encode import encode
from models.image.render.renderer import Renderer, samples_for
from models.image.render.rendering import Rendering
from models.image.render.styles import STYLES, Style, style_named

__all__ = ["STYLES", "Renderer", "Rendering", "Style", "encode", "samples_for", "style_named"]
