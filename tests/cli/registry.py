"""A small container registry: the push side of the OCI distribution specification and enough of the pull side to read
back, with the three kinds of authentication that registries ask for.  And what else of AWS a deployment speaks to: ECR,
S3, and the control plane, which keep what they were sent."""

import base64
import hashlib
import http.server
import json
import re
import threading
import urllib.parse
import uuid

USER, PASSWORD = "AWS", "s3cret"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
TOKEN = "the-bearer-token"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    @property
    def state(self):
        return self.server.state

    def answer(self, code, body=b"", **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def read(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def handle_any(self):
        self.url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(self.url.query))
        self.body = self.read()
        self.state.requests.append((self.command, self.path, dict(self.headers.items()), self.body))
        for pattern, method in self.routes:
            match = re.fullmatch(pattern, f"{self.command} {self.url.path}")
            if match:
                return getattr(self, method)(*map(urllib.parse.unquote, match.groups()))
        self.answer(404, {"errors": [{"code": "UNSUPPORTED", "message": f"no {self.command} {self.path}"}]})

    do_GET = do_HEAD = do_POST = do_PUT = handle_any

    # ---- the registry ----

    def allowed(self):
        want, given = self.state.auth, self.headers.get("Authorization")
        if want is None or given == (f"Basic {BASIC}" if want == "basic" else f"Bearer {TOKEN}"):
            return True
        challenge = 'Basic realm="test"'
        if want == "bearer":
            challenge = f'Bearer realm="{self.state.url}/token",service="test",scope="repository:x:pull"'
        self.answer(401, {"errors": [{"code": "UNAUTHORIZED", "message": "no"}]}, WWW_Authenticate=challenge)
        return False

    def token(self):
        scope = self.query["scope"]
        if self.headers.get("Authorization") != f"Basic {BASIC}" or not scope.endswith(":pull,push"):
            return self.answer(401, {})
        self.answer(200, {"token": TOKEN})

    def look(self, repository, digest):
        if self.allowed():
            self.answer(200 if digest in self.state.blobs else 404)

    def begin(self, repository):
        if not self.allowed():
            return
        place = f"/upload/{uuid.uuid4()}?state=a%2Fb"
        self.state.uploads.add(place)
        self.answer(202, Location=place)

    def upload(self, name):
        digest = self.query["digest"]
        if f"sha256:{hashlib.sha256(self.body).hexdigest()}" != digest:
            return self.answer(400, {"errors": [{"code": "DIGEST_INVALID", "message": "wrong digest"}]})
        if self.state.full:
            return self.answer(507, {"errors": [{"code": "UNKNOWN", "message": "the disk is full"}]})
        self.state.blobs[digest] = self.body
        self.answer(201, Location=f"/v2/x/blobs/{digest}")

    def manifest(self, repository, tag):
        if not self.allowed():
            return
        manifest = json.loads(self.body)
        wanted = [blob["digest"] for blob in [manifest["config"], *manifest["layers"]]]
        missing = [digest for digest in wanted if digest not in self.state.blobs]
        if missing:
            return self.answer(400, {"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "message": missing[0]}]})
        digest = f"sha256:{hashlib.sha256(self.body).hexdigest()}"
        self.state.manifests[f"{repository}:{tag}"] = digest
        self.state.blobs[digest] = self.body
        self.answer(201, Docker_Content_Digest=digest)

    # ---- ECR, S3, the control plane ----

    def ecr(self):
        operation = self.headers["X-Amz-Target"].split(".")[-1]
        if operation == "GetAuthorizationToken":
            token = self.state.ecr_token or BASIC
            data = {"authorizationToken": token, "proxyEndpoint": self.state.url}
            return self.answer(200, {"authorizationData": [data]})
        name = json.loads(self.body)["repositoryName"]
        if name in self.state.repositories:
            return self.answer(400, {"__type": "com.amazonaws.ecr#RepositoryAlreadyExistsException", "message": "is"})
        if self.state.denied:
            return self.answer(400, {"__type": "AccessDeniedException", "message": "not you"})
        self.state.repositories.append(name)
        self.answer(200, {"repository": {"repositoryName": name}})

    def s3(self, bucket, key):
        if self.headers["X-Amz-Content-SHA256"] != hashlib.sha256(self.body).hexdigest():
            return self.answer(400, b"<Error><Code>XAmzContentSHA256Mismatch</Code></Error>")
        if bucket != "code":
            return self.answer(404, b"<Error><Code>NoSuchBucket</Code></Error>")
        self.state.objects[key] = self.body
        self.answer(200)

    def runtimes(self):
        self.answer(200, {"agentRuntimes": self.state.runtimes})

    def create(self):
        r = json.loads(self.body)
        self.state.created = r
        runtime_id = f"{r['agentRuntimeName']}-1234567890"
        arn = f"arn:aws:bedrock-agentcore:us-west-2:123456789012:runtime/{runtime_id}"
        self.state.runtime = {
            "agentRuntimeArn": arn,
            "agentRuntimeId": runtime_id,
            "agentRuntimeName": r["agentRuntimeName"],
            "agentRuntimeVersion": "1",
            "status": "READY" if self.state.ready else "CREATING",
            "createdAt": 1.0,
            "lastUpdatedAt": 1.0,
            "roleArn": r["roleArn"],
            "networkConfiguration": {"networkMode": "PUBLIC"},
            "lifecycleConfiguration": {},
        }
        self.answer(202, {**self.state.runtime, "status": "CREATING"})

    def get(self, runtime_id):
        self.answer(200, self.state.runtime)

    routes = [
        (r"GET /token", "token"),
        (r"HEAD /v2/(.+)/blobs/(sha256:[0-9a-f]+)", "look"),
        (r"POST /v2/(.+)/blobs/uploads/", "begin"),
        (r"PUT /upload/(.+)", "upload"),
        (r"PUT /v2/(.+)/manifests/(.+)", "manifest"),
        (r"POST /", "ecr"),
        (r"PUT /s3/([^/]+)/(.+)", "s3"),
        (r"POST /runtimes/", "runtimes"),
        (r"PUT /runtimes/", "create"),
        (r"GET /runtimes/([^/]+)/", "get"),
    ]


class State:
    def __init__(self):
        self.auth, self.ecr_token, self.full, self.denied = None, None, False, False
        self.blobs, self.manifests, self.objects = {}, {}, {}
        self.uploads, self.repositories, self.requests, self.runtimes = set(), [], [], []
        self.created = self.runtime = None
        self.ready = True  # runtimes are, as soon as they are made


class Server:
    def __init__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.state = self.server.state = State()
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = self.state.url = f"http://{self.host}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
