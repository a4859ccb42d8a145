"""`python -m deqviz.sweep`, the same as `deqviz sweep`."""

import sys

from deqviz.sweep.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
