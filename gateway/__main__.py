"""``gateway``, which is ``python -m gateway``."""

import gc


def main() -> None:
    """Run a command. What is loaded for it stays to its end: no time goes by in looking for garbage among it."""
    gc.disable()
    from gateway.cli import main as run

    gc.freeze()
    gc.enable()
    run()


if __name__ == "__main__":
    main()
