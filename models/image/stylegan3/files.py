"""Generators as safetensors with a manifest, and how official files become such.

python -m models.image.stylegan3.files FILE.pkl FOLDER
"""

import argparse
from pathlib import Path

from pydantic import ValidationError

from models.core.errors import ModelUnavailable
from models.core.weights import load_json, load_weights, save_json, save_weights
from models.image.stylegan3.generator import Generator
from models.image.stylegan3.official import read_official
from models.image.stylegan3.plan import GeneratorConfig

WEIGHTS = "generator.safetensors"
CONFIG = "generator.json"


def load_generator(folder: Path) -> tuple[Generator, str]:
    """The generator of a folder, and the SHA-256 of its weights.

    Raises:
        ModelUnavailable: Files are missing, changed, or do not fit together.
    """
    values, _ = load_json(folder, CONFIG)
    tensors, sha256 = load_weights(folder, WEIGHTS)
    try:
        config = GeneratorConfig.model_validate(values)
    except ValidationError as error:
        raise ModelUnavailable(f"{folder / CONFIG} is not the one of a generator") from error
    return Generator(config, tensors), sha256


def convert(source: Path, folder: Path) -> str:
    """Write the averaged generator of an official file as safetensors.

    Returns:
        The SHA-256 of the written weights.

    Raises:
        ModelUnavailable: The file is not a checkpoint of StyleGAN3.
    """
    config, tensors, sha256 = read_official(source)
    Generator(config, tensors)  # complains of what does not fit
    save_json(folder, CONFIG, config.model_dump())
    return save_weights(folder, WEIGHTS, tensors, source=source.name, source_sha256=sha256)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=convert.__doc__)
    parser.add_argument("source", type=Path, metavar="FILE.pkl")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    given = parser.parse_args(arguments)
    print(convert(given.source, given.folder))  # noqa: T201 - the answer of a command


if __name__ == "__main__":
    main()
