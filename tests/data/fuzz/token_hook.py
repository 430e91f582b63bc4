"""Gives every generated request a token that is still valid: they live for 300 seconds, a full run for longer."""

import json
import os
from pathlib import Path

import schemathesis

from gateway.demo.client import fetch_token

CLIENT, USER, ROLE, PURPOSES = (
    "fuzz-system",
    "sw22",
    "social-worker",
    ["safeguarding-s47", "duty-to-share-16la", "child-in-need-s17"],
)


@schemathesis.auth(refresh_interval=200)
class FreshToken:
    """A bearer token of the running gateway, got anew before it runs out."""

    def get(self, case, context):
        credentials = json.loads(Path(os.environ["FUZZ_CREDENTIALS"]).read_text())
        return fetch_token(credentials, CLIENT, USER, ROLE, PURPOSES)

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}
