"""StyleGAN3: alias-free generators of the configurations T and R."""
