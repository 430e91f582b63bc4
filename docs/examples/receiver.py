"""A receiver in its smallest form: answers 200 and says what came. A real one checks the signature (webhook-signature)."""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Receiver(BaseHTTPRequestHandler):
    """Takes FHIR messages by POST."""

    def do_POST(self) -> None:
        """One notice."""
        bundle = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        header, signal = (entry["resource"] for entry in bundle["entry"][:2])
        topic, sender = header["eventCoding"]["code"], header["sender"].get("display", "an agency that is not named")
        sys.stdout.write(f"notice: {topic} | from: {sender}\n{json.dumps(signal, indent=2)}\n")
        sys.stdout.flush()
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing else."""


HTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8099), Receiver).serve_forever()
