"""The rest of the contract: health, tasks, debug actions, context, middleware, CORS, logs, and where it listens."""

import json
import os
import re
import time
import unittest
import uuid

from harness import REQUEST_ID, SESSION, Program, TestCase, build_path, post, wait_until

PING = re.compile(r'\{"status":"(Healthy|HealthyBusy)","time_of_last_update":(\d+)\}')
CORS_ASK = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}


class Health(TestCase):
    def test_forced_over_custom_over_automatic(self):
        server = self.serve("ping=1")
        status = lambda: server.ping()["status"]
        server.do("task_start", name="a")
        self.assertEqual(status(), "Healthy")  # the custom handler says so, whatever the tasks
        self.assert_json(server.do("ping_mode", mode=1), 200, '{"ping": 2}')
        self.assertEqual(status(), "HealthyBusy")
        self.assert_json(server.do("force", status=1), 200, '{"status": "AC_OK"}')
        self.assertEqual(status(), "Healthy")
        server.do("force", status=0)
        self.assertEqual(status(), "HealthyBusy")
        for mode in (2, 3):  # failing, and out of range: passed over with a warning
            warnings = len([x for x in server.log_lines() if x["level"] == "WARNING"])
            server.do("ping_mode", mode=mode)
            self.assertEqual(status(), "HealthyBusy")
            self.assertGreater(len([x for x in server.log_lines() if x["level"] == "WARNING"]), warnings)
        self.assert_json(server.do("force", status=7), 200, '{"status": "AC_ERR_INVALID"}')

    def test_time_changes_only_with_the_status(self):
        server = self.serve()
        first = server.ping()
        wait_until(lambda: int(time.time()) > first["time_of_last_update"], "the next second")
        self.assertEqual(server.ping(), first)
        server.do("force", status=2)
        second = server.ping()
        self.assertEqual(second["status"], "HealthyBusy")
        self.assertGreater(second["time_of_last_update"], first["time_of_last_update"])
        self.assertEqual(server.ping(), second)

    def test_tasks(self):
        server = self.serve()
        one = server.do("task_start", name="one").json()["id"]
        two = server.do("task_start", name="two").json()["id"]
        self.assertTrue(one and two and one != two)
        self.assertEqual(server.ping()["status"], "HealthyBusy")
        info = server.do("task_info").json()
        self.assertEqual(list(info), ["active_count", "running_jobs"])
        self.assertEqual((info["active_count"], sorted(j["name"] for j in info["running_jobs"])), (2, ["one", "two"]))
        self.assertTrue(all(list(j) == ["name", "duration"] and j["duration"] >= 0 for j in info["running_jobs"]))
        self.assert_json(server.do("task_complete", id=one), 200, '{"completed": true}')
        self.assertEqual(server.ping()["status"], "HealthyBusy")
        self.assert_json(server.do("task_complete", id=two), 200, '{"completed": true}')
        self.assertEqual(server.ping()["status"], "Healthy")
        self.assert_json(server.do("task_complete", id=two), 200, '{"completed": false}')
        self.assertTrue([x for x in server.log_lines() if x["level"] == "WARNING" and str(two) in x["message"]])

    def test_task_run(self):
        server = self.serve()
        r = server.do("task_run", name="bg", gate="g1", http={REQUEST_ID: "req-7", SESSION: "sess-7"})
        self.assertTrue(r.json()["id"])
        self.assertEqual(server.ping()["status"], "HealthyBusy")
        server.wait_at_gate("g1", 1)
        line = server.logged("task waits at g1")[0]
        self.assertEqual((line["requestId"], line["sessionId"]), ("req-7", "sess-7"))
        server.open_gate("g1")
        wait_until(lambda: server.ping()["status"] == "Healthy", "the task to end")
        server.open_gate("g2")
        server.do("task_run", name="bad task", gate="g2!")
        wait_until(lambda: server.ping()["status"] == "Healthy", "the failing task to end")
        self.assertTrue([x for x in server.log_lines() if x["level"] == "ERROR" and "bad task" in x["message"]])


class Debug(TestCase):
    def act(self, server, action):
        return server.invoke({"_agent_core_app_action": action})

    def test_actions(self):
        server = self.serve("debug=1")
        r = self.act(server, "ping_status")
        self.assertTrue(PING.fullmatch(r.text), r.text)
        self.assert_json(self.act(server, "job_status"), 200, '{"active_count":0,"running_jobs":[]}')
        self.assert_json(self.act(server, "force_busy"), 200, '{"forced_status":"HealthyBusy"}')
        self.assertEqual(server.ping()["status"], "HealthyBusy")
        self.assert_json(self.act(server, "force_healthy"), 200, '{"forced_status":"Healthy"}')
        self.assert_json(self.act(server, "clear_forced_status"), 200, '{"forced_status":"Cleared"}')
        self.assert_json(self.act(server, "dance"), 400, '{"error":"Unknown action: dance"}')
        self.assert_json(server.invoke({"a": 1}), 200, '{"a": 1}')

    def test_off(self):
        server = self.serve()
        self.assert_json(self.act(server, "ping_status"), 200, '{"_agent_core_app_action": "ping_status"}')


class Context(TestCase):
    def test_headers_of_the_contract(self):
        server = self.serve()
        headers = [
            (SESSION.lower(), "s-1"), (REQUEST_ID.upper(), "r-1"), ("WorkloadAccessToken", "old"),
            ("X-Amz-Bedrock-AgentCore-Identity-WAT", "wat"), ("OAuth2CallbackUrl", "https://cb"), ("baggage", "a=b"),
            ("authorization", "Bearer t"), ("X-Amzn-Bedrock-AgentCore-Runtime-Custom-Color", "red"), ("X-Mine", "yes"),
            ("X-Amzn-Trace-Id", "hidden"), ("x-amz-date", "hidden"), ("Cookie", "hidden"), ("User-Agent", "hidden"),
            ("Accept", "hidden"), ("X-Forwarded-For", "hidden"), ("Origin", "hidden"),
        ]
        got = server.invoke({"do": "context"}, headers).json()
        context = got["context"]
        self.assertEqual(context, got["library"])
        self.assertFalse(got["elsewhere"])
        self.assertEqual(
            [context[k] for k in ("session_id", "request_id", "token", "callback", "baggage", "authorization")],
            ["s-1", "r-1", "wat", "https://cb", "a=b", "Bearer t"])
        forwarded = {name.lower(): value for name, value in context["headers"].items()}
        self.assertIn("Authorization", context["headers"])
        self.assertEqual(forwarded["x-amzn-bedrock-agentcore-runtime-custom-color"], "red")
        self.assertEqual((forwarded["x-mine"], forwarded["x-amz-bedrock-agentcore-identity-wat"]), ("yes", "wat"))
        self.assertNotIn("hidden", forwarded.values())
        self.assertNotIn(SESSION.lower(), forwarded)
        self.assertNotIn("content-length", forwarded)
        self.assertNotIn("host", forwarded)

    def test_defaults(self):
        server = self.serve()
        context = server.do("context").json()["context"]
        self.assertEqual((context["session_id"], context["token"], context["callback"]), (None, None, None))
        self.assertEqual(uuid.UUID(context["request_id"]).version, 4)
        other = server.do("context", http={"WorkloadAccessToken": "only"}).json()["context"]
        self.assertNotEqual(other["request_id"], context["request_id"])
        self.assertEqual(other["token"], "only")
        self.assertEqual(context["headers"], {})

    def test_each_request_sees_its_own(self):
        server = self.serve()
        conns = [self.connect(server) for _ in range(20)]
        for i, c in enumerate(conns):
            c.send(post({"do": "context", "gate": "all"}, {SESSION: f"s{i}", REQUEST_ID: f"r{i}"}))
        server.wait_at_gate("all", 20)
        server.open_gate("all")
        for i, c in enumerate(conns):
            got = c.read_response().json()
            self.assertEqual((got["library"]["session_id"], got["library"]["request_id"]), (f"s{i}", f"r{i}"))

    def test_request_accessors(self):
        server = self.serve()
        r = server.do("request", header="x-two", http=[("X-Two", "a"), ("x-two", "b")])
        self.assertEqual(r.json(), {"method": "POST", "path": "/invocations", "query": None, "header": "a, b"})
        self.assertIsNone(server.do("request", header="x-none").json()["header"])

    def test_registering_while_running(self):
        server = self.serve()
        self.assertEqual(server.do("register").json(),
                         {"entrypoint": "AC_ERR_STATE", "websocket": "AC_ERR_STATE", "port": server.port})


class Middleware(TestCase):
    def test_order_and_headers(self):
        server = self.serve("middleware=1")
        r = server.do("context")
        self.assertEqual(r.json()["order"], "first second")
        self.assertEqual((r.header("X-First"), r.header("X-Second")), ("before", "before"))
        self.assertEqual((r.header("X-After"), r.header("X-Order")), ("first", "first second"))

    def test_around_everything(self):
        server = self.serve("middleware=1")
        for method, path, status in (("GET", "/ping", 200), ("GET", "/none", 404), ("PUT", "/ping", 405)):
            r = server.request(method, path)
            self.assertEqual((r.status, r.header("X-First"), r.header("X-After")), (status, "before", "first"), path)
        r = server.request("POST", "/invocations", b"{")
        self.assertEqual((r.status, r.header("X-First")), (400, "before"))
        r = server.do("fail", message="x")
        self.assertEqual((r.status, r.header("X-After")), (500, "first"))

    def test_answering_and_failing(self):
        server = self.serve("middleware=1")
        handled = server.stats()["handled"]
        r = server.invoke({}, {"X-Middleware": "answer"})
        self.assert_json(r, 200, '{"answered_by": "first"}')
        self.assertEqual((r.header("X-Second"), r.header("X-After")), (None, "first"))
        self.assert_json(server.invoke({}, {"X-Middleware": "fail"}), 401, '{"error":"first says no"}')
        self.assertEqual(server.request("GET", "/ping", headers={"X-Middleware": "break"}).status, 500)
        self.assertEqual(server.stats()["handled"], handled + 1)

    def test_stream_keeps_the_headers_of_before(self):
        r = self.serve("middleware=1").do("stream", count=2)
        self.assertEqual((r.header("X-First"), r.header("X-After"), len(r.events())), ("before", None, 2))


class Cors(TestCase):
    def test_any_origin(self):
        server = self.serve("cors=*")
        r = server.invoke({}, {"Origin": "https://a.example"})
        self.assertEqual((r.status, r.header("Access-Control-Allow-Origin")), (200, "*"))
        ask = {**CORS_ASK, "Access-Control-Request-Headers": "x-a, x-b"}
        r = server.request("OPTIONS", "/invocations", headers=ask)
        self.assertIn(r.status, (200, 204))
        self.assertEqual(r.header("Access-Control-Allow-Origin"), "*")
        self.assertIn("POST", r.header("Access-Control-Allow-Methods"))
        self.assertEqual(r.header("Access-Control-Allow-Headers").replace(" ", "").lower(), "x-a,x-b")
        self.assertEqual(r.header("Access-Control-Max-Age"), "600")

    def test_listed_origins(self):
        server = self.serve("cors=https://a.example, https://b.example")
        r = server.request("GET", "/ping", headers={"Origin": "https://b.example"})
        self.assertEqual(r.header("Access-Control-Allow-Origin"), "https://b.example")
        self.assertIn("origin", (r.header("Vary") or "").lower())
        for origin in ("https://c.example", "https://a.example.evil", "null"):
            r = server.request("GET", "/ping", headers={"Origin": origin})
            self.assertEqual((r.status, r.header("Access-Control-Allow-Origin")), (200, None), origin)
        r = server.request("OPTIONS", "/invocations", headers={**CORS_ASK, "Origin": "https://c.example"})
        self.assertIsNone(r.header("Access-Control-Allow-Origin"))

    def test_credentials_name_the_origin(self):
        server = self.serve("cors=*", "cors_credentials=1")
        r = server.invoke({}, {"Origin": "https://a.example"})
        self.assertEqual(r.header("Access-Control-Allow-Origin"), "https://a.example")
        self.assertEqual(r.header("Access-Control-Allow-Credentials"), "true")

    def test_errors_and_streams_are_marked_too(self):
        server = self.serve("cors=*")
        for payload in ({"do": "fail", "message": "x"}, {"do": "stream"}):
            self.assertEqual(server.invoke(payload, {"Origin": "https://a"}).header("Access-Control-Allow-Origin"), "*")

    def test_off(self):
        r = self.serve().invoke({}, {"Origin": "https://a.example"})
        self.assertIsNone(r.header("Access-Control-Allow-Origin"))


class Logging(TestCase):
    def test_lines(self):
        server = self.serve()
        server.do("log", message="caf\u00e9 \"q\"", http={REQUEST_ID: "r-9", SESSION: "s-9"})
        line = wait_until(lambda: server.logged("caf\u00e9"), "the line")[0]
        self.assertEqual((line["level"], line["message"]), ("INFO", 'caf\u00e9 "q"'))
        self.assertEqual((line["requestId"], line["sessionId"]), ("r-9", "s-9"))
        self.assertRegex(line["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(list(line)[:4], ["timestamp", "level", "message", "logger"])
        self.assertTrue(line["logger"])
        done = wait_until(lambda: server.logged("Invocation completed successfully ("), "the completion line")[0]
        self.assertEqual(done["requestId"], "r-9")
        self.assertRegex(done["message"], r"^Invocation completed successfully \(\d+\.\d{3}s\)$")

    def test_failures_are_logged(self):
        server = self.serve()
        server.do("fail", message="broken thing", http={REQUEST_ID: "r-10"})
        line = wait_until(lambda: [x for x in server.log_lines() if x["level"] == "ERROR"], "the error line")[0]
        self.assertEqual(line["requestId"], "r-10")
        self.assertIn("broken thing", json.dumps(line))

    def test_levels(self):
        self.assert_json(self.serve().do("log", level=1), 200, '{"enabled": false}')
        self.assert_json(self.serve("debug=1").do("log", level=1), 200, '{"enabled": true}')
        quiet = self.serve("log_level=4")
        quiet.do("log", message="unheard")
        self.assertEqual(quiet.logged("unheard"), [])

    def test_no_secrets(self):
        server = self.serve("debug=1")
        server.do("context", http={"Authorization": "Bearer secret-1", "WorkloadAccessToken": "secret-2",
                                      "X-Amz-Bedrock-AgentCore-Identity-WAT": "secret-3"})
        server.stop()
        self.assertNotIn("secret-", server.stderr())


class Host(TestCase):
    def listens_on(self, server):
        with open(f"/proc/{server.pid}/net/tcp", encoding="ascii") as f:
            rows = [line.split() for line in f.readlines()[1:]]
        return {row[1].split(":")[0] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == server.port}

    def test_default_is_local(self):
        if os.path.exists("/.dockerenv"):
            self.skipTest("inside a container")
        self.assertEqual(self.listens_on(self.serve(env={"DOCKER_CONTAINER": ""})), {"0100007F"})

    def test_container_binds_everything(self):
        self.assertEqual(self.listens_on(self.serve(env={"DOCKER_CONTAINER": "1"})), {"00000000"})

    def test_explicit_host_wins(self):
        self.assertEqual(self.listens_on(self.serve("host=127.0.0.1", env={"DOCKER_CONTAINER": "1"})), {"0100007F"})

    def test_bad_host(self):
        program = Program(build_path("tests", "contract_agent"), 0, "host=not a host")
        program.finish(code=1)
        self.assertIn("not a host", program.stderr())


if __name__ == "__main__":
    unittest.main()
