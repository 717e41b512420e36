"""``python -m codeact_kernel.kernel -f connection_file``."""

import gc
import sys

from ..sandbox import kept

gc.disable()  # importing makes no garbage; ``serve`` switches it on
kept.prepare()

from .app import main  # noqa: E402

sys.exit(main())
