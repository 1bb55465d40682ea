"""InvokeAgentRuntime through boto3 when the agent fails: RuntimeClientError (424) in its own words."""

import pathlib
import unittest

from deployed import AgentTest, put_image, session_id


class Answers(AgentTest):
    def fails(self, payload, session=None, arn=None):
        answer = self.assertFails("RuntimeClientError", 424, self.invoke, payload, session, arn)
        return answer["Error"]["Message"]

    def test_statuses(self):
        session = session_id()
        for status, body, words in (
            (500, '{"error": "it went wrong"}', "it went wrong"),
            (404, '{"message": "no such tool"}', "no such tool"),
            (400, '{"detail": "not so"}', "not so"),
            (429, "plain words", "plain words"),
            (503, "", "503"),
            (302, "elsewhere", "302"),
        ):
            with self.subTest(status=status):
                message = self.fails({"do": "status", "status": status, "body": body}, session)
                self.assertIn(str(status), message)
                self.assertIn(words, message)
        self.assertEqual(self.ask({"do": "state"}, session)["invocations"], 7, "one session; no request came twice")

    def test_modeled(self):
        """What boto3 has a class for."""
        with self.assertRaises(self.data.exceptions.RuntimeClientError):
            self.invoke({"do": "status", "status": 500})

    def test_long_error(self):
        message = self.fails({"do": "status", "status": 500, "body": "x" * 100_000})
        self.assertLess(len(message), 4096)

    def test_no_answer(self):
        session = session_id()
        life = self.echo(session=session)["life"]
        self.fails({"do": "hang-up"}, session)
        self.assertEqual(self.echo(session=session)["life"], life)

    def test_death(self):
        session = session_id()
        life = self.echo(session=session)["life"]
        message = self.fails({"do": "leave", "code": 9, "words": "out of luck"}, session)
        self.assertIn("code 9", message)
        self.assertIn("out of luck", message)
        self.assertNotEqual(self.echo(session=session)["life"], life)


class Starts(AgentTest):
    """Agents that never become ready."""

    options = ("--session-start", "5s")

    def refused(self, arn):
        return self.assertFails("RuntimeClientError", 424, self.invoke, arn=arn)["Error"]["Message"]

    def test_exits(self):
        message = self.refused(self.deploy_agent(environmentVariables={"AGENT_START": "exit"}))
        self.assertIn("code 7", message)
        self.assertIn("there is no configuration for me", message)

    def test_opens_no_port(self):
        message = self.refused(self.deploy_agent(environmentVariables={"AGENT_START": "never"}))
        self.assertIn("starting in the way never", message)

    def test_listens_elsewhere(self):
        self.refused(self.deploy_agent(environmentVariables={"AGENT_PORT": "8081"}))

    def test_program_that_cannot_run(self):
        """What is deployed is wrong, not what is asked."""
        path = pathlib.Path(self.daemon.data_dir, "broken")
        path.write_text("#!/no/such/interpreter\n")
        path.chmod(0o755)
        artifact = {"containerConfiguration": {"containerUri": put_image(self.daemon, path)}}
        message = self.refused(self.deploy_agent(artifact))
        self.assertIn("/app/broken", message)


if __name__ == "__main__":
    unittest.main()
