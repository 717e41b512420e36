"""What must hold before code can run, checked where it can still be said in one sentence."""

from __future__ import annotations

from ..config import Settings
from ..errors import SandboxError, UsageError
from .platforms import advise, gather


def check_environment(settings: Settings) -> None:
    """Raise if code cannot run with these settings.

    ``SandboxError`` when the sandbox does not work here, with the platform's
    remedy; ``UsageError`` when the inner kernel is none.
    """
    from ..sandbox.select import choose

    try:
        choose(settings.sandbox)
    except SandboxError as error:
        if settings.sandbox != "auto":
            raise
        raise SandboxError(error.what, remedy=advise(gather()).remedy) from None
    if settings.inner_kernel:
        _check_inner_kernel(settings.inner_kernel)


def _check_inner_kernel(name: str) -> None:
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        spec = KernelSpecManager().get_kernel_spec(name)
    except NoSuchKernel:
        raise UsageError(
            f"The kernel '{name}', in which the code is to run, is not installed.",
            remedy="Set CODEACT_INNER_KERNEL to one that 'jupyter kernelspec list' shows, or unset it.",
        ) from None
    if spec.language.lower() != "python":
        raise UsageError(
            f"The kernel '{name}', in which the code is to run, is for {spec.language}.",
            remedy="Set CODEACT_INNER_KERNEL to a Python kernel, or unset it.",
        )
