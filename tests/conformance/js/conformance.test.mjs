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
