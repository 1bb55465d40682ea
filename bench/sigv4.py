"""sigv4.py - requests that are signed before they are measured: AWS Signature Version 4 in headers, with the standard
library alone, and written as they go onto the wire."""

import datetime
import hashlib
import hmac
from urllib.parse import quote

SERVICE = "bedrock-agentcore"
ALGORITHM = "AWS4-HMAC-SHA256"


class Signer:
    """Signs with one time stamp, so it is good for the minutes that a server allows its clients' clocks."""

    def __init__(self, access_key, secret_key, region, host):
        now = datetime.datetime.now(datetime.timezone.utc)
        self.stamp = now.strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.stamp[:8]}/{region}/{SERVICE}/aws4_request"
        self.host = host
        self.credential = f"{access_key}/{self.scope}"
        key = ("AWS4" + secret_key).encode()
        for part in self.scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        self.key = key

    def request(self, method, path, body=b""):
        """The bytes of a request.  path is encoded and without a query."""
        headers = {"host": self.host, "x-amz-date": self.stamp}
        if body:
            headers["content-type"] = "application/json"
        names = sorted(headers)
        signed = ";".join(names)
        canonical = "\n".join(
            [method, quote(path, safe="/-_.~"), ""]
            + [f"{name}:{headers[name]}" for name in names]
            + ["", signed, hashlib.sha256(body).hexdigest()]
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"{ALGORITHM}\n{self.stamp}\n{self.scope}\n{digest}"
        signature = hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()
        headers["authorization"] = (
            f"{ALGORITHM} Credential={self.credential}, SignedHeaders={signed}, Signature={signature}"
        )
        if body or method != "GET":
            headers["content-length"] = str(len(body))
        lines = [f"{method} {path} HTTP/1.1"] + [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def write_requests(path, requests):
    """The file that replay reads: each request behind a line with its length."""
    with open(path, "wb") as f:
        for request in requests:
            f.write(b"%d\n" % len(request))
            f.write(request)
