"""A load on one endpoint: wrk where it is installed, else a small generator of our own, pinned to the other core."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.stand import LOAD_CORE

SCRIPT = """
local bodies = {}
for line in io.lines("%(bodies)s") do bodies[#bodies + 1] = line end
math.randomseed(%(seed)d)
local requests = {}
function init(args)
  for i = 1, #bodies do
    requests[i] = wrk.format("POST", "%(path)s", {["Content-Type"] = "%(kind)s", ["Authorization"] = "Bearer %(token)s"}, bodies[i])
  end
end
function request() return requests[math.random(#requests)] end
function done(summary, latency, requests)
  io.write(string.format("OUT %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What a round gave. Times in milliseconds."""

    requests: int
    seconds: float
    errors: int
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def run(
    url: str, path: str, bodies: list[str], *, token: str = "", connections: int = 64, seconds: float = 3.0, seed: int = 1
) -> Load:
    """POST bodies in random order over so many connections for so long."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "bodies"
        listed.write_text("\n".join(bodies))
        if shutil.which("wrk"):
            return _wrk(url, path, listed, token, connections, seconds, seed)
        command = [sys.executable, "-m", "benchmarks.own_load", url, path, str(listed), token, str(connections), str(seconds)]
        return Load(**json.loads(_pinned(command)))


def _wrk(url: str, path: str, listed: Path, token: str, connections: int, seconds: float, seed: int) -> Load:
    script = listed.with_name("load.lua")
    script.write_text(SCRIPT % {"bodies": listed, "seed": seed, "path": path, "kind": "application/fhir+json", "token": token})
    out = _pinned(["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s", "-s", str(script), url])
    match = re.search(r"OUT (\d+) (\d+) (\d+) (\d+) (\d+)", out)
    if match is None:
        raise RuntimeError(f"the load generator gave no figures: {out[-500:]}")
    requests, micros, errors, p50, p99 = (int(part) for part in match.groups())
    return Load(requests, micros / 1e6, errors, p50 / 1000, p99 / 1000)


def _pinned(command: list[str]) -> str:
    pinned = ["taskset", "-c", LOAD_CORE, *command] if shutil.which("taskset") else command
    return subprocess.run(pinned, check=True, capture_output=True, text=True).stdout
