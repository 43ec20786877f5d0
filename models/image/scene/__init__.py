"""Text to scene: a reader grounds the words, a small diffusion model imagines the rest."""




