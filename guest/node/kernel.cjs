'use strict';
/* The JavaScript kernel of the code interpreter, for Node.js and Deno.
 *
 * Code is evaluated as a developer tools' console does it (Runtime.evaluate with replMode): variables stay from call to
 * call, may be declared again, and `await` works at the top.  `import` statements, which a console does not know,
 * become awaited imports, and `import(...)` a function of ours.  TypeScript is stripped of its types by Node itself,
 * where it can (22.13 and later), or by esbuild.
 *
 * The supervisor (guest/code/) talks over descriptor 3, in frames as src/daemon/code/protocol.h says. */
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const { createRequire } = require('node:module');
const inspector = require('node:inspector');
const moduleLibrary = require('node:module');
const net = require('node:net');
const path = require('node:path');
const util = require('node:util');
const vm = require('node:vm');
const { pathToFileURL } = require('node:url');

const EXECUTE = 128, READY = 129, DONE = 131;
const SUCCESS = 0, FAILURE = 1;
const TYPESCRIPT = 2;
const CODE_BYTES_MAX = 100000000;
const HEAD_BYTES = 5;

const link = new net.Socket({ fd: 3 });
const session = new inspector.Session();
const ownRequire = createRequire(path.join(process.cwd(), 'cell.js'));

// ---- output ----

/* Straight into the pipe, and when it is full, waiting for room.  A stream of Node's keeps for later, when the call is
 * over, what a pipe does not hold; and it stands still for ever when code was interrupted in the middle of it.  The
 * pipe is opened anew, since Node has made it one that nobody waits for. */
function writeThrough(stream, descriptor) {
  const pipe = fs.openSync(`/proc/self/fd/${descriptor}`, 'w');
  stream.write = (chunk, encoding, callback) => {
    const done = typeof encoding === 'function' ? encoding : callback;
    let rest = chunk instanceof Uint8Array ? chunk : Buffer.from(chunk, done === encoding ? undefined : encoding);
    while (rest.length > 0) rest = rest.subarray(fs.writeSync(pipe, rest));
    if (done) process.nextTick(done);
    return true;
  };
  stream.on('error', () => {});
}

// ---- frames ----

function send(kind, payload) {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(payload.length, 0);
  head[4] = kind;
  link.write(Buffer.concat([head, payload]));
}

let parts = [], have = 0;

function takeFrame() {
  if (have < HEAD_BYTES) return null;
  let bytes = parts.length === 1 ? parts[0] : Buffer.concat(parts);
  parts = [bytes];
  const length = bytes.readUInt32BE(0);
  if (bytes[4] !== EXECUTE || length < 5 || length > CODE_BYTES_MAX + 5) process.exit(1);
  if (have < HEAD_BYTES + length) return null;
  const rest = bytes.subarray(HEAD_BYTES + length);
  parts = rest.length ? [rest] : [];
  have = rest.length;
  return {
    number: bytes.readUInt32BE(HEAD_BYTES),
    language: bytes[HEAD_BYTES + 4],
    code: bytes.toString('utf8', HEAD_BYTES + 5, HEAD_BYTES + length),
  };
}

// ---- from what was written to what can be evaluated ----

function stripTypes(code) {
  if (moduleLibrary.stripTypeScriptTypes) return moduleLibrary.stripTypeScriptTypes(code, { mode: 'transform' });
  const done = spawnSync('esbuild', ['--loader=ts', '--target=es2022', '--log-level=error', '--color=false',
    '--tsconfig-raw={"compilerOptions":{"preserveValueImports":true,"target":"es2022"}}'],
  { input: code, maxBuffer: Infinity });
  if (done.error && done.error.code !== 'ENOENT') throw done.error;
  if (done.error) {
    throw new Error('TypeScript needs esbuild, or Node.js 22.13 or later, in the sandbox: neither is there');
  }
  if (done.status !== 0) {
    const failure = new SyntaxError(done.stderr.toString().trim());
    failure.stack = `SyntaxError: ${failure.message}`;
    throw failure;
  }
  return done.stdout.toString();
}

const NAME = '[\\w$]+';
const BINDINGS = `(?:(${NAME})\\s*(?:,\\s*)?)?(?:\\*\\s*as\\s+(${NAME})|\\{([^}]*)\\})?`;
const SPECIFIER = `(['"])([^'"\\n]+)\\5`;
const IMPORT = new RegExp(`^([ \\t]*)import\\s+(?:type\\s+)?${BINDINGS}\\s*(?:from\\s*)?${SPECIFIER}\\s*;?`, 'gm');
const EXPORT = /^([ \t]*)export\s+(?:default\s+)?(?=(?:async\s+)?(?:const|let|var|function|class)\b)/gm;
/* Strings and comments, which are left alone, and `import` as it stands in `import(...)`. */
const DYNAMIC = /(["'])(?:\\.|(?!\1)[^\\\n])*\1|\/\/.*|\/\*[^]*?\*\/|(?<![\w$.#])import(?=\s*\()/g;

/* One line stays one line, so that positions are right. */
function replaceImport(_all, indent, first, everything, names, _quote, specifier) {
  const module = `await __agentcore_import(${JSON.stringify(specifier)})`;
  const bindings = [];
  if (first) bindings.push(`{ default: ${first} } = ${module}`);
  if (everything) bindings.push(`${everything} = ${module}`);
  if (names !== undefined) bindings.push(`{${names.replace(/([\w$]+)\s+as\s+([\w$]+)/g, '$1: $2')}} = ${module}`);
  return indent + (bindings.length ? `const ${bindings.join(', ')};` : `${module};`);
}

function prepare(language, code) {
  const script = language === TYPESCRIPT ? stripTypes(code) : code;
  return script.replace(IMPORT, replaceImport).replace(EXPORT, '$1')
    .replace(DYNAMIC, (found) => (found === 'import' ? '__agentcore_import' : found));
}

// ---- evaluating ----

let count = 0, shownValue;

globalThis.require = ownRequire;
globalThis.module = { exports: {} };
globalThis.exports = globalThis.module.exports;
globalThis.__agentcore_show = (value) => { shownValue = value; };
globalThis.__agentcore_import = async (specifier) => {
  if (moduleLibrary.isBuiltin?.(specifier) || /^[a-z]+:/.test(specifier)) return import(specifier);
  return import(pathToFileURL(ownRequire.resolve(specifier)).href);
};
for (const name of ['__agentcore_show', '__agentcore_import', 'require', 'module', 'exports']) {
  Object.defineProperty(globalThis, name, { enumerable: false });
}

function post(method, parameters) {
  return new Promise((resolve, reject) => {
    session.post(method, parameters, (failure, result) => (failure ? reject(failure) : resolve(result)));
  });
}

/* The value itself, out of the inspector's description of it. */
async function valueOf(remote) {
  if (remote.objectId === undefined) {
    if (remote.type === 'undefined') return undefined;
    if (remote.unserializableValue === undefined) return remote.value;
  }
  const { objectId, unserializableValue } = remote;
  const argument = objectId ? { objectId } : { unserializableValue };
  const { result } = await post('Runtime.evaluate', { expression: 'globalThis' });
  await post('Runtime.callFunctionOn', {
    functionDeclaration: 'function (value) { __agentcore_show(value); }',
    objectId: result.objectId,
    arguments: [argument],
  });
  return shownValue;
}

const OURS = /^ {4}at .*(?:node:|ext:|kernel\.cjs|evalmachine\.)/;

function describe(failure) {
  if (!util.types.isNativeError(failure) || typeof failure.stack !== 'string') {
    return `Uncaught ${util.inspect(failure)}`;
  }
  const lines = failure.stack.split('\n'), ours = lines.findIndex((line) => OURS.test(line));
  const kept = lines.slice(0, ours < 0 ? undefined : ours).join('\n').replaceAll('<anonymous>:', `cell ${count}:`);
  return failure.cause === undefined ? kept : `${kept}\n  [cause]: ${describe(failure.cause)}`;
}

let pending = null;
globalThis.__agentcore_post = () => {
  const { expression, resolve, reject } = pending;
  session.post('Runtime.evaluate', { expression, replMode: true, awaitPromise: true, objectGroup: 'cell' },
    (failure, result) => (failure ? reject(failure) : resolve(result)));
};
Object.defineProperty(globalThis, '__agentcore_post', { enumerable: false });

/* Inside of vm, whose watchdog ends code that does not listen to an interruption. */
function evaluate(expression) {
  return new Promise((resolve, reject) => {
    pending = { expression, resolve, reject };
    interrupt = () => reject(new Error('Interrupted'));
    try {
      vm.runInThisContext('__agentcore_post()', { breakOnSigint: true, filename: 'kernel.cjs' });
    } catch (failure) {
      reject(failure.code === 'ERR_SCRIPT_EXECUTION_INTERRUPTED' ? new Error('Interrupted') : failure);
    }
  });
}

let interrupt = () => {};
process.on('SIGINT', () => interrupt());

async function run(language, code) {
  const answer = await evaluate(prepare(language, code));
  if (answer.exceptionDetails) {
    const { exception, text } = answer.exceptionDetails;
    throw exception ? await valueOf(exception) : new Error(text);
  }
  const value = await valueOf(answer.result);
  if (value !== undefined) process.stdout.write(`${util.inspect(value, { depth: 4 })}\n`);
}

async function execute({ number, language, code }) {
  let outcome = SUCCESS;
  count++;
  try {
    await run(language, code);
  } catch (failure) {
    outcome = FAILURE;
    process.stderr.write(`${describe(failure)}\n`);
  }
  interrupt = () => {};
  shownValue = undefined;
  post('Runtime.releaseObjectGroup', { objectGroup: 'cell' }).catch(() => {});
  const payload = Buffer.alloc(9);
  payload.writeUInt32BE(number, 0);
  payload[4] = outcome;
  payload.writeInt32BE(outcome === SUCCESS ? 0 : 1, 5);
  send(DONE, payload);
}

let busy = false;

async function work() {
  if (busy) return;
  busy = true;
  for (let frame = takeFrame(); frame; frame = takeFrame()) await execute(frame);
  busy = false;
}

// ---- life ----

/* What code left for later and what went wrong there is said, and ends nothing. */
function complain(failure) {
  try {
    process.stderr.write(`${describe(failure)}\n`);
  } catch { /* it is closed */ }
}
process.on('uncaughtException', complain);
process.on('unhandledRejection', complain);
writeThrough(process.stdout, 1);
writeThrough(process.stderr, 2);
link.on('data', (data) => {
  parts.push(data);
  have += data.length;
  work();
});
link.on('error', () => process.exit(0));
link.on('close', () => process.exit(0));
session.connect();
const pid = Buffer.alloc(4);
pid.writeUInt32BE(process.pid, 0);
send(READY, pid);
