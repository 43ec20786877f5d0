"""Small networks on one thread: with more, threads spend their time waiting for each other."""

import torch

torch.set_num_threads(1)
