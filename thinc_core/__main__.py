"""`python -m thinc_core`: the same program as `thinc-core`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
