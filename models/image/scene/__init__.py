"""Text to scene: a small diffusion model over scene parameters."""
