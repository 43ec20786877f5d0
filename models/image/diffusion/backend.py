"""The backend `diffusers`: checkpoints of others, drawn by the step engine."""

import hashlib
import io
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from models.core.artifacts import Provenance
from models.core.capability import ModelCard, Run, Setup
from models.core.errors import Cancelled, CapacityExceeded, InvalidInput, ModelUnavailable
from models.core.seeds import draw_seed
from models.image.diffusion.residents import Residents, Served
from models.image.diffusion.shelf import Shelf
from models.image.diffusion.wording import styled
from models.image.options import ImageOptions
from models.image.schema import MAX_SEED, BackendName, ImageRequest, ImageResult, Picture
"""placeholder"""
