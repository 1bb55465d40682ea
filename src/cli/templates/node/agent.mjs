// What the agent does, on Node's own http module: POST /invocations and GET /ping are all that AgentCore asks for.
//
//     {"prompt": "Hello!"}                    is answered with {"response": "You said: Hello!"}
//     {"prompt": "Hello!", "stream": true}    word by word, as Server-Sent Events
import http from "node:http";
import { createRequire } from "node:module";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";

const BODY_BYTES_MAX = 100_000_000;

// What the caller did wrong; all else that is thrown is the agent's own failure.
class PayloadError extends Error {}

// An answer: a value, or an iterator whose values are sent as events.
export function invoke(payload) {
  if (typeof payload?.prompt !== "string") throw new PayloadError('the payload needs a "prompt"');
  console.log(JSON.stringify({ level: "INFO", message: `A prompt of ${payload.prompt.length} characters` }));
  if (payload.stream) return words(payload.prompt);

  // Your own logic comes here: ask a model, call tools, ...
  return { response: `You said: ${payload.prompt}` };
}

async function* words(text) {
  for (const word of text.split(" ")) yield { word };
}

async function readBody(request) {
  const pieces = [];
  let length = 0;
  for await (const piece of request) {
    if ((length += piece.length) > BODY_BYTES_MAX) throw new PayloadError("the payload is too large");
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new PayloadError(error.message);
  }
}

function sendJson(response, status, value) {
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));
}

async function* written(events) {
  for await (const event of events) yield `data: ${JSON.stringify(event)}\n\n`;
}

// No faster than the caller reads, and no longer than the caller is there.
async function sendEvents(response, events) {
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" });
  await pipeline(written(events), response);
}

async function answer(request, response) {
  if (request.method === "GET" && request.url === "/ping")
    return sendJson(response, 200, { status: "Healthy", time_of_last_update: Math.floor(Date.now() / 1000) });
  if (request.method !== "POST" || request.url !== "/invocations")
    return sendJson(response, 404, { error: "Not Found" });
  try {
    const value = await invoke(parse(await readBody(request)));
    if (value?.[Symbol.asyncIterator]) return await sendEvents(response, value);
    return sendJson(response, 200, value);
  } catch (error) {
    if (response.headersSent) return response.destroy();
    return sendJson(response, error instanceof PayloadError ? 400 : 500, { error: error.message });
  }
}

export const server = http.createServer(answer);

// Whether this file is the program, by whatever name: `node agent.mjs`, `node .`, through a link; its test imports it.
function isProgram() {
  try {
    return createRequire(import.meta.url).resolve(process.argv[1]) === fileURLToPath(import.meta.url);
  } catch {
    return false;
  }
}

if (isProgram()) {
  // In AgentCore Runtime it is reached from outside; `agentcore dev` sets HOST to 127.0.0.1.
  server.listen(Number(process.env.PORT ?? 8080), process.env.HOST ?? "0.0.0.0");
  for (const signal of ["SIGINT", "SIGTERM"])
    process.on(signal, () => server.close(() => process.exit(0)).closeIdleConnections());
}
