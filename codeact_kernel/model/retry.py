"""When a failed call is tried again, and after how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ..errors import ModelError


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one attempt failed, and whether another one may help."""

    error: ModelError
    transient: bool = False
    retry_after: float | None = None
    """Seconds that the endpoint asked us to wait."""


class AttemptFailed(Exception):
    """One attempt at a call failed; ``failure`` says why and whether to try again."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with jitter, bounded in tries and in time.

    The first wait is ``first`` seconds, each next one twice as long up to
    ``longest``; of each, a random half is taken off so that clients do not come
    back together.  An endpoint's own ``Retry-After`` is honoured up to
    ``patience``; one that asks for more is not tried again.
    """

    tries: int = 5
    first: float = 0.5
    longest: float = 8.0
    patience: float = 60.0

    def wait(self, failures: int, failure: Failure, chance: float) -> float | None:
        """Seconds to wait after ``failures`` failed attempts; None: give up.

        ``chance`` is a random number from 0 to 1.
        """
        if not failure.transient or failures >= self.tries:
            return None
        delay: float = min(self.longest, self.first * 2 ** (failures - 1)) * (1 - chance / 2)
        if failure.retry_after is None:
            return delay
        return failure.retry_after + delay if failure.retry_after <= self.patience else None


DEFAULT_BACKOFF = Backoff()


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds of the header ``Retry-After`` (RFC 9110 §10.2.3: a number or a date), if it is there.

    Also understands ``retry-after-ms``, which is more exact where it exists.
    """
    millis, value = headers.get("retry-after-ms"), headers.get("retry-after")
    for text, unit in ((millis, 1000.0), (value, 1.0)):
        try:
            seconds = float(text or "") / unit
        except ValueError:
            continue
        return max(0.0, seconds) if seconds < float("inf") else None
    if not value:
        return None
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
