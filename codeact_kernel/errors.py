"""Every error the project raises on purpose, in one tree.

Each says what happened, and carries a ``remedy``: one sentence that says what
to do about it.  Faces print ``str(error)``, which is both, and never a
traceback of ours.

::

    CodeActError
    ├── ConfigError              a setting is wrong
    ├── UsageError               a command, notebook or file given by the user is wrong
    ├── ModelError               the model could not answer
    │   ├── NoEndpoint           nothing says which model to ask
    │   ├── BadKey               the endpoint refused the key
    │   ├── UnknownModel         the endpoint does not have this model
    │   ├── EndpointUnreachable  no connection, or it broke too often
    │   ├── RateLimited          still refused after the retries
    │   ├── ContextTooLong       the conversation does not fit the model
    │   ├── MalformedReply       the endpoint's answer is not a chat completion
    │   └── CassetteMismatch     a recording does not contain what was asked
    ├── SandboxError             the sandbox asked for does not work here
    ├── EnvironmentFailed        the inner kernel did not start or did not come back
    └── JournalError             the record cannot be written or read
"""

from __future__ import annotations


class CodeActError(Exception):
    """Base of the tree.

    ``str(error)`` is the sentence for a person: what happened and, when there
    is one, what to do.
    """

    def __init__(self, what: str, *, remedy: str = "") -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what} {self.remedy}" if self.remedy else self.what


class ConfigError(CodeActError):
    """A setting has a value that cannot be used."""


class UsageError(CodeActError):
    """Something the user named (a command, a notebook, a folder) cannot be used."""


class ModelError(CodeActError):
    """The model could not be asked, or did not answer."""


class NoEndpoint(ModelError):
    """Nothing says which endpoint or model to use."""


class BadKey(ModelError):
    """The endpoint refused the API key (HTTP 401 or 403)."""


class UnknownModel(ModelError):
    """The endpoint does not serve the model that was asked for."""


class EndpointUnreachable(ModelError):
    """No connection to the endpoint, or it broke more often than we retry."""


class RateLimited(ModelError):
    """The endpoint still answered 429 after the last retry."""


class ContextTooLong(ModelError):
    """The request is larger than the model's context."""


class MalformedReply(ModelError):
    """The endpoint answered with something that is not a chat completion."""


class CassetteMismatch(ModelError):
    """A recorded session does not contain what it is asked for, or was not used up."""


class SandboxError(CodeActError):
    """The sandbox that was asked for cannot be used on this machine."""


class EnvironmentFailed(CodeActError):
    """The inner kernel did not start, or could not be replaced."""


class JournalError(CodeActError):
    """The record could not be written or read back."""
