"""Resource policies: PutResourcePolicy, GetResourcePolicy, DeleteResourcePolicy."""

import json

from clients import DaemonTest, unique


def policy_for(arn, action="bedrock-agentcore:GetWorkloadAccessToken"):
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Sid": "one", "Effect": "Allow", "Principal": "*", "Action": action, "Resource": arn}],
        }
    )


class Policies(DaemonTest):
    def setUp(self):
        self.arn = self.make_identity()["workloadIdentityArn"]

    def assertNoPolicy(self, arn):
        """The service model has both ways to say that there is none: an answer without the member, or not found."""
        try:
            self.assertIsNone(self.client.get_resource_policy(resourceArn=arn).get("policy"))
        except self.client.exceptions.ResourceNotFoundException:
            pass

    def test_none_at_first(self):
        self.assertNoPolicy(self.arn)

    def test_put_and_get(self):
        policy = policy_for(self.arn)
        put = self.client.put_resource_policy(resourceArn=self.arn, policy=policy)
        self.assertStatus(put, 201)
        self.assertEqual(json.loads(put["policy"]), json.loads(policy))
        got = self.client.get_resource_policy(resourceArn=self.arn)
        self.assertStatus(got, 200)
        self.assertEqual(json.loads(got["policy"]), json.loads(policy))

    def test_replaced(self):
        self.client.put_resource_policy(resourceArn=self.arn, policy=policy_for(self.arn))
        second = policy_for(self.arn, "bedrock-agentcore:GetWorkloadAccessTokenForUserId")
        self.client.put_resource_policy(resourceArn=self.arn, policy=second)
        got = self.client.get_resource_policy(resourceArn=self.arn)
        self.assertEqual(json.loads(got["policy"]), json.loads(second))

    def test_deleted(self):
        self.client.put_resource_policy(resourceArn=self.arn, policy=policy_for(self.arn))
        self.assertStatus(self.client.delete_resource_policy(resourceArn=self.arn), 204)
        self.assertNoPolicy(self.arn)

    def test_gone_with_the_resource(self):
        name = unique()
        arn = self.make_identity(name)["workloadIdentityArn"]
        self.client.put_resource_policy(resourceArn=arn, policy=policy_for(arn))
        self.client.delete_workload_identity(name=name)
        self.assertFails("ResourceNotFoundException", 404, self.client.get_resource_policy, resourceArn=arn)
        self.make_identity(name)
        self.assertNoPolicy(arn)

    def test_missing_resource(self):
        arn = self.missing_arn()
        for call, more in (
            (self.client.put_resource_policy, {"policy": policy_for(arn)}),
            (self.client.get_resource_policy, {}),
            (self.client.delete_resource_policy, {}),
        ):
            with self.subTest(call=call.__name__):
                self.assertFails("ResourceNotFoundException", 404, call, resourceArn=arn, **more)
