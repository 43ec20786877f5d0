"""What a shape is made of: meshes and how their surfaces derive from the object's."""

from dataclasses import dataclass

from models.image.render.mesh import CREASE_DEG, Mesh
from models.image.schema import Material


@dataclass(frozen=True)
class Surface:
    """How a part looks, given the object that it belongs to.

    Attributes:
        color: Fixed sRGB hex colour; the object's own where absent.
        shade: Factor on the linear colour.
        material: Fixed material; the object's own where absent.
        glow: Radiance relative to a white wall in the scene's key light; 0 for all but lights.
    """

    color: str | None = None
    shade: float = 1.0
    material: Material | None = None
    glow: float = 0.0


@dataclass(frozen=True)
class Part:
    """A mesh with a surface of its own.

    Attributes:
        mesh: Its triangles.
        surface: What they look like.
        crease_deg: Faces that meet at more than this keep an edge.
    """

    mesh: Mesh
    surface: Surface
    crease_deg: float = CREASE_DEG


BODY = Surface()
DARKER = Surface(shade=0.55)
SLIGHTLY_DARKER = Surface(shade=0.8)
LIGHTER = Surface(shade=1.25)
WOOD = Surface("#7a4e2b", material=Material(roughness=0.6))
DARK_WOOD = Surface("#4a2f1c", material=Material(roughness=0.55))
RUBBER = Surface("#17181a", material=Material(roughness=0.7))
COAL = Surface("#141414", material=Material(roughness=0.55))
STEEL = Surface("#c4c8cc", material=Material(roughness=0.22, metallic=1.0))
IRON = Surface("#4a4d52", material=Material(roughness=0.4, metallic=1.0))
WINDOW = Surface("#1d2b38", material=Material(roughness=0.06, specular=0.9))
CREAM = Surface("#f2e6d0", material=Material(roughness=0.55))
PAPER = Surface("#efe9da", material=Material(roughness=0.8))
CARROT = Surface("#f07a1a", material=Material(roughness=0.5))
"""Fixed surfaces of secondary parts."""
