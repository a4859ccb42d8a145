"""What all tests share."""

import torch

# `make test` runs a process for each core. With a pool of threads in each of them, threads that wait for
# their turn spin on cores that others need, and a loop of small operations takes many times as long.
torch.set_num_threads(1)

pytest_plugins = ["tests.browser"]
