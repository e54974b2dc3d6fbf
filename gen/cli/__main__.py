"""`python -m nomul.gen.cli` is the same as `nomul`."""

import sys

from nomul.gen.cli.application import main

sys.exit(main())
