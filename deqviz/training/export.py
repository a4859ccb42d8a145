"""What an epoch leaves: a line to read, and the weights with their card."""

import dataclasses
import datetime

import torch

from deqviz.networks._weights import Card, write
from deqviz.training._recipe import Recipe
from deqviz.training.loop import Epoch, Run


def line(epoch: Epoch) -> str:
    """One epoch in one line: `step 500/16000  loss 0.0123  36.50 30.60 27.90 dB  time 2:10  left 1:07:10`."""
    psnr = " ".join(f"{value:.2f}" for value in epoch.psnr.values())
    spent, left = (datetime.timedelta(seconds=round(s)) for s in (epoch.seconds, epoch.eta))
    return f"step {epoch.step}/{epoch.steps}  loss {epoch.loss:.5f}  {psnr} dB  time {spent}  left {left}"


def export(recipe: Recipe, run: Run, epoch: Epoch) -> Card:
    """Write the weights of an epoch and their card."""
    settings = dataclasses.asdict(recipe)

    def card(sha256: str) -> Card:
        return Card(
            key=recipe.key,
            title=recipe.title,
            network=type(epoch.net).__name__,
            arguments=recipe.arguments,
            recipe=settings | {"steps": epoch.steps},
            data=f"{run.data.name}, {recipe.data}",
            seed=run.seed,
            steps=epoch.step,
            validation_psnr={level: round(value, 3) for level, value in epoch.psnr.items()},
            constants=recipe.constants(epoch.net),
            sha256=sha256,
            torch_version=torch.__version__,
            date=datetime.datetime.now(datetime.UTC).date().isoformat(),
            domain=recipe.domain,
            parameters=sum(parameter.numel() for parameter in epoch.net.parameters()),
        )

    return write(epoch.net, card, run.out, dtype=recipe.stored)
