"""Films: a camera that flies through a scene."""
