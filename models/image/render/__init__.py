"""Scene to picture: meshes, path tracing, denoising, tone mapping and files."""
