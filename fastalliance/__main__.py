"""`python -m fastalliance`: the command line."""

import sys

from fastalliance.cli import main

if __name__ == "__main__":
    sys.exit(main())
