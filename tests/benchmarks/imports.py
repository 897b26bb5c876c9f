"""What importing the package costs those who import httpx and anyio anyway: each time in a fresh interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from statistics import median

from .report import Row, Section, Verdict
from .rounds import Case, Settings, Times, turns

#: What is imported, after what else is there.
IMPORTS = {
    "import httpx, anyio": ("", "import httpx, anyio"),
    "import asgi_testkit, after these": ("import httpx, anyio", "import asgi_testkit"),
    "import starlette.testclient, after these": ("import httpx, anyio", "import starlette.testclient"),
    "import async_asgi_testclient, after these": ("import httpx, anyio", "import async_asgi_testclient"),
}
OURS = "import asgi_testkit, after these"
BAR = 15  # ms


@dataclass(frozen=True)
class ImportCase:
    name: str = "import time"
    rounds: int = 15

    def run(self, settings: Settings) -> Section:
        rounds = settings.rounds or self.rounds
        times: Times = {name: [] for name in IMPORTS}
        with tempfile.TemporaryDirectory() as bytecode:
            for statements in IMPORTS.values():
                measure(*statements, bytecode)  # the first compiles
            for name in turns(list(IMPORTS), rounds):
                times[name].append(measure(*IMPORTS[name], bytecode))
        rows = [Row(name, median(all_) * 1e3) for name, all_ in times.items()]
        verdict = Verdict(OURS, median(times[OURS]) * 1e3, BAR)
        return Section(self.name, "ms", f"median of {rounds} fresh interpreters", rows, [verdict])


def measure(before: str, statement: str, bytecode: str) -> float:
    """Return the seconds that `statement` takes in a fresh interpreter, once `before` has run.

    The folder `bytecode` is where the interpreter keeps it, whatever the environment says of that.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = bytecode
    program = (
        f"from time import perf_counter\n{before}\nbegan = perf_counter()\n{statement}\nprint(perf_counter() - began)"
    )
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return float(done.stdout)


CASES: list[Case] = [ImportCase()]
