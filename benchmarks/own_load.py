"""The load generator for machines without wrk: raw HTTP/1.1 over asyncio streams."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit


async def main(url: str, path: str, bodies: Path, token: str, connections: int, seconds: float) -> dict[str, float]:
    host, port = urlsplit(url).hostname or "", urlsplit(url).port or 80
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/fhir+json\r\nAuthorization: Bearer {token}\r\n"
    requests = [f"{head}Content-Length: {len(line)}\r\n\r\n{line}".encode() for line in bodies.read_text().splitlines()]
    times: list[float] = []
    errors = 0
    end = time.monotonic() + seconds

    async def one() -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection(host, port)
        while time.monotonic() < end:
            begun = time.monotonic()
            writer.write(random.choice(requests))
            answer = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1]) for line in answer.split(b"\r\n") if line.lower().startswith(b"content-length")
            )
            await reader.readexactly(length)
            errors += not answer.startswith(b"HTTP/1.1 200")
            times.append(time.monotonic() - begun)
        writer.close()

    begun = time.monotonic()
    await asyncio.gather(*(one() for _ in range(connections)))
    cuts = statistics.quantiles(times, n=100)
    return {
        "requests": len(times),
        "seconds": time.monotonic() - begun,
        "errors": errors,
        "p50": cuts[49] * 1000,
        "p99": cuts[98] * 1000,
    }


if __name__ == "__main__":
    _, url, path, bodies, token, connections, seconds = sys.argv
    print(json.dumps(asyncio.run(main(url, path, Path(bodies), token, int(connections), float(seconds)))))
