// The same calls through the AWS SDK for JavaScript, which checks nothing before it sends and is strict about what
// comes back: a time in the wrong format throws.  Endpoint, keys and region come from the environment alone.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';

const require = createRequire(join(process.env.CONFORMANCE_MODULES, 'package.json'));
const sdk = require('@aws-sdk/client-bedrock-agentcore-control');
const client = new sdk.BedrockAgentCoreControlClient({ maxAttempts: 1 });

const unique = () => `node-${randomUUID()}`;
const send = (name, input = {}) => client.send(new sdk[`${name}Command`](input));

async function refusal(name, input) {
  try {
    await send(name, input);
  } catch (error) {
    return error;
  }
  return assert.fail(`${name} was accepted`);
}

test('a workload identity from creation to deletion', async () => {
  const name = unique();
  const urls = ['https://example.com/a', 'https://example.com/b'];
  const made = await send('CreateWorkloadIdentity', { name, allowedResourceOauth2ReturnUrls: urls });
  assert.equal(made.$metadata.httpStatusCode, 201);
  assert.ok(made.$metadata.requestId);
  assert.equal(made.name, name);

  const found = await send('GetWorkloadIdentity', { name });
  assert.equal(found.workloadIdentityArn, made.workloadIdentityArn);
  assert.deepEqual(found.allowedResourceOauth2ReturnUrls, urls);
  assert.ok(found.createdTime instanceof Date);
  assert.ok(Math.abs(Date.now() - found.createdTime.getTime()) < 3600_000);

  const changed = await send('UpdateWorkloadIdentity', { name, allowedResourceOauth2ReturnUrls: urls.slice(1) });
  assert.deepEqual(changed.allowedResourceOauth2ReturnUrls, urls.slice(1));
  assert.ok(changed.lastUpdatedTime >= found.lastUpdatedTime);

  const gone = await send('DeleteWorkloadIdentity', { name });
  assert.equal(gone.$metadata.httpStatusCode, 204);
  assert.equal((await refusal('GetWorkloadIdentity', { name })).name, 'ResourceNotFoundException');
});

test('pages of workload identities', async () => {
  const made = [];
  for (let i = 0; i < 7; i++) made.push((await send('CreateWorkloadIdentity', { name: unique() })).name);
  const seen = [];
  for await (const page of sdk.paginateListWorkloadIdentities({ client, pageSize: 3 }, {})) {
    assert.ok(page.workloadIdentities.length <= 3);
    seen.push(...page.workloadIdentities.map((entry) => entry.name));
  }
  assert.equal(new Set(seen).size, seen.length);
  for (const name of made) assert.ok(seen.includes(name));
});

test('tags', async () => {
  const { workloadIdentityArn: resourceArn } = await send('CreateWorkloadIdentity', {
    name: unique(),
    tags: { a: '1' },
  });
  assert.equal((await send('TagResource', { resourceArn, tags: { 'b c': '2' } })).$metadata.httpStatusCode, 204);
  assert.deepEqual((await send('ListTagsForResource', { resourceArn })).tags, { a: '1', 'b c': '2' });
  await send('UntagResource', { resourceArn, tagKeys: ['b c', 'other'] });
  assert.deepEqual((await send('ListTagsForResource', { resourceArn })).tags, { a: '1' });
});

test('a resource policy', async () => {
  const { workloadIdentityArn: resourceArn } = await send('CreateWorkloadIdentity', { name: unique() });
  const policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: '*', Action: 'bedrock-agentcore:*', Resource: resourceArn }],
  });
  const put = await send('PutResourcePolicy', { resourceArn, policy });
  assert.equal(put.$metadata.httpStatusCode, 201);
  const got = await send('GetResourcePolicy', { resourceArn });
  assert.deepEqual(JSON.parse(got.policy), JSON.parse(policy));
  assert.equal((await send('DeleteResourcePolicy', { resourceArn })).$metadata.httpStatusCode, 204);
});

const runtime = {
  agentRuntimeArtifact: {
    codeConfiguration: {
      code: { s3: { bucket: 'conformance', prefix: 'agent.zip' } },
      runtime: 'PYTHON_3_11',
      entryPoint: ['main.py'],
    },
  },
  roleArn: 'arn:aws:iam::123456789012:role/agent',
  networkConfiguration: { networkMode: 'PUBLIC' },
};
const runtimeName = () => `agent_${randomUUID().replaceAll('-', '_')}`;

/** Ask until an answer satisfies done; an error is an answer as well. */
async function until(name, input, done) {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const answer = await send(name, input).catch((error) => error);
    if (done(answer)) return answer;
    assert.ok(Date.now() < deadline, JSON.stringify(answer));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const isReady = (answer) => answer.status === 'READY';
const isGone = (answer) => answer.name === 'ResourceNotFoundException';

test('an agent runtime from creation to deletion', async () => {
  const agentRuntimeName = runtimeName();
  const made = await send('CreateAgentRuntime', { agentRuntimeName, ...runtime, environmentVariables: { A: '1' } });
  assert.equal(made.$metadata.httpStatusCode, 202);
  assert.equal(made.status, 'CREATING');
  assert.ok(made.createdAt instanceof Date);
  const { agentRuntimeId } = made;

  const found = await until('GetAgentRuntime', { agentRuntimeId }, isReady);
  assert.equal(found.agentRuntimeName, agentRuntimeName);
  assert.deepEqual(found.agentRuntimeArtifact, runtime.agentRuntimeArtifact);
  assert.deepEqual(found.environmentVariables, { A: '1' });
  assert.ok(found.lastUpdatedAt instanceof Date);

  const changed = await send('UpdateAgentRuntime', { agentRuntimeId, ...runtime, description: 'two' });
  assert.equal(changed.agentRuntimeVersion, '2');
  await until('GetAgentRuntime', { agentRuntimeId }, isReady);
  const { agentRuntimes } = await send('ListAgentRuntimeVersions', { agentRuntimeId });
  assert.deepEqual(agentRuntimes.map((entry) => entry.agentRuntimeVersion), ['2', '1']);
  assert.ok(agentRuntimes[0].lastUpdatedAt instanceof Date);
  const taken = await refusal('CreateAgentRuntime', { agentRuntimeName, ...runtime });
  assert.ok(taken instanceof sdk.ConflictException, taken);

  const gone = await send('DeleteAgentRuntime', { agentRuntimeId });
  assert.equal(gone.status, 'DELETING');
  await until('GetAgentRuntime', { agentRuntimeId }, isGone);
});

test('endpoints of an agent runtime', async () => {
  const { agentRuntimeId } = await send('CreateAgentRuntime', { agentRuntimeName: runtimeName(), ...runtime });
  await until('GetAgentRuntime', { agentRuntimeId }, isReady);
  const made = await send('CreateAgentRuntimeEndpoint', { agentRuntimeId, name: 'prod' });
  assert.equal(made.endpointName, 'prod');
  assert.ok(made.createdAt instanceof Date);
  const named = { agentRuntimeId, endpointName: 'prod' };
  const found = await until('GetAgentRuntimeEndpoint', named, isReady);
  assert.equal(found.liveVersion, '1');
  const changed = await send('UpdateAgentRuntimeEndpoint', { ...named, description: 'for all' });
  assert.ok(changed.lastUpdatedAt instanceof Date);
  const names = [];
  for await (const page of sdk.paginateListAgentRuntimeEndpoints({ client, pageSize: 1 }, { agentRuntimeId }))
    names.push(...page.runtimeEndpoints.map((entry) => entry.name));
  assert.deepEqual(names.sort(), ['DEFAULT', 'prod']);
  await send('DeleteAgentRuntimeEndpoint', named);
  await until('GetAgentRuntimeEndpoint', named, isGone);
});

test('the built-in browser', async () => {
  const found = await send('GetBrowser', { browserId: 'aws.browser.v1' });
  assert.equal(found.status, 'READY');
  assert.ok(found.createdAt instanceof Date && found.lastUpdatedAt instanceof Date);
  const { browserSummaries } = await send('ListBrowsers', { type: 'SYSTEM' });
  assert.deepEqual(browserSummaries.map((entry) => entry.browserId), ['aws.browser.v1']);
  assert.ok(browserSummaries[0].createdAt instanceof Date);
});

test('the built-in code interpreter', async () => {
  const found = await send('GetCodeInterpreter', { codeInterpreterId: 'aws.codeinterpreter.v1' });
  assert.equal(found.status, 'READY');
  assert.ok(found.createdAt instanceof Date);
  const { codeInterpreterSummaries } = await send('ListCodeInterpreters', { maxResults: 1 });
  assert.deepEqual(codeInterpreterSummaries.map((entry) => entry.codeInterpreterId), ['aws.codeinterpreter.v1']);
});

test('a validation error with its fields', async () => {
  const error = await refusal('CreateWorkloadIdentity', { name: 'a b', tags: { ok: 'v' } });
  assert.ok(error instanceof sdk.ValidationException, error);
  assert.equal(error.$metadata.httpStatusCode, 400);
  assert.equal(error.reason, 'FieldValidationFailed');
  assert.deepEqual(error.fieldList.map((entry) => entry.name), ['name']);
});

test('what is not there', async () => {
  const error = await refusal('GetWorkloadIdentity', { name: unique() });
  assert.ok(error instanceof sdk.ResourceNotFoundException, error);
  assert.equal(error.$metadata.httpStatusCode, 404);
  assert.ok(error.$metadata.requestId);
});

test('a wrong secret', async () => {
  const credentials = { accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: 'x'.repeat(40) };
  const stranger = new sdk.BedrockAgentCoreControlClient({ maxAttempts: 1, credentials });
  await assert.rejects(stranger.send(new sdk.ListBrowsersCommand({})), { name: 'InvalidSignatureException' });
});

test('an operation that is not served', async () => {
  const error = await refusal('ListGateways');
  assert.equal(error.$metadata.httpStatusCode, 501);
});
