"""One forward of a denoising network for the rows of several requests."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from models.image.diffusion.adapters import AdaptedNetwork
from models.image.diffusion.running import Running


class Forward:
    """Lays the rows of requests side by side, calls the network, gives the rows back.

    Args:
        network: Called as UNets of diffusers are: noisy sample, `(R, C, h, w)`, timesteps `(R,)`,
            states of the text and `added_cond_kwargs`; gives a tuple whose first member is the
            prediction.
        row_counts: Forwards are filled up to one of these, ascending; as they come if empty.
            For compiled networks, which are made for each shape anew.
    """

    def __init__(self, network: nn.Module, row_counts: Sequence[int] = ()) -> None:
        self.network = network
        self.adapters = AdaptedNetwork(network)
        self._row_counts = tuple(row_counts)

    def __call__(
        self,
        batch: Sequence[Running],
        most: int,
        fixed: int | None = None,
        count: Callable[[int, int], None] = lambda _rows, _padding: None,
    ) -> torch.Tensor:
        """The predictions of all rows, `(sum of rows, C, h, w)`.

        Args:
            batch: Requests of one key.
            most: Rows of one call; more are divided among several.
            fixed: Rows that every call has, the missing ones filled up.
            count: Told the rows and the padding of each call.
        """
        inputs = [(request.network_input(), request.rows) for request in batch]
        sample = torch.cat([sample for sample, rows in inputs for _row in range(rows)])
        if fixed:
            # Some latents come with other strides, which choose other kernels for all rows.
            sample = sample.contiguous()
        times = torch.cat([self._times(request) for request in batch]).to(sample.device)
        text = torch.cat([request.conditioning.text for request in batch])
        names = batch[0].conditioning.added
        added = {n: torch.cat([r.conditioning.added[n] for r in batch]) for n in names}
        adapters = [request.adapters for request in batch for _row in range(request.rows)]
        answers = []
        for start in range(0, len(sample), most):
            rows = slice(start, min(start + most, len(sample)))
            here = rows.stop - rows.start
            padding = (fixed or self._filled(here)) - here
            fill = _filler(padding)
            here_adapted = [*adapters[rows], *([None] * padding)]
            with self.adapters.adapted(here_adapted, whole=fixed is not None):
                answer = self.network(
                    fill(sample[rows]),
                    fill(times[rows]),
                    fill(text[rows]),
                    added_cond_kwargs={n: fill(value[rows]) for n, value in added.items()} or None,
                    return_dict=False,
                )[0]
            answers.append(answer[:here])
            count(here, padding)
        return answers[0] if len(answers) == 1 else torch.cat(answers)

    def _times(self, request: Running) -> torch.Tensor:
        # Schedulers give whole or real numbers; the network's first act is to make them real.
        return request.timesteps[request.step].to(torch.float32).reshape(1).expand(request.rows)

    def _filled(self, rows: int) -> int:
        return next((count for count in self._row_counts if count >= rows), rows)


def _filler(padding: int) -> Callable[[torch.Tensor], torch.Tensor]:
    def fill(rows: torch.Tensor) -> torch.Tensor:
        if not padding:
            return rows
        return torch.cat([rows, rows[:1].expand(padding, *rows.shape[1:])])

    return fill
