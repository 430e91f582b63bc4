"""``python -m benchmarks [name]``: all benchmarks, or one."""

import importlib
import sys

NAMES = ("lookup", "records", "delivery", "audit", "decision", "leak", "cards")

if __name__ == "__main__":
    for name in sys.argv[1:] or NAMES:
        module = importlib.import_module(f"benchmarks.{name}")
        print(f"{name}\n{module.__doc__}", flush=True)
        module.main()
