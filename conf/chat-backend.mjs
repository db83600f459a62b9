// The backend of conf/gateway.openapi.yaml: regcast tells it who enters a room, says something and leaves, and it has regcast
// tell the others. Needs nothing but Node 18.  PORT=8090 REGCAST=http://127.0.0.1:8082 node conf/chat-backend.mjs
import http from 'node:http';
import { text } from 'node:stream/consumers';

const { PORT = '8090', REGCAST = 'http://127.0.0.1:8082', REGCAST_TOKEN } = process.env;
const rooms = new Map(); // of each the names by connection id

// ConnectionService of regcast's management listener, as in the original.
async function send(id, line) {
    const res = await fetch(`${REGCAST}/apigateways/websocket/v1/connections/${encodeURIComponent(id)}:send`, {
        method: 'POST',
        headers: REGCAST_TOKEN ? { Authorization: `Bearer ${REGCAST_TOKEN}` } : {},
        body: JSON.stringify({ data: Buffer.from(line).toString('base64'), type: 'TEXT' }),
    });
    return res.ok || res.status === 404; // 404: that one is just coming, or has gone
}

const server = http.createServer(async (req, res) => {
    const { pathname, searchParams } = new URL(req.url, 'http://backend');
    const id = req.headers['x-yc-apigateway-websocket-connection-id'];
    const event = req.headers['x-yc-apigateway-websocket-event-type'];
    const [room, name] = [decodeURIComponent(pathname.split('/')[2] ?? ''), searchParams.get('name')];
    const said = await text(req);
    if (!rooms.has(room)) rooms.set(room, new Map());
    const here = rooms.get(room);
    if (event === 'DISCONNECT') here.delete(id);
    else here.set(id, name);
    const line = { CONNECT: `${name} came`, MESSAGE: `${name}: ${said}`, DISCONNECT: `${name} left` }[event];
    const others = [...here.keys()].filter((other) => other !== id);
    const sent = await Promise.all(others.map((other) => send(other, line).catch(() => false)));
    if (here.size === 0) rooms.delete(room);
    if (sent.includes(false)) console.error(`not everybody in ${room} was told: ${line}`);
    res.writeHead(event === 'MESSAGE' ? 204 : 200).end(); // no body: the one who spoke gets no message
});
server.listen(Number(PORT), '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
