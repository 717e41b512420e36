"""The public conformance suite for Jupyter kernels, against stock ipykernel and against ours."""

from __future__ import annotations

import os
import unittest
from pathlib import Path
from unittest import mock

import jupyter_kernel_test
import pytest

from tests.support.kernel_client import clean_environ


class Samples:
    """What the suite needs to know of the language; nothing that it can ask is left out."""

    language_name = "python"
    file_extension = ".py"
    support_iopub_welcome = True
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('oops', file=sys.stderr)"
    code_page_something = "zip?"
    code_generate_error = "1 / 0"
    code_inspect_sample = "open"
    code_clear_output = "from IPython.display import clear_output; clear_output()"
    code_history_pattern = "1?2*"
    supported_history_operations = ("tail", "range", "search")
    completion_samples = [{"text": "zi", "matches": {"zip"}}]
    complete_code_samples = ["1", "print('hi')", "def f(x):\n    return x\n\n"]
    incomplete_code_samples = ["print('''hi", "def f(x):\n    x * 2"]
    invalid_code_samples = ["import = 7q"]
    code_execute_result = [
        {"code": "1+2+3", "result": "6"},
        {"code": "1_2 * 1", "result": "12"},
        {"code": "'Zoë'", "result": "'Zoë'"},
    ]
    code_display_data = [
        {"code": "from IPython.display import *; display(HTML('<b>x</b>'))", "mime": "text/html"},
        {"code": "from IPython.display import *; display(Math('x^2'))", "mime": "text/latex"},
    ]


def failures(kernel: str, home: Path) -> set[str]:
    """Names of the tests, and of the parts of tests, that fail against ``kernel``."""
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(
        type("Suite", (Samples, jupyter_kernel_test.KernelTests), {"kernel_name": kernel})
    )
    result = unittest.TestResult()
    home.mkdir()
    with mock.patch.dict(os.environ, clean_environ(home), clear=True):
        suite.run(result)
    assert result.testsRun > 10
    return {str(test) for test, _ in [*result.failures, *result.errors]}


@pytest.mark.timeout(300)
def test_what_passes_against_ipykernel_passes_against_us(tmp_path: Path) -> None:
    ours = failures("codeact", tmp_path / "ours")
    stock = failures("python3", tmp_path / "stock")
    assert ours - stock == set()
    assert len(stock) < 5
