import torch
from deqviz.core.machine import thread_count
from deqviz.core.metrics import psnr
from deqviz.core.stop import settle
from deqviz.scenario import Choice, Scenario

operator, noise = Choice("motion_blur", {"length": 7.0, "angle": 50.0}), Choice("gaussian", {"std": 0.02})
method = Choice("equilibrium", {"solver": Choice("picard", {"damping": 0.9}), "regularizer": Choice("convex_ridge", {"sigma": 0.08}), "weight": 0.03, "splitting": "explicit"})  # fmt: skip
scenario = Scenario("camera", 64, operator, noise, method, seed=5)
torch.set_num_threads(thread_count(scenario.size))  # as the app: sums depend on it
problem, truth = scenario.posed()
last = settle(scenario.build_method().iterates(problem), tolerance=0.003, max_steps=60)
x = last.x  # the picture, batch x channels x height x width
print(f"k = {last.k}, residual {last.residual:.9g}, PSNR {psnr(x, truth):.9g} dB")
