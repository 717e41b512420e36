"""The output policy: what the front makes of everything the inner kernel publishes.

``OutputPolicy`` is the way in for messages and replies, ``own_markdown`` for
what the front itself shows, ``Flood`` for output beyond the limit.
"""

from .flood import Flood
from .markdown import own_markdown
from .policy import OutputPolicy

__all__ = ["Flood", "OutputPolicy", "own_markdown"]
