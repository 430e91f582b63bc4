"""``python -m benchmarks [name]``: all benchmarks, or one, with those that belong to it."""

import importlib
import sys

NAMES = {
    "lookup": ("lookup",),
    "decision": ("decision",),
    "delivery": ("delivery",),
    "audit": ("audit", "questions"),
    "records": ("records", "loading"),
    "cards": ("cards", "page"),
    "leak": ("leak",),
}

if __name__ == "__main__":
    for name in sys.argv[1:] or NAMES:
        for part in NAMES.get(name, (name,)):
            module = importlib.import_module(f"benchmarks.{part}")
            print(f"{part}\n{module.__doc__}", flush=True)
            module.main()
