"""A receiver of Ripen's webhooks in plain Python: checks the signature, answers at once, works afterwards.

Run: RIPEN_HOOK_SECRET=whsec_... python receive_webhook.py 9000
"""

import base64
import hashlib
import hmac
import json
import os
import queue
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOLERANCE = 5 * 60
# In production a table: a message may come twice, and the work must survive a restart.
seen: set[str] = set()
work: "queue.Queue[dict[str, Any]]" = queue.Queue()


def is_genuine(secret: str, headers: Any, body: bytes) -> bool:
    """Whether one of the signatures is ours, over the body exactly as it came, and not an old one played again."""
    message, sent_at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not sent_at.isdigit() or abs(time.time() - int(sent_at)) > TOLERANCE:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, b".".join([message.encode(), sent_at.encode(), body]), hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(digest).decode()
    # For a day after a rotation there are two.
    return any(hmac.compare_digest(expected, given) for given in headers.get("webhook-signature", "").split(" "))


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 as soon as the message is safe, 401 where it is not Ripen's."""

    def do_POST(self) -> None:
        """Take one message."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        genuine = is_genuine(os.environ["RIPEN_HOOK_SECRET"], self.headers, body)
        if genuine and self.headers["webhook-id"] not in seen:
            seen.add(self.headers["webhook-id"])
            work.put(json.loads(body))
        self.send_response(204 if genuine else 401)
        self.end_headers()


def do_the_work() -> None:
    """What takes longer than an answer may take."""
    while True:
        message = work.get()
        print(message["timestamp"], message["type"], json.dumps(message["data"]), flush=True)


if __name__ == "__main__":
    threading.Thread(target=do_the_work, daemon=True).start()
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
    print(f"listening on {server.server_port}", flush=True)
    server.serve_forever()
