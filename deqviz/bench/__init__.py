"""Benchmarks: every claim about quality and speed is a row printed from here."""

import argparse
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from deqviz.core.machine import usable
from deqviz.core.terminal import Parser

_ABOUT = """\
Print one measured table, row by row; a row with a target says whether it is
met. The exit status is 0 when all are, 1 when one is missed, 2 when there is
nothing to measure.

suites:
  theory     rates, inequalities at every point, agreement of limits
  speed      seconds and ratios on this machine
  dip        the deep prior: two-layer networks, then the deep image prior

suites that need --data:
  quality    PSNR on BSD68 and Set12
  mri        parallel MRI on slices that no training saw
  unrolled   LISTA and GLOW-Prox: descent, noise, other signals, inpainting
  tune       regularisation parameters on validation images
"""


def main(argv: Sequence[str]) -> int:
    """`deqviz bench SUITE`; 0 when every target holds, 1 when one is missed, 2 for what makes no sense."""
    parser = Parser(
        prog="deqviz bench", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    suites = ("quality", "speed", "theory", "mri", "unrolled", "dip", "tune")
    parser.add_argument("suite", metavar="SUITE", choices=suites, help="one of those above")
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        type=Path,
        help="with train/bsds400, train/bsds_color, test/bsd68, test/set12, mri",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the rows to this file")
    parser.add_argument("--device", default="cpu", help="cpu (if left out) or cuda")
    parser.add_argument("--only", metavar="TEXT", default="", help="only rows whose name contains this text")
    args = parser.parse_args(list(argv))
    if args.device != "cpu" and (problem := usable(args.device)):
        parser.error(problem)
    from deqviz.bench.rows import report

    if args.suite == "speed":
        from deqviz.bench import speed

        return report(speed.rows(args.device, args.only), args.json)
    if args.suite == "theory":
        from deqviz.bench import theory

        return report(theory.rows(args.only), args.json)
    if args.suite == "dip":
        from deqviz.bench import dip, picture_prior

        return report(chain(dip.rows(args.only), picture_prior.rows(args.only)), args.json)
    if args.data is None or not args.data.is_dir():
        parser.error("--data FOLDER must name a folder with train/bsds400, test/bsd68 and test/set12")
    if args.suite == "tune":
        from deqviz.bench import tune

        return report(tune.rows(args.data, args.device, args.only), args.json)
    if args.suite == "mri":
        from deqviz.bench import mri

        return report(mri.rows(args.data, args.only), args.json)
    if args.suite == "unrolled":
        from deqviz.bench import inpainting, unrolled

        return report(
            chain(unrolled.rows(args.data, args.only), inpainting.rows(args.data, args.only)), args.json
        )
    from deqviz.bench import quality

    return report(quality.rows(args.data, args.device, args.only), args.json)
