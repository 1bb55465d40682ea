"""Who starts agentcored, and where: an ordinary user, root with a directory that is closed to others, a machine without
a tun device."""

import json
import os
import subprocess
import unittest
import uuid

from agentcored import PROGRAM
from harness import wait_until
from runtime_harness import NETWORK, RuntimeCase, missing_here, session_id

USER = 54321  # nobody's
NO_TUN = ("/usr/bin/unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh")


def as_user(folder):
    """What executes a program as an ordinary user, who gets a directory."""
    words = ("/usr/bin/setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups")
    if subprocess.run([*words, "test", "-r", os.path.join(os.path.dirname(PROGRAM), "guest")]).returncode:
        raise unittest.SkipTest(f"{os.path.dirname(PROGRAM)} is closed to other users")
    os.mkdir(folder, 0o700)
    os.chown(folder, USER, USER)
    return words


class Place(RuntimeCase):
    @classmethod
    def start_daemons(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("not root, who may become others and mount: the other tests are an ordinary user's")

    def folder_of(self, name):
        return os.path.join(self.folder, f"{self.id().rsplit('.', 1)[-1]}-{name}")

    def start(self, name, *options, **more):
        return self.serve(os.path.join(self.folder_of(name), "data"), *options, **more)


class User(Place):
    def test_all_of_a_session(self):
        folder = self.folder_of("own")
        beneath = as_user(folder)
        daemon = self.start("own", beneath=beneath)
        artifact = daemon.put_agent()
        os.chmod(os.path.join(daemon.data_dir, "buckets", "code"), 0o755)  # made by root just now
        os.chmod(os.path.join(daemon.data_dir, "buckets", "code", "agent.zip"), 0o644)
        agent, session = daemon.deploy(artifact), session_id()
        before = self.settled_footprint(daemon)
        life = agent.life(session)
        for pid in set(daemon.family()) - {daemon.pid}:
            self.assertEqual(os.stat(f"/proc/{pid}").st_uid, USER)
        c = self.conn(agent, {"do": "stream", "count": 3, "pause": 0.05}, session)
        c.read_head()
        for i in range(3):
            self.assertEqual(json.loads(c.read_event().removeprefix(b"data: ")), {"event": i, "life": life})
        self.assertEqual(c.read_event(), b"")
        ws = self.ws(agent, session)
        ws.text("who")
        self.assertEqual(json.loads(ws.read_text())["life"], life)
        ws.close()
        self.assertEqual(agent.command("id -u; cat /proc/1/comm", session), ("1000\nagentcore-init\n", 0))
        self.assertEqual(agent.stop(session).status, 200)
        self.assert_nothing_left(daemon, before)
        for folder, folders, names in os.walk(daemon.data_dir):
            for name in folders + names:
                info = os.lstat(os.path.join(folder, name))
                self.assertFalse(info.st_uid == USER and info.st_mode & 0o077, f"{name} is open to others")


class Closed(Place):
    def test_root_behind_a_closed_door(self):
        os.mkdir(self.folder_of("closed"), 0o700)
        daemon = self.start("closed")
        agent, session = daemon.deploy(), session_id()
        self.assertEqual(agent.echo(session)["directory"], "/var/task")
        self.assertEqual(agent.command("echo x >/tmp/x; cat /tmp/x", session), ("x\n", 0))
        self.assertEqual(os.stat(self.folder_of("closed")).st_mode & 0o777, 0o700)


class NoTun(Place):
    @classmethod
    def start_daemons(cls):
        super().start_daemons()
        if "tun-device" not in missing_here(NO_TUN):
            raise unittest.SkipTest("/dev/net cannot be covered here")
        if set(NETWORK) - {"tun-device"} & set(missing_here()):
            raise unittest.SkipTest("there is no slirp4netns to complain")

    def test_says_what_is_missing(self):
        os.mkdir(self.folder_of("on"), 0o755)
        daemon = self.start("on", "--session-network", "on", beneath=NO_TUN)
        agent = daemon.deploy()
        self.assert_error(agent.invoke(b"{}", session_id()), 501, "NotImplementedException", "/dev/net/tun",
                          "agentcored check", "--session-network off")
        wait_until(lambda: daemon.sessions_now() == 0, "the end of what could not start")

    def test_goes_without(self):
        os.mkdir(self.folder_of("off"), 0o755)
        daemon = self.start("off", beneath=NO_TUN)  # which finds out by itself what is missing
        agent, session = daemon.deploy(), session_id()
        name = f"identity-{uuid.uuid4().hex}"
        daemon.control("POST", "/identities/CreateWorkloadIdentity", {"name": name}, 201)
        got = agent.do("service", session, method="POST", path="/identities/ListWorkloadIdentities")
        self.assertEqual(got["status"], 200, got)
        self.assertIn(name, got["body"])


if __name__ == "__main__":
    unittest.main()
