"""Prompt and seed to scene: read, imagine, lay out."""

from pathlib import Path

from models.core.assembly import assembling
from models.core.capability import Value
from models.core.minilm import MiniLM
from models.core.weights import load_weights
from models.image.scene.denoiser import SceneDenoiser, sample
from models.image.scene.fields import conditions, decode
from models.image.scene.finishing import scene_of
from models.image.scene.lexicon import Lexicon
from models.image.scene.reader import Reader
from models.image.scene.understanding import Interpreter
from models.image.scene.units import UnitReader
from models.image.schema import MappedWord, Scene

WEIGHTS = Path(__file__).parents[1] / "weights"


class Composition(Value):
    """A scene, and how the words of its prompt were taken."""

    scene: Scene
    mapped: tuple[MappedWord, ...] = ()
    ignored: tuple[str, ...] = ()


class SceneDiffusion:
    """Composes scenes from prompts; the same prompt and seed give the same scene.

    Attributes:
        weights_sha256: Of the shipped weights, both networks together.
        version: Of the model.
    """

    version = "1.0"

    def __init__(
        self, interpreter: Interpreter, denoiser: SceneDenoiser, weights_sha256: str
    ) -> None:
        self._interpreter, self._denoiser = interpreter, denoiser
        self.weights_sha256 = weights_sha256

    @classmethod
    def load(cls, folder: Path = WEIGHTS, cache: Path | None = None) -> "SceneDiffusion":
        """Read the shipped weights and the text encoder.

        Args:
            folder: Of the weights.
            cache: For what every start would compute anew.

        Raises:
            ModelUnavailable: Either is missing or not what its manifest pins.
        """
        tensors, digest = load_weights(folder, "scene_diffusion.safetensors")
        with assembling():
            reader, denoiser = Reader(), SceneDenoiser()
        for name, net in (("reader", reader), ("denoiser", denoiser)):
            prefix = f"{name}."
            net.load_state_dict(
                {
                    k.removeprefix(prefix): v.float()
                    for k, v in tensors.items()
                    if k.startswith(prefix)
                }
            )
            net.eval()
        units = UnitReader(Lexicon(), MiniLM.load(), cache)
        return cls(Interpreter(units, reader), denoiser, digest)

    def compose(self, prompt: str, seed: int) -> Composition:
        """The scene that a prompt describes, completed as the seed has it."""
        understanding = self._interpreter.understand(prompt)
        brief = understanding.brief
        fields = sample(self._denoiser, conditions([brief]), [seed])
        staged = decode(brief, fields.objects[0], fields.stage[0])
        return Composition(
            scene=scene_of(brief, staged),
            mapped=understanding.mapped,
            ignored=understanding.ignored,
        )
