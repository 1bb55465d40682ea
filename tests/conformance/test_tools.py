"""The built-in browser and code interpreter: Get and List."""

from clients import DaemonTest


class Browsers(DaemonTest):
    def test_get(self):
        found = self.client.get_browser(browserId="aws.browser.v1")
        self.assertStatus(found, 200)
        self.assertEqual(found["browserId"], "aws.browser.v1")
        self.assertRegex(found["browserArn"], r"^arn:aws:bedrock-agentcore:[a-z0-9-]+:aws:browser/aws\.browser\.v1$")
        self.assertEqual(found["status"], "READY")
        self.assertIn("networkMode", found["networkConfiguration"])
        self.assertTrue(found["name"])
        self.assertTrue(found["createdAt"].tzinfo)
        self.assertTrue(found["lastUpdatedAt"].tzinfo)

    def test_get_missing(self):
        missing = "mine-0123456789"
        self.assertFails("ResourceNotFoundException", 404, self.client.get_browser, browserId=missing)

    def test_list(self):
        for more in ({}, {"type": "SYSTEM"}, {"maxResults": 1}, {"maxResults": 100}):
            with self.subTest(**more):
                page = self.client.list_browsers(**more)
                self.assertStatus(page, 200)
                (entry,) = page["browserSummaries"]
                self.assertEqual(entry["browserId"], "aws.browser.v1")
                self.assertEqual(entry["status"], "READY")
                self.assertTrue(entry["createdAt"].tzinfo)
                self.assertNotIn("nextToken", page)

    def test_list_custom(self):
        self.assertEqual(self.client.list_browsers(type="CUSTOM")["browserSummaries"], [])

    def test_bad_token(self):
        self.assertFails("ValidationException", 400, self.client.list_browsers, nextToken="garbage")


class CodeInterpreters(DaemonTest):
    def test_get(self):
        found = self.client.get_code_interpreter(codeInterpreterId="aws.codeinterpreter.v1")
        self.assertStatus(found, 200)
        self.assertEqual(found["codeInterpreterId"], "aws.codeinterpreter.v1")
        wanted = r"^arn:aws:bedrock-agentcore:[a-z0-9-]+:aws:code-interpreter/aws\.codeinterpreter\.v1$"
        self.assertRegex(found["codeInterpreterArn"], wanted)
        self.assertEqual(found["status"], "READY")
        self.assertIn("networkMode", found["networkConfiguration"])
        self.assertTrue(found["createdAt"].tzinfo)
        self.assertTrue(found["lastUpdatedAt"].tzinfo)

    def test_get_missing(self):
        call = self.client.get_code_interpreter
        self.assertFails("ResourceNotFoundException", 404, call, codeInterpreterId="mine-0123456789")

    def test_list(self):
        for more in ({}, {"type": "SYSTEM"}, {"maxResults": 1}, {"maxResults": 100}):
            with self.subTest(**more):
                page = self.client.list_code_interpreters(**more)
                self.assertStatus(page, 200)
                (entry,) = page["codeInterpreterSummaries"]
                self.assertEqual(entry["codeInterpreterId"], "aws.codeinterpreter.v1")
                self.assertEqual(entry["status"], "READY")
                self.assertNotIn("nextToken", page)

    def test_list_custom(self):
        self.assertEqual(self.client.list_code_interpreters(type="CUSTOM")["codeInterpreterSummaries"], [])

    def test_bad_token(self):
        self.assertFails("ValidationException", 400, self.client.list_code_interpreters, nextToken="garbage")
