// Agents that are deployed, called through the AWS SDK for JavaScript: whole answers, streams, errors, the end of a
// session.  The SDK checks no lengths before it sends.
import assert from 'node:assert/strict';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

const require = createRequire(join(process.env.CONFORMANCE_MODULES, 'package.json'));
const control = require('@aws-sdk/client-bedrock-agentcore-control');
const sdk = require('@aws-sdk/client-bedrock-agentcore');
const client = new sdk.BedrockAgentCoreClient({ maxAttempts: 1 });

const session = () => `node-session-${randomUUID()}`;
const send = (name, input) => client.send(new sdk[`${name}Command`](input));
let agentRuntimeArn;

/** A runtime that is READY: its ARN. */
async function deploy(more = {}) {
  const deployer = new control.BedrockAgentCoreControlClient({ maxAttempts: 1 });
  const code = { s3: { bucket: 'conformance', prefix: 'plain.zip' } };
  const made = await deployer.send(
    new control.CreateAgentRuntimeCommand({
      agentRuntimeName: `agent_${randomUUID().replaceAll('-', '_')}`,
      agentRuntimeArtifact: { codeConfiguration: { code, runtime: 'PYTHON_3_11', entryPoint: ['main.py'] } },
      roleArn: 'arn:aws:iam::123456789012:role/agent',
      networkConfiguration: { networkMode: 'PUBLIC' },
      ...more,
    }),
  );
  const deadline = Date.now() + 20_000;
  for (;;) {
    const found = await deployer.send(new control.GetAgentRuntimeCommand({ agentRuntimeId: made.agentRuntimeId }));
    if (found.status === 'READY') return made.agentRuntimeArn;
    assert.ok(found.status === 'CREATING' && Date.now() < deadline, JSON.stringify(found));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

before(async () => {
  agentRuntimeArn = await deploy();
});
after(() => client.destroy());

const invoke = (payload, more = {}) =>
  send('InvokeAgentRuntime', {
    agentRuntimeArn,
    contentType: 'application/json',
    payload: payload instanceof Uint8Array ? payload : JSON.stringify(payload),
    ...more,
  });

const ask = async (payload, more) => JSON.parse(await (await invoke(payload, more)).response.transformToString());

async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail('it was accepted');
}

test('an answer as a whole', async () => {
  const answer = await invoke({ do: 'status', status: 200, body: '{"r": "ž"}' });
  assert.equal(answer.$metadata.httpStatusCode, 200);
  assert.ok(answer.$metadata.requestId);
  assert.equal(answer.statusCode, 200);
  assert.equal(answer.contentType, 'application/json');
  assert.ok(answer.runtimeSessionId.length >= 33);
  assert.equal(await answer.response.transformToString(), '{"r": "ž"}');
});

test('bytes there and back', async () => {
  for (const payload of [new Uint8Array(0), randomBytes(1000), randomBytes(20_000_000)]) {
    const answer = await invoke(payload, { contentType: 'application/octet-stream' });
    const back = await answer.response.transformToByteArray();
    assert.ok(Buffer.from(back).equals(payload), `${payload.length} bytes came back changed`);
  }
});

test('a session is kept, and another one is another', async () => {
  const first = await invoke({ do: 'echo' });
  const { life } = JSON.parse(await first.response.transformToString());
  assert.equal((await ask({ do: 'echo' }, { runtimeSessionId: first.runtimeSessionId })).life, life);
  assert.notEqual((await ask({ do: 'echo' }, { runtimeSessionId: session() })).life, life);
});

test('headers to the agent', async () => {
  const members = {
    accept: 'text/event-stream',
    mcpSessionId: 'm1',
    mcpProtocolVersion: '2025-06-18',
    traceId: 'Root=1-5759e988-bd862e3fe1be46a994272793',
    traceParent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    traceState: 'a=b',
    baggage: 'k=v',
  };
  const { headers } = await ask({ do: 'echo' }, members);
  const seen = headers.map(([, value]) => value);
  for (const value of Object.values(members)) assert.ok(seen.includes(value), value);
});

test('headers from the agent', async () => {
  const headers = { 'Mcp-Session-Id': 'm2', baggage: 'b' };
  const answer = await invoke({ do: 'status', status: 200, body: '', headers });
  assert.equal(answer.mcpSessionId, 'm2');
  assert.equal(answer.baggage, 'b');
  assert.equal(await answer.response.transformToString(), '');
});

test('a stream, event by event', async () => {
  const runtimeSessionId = session();
  const { response, contentType } = await invoke({ do: 'stream', count: 3, gate: 'g' }, { runtimeSessionId });
  assert.equal(contentType, 'text/event-stream');
  const events = [];
  await ask({ do: 'open', gate: 'g' }, { runtimeSessionId });
  for await (const chunk of response) {
    events.push(JSON.parse(chunk.toString().trim().replace('data: ', '')).event);
    if (events.length < 3) await ask({ do: 'open', gate: 'g' }, { runtimeSessionId }); // only now there is another
  }
  assert.deepEqual(events, [0, 1, 2]);
});

test('a stream through the web', async () => {
  const { response } = await invoke({ do: 'stream', count: 100 });
  const text = await new Response(response.transformToWebStream()).text();
  assert.equal(text.match(/^data: /gm).length, 100);
});

test('a stream that breaks off', async () => {
  const { response } = await invoke({ do: 'stream', count: 5, die: 2 });
  const error = await refusal(response.transformToString());
  assert.ok(error instanceof Error);
});

test('a large answer', async () => {
  const { response } = await invoke({ do: 'give', bytes: 20_000_001 });
  let length = 0;
  const digest = createHash('sha256');
  for await (const chunk of response) {
    length += chunk.length;
    digest.update(chunk);
  }
  assert.equal(length, 20_000_001);
  const wanted = createHash('sha256').update(Buffer.from('0123456789abcdef'.repeat(1_250_001)).subarray(0, length));
  assert.equal(digest.digest('hex'), wanted.digest('hex'));
});

test('an error of the agent', async () => {
  const error = await refusal(invoke({ do: 'status', status: 500, body: '{"error": "it went wrong"}' }));
  assert.ok(error instanceof sdk.RuntimeClientError, error);
  assert.equal(error.$metadata.httpStatusCode, 424);
  assert.match(error.message, /500.*it went wrong/);
});

test('an agent that dies, and one that never starts', async () => {
  const error = await refusal(invoke({ do: 'leave', code: 9, words: 'out of luck' }));
  assert.ok(error instanceof sdk.RuntimeClientError, error);
  assert.match(error.message, /out of luck/);
  const arn = await deploy({ environmentVariables: { AGENT_START: 'exit' } });
  const other = await refusal(invoke({}, { agentRuntimeArn: arn }));
  assert.ok(other instanceof sdk.RuntimeClientError, other);
  assert.match(other.message, /there is no configuration for me/);
});

test('what is not there', async () => {
  for (const more of [{ agentRuntimeArn: agentRuntimeArn.slice(0, -10) + '0000000000' }, { qualifier: 'nowhere' }]) {
    const error = await refusal(invoke({}, more));
    assert.ok(error instanceof sdk.ResourceNotFoundException, error);
    assert.equal(error.$metadata.httpStatusCode, 404);
  }
});

test('what is not valid', async () => {
  for (const [name, value] of [['runtimeSessionId', 's'], ['runtimeUserId', 'u'.repeat(1025)], ['accountId', '12']]) {
    const error = await refusal(invoke({}, { [name]: value }));
    assert.ok(error instanceof sdk.ValidationException, error);
    assert.equal(error.reason, 'FieldValidationFailed');
    assert.deepEqual(error.fieldList.map((entry) => entry.name), [name]);
  }
});

test('the end of a session', async () => {
  const runtimeSessionId = session();
  const { life } = await ask({ do: 'echo' }, { runtimeSessionId });
  const stopped = await send('StopRuntimeSession', { agentRuntimeArn, runtimeSessionId });
  assert.equal(stopped.statusCode, 200);
  assert.equal(stopped.runtimeSessionId, runtimeSessionId);
  const error = await refusal(send('StopRuntimeSession', { agentRuntimeArn, runtimeSessionId }));
  assert.ok(error instanceof sdk.ResourceNotFoundException, error);
  assert.notEqual((await ask({ do: 'echo' }, { runtimeSessionId })).life, life);
});

test('a command in a session', async () => {
  const body = { command: 'echo out; echo err >&2; exit 3', timeout: 10 };
  const answer = await send('InvokeAgentRuntimeCommand', { agentRuntimeArn, runtimeSessionId: session(), body });
  const chunks = [];
  for await (const event of answer.stream) chunks.push(event.chunk);
  assert.ok(chunks[0].contentStart);
  const said = (name) => chunks.map((chunk) => chunk.contentDelta?.[name] ?? '').join('');
  assert.deepEqual([said('stdout'), said('stderr')], ['out\n', 'err\n']);
  assert.deepEqual(chunks.at(-1).contentStop, { exitCode: 3, status: 'COMPLETED' });
});

test('the card of an agent', async () => {
  const arn = await deploy({
    protocolConfiguration: { serverProtocol: 'A2A' },
    environmentVariables: { AGENT_PORT: '9000' },
  });
  const { agentCard, statusCode } = await send('GetAgentCard', { agentRuntimeArn: arn });
  assert.equal(statusCode, 200);
  assert.equal(agentCard.name, "the tests' agent");
  const error = await refusal(send('GetAgentCard', { agentRuntimeArn }));
  assert.ok(error instanceof sdk.ValidationException, error);
});
