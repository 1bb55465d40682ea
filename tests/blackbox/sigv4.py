"""AWS Signature Version 4 with the standard library alone: in headers, and in the query of presigned URLs.  For the
black-box tests, for agents that they run, and for bench/."""

import datetime
import hashlib
import hmac
import re
from urllib.parse import quote

SERVICE = "bedrock-agentcore"
ALGORITHM = "AWS4-HMAC-SHA256"


def encode(text):
    return quote(text, safe="-_.~")


def query_text(pairs):
    """A query of (name, value) pairs, in the order that signatures want."""
    return "&".join(sorted(f"{encode(name)}={encode(value)}" for name, value in pairs))


class Signer:
    """Signs with one time stamp, so it is good for the minutes that a server allows its clients' clocks."""

    def __init__(self, access_key, secret_key, region, host, token=None):
        now = datetime.datetime.now(datetime.timezone.utc)
        self.stamp = now.strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.stamp[:8]}/{region}/{SERVICE}/aws4_request"
        self.host = host
        self.token = token
        self.credential = f"{access_key}/{self.scope}"
        key = ("AWS4" + secret_key).encode()
        for part in self.scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        self.key = key

    def _signature(self, method, path, query, headers, body):
        """headers: those that are signed, with names in lower case."""
        names = sorted(headers)
        canonical = "\n".join(
            [method, quote(path, safe="/-_.~"), query]
            + [f"{name}:{re.sub(' +', ' ', headers[name].strip())}" for name in names]
            + ["", ";".join(names), hashlib.sha256(body).hexdigest()]
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"{ALGORITHM}\n{self.stamp}\n{self.scope}\n{digest}"
        return hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()

    def headers(self, method, path, query=(), headers=(), body=b""):
        """The given headers (a dict; all are signed), those of the signature, and Host.  path is encoded; query are
        pairs."""
        signed = {name.lower(): value for name, value in dict(headers).items()}
        signed.update({"host": self.host, "x-amz-date": self.stamp})
        if self.token:
            signed["x-amz-security-token"] = self.token
        signature = self._signature(method, path, query_text(query), signed, body)
        credential = f"{ALGORITHM} Credential={self.credential}"
        return {
            **signed,
            "authorization": f"{credential}, SignedHeaders={';'.join(sorted(signed))}, Signature={signature}",
        }

    def request(self, method, path, body=b"", query=(), headers=()):
        """The bytes of a request."""
        headers = dict(headers)
        if body and not any(name.lower() == "content-type" for name in headers):
            headers["content-type"] = "application/json"
        headers = self.headers(method, path, query, headers, body)
        if body or method != "GET":
            headers["content-length"] = str(len(body))
        target = f"{path}?{query_text(query)}" if query else path
        lines = [f"{method} {target} HTTP/1.1"] + [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body

    def presign(self, path, query=(), seconds=300):
        """The target (path and query) of a GET that needs no headers."""
        query = [
            *query,
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", self.credential),
            ("X-Amz-Date", self.stamp),
            ("X-Amz-Expires", str(seconds)),
            ("X-Amz-SignedHeaders", "host"),
        ]
        if self.token:
            query.append(("X-Amz-Security-Token", self.token))
        signature = self._signature("GET", path, query_text(query), {"host": self.host}, b"")
        return f"{path}?{query_text(query)}&X-Amz-Signature={signature}"
