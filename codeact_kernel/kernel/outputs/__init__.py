"""The output policy: what the front makes of everything the inner kernel publishes.

``OutputPolicy`` is the way in for messages and replies, ``own`` for what the
front itself shows, ``Flood`` for output beyond the limit.
"""

from . import own
from .flood import Flood
from .markdown import own_markdown
from .policy import OutputPolicy

__all__ = ["Flood", "OutputPolicy", "own", "own_markdown"]
