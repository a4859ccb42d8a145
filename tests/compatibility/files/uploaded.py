import torch
from deqviz.core.machine import thread_count
from deqviz.core.metrics import psnr
from deqviz.core.stop import settle
from deqviz.scenario import Choice, Scenario
from deqviz.script import read_upload

operator, noise = Choice("gaussian_blur", {"width": 1.6}), Choice("poisson", {"peak": 300.0})
method = Choice("tv", {"weight": 0.002, "balance": 10.0})
scenario = Scenario(read_upload("upload-e005ba8a7e3c5cc7.npy"), 48, operator, noise, method, seed=1)
torch.set_num_threads(thread_count(scenario.size))  # as the app: sums depend on it
problem, truth = scenario.posed()
last = settle(scenario.build_method().iterates(problem), tolerance=1e-06, max_steps=12)
x = last.x  # the picture, batch x channels x height x width
print(f"k = {last.k}, residual {last.residual:.9g}, PSNR {psnr(x, truth):.9g} dB")
