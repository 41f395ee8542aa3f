"""`python -m ParotidSegLib` is `parotidseg`."""

import sys

from .cli import main

sys.exit(main())
