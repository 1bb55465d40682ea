"""The five operations on workload identities, through boto3."""

import concurrent.futures
import unittest

from clients import DaemonTest, unique

URLS = ["https://example.com/callback", "http://localhost:9090/cb?x=1", "myapp://done"]


class Good(DaemonTest):
    def test_create(self):
        name = unique()
        made = self.client.create_workload_identity(name=name, allowedResourceOauth2ReturnUrls=URLS)
        self.assertStatus(made, 201)
        self.assertEqual(made["name"], name)
        self.assertEqual(made["allowedResourceOauth2ReturnUrls"], URLS)
        where = f":workload-identity-directory/default/workload-identity/{name}"
        self.assertTrue(made["workloadIdentityArn"].startswith(f"arn:aws:bedrock-agentcore:{self.daemon.region}:"))
        self.assertTrue(made["workloadIdentityArn"].endswith(where), made)

    def test_get(self):
        made = self.make_identity(allowedResourceOauth2ReturnUrls=URLS)
        found = self.client.get_workload_identity(name=made["name"])
        self.assertStatus(found, 200)
        self.assertEqual(found["workloadIdentityArn"], made["workloadIdentityArn"])
        self.assertEqual(found["allowedResourceOauth2ReturnUrls"], URLS)
        self.assertIsTime(found["createdTime"])
        self.assertIsTime(found["lastUpdatedTime"])

    def test_get_without_urls(self):
        found = self.client.get_workload_identity(name=self.make_identity()["name"])
        self.assertEqual(found.get("allowedResourceOauth2ReturnUrls", []), [])

    def test_update(self):
        made = self.make_identity(allowedResourceOauth2ReturnUrls=URLS)
        before = self.client.get_workload_identity(name=made["name"])
        changed = self.client.update_workload_identity(name=made["name"], allowedResourceOauth2ReturnUrls=URLS[:1])
        self.assertStatus(changed, 200)
        self.assertEqual(changed["allowedResourceOauth2ReturnUrls"], URLS[:1])
        self.assertEqual(changed["createdTime"], before["createdTime"])
        self.assertGreaterEqual(changed["lastUpdatedTime"], before["lastUpdatedTime"])
        found = self.client.get_workload_identity(name=made["name"])
        self.assertEqual(found["allowedResourceOauth2ReturnUrls"], URLS[:1])
        self.assertEqual(found["lastUpdatedTime"], changed["lastUpdatedTime"])

    def test_update_to_no_urls(self):
        made = self.make_identity(allowedResourceOauth2ReturnUrls=URLS)
        self.client.update_workload_identity(name=made["name"], allowedResourceOauth2ReturnUrls=[])
        found = self.client.get_workload_identity(name=made["name"])
        self.assertEqual(found.get("allowedResourceOauth2ReturnUrls", []), [])

    def test_delete(self):
        name = self.make_identity()["name"]
        self.assertStatus(self.client.delete_workload_identity(name=name), 204)
        self.assertFails("ResourceNotFoundException", 404, self.client.get_workload_identity, name=name)

    def test_a_name_is_free_after_delete(self):
        name = self.make_identity(allowedResourceOauth2ReturnUrls=URLS)["name"]
        self.client.delete_workload_identity(name=name)
        self.make_identity(name)
        found = self.client.get_workload_identity(name=name)
        self.assertEqual(found.get("allowedResourceOauth2ReturnUrls", []), [])

    def test_names_at_the_limits(self):
        for name in ("a.b", "Z" * 255, "_-.", "0123"):
            with self.subTest(name=name[:8]):
                self.assertEqual(self.make_identity(name)["name"], name)
                self.assertEqual(self.client.get_workload_identity(name=name)["name"], name)

    def test_names_differ_by_case(self):
        name = unique("case")
        self.make_identity(name)
        self.make_identity(name.upper())
        self.assertEqual(self.client.get_workload_identity(name=name)["name"], name)


class Refused(DaemonTest):
    def test_missing(self):
        for call in (
            self.client.get_workload_identity,
            self.client.update_workload_identity,
            self.client.delete_workload_identity,
        ):
            with self.subTest(call=call.__name__):
                self.assertFails("ResourceNotFoundException", 404, call, name=unique("missing"))

    def test_name_in_use(self):
        name = self.make_identity(allowedResourceOauth2ReturnUrls=URLS)["name"]
        self.assertFails("ValidationException", 400, self.client.create_workload_identity, name=name)
        found = self.client.get_workload_identity(name=name)
        self.assertEqual(found["allowedResourceOauth2ReturnUrls"], URLS, "the refused call changed something")

    def test_one_of_many_creators_wins(self):
        name = unique("race")

        def create(number):
            try:
                self.client.create_workload_identity(
                    name=name, allowedResourceOauth2ReturnUrls=[f"https://example.com/{number}"]
                )
                return number
            except self.client.exceptions.ValidationException:
                return None

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            winners = [number for number in pool.map(create, range(8)) if number is not None]
        self.assertEqual(len(winners), 1, winners)
        found = self.client.get_workload_identity(name=name)
        self.assertEqual(found["allowedResourceOauth2ReturnUrls"], [f"https://example.com/{winners[0]}"])


class Listing(DaemonTest):
    def names(self, **options):
        pages = self.client.get_paginator("list_workload_identities").paginate(PaginationConfig=options)
        return [entry["name"] for page in pages for entry in page["workloadIdentities"]]

    def setUp(self):
        for name in self.names():
            self.client.delete_workload_identity(name=name)

    def test_empty(self):
        page = self.client.list_workload_identities()
        self.assertStatus(page, 200)
        self.assertEqual(page["workloadIdentities"], [])
        self.assertNotIn("nextToken", page)

    def test_members(self):
        made = self.make_identity()
        (entry,) = self.client.list_workload_identities()["workloadIdentities"]
        self.assertEqual(entry, {"name": made["name"], "workloadIdentityArn": made["workloadIdentityArn"]})

    def test_no_token_behind_a_full_last_page(self):
        for _ in range(4):
            self.make_identity()
        first = self.client.list_workload_identities(maxResults=2)
        self.assertEqual(len(first["workloadIdentities"]), 2)
        last = self.client.list_workload_identities(maxResults=2, nextToken=first["nextToken"])
        self.assertEqual(len(last["workloadIdentities"]), 2)
        self.assertNotIn("nextToken", last)

    def test_paginator(self):
        made = {self.make_identity()["name"] for _ in range(23)}
        seen = self.names(PageSize=5)
        self.assertEqual(len(seen), 23)
        self.assertEqual(set(seen), made)

    def test_pages_while_others_come_and_go(self):
        stays = {self.make_identity(f"stays-{i:02}")["name"] for i in range(12)}
        goes = [self.make_identity(f"goes-{i:02}")["name"] for i in range(6)]
        seen, token, pages = [], {}, 0
        while pages < 40:
            page = self.client.list_workload_identities(maxResults=6, **token)
            self.assertLessEqual(len(page["workloadIdentities"]), 6)
            seen += [entry["name"] for entry in page["workloadIdentities"]]
            pages += 1
            if "nextToken" not in page:
                break
            token = {"nextToken": page["nextToken"]}
            if pages <= 2:
                # Some that were shown (the one the token stands at among them), and some that were not.
                self.client.delete_workload_identity(name=goes.pop())
                last = page["workloadIdentities"][-1]["name"]
                if last in goes:
                    goes.remove(last)
                    self.client.delete_workload_identity(name=last)
                for prefix in ("aaa", "stays-05-and", "zzz"):
                    self.make_identity(f"{prefix}-{pages}")
        self.assertGreaterEqual(pages, 3)
        self.assertLess(pages, 40, "the pages do not end")
        self.assertEqual(len(seen), len(set(seen)), "shown twice")
        self.assertLessEqual(stays, set(seen), "never shown")

    def test_the_page_size_may_change(self):
        made = {self.make_identity()["name"] for _ in range(7)}
        first = self.client.list_workload_identities(maxResults=2)
        rest = self.client.list_workload_identities(maxResults=20, nextToken=first["nextToken"])
        names = [entry["name"] for page in (first, rest) for entry in page["workloadIdentities"]]
        self.assertEqual(sorted(names), sorted(made))

    def test_bad_tokens(self):
        for _ in range(3):
            self.make_identity()
        good = self.client.list_workload_identities(maxResults=1)["nextToken"]
        middle = len(good) // 2
        spoiled = good[:middle] + ("A" if good[middle] != "A" else "B") + good[middle + 1 :]
        for token in ("garbage", "!", "\u4e2d", "A" * 5000, good + "x", good[:-1], good[1:], spoiled, good * 2):
            with self.subTest(token=token[:20]):
                self.assertFails("ValidationException", 400, self.client.list_workload_identities, nextToken=token)
        self.assertEqual(len(self.client.list_workload_identities(nextToken=good)["workloadIdentities"]), 2)


if __name__ == "__main__":
    unittest.main()
