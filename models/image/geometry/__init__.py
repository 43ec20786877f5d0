"""Shape out of flat pictures: depth, normals, reliefs, and new light."""
