"""``python -m codeact_kernel.kernel -f connection_file``."""

import sys

from .app import main

sys.exit(main())
