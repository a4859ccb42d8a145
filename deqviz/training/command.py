"""`deqviz train RECIPE`: the weights of one network, with their card."""

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path

from deqviz.core.machine import usable
from deqviz.core.quoted import printable, quoted
from deqviz.core.terminal import Parser, because, duration, say, whole
from deqviz.resources import PRETRAINED

_ABOUT = """\
Train the weights of one network and leave them, with their card, in a folder.
To go on where a stopped run was, give the same command again.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the arguments, train, print one line per epoch, and leave weights and card in `--out`."""
    parser = Parser(
        prog="deqviz train",
        description=_ABOUT,
        epilog=f"recipes, by the weights that they made:\n{_shipped()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipe", metavar="RECIPE", help="what to train; the list is below")
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        type=Path,
        required=True,
        help="a folder of images, or the one that holds mri/ and train/: the card's `data` says which",
    )
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        type=Path,
        default=Path("runs"),
        help="for weights, card, checkpoint (./runs)",
    )
    parser.add_argument(
        "--steps", metavar="N", type=whole(1, 10**9), help="length of the schedule (that of the recipe)"
    )
    parser.add_argument(
        "--minutes", metavar="M", type=duration, default=math.inf, help="stop after this long"
    )
    parser.add_argument(
        "--every", metavar="N", type=whole(1, 10**9), default=500, help="steps between validations (500)"
    )
    parser.add_argument(
        "--seed", metavar="N", type=whole(0, 2**63 - 1), default=0, help="of all that is drawn (0)"
    )
    parser.add_argument(
        "--threads", metavar="N", type=whole(0, 4096), help="CPU threads (as many as there are cores)"
    )
    parser.add_argument("--device", help="cpu or cuda (cuda where there is one)")
    parser.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on where a stopped run was (yes)",
    )
    args = parser.parse_args(argv)
    # Only now what takes seconds to import.
    import torch

    from deqviz.networks._weights import WeightsError
    from deqviz.training.export import export, line
    from deqviz.training.loop import Run, train
    from deqviz.training.recipes import RECIPES

    if args.recipe not in RECIPES:
        parser.error(f"there is no recipe {quoted(args.recipe)}; there are {', '.join(sorted(RECIPES))}")
    if args.device and (problem := usable(args.device)):
        parser.error(problem)
    if args.threads:
        torch.set_num_threads(args.threads)

    recipe = RECIPES[args.recipe]
    run = Run(
        data=args.data,
        out=args.out,
        seed=args.seed,
        steps=args.steps,
        minutes=args.minutes,
        device=args.device or ("cuda" if torch.cuda.is_available() else "cpu"),
        resume=args.resume,
        every=args.every,
    )
    card = None
    try:
        for epoch in train(recipe, run):
            # Written at every epoch, so that a stopped run leaves usable weights; the last one is the result.
            card = export(recipe, run, epoch)
            print(line(epoch), flush=True)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        after = ". The last checkpoint is whole: give the same command again" if error.errno else ""
        say(f"deqviz train: {where}{because(error)}{after}.")
        return 2
    except (ValueError, WeightsError) as error:
        say(f"deqviz train: {error}")
        return 2
    weights = run.out / f"{recipe.key}.safetensors"
    say(f"{weights}: sha256 {card.sha256}" if card else f"{weights}: already trained", is_result=True)
    return 0


def _shipped() -> str:
    """Key and title of every card: the recipes themselves cannot be listed without torch.

    A card that is damaged is left out: help must not fail of it.
    """
    lines: list[str] = []
    for path in sorted(PRETRAINED.glob("*.json")):
        try:
            card = json.loads(path.read_text(encoding="utf-8-sig"))
            lines.append(f"  {card['key']:<26}{card['title']}")
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            continue
    return "\n".join(map(printable, lines))
