"""Coverage-guided bytes over every reader (atheris, where it is to be had): no crash, no hang, memory bounded."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import count

ROOT = Path(__file__).resolve().parents[3]
INSTALLED = importlib.util.find_spec("atheris") is not None


@pytest.mark.skipif(not INSTALLED, reason="atheris has wheels for Linux on x86-64 and Python before 3.12 alone")
def test_no_bytes_that_reach_new_code_break_a_reader(tmp_path: Path) -> None:
    """What is refused is refused by name; anything else that is raised, 20 seconds for a file or 1.5 GB end the run."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    bounds = ["-timeout=20", "-rss_limit_mb=1500", "-max_len=20000", f"-artifact_prefix={tmp_path}/", "-seed=7"]
    command = [sys.executable, "-m", "tests.data.fuzz.readers", f"-runs={count(1_500, 300_000)}", *bounds, str(corpus)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
