"""agentcored from outside: starting, `env`, keys, TLS, configuration, a second daemon, being stopped and killed."""

import json
import os
import re
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import tempfile
import unittest

from agentcored import PROGRAM, REGION, Daemon, clean_environment, run
from harness import DEADLINE, Conn, wait_until
from sigv4 import Signer


def signed_get(port, path, key, secret):
    """The status of a GET that is signed with Signature V4, over plain HTTP."""
    with Conn(port) as c:
        c.send(Signer(key, secret, REGION, f"127.0.0.1:{port}").request("GET", path))
        return c.read_response()


class TestCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="agentcored-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.data_dir = os.path.join(self.folder, "data")

    def serve(self, *options, env=None):
        daemon = Daemon(self.data_dir, *options, env=env)
        self.addCleanup(daemon.stop)
        return daemon

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)


class Life(TestCase):
    def test_first_start(self):
        daemon = self.serve()
        # Root's sandboxes run under users of their own, who pass through to artifacts/, and can see nothing else.
        self.assertEqual(stat.S_IMODE(os.stat(self.data_dir).st_mode), 0o711 if os.geteuid() == 0 else 0o700)
        for name in os.listdir(self.data_dir):
            if name != "artifacts":
                self.assertEqual(stat.S_IMODE(os.stat(os.path.join(self.data_dir, name)).st_mode) & 0o077, 0, name)
        r = daemon.get("/health")
        self.assertEqual((r.status, r.json()), (200, {"status": "ok"}))
        metrics = daemon.get("/metrics").text
        self.assertIn('agentcored_store_transactions_total{engine="sqlite",kind="write"}', metrics)
        self.assertIn("# TYPE agentcored_jobs gauge", metrics)
        for line in metrics.splitlines():
            self.assertRegex(line, r"^(# (HELP|TYPE) \w+ .+|\w+(\{[^{}]*\})? [0-9.e+-]+|)$")
        with open(os.path.join(self.data_dir, "endpoint"), encoding="utf-8") as f:
            self.assertEqual(json.load(f), {"url": daemon.url, "region": REGION, "pid": daemon.pid})

    def test_stop(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            daemon = self.serve()
            daemon.signal(number)
            daemon.finish(0)
            self.assertNotIn("endpoint", os.listdir(self.data_dir))
            with self.assertRaises(ConnectionRefusedError):
                Conn(daemon.port)

    def test_signals_are_the_first_threads(self):
        """While the server gives them back to the program no other thread may be there to take them: it would die."""
        daemon = self.serve("--loops", "2")
        daemon.get("/health")
        stops = sum(1 << (number - 1) for number in (signal.SIGTERM, signal.SIGINT))
        others = [tid for tid in os.listdir(f"/proc/{daemon.pid}/task") if int(tid) != daemon.pid]
        self.assertGreater(len(others), 1)
        for tid in others:
            try:
                with open(f"/proc/{daemon.pid}/task/{tid}/status", encoding="ascii") as f:
                    status = dict(line.rstrip("\n").split(":\t", 1) for line in f)
            except (FileNotFoundError, ProcessLookupError):  # a worker that has had nothing to do for a while
                continue
            self.assertEqual(int(status["SigBlk"], 16) & stops, stops, status["Name"])

    def test_impatient_stop(self):
        """However many signals come, and whenever: it ends in order."""
        daemon = self.serve()
        while daemon.running():
            daemon.signal()
        daemon.finish(0)
        self.assertNotIn("endpoint", os.listdir(self.data_dir))
        self.assertTrue(daemon.logged("Stopped serving"))

    def test_status(self):
        code, out, _ = run("status", "--json", "--data-dir", self.data_dir)
        self.assertEqual((code, json.loads(out)), (1, {"running": False, "dataDirectory": self.data_dir}))
        self.assertFalse(os.path.exists(self.data_dir))
        daemon = self.serve()
        code, out, _ = run("status", "--json", "--data-dir", self.data_dir)
        self.assertEqual(code, 0)
        self.assertEqual(json.loads(out), {"running": True, "dataDirectory": self.data_dir, "url": daemon.url,
                                           "region": REGION, "pid": daemon.pid})
        self.assertIn(f"agentcored is ready on {daemon.url}", run("status", "--data-dir", self.data_dir)[1])
        daemon.kill()
        self.assertEqual(run("status", "--data-dir", self.data_dir)[:2],
                         (1, f"agentcored is not running for {self.data_dir}\n"))

    def test_keys_and_state_stay(self):
        daemon = self.serve()
        first = daemon.env()["AWS_SECRET_ACCESS_KEY"]
        daemon.stop()
        self.assertEqual(self.serve().env()["AWS_SECRET_ACCESS_KEY"], first)

    def test_after_a_kill(self):
        daemon = self.serve()
        daemon.kill()
        code, out, errors = run("env", "--data-dir", self.data_dir)
        self.assertEqual(code, 0)
        self.assertIn(daemon.url, out)
        self.assertIn("nobody answers at", errors)
        again = self.serve()
        self.assertEqual(again.env()["AWS_ENDPOINT_URL_BEDROCK_AGENTCORE"], again.url)

    def test_second_daemon(self):
        daemon = self.serve()
        code, out, errors = run("--data-dir", self.data_dir, "--listen", "127.0.0.1:0")
        self.assertEqual((code, out), (1, ""))
        self.assertIn(f"is in use by process {daemon.pid}", errors)
        self.assertEqual(daemon.get("/health").status, 200)
        self.assertEqual(daemon.env()["AWS_ENDPOINT_URL_BEDROCK_AGENTCORE"], daemon.url)

    def test_port_in_use(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            address = f"127.0.0.1:{s.getsockname()[1]}"
            code, _, errors = run("--data-dir", self.data_dir, "--listen", address)
        self.assertEqual(code, 1)
        self.assertIn("in use", errors)
        self.assertNotIn("endpoint", os.listdir(self.data_dir))

    def test_notify(self):
        path = self.path("notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind(path)
            s.settimeout(DEADLINE)
            daemon = self.serve(env={"NOTIFY_SOCKET": path})
            self.assertEqual(s.recv(256), b"READY=1")
            daemon.stop()
            self.assertEqual(s.recv(256), b"STOPPING=1")

    def test_access_log(self):
        daemon = self.serve()
        daemon.get("/health")
        wait_until(lambda: [l for l in daemon.log_lines() if l.get("path") == "/health"], "the access line")
        daemon.stop()
        quiet = self.serve("--access-log", "off")
        quiet.get("/health")
        quiet.stop()
        self.assertEqual([l for l in quiet.log_lines() if l.get("path") == "/health"], [])


class Env(TestCase):
    def test_for_eval(self):
        self.data_dir = self.path("it's \"here\" $HOME `x`")
        daemon = self.serve("--region", "eu-west-1")
        script = ('eval "$("$0" env --data-dir "$1")"; printf "%s\\n" "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" '
                  '"$AWS_REGION" "$AWS_DEFAULT_REGION" "$AWS_ENDPOINT_URL_BEDROCK_AGENTCORE" '
                  '"$AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL" "[$AWS_SESSION_TOKEN]"')
        out = subprocess.run(["sh", "-c", script, PROGRAM, self.data_dir], check=True, capture_output=True, text=True,
                             env=clean_environment(AWS_SESSION_TOKEN="old")).stdout.splitlines()
        e = daemon.env()
        self.assertEqual(out, [e["AWS_ACCESS_KEY_ID"], e["AWS_SECRET_ACCESS_KEY"], "eu-west-1", "eu-west-1",
                               daemon.url, daemon.url, "[]"])
        self.assertRegex(out[0], r"^AKIA[A-Z2-7]{16}$")
        self.assertRegex(out[1], r"^[A-Za-z0-9+/]{40}$")
        self.assertEqual(daemon.env("--region", "us-east-1")["AWS_REGION"], "us-east-1")

    def test_unset(self):
        code, out, _ = run("env", "--unset", "--data-dir", self.path("nothing"))
        self.assertEqual(code, 0)
        self.assertIn("unset AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL\n", out)

    def test_before_the_first_start(self):
        code, out, errors = run("env", "--data-dir", self.path("nothing"))
        self.assertEqual((code, out), (1, ""))
        self.assertIn("has not been started", errors)
        self.assertFalse(os.path.exists(self.path("nothing")), "nothing is made")

    def test_when_stopped(self):
        self.serve().stop()
        code, out, errors = run("env", "--data-dir", self.data_dir, "--listen", "127.0.0.1:9999")
        self.assertEqual(code, 0)
        self.assertIn("'http://127.0.0.1:9999'", out)
        self.assertIn("not running", errors)
        code, out, errors = run("env", "--data-dir", self.data_dir, "--listen", "127.0.0.1:0")
        self.assertEqual((code, out), (1, ""))


class Keys(TestCase):
    def test_while_it_runs(self):
        daemon = self.serve()
        e = daemon.env()
        first, secret = e["AWS_ACCESS_KEY_ID"], e["AWS_SECRET_ACCESS_KEY"]
        self.assertEqual(daemon.get("/none").status, 403)
        self.assertEqual(signed_get(daemon.port, "/none", first, secret).status, 404)
        self.assertEqual(signed_get(daemon.port, "/none", first, secret[::-1]).status, 403)

        code, out, _ = run("keys", "add", "--data-dir", self.data_dir, "--json")
        self.assertEqual(code, 0)
        added = json.loads(out)
        self.assertEqual(
            signed_get(daemon.port, "/none", added["accessKeyId"], added["secretAccessKey"]).status, 404)
        code, out, _ = run("keys", "add", "--data-dir", self.data_dir, "--access-key", "MINE", "--secret-stdin",
                           stdin="brought-along\n")
        self.assertEqual((code, out), (0, "AWS_ACCESS_KEY_ID=MINE\n"))
        self.assertEqual(signed_get(daemon.port, "/none", "MINE", "brought-along").status, 404)
        self.assertEqual(daemon.env("--access-key", "MINE")["AWS_SECRET_ACCESS_KEY"], "brought-along")

        code, out, _ = run("keys", "list", "--data-dir", self.data_dir, "--json")
        self.assertEqual([k["accessKeyId"] for k in json.loads(out)], [first, added["accessKeyId"], "MINE"])
        self.assertNotIn("brought-along", out)
        self.assertEqual(run("keys", "remove", "MINE", "--data-dir", self.data_dir)[0], 0)
        wait_until(lambda: signed_get(daemon.port, "/none", "MINE", "brought-along").status == 403, "the removal")
        daemon.stop()
        self.assertNotIn("brought-along", daemon.stderr())
        self.assertNotIn(secret, daemon.stderr())

    def test_wrong_use(self):
        self.serve().stop()
        only = json.loads(run("keys", "--json", "--data-dir", self.data_dir)[1])[0]["accessKeyId"]
        for code, words, arguments in [
            (1, "is the last access key", ["remove", only]),
            (1, "no such access key", ["remove", "OTHER"]),
            (1, "already", ["add", "--access-key", only]),
            (1, "letters, digits", ["add", "--access-key", "A/B"]),
            (2, "takes one access key id", ["remove"]),
            (2, "expected list, add or remove", ["show"]),
            (2, "takes no arguments", ["list", "x"]),
        ]:
            got, _, errors = run("keys", *arguments, "--data-dir", self.data_dir)
            self.assertEqual(got, code, errors)
            self.assertIn(words, errors)

    def test_open_file(self):
        self.serve().stop()
        path = os.path.join(self.data_dir, "credentials.json")
        os.chmod(path, 0o644)
        code, _, errors = run("--data-dir", self.data_dir, "--listen", "127.0.0.1:0")
        self.assertEqual(code, 1)
        self.assertIn("chmod 600", errors)


class Tls(TestCase):
    def connect(self, daemon, name, ca):
        context = ssl.create_default_context(cafile=ca)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=DEADLINE) as s:
            with context.wrap_socket(s, server_hostname=name) as t:
                t.sendall(b"GET /health HTTP/1.0\r\n\r\n")
                answer = b""
                while piece := t.recv(4096):
                    answer += piece
        return answer

    def test_local_ca(self):
        daemon = self.serve("--tls", "--tls-name", "agents.test")
        self.assertEqual(daemon.scheme, "https")
        e = daemon.env()
        self.assertEqual(e["AWS_ENDPOINT_URL_BEDROCK_AGENTCORE"], daemon.url)
        self.assertEqual(e["AWS_CA_BUNDLE"], os.path.join(self.data_dir, "tls", "ca.pem"))
        self.assertEqual(e["NODE_EXTRA_CA_CERTS"], e["AWS_CA_BUNDLE"])
        for name in ("127.0.0.1", "localhost", "agents.test"):
            self.assertIn(b'{"status":"ok"}', self.connect(daemon, name, e["AWS_CA_BUNDLE"]))
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.connect(daemon, "other.test", e["AWS_CA_BUNDLE"])
        with open(e["AWS_CA_BUNDLE"], "rb") as f:
            root = f.read()
        daemon.stop()
        again = self.serve("--tls")
        self.assertIn(b'{"status":"ok"}', self.connect(again, "localhost", e["AWS_CA_BUNDLE"]))
        with open(e["AWS_CA_BUNDLE"], "rb") as f:
            self.assertEqual(f.read(), root)

    def test_own_certificate(self):
        self.serve("--tls").stop()
        certificate, key = (os.path.join(self.data_dir, "tls", name) for name in ("server.pem", "server.key"))
        shutil.copy(certificate, self.path("c.pem"))
        shutil.copy(key, self.path("k.pem"))
        daemon = self.serve("--tls-cert", self.path("c.pem"), "--tls-key", self.path("k.pem"))
        self.assertNotIn("AWS_CA_BUNDLE", daemon.env())
        self.assertIn(b'{"status":"ok"}', self.connect(daemon, "localhost", os.path.join(self.data_dir, "tls/ca.pem")))
        daemon.stop()
        code, _, errors = run("--data-dir", self.data_dir, "--listen", "127.0.0.1:0", "--tls-cert", self.path("c.pem"),
                              "--tls-key", self.path("c.pem"))
        self.assertEqual(code, 1)
        self.assertIn("c.pem", errors)


class Configuration(TestCase):
    def refused(self, words, *arguments, env=None):
        code, out, errors = run(*arguments, "--data-dir", self.data_dir, env=env)
        self.assertEqual((code, out), (2, ""), errors)
        self.assertIn(words, errors)
        self.assertFalse(os.path.exists(self.data_dir), "nothing is made")

    def test_file(self):
        path = self.write("a.yaml", "listen: 127.0.0.1:0\ndata-dir: state\nregion: eu-west-1\n")
        self.data_dir = self.path("state")
        process = subprocess.Popen([PROGRAM, "--config", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                   env=clean_environment())
        try:
            self.assertIn(b"agentcored is ready on http://127.0.0.1:", process.stdout.readline())
            code, out, _ = run("env", "--config", path)
            self.assertEqual(code, 0)
            self.assertIn("AWS_REGION='eu-west-1'", out)
        finally:
            process.terminate()
            self.assertEqual(process.wait(DEADLINE), 0)
            process.stdout.close()

    def test_refusals(self):
        path = self.write("a.yaml", "region: eu-west-1\nlops: 3\n")
        self.refused(f'{path}:2: lops: there is no such option; is "loops" meant?', "--config", path)
        path = self.write("b.yaml", "loops: 1\nworkers: none\n")
        self.refused(f"{path}:2: workers: expected a number", "--config", path)
        self.refused("/nowhere.yaml", "--config", self.path("nowhere.yaml"))
        self.refused("--loops: expected a number from 0 to 64", "--loops", "65")
        self.refused("AGENTCORED_LISTEN: expected an address", env={"AGENTCORED_LISTEN": "here"})
        self.refused("unknown option --lops; is --loops meant?", "--lops", "2")
        self.refused("unknown option -x", "-x")
        self.refused('there is no command "serf"', "serf")
        self.refused("env does not take --workers", "env", "--workers", "3")
        self.refused("--model-key would show the secret to everybody", "--model-key", "x")
        self.refused("does not take --unset", "--unset")
        self.refused("is one argument too many", "env", "x")
        self.refused("tls-key is missing", "--tls-cert", "/c.pem")

    def test_password_is_not_shown(self):
        code, _, errors = run("--data-dir", self.data_dir, "--listen", "127.0.0.1:0", "--store",
                              "postgresql://nobody:hush@127.0.0.1:1/none")
        self.assertEqual(code, 1)
        self.assertNotIn("hush", errors)

    def test_help(self):
        for verb in ("", "env", "check", "keys"):
            code, out, errors = run(*([verb] if verb else []), "--help")
            self.assertEqual((code, errors), (0, ""))
            self.assertIn("--data-dir DIR", out)
            self.assertEqual(run("help", *([verb] if verb else []))[1], out)
            self.assertLessEqual(max(map(len, out.splitlines())), 100)
        source = os.environ.get("AC_SOURCE_DIR") or os.path.join(os.path.dirname(__file__), "..", "..")
        with open(os.path.join(source, "docs", "configuration-agentcored.md"), encoding="utf-8") as f:
            page = f.read()
        with open(os.path.join(source, "packaging", "agentcored.8"), encoding="utf-8") as f:
            manual = f.read()
        for name in re.findall(r"(?m)^  --([a-z0-9-]+)", run("--help")[1]):
            if name not in ("help", "version"):
                self.assertRegex(page, rf"`--{name}[ `]")
                self.assertRegex(manual, rf"Fl -{name}\b")
        self.assertRegex(run("version")[1], r"^agentcored \d+\.\d+\.\d+\n$")
        self.assertEqual(run("--version")[1], run("version")[1])


class Check(TestCase):
    NAMES = {"data-directory", "disk-space", "durable-writes", "open-files", "user-namespaces", "mount-namespaces",
             "pid-namespaces", "network-namespaces", "cgroups", "seccomp", "landlock", "wordnet", "bubblewrap",
             "slirp4netns", "tun-device", "python3", "node", "chromium-headless-shell"}

    def test_report(self):
        code, out, errors = run("check", "--json", "--data-dir", self.data_dir)
        self.assertEqual((code, errors), (0, ""))
        report = json.loads(out)
        self.assertTrue(report["ok"])
        self.assertEqual({item["name"] for item in report["items"]}, self.NAMES)
        for item in report["items"]:
            self.assertIn(item["state"], ("ok", "limited", "missing"))
            self.assertTrue(item["detail"] and item["purpose"])
            self.assertEqual("remedy" in item, item["state"] != "ok")
        self.assertFalse(os.path.exists(self.data_dir), "nothing is made")
        code, out, _ = run("check", "--data-dir", self.data_dir, "--session-network", "off")
        self.assertEqual(code, 0)
        self.assertNotRegex(out, "tun-device|slirp4netns", "what is not used is not looked for")
        code, out, _ = run("check", "--data-dir", self.data_dir)
        self.assertEqual(code, 0)
        for name in self.NAMES:
            self.assertRegex(out, rf"(?m)^(ok|limited|missing) +{name} +\S")

    def test_what_is_missing(self):
        tools = self.path("bin")
        os.mkdir(tools)
        fake = os.path.join(tools, "python3")
        with open(fake, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\necho Python 3.7.1\n")
        os.chmod(fake, 0o755)
        code, out, _ = run("check", "--json", "--data-dir", self.data_dir, env={"PATH": tools})
        items = {item["name"]: item for item in json.loads(out)["items"]}
        self.assertEqual(code, 0, "what is not needed does not count")
        self.assertEqual(items["node"]["state"], "missing")
        self.assertIn("apt-get install nodejs", items["node"]["remedy"])
        self.assertEqual(items["python3"]["state"], "limited")
        self.assertIn("older than 3.9", items["python3"]["detail"])
        self.assertEqual(items["slirp4netns"]["state"], "missing")
        self.assertIn("--session-network off", items["slirp4netns"]["remedy"])

    def test_what_is_needed(self):
        path = self.write("file", "")
        code, out, _ = run("check", "--data-dir", path)
        self.assertEqual(code, 1)
        self.assertRegex(out, r"(?m)^missing +data-directory ")
        code, out, _ = run("check", "--data-dir", self.data_dir, "--store", "postgresql://u:hush@127.0.0.1:1/none")
        self.assertEqual(code, 1)
        self.assertRegex(out, r"(?m)^missing +postgresql ")
        self.assertNotIn("hush", out)


if __name__ == "__main__":
    unittest.main()
