"""Video diffusion models of this machine, run by diffusers."""
