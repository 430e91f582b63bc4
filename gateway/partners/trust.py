"""Whom we trust to vouch for a receiver's name: the certificate authorities of this machine, read once in a process."""

from __future__ import annotations

import ssl
from functools import cache

import httpx


@cache
def authorities() -> ssl.SSLContext:
    """A context that checks certificates and names. Reading it takes 30 ms."""
    return httpx.create_ssl_context()
