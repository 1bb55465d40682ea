"""Endpoints of agent runtimes, through boto3."""

import unittest

from runtimes import RuntimeTest


class Endpoints(RuntimeTest):
    def make(self, runtime_id, name="prod", **more):
        return self.client.create_agent_runtime_endpoint(agentRuntimeId=runtime_id, name=name, **more)

    def change(self, runtime_id, name="prod", **more):
        return self.client.update_agent_runtime_endpoint(agentRuntimeId=runtime_id, endpointName=name, **more)

    def test_pinned(self):
        runtime_id = self.deploy()
        made = self.make(runtime_id, description="for all", tags={"a": "1"})
        self.assertStatus(made, 202)
        self.assertEqual((made["endpointName"], made["targetVersion"], made["status"]), ("prod", "1", "CREATING"))
        self.assertEqual(made["agentRuntimeId"], runtime_id)
        found = self.wait(lambda: self.endpoint(runtime_id, "prod"))
        self.assertEqual((found["liveVersion"], found["description"]), ("1", "for all"))
        self.deploy_next(runtime_id)
        self.assertEqual(self.endpoint(runtime_id, "prod")["liveVersion"], "1")
        changed = self.change(runtime_id, agentRuntimeVersion="2")
        self.assertStatus(changed, 202)
        self.assertEqual((changed["liveVersion"], changed["targetVersion"]), ("1", "2"))
        self.assertEqual(changed["status"], "UPDATING")
        found = self.wait(lambda: self.endpoint(runtime_id, "prod"))
        self.assertEqual((found["liveVersion"], found["description"]), ("2", "for all"))
        gone = self.client.delete_agent_runtime_endpoint(agentRuntimeId=runtime_id, endpointName="prod")
        self.assertStatus(gone, 202)
        self.assertEqual((gone["status"], gone["endpointName"]), ("DELETING", "prod"))
        self.wait(lambda: self.endpoint(runtime_id, "prod"), None)
        self.assertStatus(self.endpoint(runtime_id), 200)

    def test_name_in_use(self):
        runtime_id = self.deploy()
        self.make(runtime_id)
        self.assertFails("ConflictException", 409, self.make, runtime_id)
        self.assertFails("ConflictException", 409, self.make, runtime_id, "DEFAULT")

    def test_default_follows_the_newest_version(self):
        runtime_id = self.deploy()
        self.deploy_next(runtime_id)
        self.assertFails("ConflictException", 409, self.change, runtime_id, "DEFAULT", agentRuntimeVersion="1")
        self.change(runtime_id, "DEFAULT", description="mine")
        self.assertEqual(self.endpoint(runtime_id)["description"], "mine")

    def test_ten_beside_default(self):
        runtime_id = self.deploy()
        for number in range(10):
            self.make(runtime_id, f"e{number}")
        self.assertFails("ServiceQuotaExceededException", 402, self.make, runtime_id, "more")

    def test_paginator(self):
        runtime_id = self.deploy()
        for number in range(6):
            self.make(runtime_id, f"e{number}")
        pages = self.client.get_paginator("list_agent_runtime_endpoints").paginate(
            agentRuntimeId=runtime_id, PaginationConfig={"PageSize": 2}
        )
        entries = [entry for page in pages for entry in page["runtimeEndpoints"]]
        self.assertEqual(sorted(entry["name"] for entry in entries), ["DEFAULT"] + [f"e{n}" for n in range(6)])
        for entry in entries:
            self.assertEqual((entry["status"], entry["liveVersion"]), ("READY", "1"))
            self.assertTrue(entry["agentRuntimeArn"].endswith(runtime_id))
            self.assertIsTime(entry["lastUpdatedAt"])


if __name__ == "__main__":
    unittest.main()
