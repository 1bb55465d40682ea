"""Agent runtimes and their versions, through boto3."""

import concurrent.futures
import pathlib
import time
import unittest

from runtimes import BUCKET, NOBODY, ROLE, RuntimeTest, code, unique_name


class Good(RuntimeTest):
    def test_create(self):
        name = unique_name()
        made = self.create(name, description="one", tags={"team": "blue"})
        self.assertStatus(made, 202)
        runtime_id = made["agentRuntimeId"]
        self.assertRegex(runtime_id, f"^{name}-[a-zA-Z0-9]{{10}}$")
        self.assertTrue(made["agentRuntimeArn"].startswith(f"arn:aws:bedrock-agentcore:{self.daemon.region}:"))
        self.assertTrue(made["agentRuntimeArn"].endswith(f":runtime/{runtime_id}"))
        self.assertEqual((made["agentRuntimeVersion"], made["status"]), ("1", "CREATING"))
        self.assertIn(":workload-identity-directory/", made["workloadIdentityDetails"]["workloadIdentityArn"])
        self.assertIsTime(made["createdAt"])
        tags = self.client.list_tags_for_resource(resourceArn=made["agentRuntimeArn"])["tags"]
        self.assertEqual(tags, {"team": "blue"})
        identity = made["workloadIdentityDetails"]["workloadIdentityArn"].rsplit("/", 1)[1]
        self.assertStatus(self.client.get_workload_identity(name=identity), 200)

    def test_get(self):
        given = {
            "description": "one",
            "environmentVariables": {"NAME": "value", "EMPTY": ""},
            "protocolConfiguration": {"serverProtocol": "MCP"},
            "lifecycleConfiguration": {"idleRuntimeSessionTimeout": 100, "maxLifetime": 200},
            "requestHeaderConfiguration": {"requestHeaderAllowlist": ["X-One", "Authorization"]},
            "authorizerConfiguration": {
                "customJWTAuthorizer": {
                    "discoveryUrl": "https://example.com/.well-known/openid-configuration",
                    "allowedClients": ["me"],
                }
            },
        }
        made = self.create(**given)
        found = self.wait(lambda: self.get(made["agentRuntimeId"]))
        self.assertStatus(found, 200)
        for member in ("agentRuntimeArn", "agentRuntimeId", "agentRuntimeVersion", "workloadIdentityDetails"):
            self.assertEqual(found[member], made[member])
        for member, value in given.items():
            self.assertEqual(found[member], value, member)
        self.assertEqual(found["agentRuntimeArtifact"], code())
        self.assertEqual(found["roleArn"], ROLE)
        self.assertEqual(found["createdAt"], made["createdAt"])
        self.assertIsTime(found["lastUpdatedAt"])
        self.assertNotIn("failureReason", found)

    def test_defaults(self):
        made = self.client.create_agent_runtime(
            agentRuntimeName=unique_name(), agentRuntimeArtifact=code(), roleArn=ROLE
        )
        found = self.get(made["agentRuntimeId"])
        self.assertEqual(found["networkConfiguration"], {"networkMode": "PUBLIC"})
        self.assertEqual(found["protocolConfiguration"], {"serverProtocol": "HTTP"})
        times = {"idleRuntimeSessionTimeout": 900, "maxLifetime": 28800}
        self.assertEqual(found["lifecycleConfiguration"], times)
        self.assertNotIn("description", found)
        self.assertNotIn("environmentVariables", found)

    def test_ready_soon(self):
        begin = time.monotonic()
        self.deploy()
        self.assertLess(time.monotonic() - begin, 20)

    def test_the_default_endpoint(self):
        runtime_id = self.deploy()
        found = self.endpoint(runtime_id)
        self.assertEqual((found["name"], found["status"]), ("DEFAULT", "READY"))
        self.assertEqual((found["liveVersion"], found["targetVersion"]), ("1", "1"))
        self.assertTrue(found["agentRuntimeEndpointArn"].endswith("/runtime-endpoint/DEFAULT"))
        self.assertRegex(found["id"], "^DEFAULT-[a-zA-Z0-9]{10}$")

    def test_update(self):
        runtime_id = self.deploy(description="one", environmentVariables={"A": "1"})
        before = self.get(runtime_id)
        changed = self.update(runtime_id, metadataConfiguration={"requireMMDSV2": True})
        self.assertStatus(changed, 202)
        self.assertEqual((changed["agentRuntimeVersion"], changed["status"]), ("2", "UPDATING"))
        self.assertEqual(changed["createdAt"], before["createdAt"])
        self.assertGreaterEqual(changed["lastUpdatedAt"], before["lastUpdatedAt"])
        found = self.wait(lambda: self.get(runtime_id))
        self.assertEqual(found["agentRuntimeVersion"], "2")
        self.assertEqual(found["metadataConfiguration"], {"requireMMDSV2": True})
        self.assertNotIn("environmentVariables", found, "the whole configuration is replaced")
        self.assertNotIn("description", found)
        self.assertEqual(self.endpoint(runtime_id)["liveVersion"], "2")
        first = self.get(runtime_id, agentRuntimeVersion="1")
        self.assertEqual((first["description"], first["status"]), ("one", "READY"))
        self.assertEqual(first["environmentVariables"], {"A": "1"})

    def test_delete(self):
        name = unique_name()
        runtime_id = self.deploy(name=name, tags={"a": "1"})
        gone = self.client.delete_agent_runtime(agentRuntimeId=runtime_id)
        self.assertStatus(gone, 202)
        self.assertEqual((gone["status"], gone["agentRuntimeId"]), ("DELETING", runtime_id))
        self.wait(lambda: self.get(runtime_id), None)
        self.assertFails("ResourceNotFoundException", 404, self.endpoint, runtime_id)
        self.assertFails("ResourceNotFoundException", 404, self.client.get_workload_identity, name=runtime_id)
        self.create(name)

    def test_policy(self):
        arn = self.create()["agentRuntimeArn"]
        for where in (arn, arn + "/runtime-endpoint/DEFAULT"):
            with self.subTest(arn=where):
                policy = '{"Version":"2012-10-17","Statement":[]}'
                self.client.put_resource_policy(resourceArn=where, policy=policy)
                self.assertEqual(self.client.get_resource_policy(resourceArn=where)["policy"], policy)
                self.client.tag_resource(resourceArn=where, tags={"b": "2"})
                self.assertEqual(self.client.list_tags_for_resource(resourceArn=where)["tags"], {"b": "2"})


class Failed(RuntimeTest):
    def test_no_such_code(self):
        made = self.create(key="missing.zip")
        runtime_id = made["agentRuntimeId"]
        found = self.wait(lambda: self.get(runtime_id), "CREATE_FAILED")
        self.assertIn("missing.zip", found["failureReason"])
        default = self.endpoint(runtime_id)
        self.assertEqual(default["status"], "CREATE_FAILED")
        self.assertEqual(default["failureReason"], found["failureReason"])
        self.assertNotIn("liveVersion", default)
        self.deploy_next(runtime_id)
        self.assertNotIn("failureReason", self.get(runtime_id))
        self.assertEqual(self.endpoint(runtime_id)["liveVersion"], "2")

    def test_not_a_zip_file(self):
        pathlib.Path(self.daemon.data_dir, "buckets", BUCKET, "broken.zip").write_bytes(b"no zip file at all")
        runtime_id = self.create(key="broken.zip")["agentRuntimeId"]
        found = self.wait(lambda: self.get(runtime_id), "CREATE_FAILED")
        self.assertTrue(found["failureReason"])
        self.delete(runtime_id)

    def test_no_such_image(self):
        made = self.client.create_agent_runtime(
            agentRuntimeName=unique_name(),
            agentRuntimeArtifact={"containerConfiguration": {"containerUri": "no/such:image"}},
            roleArn=ROLE,
        )
        found = self.wait(lambda: self.get(made["agentRuntimeId"]), "CREATE_FAILED")
        self.assertIn("no/such", found["failureReason"])

    def test_an_update_that_fails_leaves_the_version_before(self):
        runtime_id = self.deploy()
        self.update(runtime_id, key="missing.zip")
        found = self.wait(lambda: self.get(runtime_id), "UPDATE_FAILED")
        self.assertEqual(found["agentRuntimeVersion"], "2")
        default = self.endpoint(runtime_id)
        self.assertEqual(default["status"], "UPDATE_FAILED")
        self.assertEqual((default["liveVersion"], default["targetVersion"]), ("1", "2"))
        self.deploy_next(runtime_id)
        self.assertEqual(self.endpoint(runtime_id)["liveVersion"], "3")


class Refused(RuntimeTest):
    def test_missing(self):
        client, deployed = self.client, self.deploy()
        named = {"endpointName": "nothing"}
        for call, more in (
            (client.get_agent_runtime, {}),
            (client.delete_agent_runtime, {}),
            (client.list_agent_runtime_versions, {}),
            (client.list_agent_runtime_endpoints, {}),
            (client.create_agent_runtime_endpoint, {"name": "x"}),
            (client.get_agent_runtime_endpoint, named),
            (client.update_agent_runtime_endpoint, named),
            (client.delete_agent_runtime_endpoint, named),
        ):
            with self.subTest(call=call.__name__):
                self.assertFails("ResourceNotFoundException", 404, call, agentRuntimeId=NOBODY, **more)
                if "endpointName" in more:
                    self.assertFails("ResourceNotFoundException", 404, call, agentRuntimeId=deployed, **more)
        self.assertFails("ResourceNotFoundException", 404, self.update, NOBODY)
        self.assertFails("ResourceNotFoundException", 404, self.get, deployed, agentRuntimeVersion="7")
        self.assertFails(
            "ResourceNotFoundException",
            404,
            client.create_agent_runtime_endpoint,
            agentRuntimeId=deployed,
            name="x",
            agentRuntimeVersion="7",
        )

    def test_name_in_use(self):
        name = unique_name()
        self.create(name)
        self.assertFails("ConflictException", 409, self.create, name)

    def test_one_of_many_creators_wins(self):
        name = unique_name("race")

        def create(_):
            try:
                return self.create(name)["agentRuntimeId"]
            except self.client.exceptions.ConflictException:
                return None

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            winners = [made for made in pool.map(create, range(8)) if made]
        self.assertEqual(len(winners), 1, winners)

    def test_what_does_not_hang_together(self):
        for more in (
            {"lifecycleConfiguration": {"idleRuntimeSessionTimeout": 601, "maxLifetime": 600}},
            {"environmentVariables": {"A=B": "x"}},
            {"requestHeaderConfiguration": {"requestHeaderAllowlist": ["X-One", "x-one"]}},
            {"filesystemConfigurations": [{"sessionStorage": {"mountPath": "/mnt/a"}}] * 2},
        ):
            with self.subTest(more=more):
                self.assertFails("ValidationException", 400, self.create, **more)
        with self.subTest("an entry point outside"):
            artifact = code(entryPoint=["../main.py"])
            call = self.client.create_agent_runtime
            self.assertFails(
                "ValidationException",
                400,
                call,
                agentRuntimeName=unique_name(),
                agentRuntimeArtifact=artifact,
                roleArn=ROLE,
            )

    def test_two_kinds_of_artifact(self):
        both = {**code(), "containerConfiguration": {"containerUri": "x"}}
        answer = self.assertFails(
            "ValidationException",
            400,
            self.unchecked.create_agent_runtime,
            agentRuntimeName=unique_name(),
            agentRuntimeArtifact=both,
            roleArn=ROLE,
        )
        self.assertInvalid(answer, "agentRuntimeArtifact")


class Listing(RuntimeTest):
    def test_runtimes(self):
        made = {self.create(description=f"number {n}")["agentRuntimeId"] for n in range(7)}
        plain = self.create()["agentRuntimeId"]
        pages = self.client.get_paginator("list_agent_runtimes").paginate(PaginationConfig={"PageSize": 3})
        entries = [entry for page in pages for entry in page["agentRuntimes"]]
        seen = [entry["agentRuntimeId"] for entry in entries]
        self.assertEqual(len(seen), len(set(seen)))
        self.assertLessEqual(made | {plain}, set(seen))
        for entry in entries:
            self.assertIn("description", entry)
            self.assertTrue(entry["agentRuntimeArn"].endswith(entry["agentRuntimeId"]))
            self.assertIsTime(entry["lastUpdatedAt"])

    def test_versions_newest_first(self):
        runtime_id = self.deploy(description="first")
        for _ in range(4):
            self.deploy_next(runtime_id)
        pages = self.client.get_paginator("list_agent_runtime_versions").paginate(
            agentRuntimeId=runtime_id, PaginationConfig={"PageSize": 2}
        )
        entries = [entry for page in pages for entry in page["agentRuntimes"]]
        self.assertEqual([entry["agentRuntimeVersion"] for entry in entries], ["5", "4", "3", "2", "1"])
        self.assertEqual({entry["agentRuntimeId"] for entry in entries}, {runtime_id})
        self.assertEqual(entries[-1]["description"], "first")
        self.assertEqual({entry["status"] for entry in entries}, {"READY"})

    def test_bad_tokens(self):
        self.create()
        self.create()
        good = self.client.list_agent_runtimes(maxResults=1)["nextToken"]
        for bad in ("garbage", good + "x", good[1:]):
            with self.subTest(token=bad[:20]):
                self.assertFails("ValidationException", 400, self.client.list_agent_runtimes, nextToken=bad)
        runtime_id = self.deploy()
        versions = self.client.list_agent_runtime_versions
        self.assertFails("ValidationException", 400, versions, agentRuntimeId=runtime_id, nextToken=good)

    def test_one_version_is_deleted(self):
        runtime_id = self.deploy()
        delete = self.client.delete_agent_runtime
        self.assertFails("ConflictException", 409, delete, agentRuntimeId=runtime_id, agentRuntimeVersion="1")
        self.deploy_next(runtime_id)
        gone = delete(agentRuntimeId=runtime_id, agentRuntimeVersion="1")
        self.assertEqual((gone["status"], gone["agentRuntimeVersion"]), ("DELETING", "1"))
        self.wait(lambda: self.get(runtime_id, agentRuntimeVersion="1"), None)
        listed = self.client.list_agent_runtime_versions(agentRuntimeId=runtime_id)["agentRuntimes"]
        self.assertEqual([entry["agentRuntimeVersion"] for entry in listed], ["2"])
        self.assertFails("ResourceNotFoundException", 404, delete, agentRuntimeId=runtime_id, agentRuntimeVersion="1")


if __name__ == "__main__":
    unittest.main()
