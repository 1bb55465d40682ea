"""An OpenID provider on this machine, with the standard library alone: a key of P-256, its JWKS, and tokens."""

import base64
import hashlib
import http.server
import json
import secrets
import threading
import time

# P-256 (FIPS 186-4, D.1.2.3)
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    if a == b:
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(k, point):
    result = None
    while k:
        if k & 1:
            result = add(result, point)
        point, k = add(point, point), k >> 1
    return result


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    def __init__(self):
        self.secret = 1 + secrets.randbelow(N - 1)
        x, y = multiply(self.secret, G)
        key = {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "first",
               "x": base64url(x.to_bytes(32, "big")), "y": base64url(y.to_bytes(32, "big"))}
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.discovery_url = self.url + "/.well-known/openid-configuration"
        pages = {
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": self.url + "/keys"},
            "/keys": {"keys": [key]},
        }

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps(pages.get(self.path)).encode()
                self.send_response(200 if self.path in pages else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server.RequestHandlerClass = Handler
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def token(self, **claims):
        now = int(time.time())
        claims = {"iss": self.url, "sub": "alice", "aud": "agents", "iat": now, "exp": now + 600, **claims}
        text = ".".join(base64url(json.dumps(part).encode())
                        for part in ({"alg": "ES256", "typ": "JWT", "kid": "first"}, claims))
        digest = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
        k = 1 + secrets.randbelow(N - 1)
        r = multiply(k, G)[0] % N
        s = pow(k, -1, N) * (digest + r * self.secret) % N
        return f"{text}.{base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def authorizer(self, audience="agents"):
        return {"customJWTAuthorizer": {"discoveryUrl": self.discovery_url, "allowedAudience": [audience]}}
