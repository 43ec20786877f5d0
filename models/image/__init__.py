"""Text to image: a prompt becomes a scene, the scene becomes a path-traced picture."""
