"""Train one recipe from the command line: `python -m deqviz.training convex_ridge --data FOLDER`."""

import argparse
import dataclasses
import datetime
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from deqviz.networks._weights import Card, write
from deqviz.training._recipe import Recipe
from deqviz.training.loop import Epoch, Run, train
from deqviz.training.recipes import RECIPES


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the arguments, train, print one line per epoch, and leave weights and card in `--out`."""
    parser = argparse.ArgumentParser(prog="deqviz train", description="Train the weights of one network.")
    parser.add_argument("recipe", choices=sorted(RECIPES))
    parser.add_argument("--data", type=Path, required=True, help="folder of pictures; the last 40 validate")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="for weights, card and checkpoint")
    parser.add_argument("--steps", type=int, help="length of the whole schedule")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after this long; resume later")
    parser.add_argument("--every", type=int, default=500, help="steps between validations")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="CPU threads; as many as there are cores if left out")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--resume", action=argparse.BooleanOptionalAction, default=True)
    args = parser.parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)

    recipe = RECIPES[args.recipe]
    run = Run(
        data=args.data,
        out=args.out,
        seed=args.seed,
        steps=args.steps,
        minutes=args.minutes,
        device=args.device,
        resume=args.resume,
        every=args.every,
    )
    card = None
    try:
        for epoch in train(recipe, run):
            # Written at every epoch, so that a stopped run leaves usable weights; the last one is the result.
            card = export(recipe, run, epoch)
            print(line(epoch), flush=True)
    except (FileNotFoundError, ValueError) as error:
        print(f"deqviz train: {error}", file=sys.stderr)
        return 2
    weights = run.out / f"{recipe.key}.safetensors"
    print(f"{weights}: sha256 {card.sha256}" if card else f"{weights}: already trained")
    return 0


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
            parameters=sum(parameter.numel() for parameter in epoch.net.parameters()),
        )

    return write(epoch.net, card, run.out, dtype=recipe.stored)


if __name__ == "__main__":
    raise SystemExit(main())
