"""WebSocket against the Python library `websockets`, driven by ws_python_peer.py: sizes, fragments, compression, close."""

import os
import subprocess
import sys
import unittest

from harness import TestCase

PEER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http", "ws_python_peer.py")

try:
    import websockets
except ImportError:
    websockets = None


@unittest.skipUnless(websockets, "python3-websockets is not installed")
class Peer(TestCase):
    def check(self, style):
        server = self.serve(f"ws={style}", "websocket_message_bytes_max=2097152")
        url = f"ws://127.0.0.1:{server.port}/ws"
        done = subprocess.run([sys.executable, PEER, url, "--max-bytes", "2097152"], capture_output=True, text=True,
                              timeout=100, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_blocking_handler(self):
        self.check("worker")

    def test_callbacks(self):
        self.check("events")


if __name__ == "__main__":
    unittest.main()
