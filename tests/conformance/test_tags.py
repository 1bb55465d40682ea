"""Tags of resources: TagResource, UntagResource, ListTagsForResource, and tags given at creation."""

from clients import DaemonTest, unique


class Tags(DaemonTest):
    def setUp(self):
        self.arn = self.make_identity()["workloadIdentityArn"]

    def tags(self, arn=None):
        answer = self.client.list_tags_for_resource(resourceArn=arn or self.arn)
        self.assertStatus(answer, 200)
        return answer.get("tags", {})

    def test_none_at_first(self):
        self.assertEqual(self.tags(), {})

    def test_given_at_creation(self):
        tags = {"team": "blue", "cost center": "12/3", "empty": ""}
        self.assertEqual(self.tags(self.make_identity(tags=tags)["workloadIdentityArn"]), tags)

    def test_added_and_replaced(self):
        self.assertStatus(self.client.tag_resource(resourceArn=self.arn, tags={"a": "1", "b": "2"}), 204)
        self.client.tag_resource(resourceArn=self.arn, tags={"b": "3", "c:d/e=f+g-h@i_j.k": "4"})
        self.assertEqual(self.tags(), {"a": "1", "b": "3", "c:d/e=f+g-h@i_j.k": "4"})

    def test_taken_away(self):
        self.client.tag_resource(resourceArn=self.arn, tags={"a": "1", "b": "2", "c d": "3"})
        self.assertStatus(self.client.untag_resource(resourceArn=self.arn, tagKeys=["a", "c d", "not there"]), 204)
        self.assertEqual(self.tags(), {"b": "2"})

    def test_none_to_change(self):
        self.client.tag_resource(resourceArn=self.arn, tags={"a": "1"})
        self.client.tag_resource(resourceArn=self.arn, tags={})
        self.client.untag_resource(resourceArn=self.arn, tagKeys=["b"])
        self.assertEqual(self.tags(), {"a": "1"})

    def test_of_one_resource_alone(self):
        other = self.make_identity(tags={"a": "other"})["workloadIdentityArn"]
        self.client.tag_resource(resourceArn=self.arn, tags={"a": "mine"})
        self.client.untag_resource(resourceArn=self.arn, tagKeys=["a"])
        self.assertEqual(self.tags(other), {"a": "other"})

    def test_gone_with_the_resource(self):
        name = unique()
        arn = self.make_identity(name, tags={"a": "1"})["workloadIdentityArn"]
        self.client.delete_workload_identity(name=name)
        self.assertFails("ResourceNotFoundException", 404, self.client.list_tags_for_resource, resourceArn=arn)
        again = self.make_identity(name)["workloadIdentityArn"]
        self.assertEqual(self.tags(again), {})

    def test_fifty_at_most(self):
        full = {f"key-{i}": "v" for i in range(50)}
        self.client.tag_resource(resourceArn=self.arn, tags=full)
        self.assertFails(
            "ServiceQuotaExceededException", 402, self.client.tag_resource, resourceArn=self.arn, tags={"more": "v"}
        )
        self.assertEqual(self.tags(), full)
        self.client.tag_resource(resourceArn=self.arn, tags={"key-7": "replaced"})
        self.assertEqual(self.tags()["key-7"], "replaced")

    def test_missing_resource(self):
        arn = self.missing_arn()
        for call, more in (
            (self.client.list_tags_for_resource, {}),
            (self.client.tag_resource, {"tags": {"a": "1"}}),
            (self.client.untag_resource, {"tagKeys": ["a"]}),
        ):
            with self.subTest(call=call.__name__):
                self.assertFails("ResourceNotFoundException", 404, call, resourceArn=arn, **more)

    def test_resource_of_another_account(self):
        parts = self.arn.split(":")
        parts[4] = "999999999999"
        name, status = "ResourceNotFoundException", 404
        self.assertFails(name, status, self.client.list_tags_for_resource, resourceArn=":".join(parts))
