"""Acknowledged means durable: agentcored is killed while it creates, again and again, and everything it said yes to is
there afterwards, once.  And two daemons on one store."""

import http.client
import itertools
import json
import random
import threading
import time
import unittest
from urllib.parse import urlsplit

import target
from clients import Request, make_client, unique

ROUNDS = 10
THREADS = 8
CREATE = "/identities/CreateWorkloadIdentity"
KILL_AFTER = (0.05, 0.6)  # seconds of work before the kill


class Writers:
    """Threads that create identities on kept-alive connections until the daemon is gone."""

    def __init__(self, daemon, round_number):
        self.daemon = daemon
        self.round_number = round_number
        self.lock = threading.Lock()
        self.acknowledged = {}  # name -> ARN
        self.asked = set()
        self.wrong = []
        self.threads = [threading.Thread(target=self.work, args=(number,)) for number in range(THREADS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *unused):
        for thread in self.threads:
            thread.join()

    def work(self, thread_number):
        connection = http.client.HTTPConnection(urlsplit(self.daemon.url).netloc, timeout=20)
        try:
            for number in itertools.count():
                name = f"crash-{self.round_number}-{thread_number}-{number}"
                request = Request("POST", CREATE, {"name": name}).sign(self.daemon)
                with self.lock:
                    self.asked.add(name)
                connection.request("POST", CREATE, request.body, request.headers)
                response = connection.getresponse()
                body = response.read()
                with self.lock:
                    if response.status == 201:
                        self.acknowledged[name] = json.loads(body)["workloadIdentityArn"]
                    else:
                        self.wrong.append((name, response.status, body))
        except (OSError, http.client.HTTPException):
            pass  # killed
        finally:
            connection.close()


def listed(client):
    pages = client.get_paginator("list_workload_identities").paginate()
    return [(entry["name"], entry["workloadIdentityArn"]) for page in pages for entry in page["workloadIdentities"]]


class Crash(unittest.TestCase):
    def test_killed_again_and_again(self):
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        kept, asked = {}, set()
        with target.folder() as data:
            daemon = target.Daemon(data, target.STORE.new_url())
            try:
                for number in range(ROUNDS):
                    daemon.start()
                    with Writers(daemon, number) as writers:
                        time.sleep(chance.uniform(*KILL_AFTER))
                        daemon.kill()
                    self.assertEqual(writers.wrong, [], f"seed {seed}")
                    kept.update(writers.acknowledged)
                    asked |= writers.asked
                    self.check(daemon, kept, asked, f"seed {seed}, round {number}")
            finally:
                daemon.kill()
        self.assertGreater(len(kept), ROUNDS, "hardly anything was written, so nothing was tested")

    def check(self, daemon, kept, asked, where):
        daemon.start()
        try:
            there = listed(make_client(daemon))
        finally:
            daemon.kill()
        names = [name for name, _ in there]
        self.assertEqual(len(names), len(set(names)), f"{where}: listed twice")
        lost = sorted(set(kept.items()) - set(there))
        self.assertEqual(lost, [], f"{where}: acknowledged and lost")
        self.assertLessEqual(set(names), asked, f"{where}: never asked for")


class TwoDaemons(unittest.TestCase):
    """Two processes on one PostgreSQL, with a data directory each."""

    stores = ("postgresql",)  # SQLite belongs to one daemon

    def setUp(self):
        url = target.STORE.new_url()
        self.daemons = []
        for _ in range(2):
            data = self.enterContext(target.folder())
            daemon = target.Daemon(data, url).start()
            self.addCleanup(daemon.stop)
            self.daemons.append(daemon)
        self.one, self.two = (make_client(daemon) for daemon in self.daemons)

    def test_what_one_does_the_other_sees(self):
        name = unique()
        arn = self.one.create_workload_identity(name=name, tags={"a": "1"})["workloadIdentityArn"]
        self.assertEqual(self.two.get_workload_identity(name=name)["workloadIdentityArn"], arn)
        self.assertEqual(self.two.list_tags_for_resource(resourceArn=arn)["tags"], {"a": "1"})
        self.two.tag_resource(resourceArn=arn, tags={"a": "2"})
        self.assertEqual(self.one.list_tags_for_resource(resourceArn=arn)["tags"], {"a": "2"})
        with self.assertRaises(self.two.exceptions.ValidationException):
            self.two.create_workload_identity(name=name)
        self.two.delete_workload_identity(name=name)
        with self.assertRaises(self.one.exceptions.ResourceNotFoundException):
            self.one.get_workload_identity(name=name)

    def test_a_page_token_of_one_is_good_for_the_other(self):
        made = {self.one.create_workload_identity(name=unique())["name"] for _ in range(5)}
        first = self.one.list_workload_identities(maxResults=2)
        rest = self.two.list_workload_identities(maxResults=20, nextToken=first["nextToken"])
        seen = [entry["name"] for page in (first, rest) for entry in page["workloadIdentities"]]
        self.assertEqual(sorted(seen), sorted(made))

    def test_a_name_is_made_once(self):
        name, made = unique(), []

        def create(client):
            try:
                client.create_workload_identity(name=name)
                made.append(client)
            except client.exceptions.ValidationException:
                pass

        threads = [threading.Thread(target=create, args=(client,)) for client in (self.one, self.two) * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(made), 1)

    def test_one_goes_on_when_the_other_is_killed(self):
        names = [self.one.create_workload_identity(name=unique())["name"] for _ in range(3)]
        self.daemons[0].kill()
        self.assertEqual({name for name, _ in listed(self.two)}, set(names))
        self.two.create_workload_identity(name=unique())


class SameDataDirectory(unittest.TestCase):
    def test_a_second_daemon_is_refused(self):
        with target.running() as daemon:
            second = target.Daemon(daemon.data_dir, daemon.store_url)
            with self.assertRaises(target.TargetError):
                second.start()
            self.assertIn("name", make_client(daemon).create_workload_identity(name=unique()))
