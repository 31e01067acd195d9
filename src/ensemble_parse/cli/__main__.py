"""``python -m ensemble_parse.cli`` is ``ensemble-parse``."""

import sys

from ensemble_parse.cli import main

if __name__ == "__main__":
    sys.exit(main())
