// The agent's test: node --test
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { server } from "./agent.mjs";

let url;

before(async () => {
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  url = `http://127.0.0.1:${server.address().port}`;
});

after(() => server.close());

const post = (payload) => fetch(`${url}/invocations`, { method: "POST", body: JSON.stringify(payload) });

test("answers", async () => {
  assert.deepEqual(await (await post({ prompt: "Hello!" })).json(), { response: "You said: Hello!" });
});

test("streams", async () => {
  const text = await (await post({ prompt: "one two", stream: true })).text();
  assert.equal(text, 'data: {"word":"one"}\n\ndata: {"word":"two"}\n\n');
});

test("refuses", async () => {
  assert.equal((await post({})).status, 400);
});

test("is healthy", async () => {
  assert.equal((await (await fetch(`${url}/ping`)).json()).status, "Healthy");
});
