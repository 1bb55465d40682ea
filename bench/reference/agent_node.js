// The bench agent on Node's own http server, below anything the Node SDK adds: agent_node.js PORT [echo|sse|idle-sse].
'use strict';

const http = require('node:http');

const EVENTS_PER_REPLY = 100;
const mode = process.argv[3] || 'echo';

function event(i) {
    return `data: ${JSON.stringify({ chunk: i, text: `Processing chunk ${i}...` })}\n\n`;
}

function stream(res) {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    if (mode === 'idle-sse') {
        res.write(event(0));
        return;
    }
    for (let i = 0; i < EVENTS_PER_REPLY; i++)
        res.write(event(i));
    res.end();
}

function answer(res, value) {
    const text = JSON.stringify(value);
    res.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
    res.end(text);
}

function invoke(res, body) {
    let payload;
    try {
        payload = JSON.parse(body);
    } catch {
        res.writeHead(400).end();
        return;
    }
    if (mode === 'echo')
        answer(res, { response: payload.prompt ?? 'No prompt provided' });
    else
        stream(res);
}

const server = http.createServer((req, res) => {
    if (req.method === 'GET' && req.url === '/ping') {
        answer(res, { status: 'Healthy', time_of_last_update: Math.floor(Date.now() / 1000) });
        return;
    }
    if (req.method !== 'POST' || req.url !== '/invocations') {
        res.writeHead(404).end();
        return;
    }
    let body = '';
    req.setEncoding('utf8');
    req.on('data', (text) => { body += text; });
    req.on('end', () => invoke(res, body));
});
server.keepAliveTimeout = 75000;
server.listen(Number(process.argv[2]), '127.0.0.1');
