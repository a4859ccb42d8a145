"""`python -m deqviz.training`, the same as `deqviz train`."""

from deqviz.training.command import main

if __name__ == "__main__":
    raise SystemExit(main())
