"""`python -m secc`: the command line."""

import sys

from secc.cli import main

sys.exit(main())
