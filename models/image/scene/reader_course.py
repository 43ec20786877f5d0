"""How the reader is trained: captions read once, then shown in seeded batches."""

import random
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from models.image.scene.captions import CaptionWriter
from models.image.scene.fitting import Course
from models.image.scene.lessons import Lesson, lesson, loss, words_to_forget
from models.image.scene.reader import Read, Reader, gather
from models.image.scene.units import Reading, UnitReader

BATCH, POOL = 64, 8
READ_TOGETHER = 2000
PRECISION = torch.bfloat16


def _halved(reading: Reading) -> Reading:
    return replace(reading, static=reading.static.half(), states=reading.states.half())


def lessons(units: UnitReader, captions: int, seed: int) -> list[Lesson]:
    """Draw captions and read them."""
    writer = CaptionWriter(units.lexicon, seed, units.encoder.vocabulary())
    rng = random.Random(seed)  # noqa: S311  # reproducible, not secret
    drawn = [writer.draw() for _ in range(captions)]
    forget = [words_to_forget(caption, units.lexicon, rng) for caption in drawn]
    found: list[Lesson] = []
    for first in range(0, captions, READ_TOGETHER):
        part = slice(first, first + READ_TOGETHER)
        with torch.autocast("cpu", PRECISION):
            read = units.read([caption.text for caption in drawn[part]], forget[part])
        found += [lesson(c, _halved(r)) for c, r in zip(drawn[part], read, strict=True)]
    return found


def reader_course(
    net: Reader, taught: list[Lesson], seed: int, steps: int, batch: int = BATCH
) -> Course:
    """Batches of captions of like length; now and then without the encoder's states."""
    lengths = np.array([len(item.role) for item in taught])

    def loss_at(step: int) -> Tensor:
        rng = np.random.default_rng([seed, step // POOL])
        pool = rng.permutation(len(taught))[: batch * POOL]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        part = int(rng.permutation(POOL)[step % POOL])
        size = max(1, len(pool) // POOL)
        chosen = [taught[i] for i in pool[part * size : (part + 1) * size]]
        words = gather([item.reading for item in chosen])
        dropped = torch.rand(len(chosen), 1, 1) < 0.15
        words = words._replace(states=words.states.masked_fill(dropped, 0))
        with torch.autocast("cpu", PRECISION):
            read = net(words)
        return loss(Read(*(logits.float() for logits in read)), chosen, words.tags)

    return Course("reader", steps, 2e-3, loss_at)
