"""Hooks of the generated requests: a token that is still valid (they live for 300 seconds, a full run for longer), and
ids of resources that are there, else reads would find nothing but 404."""

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


def _known():
    return json.loads(Path(os.environ["FUZZ_CREDENTIALS"]).read_text())


@schemathesis.auth(refresh_interval=200)
class FreshToken:
    """A bearer token of the running gateway, got anew before it runs out."""

    def get(self, case, context):
        return fetch_token(_known(), CLIENT, USER, ROLE, PURPOSES)

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Every other generated id becomes that of a resource of this type that is there."""
    kind = "/".join(context.operation.path.split("/")[2:3])
    seeds = _known()["seeds"].get(kind)
    stated = (path_parameters or {}).get("id")
    if seeds and isinstance(stated, str) and sum(map(ord, stated)) % 2 and context.operation.method.upper() != "DELETE":
        return {
            **path_parameters,
            "id": seeds[len(stated) % len(seeds)],
            **({"version": "1"} if "version" in path_parameters else {}),
        }
    return path_parameters
