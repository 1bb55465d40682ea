"""deploy --aws up to the network: images to registries of this machine, code to a bucket, and the call that follows."""

import io
import json
import os
import shutil
import subprocess
import time
import unittest
import zipfile

from cli_harness import DEADLINE, UNREACHABLE, USAGE, CliCase, free_port
from registry import BASIC, TOKEN, Server

ROLE = "arn:aws:iam::123456789012:role/agent"


class AwsCase(CliCase):
    def setUp(self):
        super().setUp()
        self.aws = Server()
        self.addCleanup(self.aws.close)
        self.state = self.aws.state
        self.env.update(AWS_ACCESS_KEY_ID="AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY="secret", AWS_REGION="us-west-2",
                        AWS_ENDPOINT_URL_ECR=self.aws.url, AWS_ENDPOINT_URL_S3=f"{self.aws.url}/s3",
                        AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL=self.aws.url, AWS_MAX_ATTEMPTS="1", no_proxy="*")
        self.scratch = self.folder / "tmp"
        self.scratch.mkdir()
        self.env["TMPDIR"] = str(self.scratch)
        subprocess.run(["gcc", "-x", "c", "-", "-o", "prog"], input="int main(void) { return 0; }\n", text=True,
                       cwd=self.work, check=True, env=self.env)

    def deploy(self, *options, **more):
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
        return self.run_cli("deploy", "--aws", "--name", "cloudy", "--entry", "prog", "--role", ROLE, "--platform",
                            f"linux/{machine}", "--json", *options, **more)

    def login(self, host):
        path = self.folder / ".docker/config.json"
        path.parent.mkdir()
        path.write_text(json.dumps({"auths": {host: {"auth": BASIC}}}))


class Ecr(AwsCase):
    def test_push_and_create(self):
        self.state.auth = "basic"
        done = self.deploy("--env", "LEVEL=3", code=0).json()
        uri = self.state.created["agentRuntimeArtifact"]["containerConfiguration"]["containerUri"]
        self.assertEqual(uri, f"{self.aws.host}/cloudy:{done['digest'][7:19]}")
        self.assertEqual(self.state.manifests, {f"cloudy:{done['digest'][7:19]}": done["digest"]})
        self.assertEqual(self.state.repositories, ["cloudy"])
        self.assertEqual(self.state.created["roleArn"], ROLE)
        self.assertEqual(self.state.created["environmentVariables"], {"LEVEL": "3"})
        ecr = [headers for method, path, headers, _ in self.state.requests if path == "/"]
        self.assertEqual(len(ecr), 2)
        for headers in ecr:
            self.assertRegex(headers["Authorization"], r"^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/\d{8}/us-west-2/ecr/")
        project = json.loads((self.work / ".agentcore.json").read_text())
        self.assertEqual(project["deployed"], {"aws": {"arn": done["arn"]}})

        # Once more: the registry has all of it, the repository is there.
        self.state.requests.clear()
        self.state.runtimes = [self.state.runtime]
        self.deploy("--role", ROLE)
        self.assertEqual([path for method, path, _, _ in self.state.requests if path.startswith("/upload")], [])

    def test_is_for_arm64(self):
        self.run_cli("deploy", "--aws", "--name", "cloudy", "--entry", "prog", "--role", ROLE)
        if os.uname().machine != "aarch64":
            self.fails(1, "deploy", "--aws", "--name", "cloudy", "--entry", "prog", "--role", ROLE,
                       says="is for linux/amd64, not for linux/arm64")

    def test_refusals(self):
        self.fails(USAGE, "deploy", "--aws", "--entry", "prog", says="name it: --role")
        self.state.denied = True
        done = self.deploy()
        self.assertEqual((done.code, done.err), (1, "agentcore: ECR: AccessDeniedException: not you\n"))
        self.state.denied, self.state.full = False, True
        done = self.deploy()
        self.assertRegex(done.err, "^agentcore: .* does not take a layer: status 507: the disk is full\n$")
        self.state.full, self.state.auth, self.state.ecr_token = False, "basic", "d3Jvbmc="
        self.assertRegex(self.deploy().err, "^agentcore: .* does not take the image: status 401\n$")
        self.assertIsNone(self.state.created)
        self.assertFalse((self.work / ".agentcore.json").exists())
        self.assertEqual(self.tree(self.scratch), [])
        done = self.deploy(env={"AWS_ENDPOINT_URL_ECR": f"http://127.0.0.1:{free_port()}"})
        self.assertEqual(done.code, UNREACHABLE, done)
        self.assertEqual(len(done.err.splitlines()), 1)
        nothing = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
        done = self.deploy(env=nothing)
        self.assertRegex(done.err, "^agentcore: .*[Cc]redentials.*aws configure\n$")


    def test_how_long_it_waits(self):
        """A time that is none is seen before anything is made; one that is over is not the network's fault."""
        self.assertEqual(self.deploy("--timeout", "soon").code, USAGE)
        self.assertEqual((self.state.created, self.state.repositories), (None, []))
        self.state.ready = False
        done = self.deploy("--timeout", "1")
        self.assertEqual(done.code, 1, done)
        self.assertEqual(done.err, "agentcore: cloudy was not ready within 1 seconds; agentcore status cloudy shows "
                         "why\n")


class Registry(AwsCase):
    def test_bearer_tokens(self):
        self.state.auth = "bearer"
        self.fails(1, "deploy", "--aws", "--name", "cloudy", "--entry", "prog", "--role", ROLE, "--platform",
                   "linux/amd64" if os.uname().machine == "x86_64" else "linux/arm64", "--registry",
                   f"{self.aws.url}/team/agent", says="token server answers 401; log in: docker login")
        self.login(self.aws.host)
        done = self.deploy("--registry", f"{self.aws.url}/team/agent", code=0).json()
        self.assertIn(f"team/agent:{done['digest'][7:19]}", self.state.manifests)
        tokens = [path for _, path, _, _ in self.state.requests if path.startswith("/token?")]
        self.assertIn("service=test&scope=repository:team/agent:pull,push", tokens[-1])
        sent = [h.get("Authorization") for _, path, h, _ in self.state.requests if "/manifests/" in path]
        self.assertEqual(sent[-1], f"Bearer {TOKEN}")

    def test_references(self):
        for reference in ("nowhere", "ftp://host/x", "host/UPPER", "host/", "ho st/x"):
            self.assertEqual(self.deploy("--registry", reference).code, USAGE, reference)

    def test_a_real_one(self):
        """Debian's docker-registry; skopeo reads back what was pushed."""
        program = shutil.which("docker-registry", path="/usr/bin:/usr/sbin")
        if not program or not shutil.which("skopeo"):
            self.skipTest("there is no docker-registry, or no skopeo")
        port = free_port()
        (self.folder / "registry.yml").write_text(
            f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {self.folder}/registry}}}}\n"
            f"http: {{addr: '127.0.0.1:{port}'}}\n")
        server = subprocess.Popen([program, "serve", self.folder / "registry.yml"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        end = time.monotonic() + DEADLINE
        while subprocess.run(["bash", "-c", f": < /dev/tcp/127.0.0.1/{port}"], stderr=subprocess.DEVNULL).returncode:
            self.assertLess(time.monotonic(), end)
        done = self.deploy("--registry", f"http://127.0.0.1:{port}/team/agent", code=0).json()
        reference = f"127.0.0.1:{port}/team/agent:{done['digest'][7:19]}"
        artifact = self.state.created["agentRuntimeArtifact"]
        self.assertEqual(artifact["containerConfiguration"]["containerUri"], reference)
        shown = subprocess.run(["skopeo", "inspect", "--tls-verify=false", f"docker://{reference}"],
                               capture_output=True, text=True, check=True, env=self.env)
        self.assertEqual(json.loads(shown.stdout)["Digest"], done["digest"])
        subprocess.run(["skopeo", "copy", "--src-tls-verify=false", f"docker://{reference}", "oci:copy:v1"],
                       cwd=self.folder, capture_output=True, check=True, env=self.env)


class Code(AwsCase):
    def test_to_a_bucket(self):
        self.write("agent.py", "print()\n")
        more = ["--aws", "--name", "scripted", "--entry", "agent.py", "--role", ROLE]
        self.fails(USAGE, "deploy", *more, says="--bucket NAME")
        self.fails(1, "deploy", *more, "--bucket", "other", says="S3 does not take s3://other/.*: 404 NoSuchBucket")
        done = self.ok("deploy", *more, "--bucket", "code", "--json").json()
        key = f"agentcore/scripted/{done['digest'][7:23]}.zip"
        self.assertEqual(self.state.created["agentRuntimeArtifact"]["codeConfiguration"],
                         {"code": {"s3": {"bucket": "code", "prefix": key}}, "runtime": "PYTHON_3_12",
                          "entryPoint": ["agent.py"]})
        with zipfile.ZipFile(io.BytesIO(self.state.objects[key])) as archive:
            self.assertIn("agent.py", archive.namelist())
        put = [headers for method, path, headers, _ in self.state.requests if path == f"/s3/code/{key}"]
        self.assertRegex(put[0]["Authorization"], r"Credential=AKIDEXAMPLE/\d{8}/us-west-2/s3/aws4_request")
        self.assertEqual(self.tree(self.scratch), [])


if __name__ == "__main__":
    unittest.main()
