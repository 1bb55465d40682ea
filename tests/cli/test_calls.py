"""Calls whose other end the test plays: what arrives there, what is printed of the answer, and what is said when the
input or the output cannot be had."""

import socket
import threading
import unittest

from cli_harness import DEADLINE, CliCase

ARN = "arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/hello-1234567890"
SESSION = "0" * 36


class Peer:
    """One server socket; each connection is given to function(connection, head, body) on a thread."""

    def __init__(self, case, function):
        self.function, self.heads = function, []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        case.addCleanup(self.server.close)
        case.addCleanup(self.server.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            while True:
                connection, _ = self.server.accept()
                threading.Thread(target=self.talk, args=(connection,), daemon=True).start()
        except OSError:
            pass

    def talk(self, connection):
        with connection, connection.makefile("rb") as lines:
            connection.settimeout(DEADLINE)
            head = {}
            lines.readline()
            for line in iter(lines.readline, b"\r\n"):
                if not line:
                    return
                name, _, value = line.decode("latin-1").partition(":")
                head[name.lower()] = value.strip()
            self.heads.append(head)
            try:
                self.function(connection, head, lines.read(int(head.get("content-length", 0))))
            except OSError:
                pass


def answer(content_type, body):
    return (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: " + content_type +
            f"\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


class Calls(CliCase):
    def peer(self, function):
        peer = Peer(self, function)
        self.env.update(AWS_ENDPOINT_URL=peer.url, AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY="secret",
                        AWS_MAX_ATTEMPTS="1", no_proxy="*")
        return peer

    def test_a_token_from_a_file_stops_a_session(self):
        peer = self.peer(lambda connection, *_: connection.sendall(answer(b"application/json", b"{}")))
        self.write("token", "opaque-token\n")
        self.ok("stop-session", ARN, SESSION, "--bearer", "@token")
        self.assertEqual(peer.heads[-1]["authorization"], "Bearer opaque-token")


if __name__ == "__main__":
    unittest.main()
