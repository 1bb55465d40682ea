"""InvokeCodeInterpreter through boto3, and the helpers of the package bedrock-agentcore on top of it."""

import os
import re
import time
import unittest

from interpreted import InterpreterTest, PackageTest, result, results

HAS_NODE = os.path.exists("/usr/bin/node")
HAS_MATPLOTLIB = os.path.exists("/usr/lib/python3/dist-packages/matplotlib")
BYTES = bytes(range(256))


class Tools(InterpreterTest):
    def test_result(self):
        answer = self.call(self.start(), "executeCode", code="print('out')", language="python")
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        self.assertEqual(headers["content-type"], "application/vnd.amazon.eventstream")
        (event,) = answer["stream"]
        self.assertEqual(list(event), ["result"])
        found = event["result"]
        self.assertIsInstance(found["structuredContent"].pop("executionTime"), float)
        self.assertEqual(found, {
            "content": [{"type": "text", "text": "out"}],
            "structuredContent": {"stdout": "out\n", "stderr": "", "exitCode": 0},
            "isError": False,
        })

    def test_failure_of_code(self):
        found = self.assertToolFails("ZeroDivisionError", self.start(), "executeCode", code="1/0", language="python")
        self.assertEqual(found["structuredContent"]["exitCode"], 1)
        self.assertIn("1/0", found["structuredContent"]["stderr"])

    def test_without_a_session(self):
        answer = self.data.invoke_code_interpreter(
            codeInterpreterIdentifier=self.interpreter,
            name="executeCode",
            arguments={"code": "x = 7; x", "language": "python"},
        )
        self.assertEqual(result(answer)["content"][0]["text"], "7")
        self.assertTool("8", answer["sessionId"], "executeCode", code="x + 1", language="python")
        self.end(codeInterpreterIdentifier=self.interpreter, sessionId=answer["sessionId"])

    def test_variables_and_clear_context(self):
        session = self.start()
        self.tool(session, "executeCode", code="x = 7", language="python")
        self.assertTool("7", session, "executeCode", code="x", language="python")
        self.assertToolFails("NameError", session, "executeCode", code="x", language="python", clearContext=True)

    @unittest.skipUnless(HAS_NODE, "there is no Node")
    def test_languages(self):
        session = self.start()
        self.assertTool("[ 2, 4 ]", session, "executeCode", code="[1, 2].map(x => x * 2)", language="javascript")
        self.assertTool("3", session, "executeCode", code="const n: number = 3; n", language="typescript")

    @unittest.skipUnless(HAS_MATPLOTLIB, "there is no matplotlib")
    def test_image(self):
        code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
        found = self.tool(self.start(), "executeCode", code=code, language="python")
        (image,) = [block for block in found["content"] if block["type"] == "image"]
        self.assertEqual(image["mimeType"], "image/png")
        self.assertTrue(image["data"].startswith(b"\x89PNG"))

    def test_command(self):
        found = self.tool(self.start(), "executeCommand", command="echo out; echo bad >&2; exit 3")
        wanted = {"stdout": "out\n", "stderr": "bad\n", "exitCode": 3}
        self.assertEqual({key: found["structuredContent"][key] for key in wanted}, wanted)
        self.assertTrue(found["isError"])

    def test_task(self):
        session = self.start()
        task = self.tool(session, "startCommandExecution", command="echo here; exec cat /dev/zero > /dev/null")
        task_id = task["structuredContent"]["taskId"]
        deadline = time.monotonic() + 20
        while True:
            now = self.tool(session, "getTask", taskId=task_id)["structuredContent"]
            self.assertEqual((now["taskId"], now["taskStatus"]), (task_id, "working"))
            if now["stdout"] == "here\n":
                break
            self.assertLess(time.monotonic(), deadline)
        self.assertEqual(self.tool(session, "stopTask", taskId=task_id)["structuredContent"]["taskStatus"], "canceled")
        self.assertToolFails("nope", session, "getTask", taskId="nope")
        self.assertToolFails("nope", session, "stopTask", taskId="nope")

    def test_files(self):
        session = self.start()
        content = [{"path": "deep/a.csv", "text": "a,b\n"}, {"path": "b.bin", "blob": BYTES}]
        self.assertFalse(self.tool(session, "writeFiles", content=content)["isError"])
        found = self.tool(session, "readFiles", paths=["deep/a.csv", "b.bin"])
        text, blob = (block["resource"] for block in found["content"])
        self.assertEqual((text["type"], text["uri"], text["text"]), ("text", "file:///deep/a.csv", "a,b\n"))
        self.assertEqual((blob["type"], blob["uri"], blob["blob"]), ("blob", "file:///b.bin", BYTES))
        entries = self.tool(session, "listFiles", directoryPath="deep")["content"]
        self.assertEqual([(e["type"], e["name"], e["size"]) for e in entries], [("resource_link", "a.csv", 4)])
        self.assertFalse(self.tool(session, "removeFiles", paths=["deep"])["isError"])
        self.assertToolFails("deep/a.csv", session, "readFiles", paths=["b.bin", "deep/a.csv"])

    def test_files_that_cannot_be(self):
        session = self.start()
        for tool, arguments in (
            ("readFiles", {"paths": ["no"]}),
            ("readFiles", {"paths": ["/etc/passwd"]}),
            ("readFiles", {"paths": ["../../etc/passwd"]}),
            ("writeFiles", {"content": [{"path": "/tmp/x", "text": ""}]}),
            ("writeFiles", {"content": [{"path": "../x", "text": ""}]}),
            ("listFiles", {"directoryPath": "no"}),
            ("removeFiles", {"paths": ["no"]}),
            ("removeFiles", {"paths": [".."]}),
        ):
            with self.subTest(tool, **arguments):
                self.assertTrue(self.tool(session, tool, **arguments)["isError"])

    def test_arguments_that_are_wrong(self):
        session = self.start()
        for tool, arguments in (
            ("dance", {}),
            ("executeCode", {"language": "python"}),
            ("executeCode", {"code": "1", "language": "cobol"}),
            ("executeCommand", {}),
            ("readFiles", {}),
            ("writeFiles", {}),
            ("getTask", {}),
        ):
            with self.subTest(tool, **arguments):
                self.assertFails("ValidationException", 400, self.call, session, tool, self.unchecked_data, **arguments)
        self.assertTool("1", session, "executeCode", code="1", language="python")

    def test_missing(self):
        self.assertFails("ResourceNotFoundException", 404, self.call, "0" * 32, "listFiles")

    def test_large_file(self):
        session, data = self.start(), os.urandom(9 << 20)
        self.assertFalse(self.tool(session, "writeFiles", content=[{"path": "large", "blob": data}])["isError"])
        found = results(self.call(session, "readFiles", paths=["large"]))
        self.assertEqual([block["resource"]["blob"] for each in found for block in each["content"]], [data])


class Package(PackageTest):
    def test_execute(self):
        client = self.package()
        self.assertEqual(result(client.execute_code("x = 1\nx"))["content"][0]["text"], "1")
        client.clear_context()
        self.assertTrue(result(client.execute_code("x"))["isError"])
        self.assertTrue(result(client.execute_code("x", clear_context=True))["isError"])
        self.assertEqual(result(client.execute_command("echo $((6 * 7))"))["content"][0]["text"], "42")
        self.assertEqual(result(client.invoke("listFiles"))["content"], [])

    def test_files(self):
        client = self.package()
        client.upload_file("data.csv", "a,b\n", description="two columns")
        client.upload_file("bytes.bin", BYTES)
        self.assertEqual(client.download_file("data.csv"), "a,b\n")
        self.assertEqual(client.download_file("bytes.bin"), BYTES)
        client.upload_files([{"path": "deep/x", "content": "x"}, {"path": "deep/y", "content": b"\xff"}])
        found = client.download_files(["deep/x", "deep/y"])
        self.assertEqual({path.lstrip("/"): data for path, data in found.items()}, {"deep/x": "x", "deep/y": b"\xff"})
        with self.assertRaisesRegex(FileNotFoundError, "Could not read file: no"):
            client.download_file("no")
        with self.assertRaisesRegex(ValueError, "Path must be relative"):
            client.upload_file("/x", "")
        client.upload_file("blob-of-text", b"text")
        self.assertEqual(client.download_file("blob-of-text"), "text")

    def test_packages(self):
        """What pip is told; it cannot reach anything from here."""
        client = self.package()
        client.upload_file(".local/bin/pip", "#!/bin/sh\nprintf '%s|' \"$@\"\n")
        client.execute_command("chmod +x .local/bin/pip")
        found = result(client.install_packages(["a[b]>=2", "c"], upgrade=True))
        self.assertEqual(found["content"][0]["text"], "install|--upgrade|a[b]>=2|c|")
        for bad in ("x; rm -rf /", "--upgrade", "$(id)"):
            with self.assertRaisesRegex(ValueError, re.escape(f"Invalid package name: {bad}")):
                client.install_packages([bad])

    def test_sessions(self):
        from bedrock_agentcore.tools.code_interpreter_client import code_session

        with code_session(self.daemon.region, identifier=self.interpreter) as client:
            which = {"interpreter_id": self.interpreter, "session_id": client.session_id}
            found = client.get_session()
            self.assertEqual((found["status"], found["sessionTimeoutSeconds"]), ("READY", 900))
            self.assertRegex(found["name"], "^code-session-[0-9a-f]{8}$")
            self.assertIn(client.session_id, [s["sessionId"] for s in client.list_sessions(status="READY")["items"]])
        self.assertEqual(client.get_session(**which)["status"], "TERMINATED")
        with self.assertRaises(RuntimeError), code_session(self.daemon.region, identifier=self.interpreter) as client:
            which["session_id"] = client.session_id
            raise RuntimeError
        self.assertEqual(client.get_session(**which)["status"], "TERMINATED")

    def test_configuration(self):
        from bedrock_agentcore.tools.config import CodeInterpreterConfiguration, NetworkConfiguration

        client = self.package()
        network = NetworkConfiguration.vpc(["sg-0123456789abcdef0"], ["subnet-0123456789abcdef0"])
        role = "arn:aws:iam::123456789012:role/r"
        config = CodeInterpreterConfiguration("configured", role, network, "d", {"a": "b"}).to_dict()
        made = client.create_code_interpreter(
            name=config["name"],
            execution_role_arn=config["executionRoleArn"],
            network_configuration=config["networkConfiguration"],
            description=config["description"],
            tags=config["tags"],
        )
        found = client.get_code_interpreter(made["codeInterpreterId"])
        self.assertEqual(found["networkConfiguration"], network.to_dict())
        listed = client.list_code_interpreters(interpreter_type="CUSTOM")["codeInterpreterSummaries"]
        self.assertIn(made["codeInterpreterId"], [entry["codeInterpreterId"] for entry in listed])
        self.assertEqual(client.delete_code_interpreter(made["codeInterpreterId"])["status"], "DELETING")
