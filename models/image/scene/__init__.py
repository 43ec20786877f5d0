"""Text to scene: a reader grounds the words, a small diffusion model imagines the rest."""

from models.image.scene.composer import Composition, SceneDiffusion

__all__ = ["Composition", "SceneDiffusion"]
