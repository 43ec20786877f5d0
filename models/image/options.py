"""The capability's settings, `args.options.image` of the configuration."""

from models.core.value import Value


class ImageOptions(Value):
    """What can be set.

    Attributes:
        libllvm: Path of a libLLVM, where the one that is found is not the right one.
    """

    libllvm: str | None = None
