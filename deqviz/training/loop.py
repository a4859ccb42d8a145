"""The training loop: a generator of frozen `Epoch` records; stop after any of them and resume exactly."""

import io
import math
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from deqviz.core.replacement import replacement
from deqviz.networks._weights import rounded
from deqviz.training._recipe import Recipe


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one stretch of training brought: `psnr` in dB per noise level (in 1/255), `eta` in seconds."""

    step: int
    steps: int
    loss: float
    psnr: Mapping[str, float]
    seconds: float
    eta: float
    net: nn.Module  # plain, in eval mode: safe to keep and to save


@dataclass(frozen=True)
class Run:
    """Where and how one recipe is run; none of it changes the result but seed, steps and data."""

    data: Path
    out: Path
    seed: int = 0
    steps: int | None = None  # of the whole schedule; None: as the recipe says
    minutes: float = math.inf  # stop after this long; the checkpoint continues later
    device: str = "cpu"
    resume: bool = True
    every: int = 500  # steps per epoch
    watched: int = 8  # validation images looked at in every epoch; the last epoch uses all


def train(recipe: Recipe, run: Run) -> Generator[Epoch]:
    """Train until the schedule or the time is over, saving a checkpoint before each record is handed out.

    Raises ValueError for images or a checkpoint that cannot be used, and OSError.
    """
    training, validation = recipe.source(run.data)
    run.out.mkdir(parents=True, exist_ok=True)
    total = run.steps or recipe.steps
    rng = torch.Generator().manual_seed(run.seed)
    net = recipe.build().to(run.device)
    optimizer = torch.optim.Adam(_groups(net, recipe.learning_rate), betas=recipe.betas)
    checkpoint = run.out / f"{recipe.key}.checkpoint.pt"
    step, spent = 0, 0.0
    if run.resume and checkpoint.exists():
        step, spent = _restore(checkpoint, net, optimizer, rng)
    started = time.perf_counter()

    while step < total:
        running, first = 0.0, step
        while step < min(first + run.every, total):
            for group in optimizer.param_groups:
                group["lr"] = group["rate"] * recipe.pace(step / total)
            loss = recipe.loss(net, recipe.sample(training, rng).to(run.device))
            optimizer.zero_grad()
            loss.backward()
            # A map that nothing bounds may run away for one sample; its gradient would spoil all weights.
            if bool(nn.utils.clip_grad_norm_(net.parameters(), recipe.longest).isfinite()):
                optimizer.step()
            running += float(loss.detach())
            step += 1
        seconds = spent + time.perf_counter() - started
        _save(checkpoint, net, optimizer, rng, step=step, seconds=seconds)
        plain = rounded(recipe.plain(net), recipe.stored)
        watched = validation if step == total else validation[: run.watched]
        yield Epoch(
            step,
            total,
            loss=running / (step - first),
            psnr=validate(recipe, plain, watched, run.device),
            seconds=seconds,
            eta=seconds / step * (total - step),
            net=plain.cpu(),
        )
        if time.perf_counter() - started > 60 * run.minutes:
            return


@torch.no_grad()
def validate(recipe: Recipe, net: nn.Module, pictures: list[Tensor], device: str = "cpu") -> dict[str, float]:
    """Mean PSNR over images; the noise depends on the image's place only, so runs compare."""
    net = net.to(device)
    scores = [recipe.score(net, picture[None].to(device), place) for place, picture in enumerate(pictures)]
    return {name: sum(score[name] for score in scores) / len(scores) for name in scores[0]}


def _groups(net: nn.Module, rate: float) -> list[dict[str, object]]:
    """Filters at the given rate; thresholds and mixing, which are logarithms, three times as fast.

    A filter whose threshold stays too high for long shrinks to zero, and from zero there is no gradient back.
    """
    named = dict(net.named_parameters())
    banks = [parameter for name, parameter in named.items() if "filters" in name]
    others = [parameter for name, parameter in named.items() if "filters" not in name]
    return [{"params": banks, "rate": rate}, {"params": others, "rate": 3 * rate}]


def _save(
    path: Path, net: nn.Module, optimizer: torch.optim.Optimizer, rng: torch.Generator, **progress: float
) -> None:
    state = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "rng": rng.get_state()}
    # Into memory first: torch says of a full disk that it is a RuntimeError.
    whole = io.BytesIO()
    torch.save(state | progress, whole)
    # A run killed at any time leaves either the old checkpoint or the new one.
    with replacement(path) as file:
        file.write(whole.getbuffer())


def _restore(
    path: Path, net: nn.Module, optimizer: torch.optim.Optimizer, rng: torch.Generator
) -> tuple[int, float]:
    data = io.BytesIO(path.read_bytes())
    try:
        state = torch.load(data, map_location="cpu", weights_only=True)
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        rng.set_state(state["rng"])
        return int(state["step"]), float(state["seconds"])
    except Exception:  # whatever torch makes of foreign bytes
        raise ValueError(
            f"the checkpoint {path} is damaged or of another recipe: move it away, and training begins anew."
        ) from None
