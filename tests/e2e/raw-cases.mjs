// Bytes that no well-behaved peer sends, and what they must come to. Each row carries the name of
// the security list's entry. `listener`: where it holds; `status`, `reason`: any of those listed.
import { BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, closeBody, frame } from './frames.mjs';
import { ENVELOPE_TYPE, KEY, REGISTRY, envelope, handshake, newImage } from './harness.mjs';

const bytes = (text) => (Buffer.isBuffer(text) ? text : Buffer.from(text, 'latin1'));
const join = (...parts) => Buffer.concat(parts.map(bytes));

// ------------------------------------------------------------------------- HTTP, both listeners

// What a row is written for: a plain GET and a POST that the listener knows.
export const LISTENERS = {
    gateway: { get: 'GET /', post: 'POST /' },
    webhooks: { get: 'GET /healthz', post: `POST /registries/${REGISTRY}/events` },
};

// An event that must never arrive: it only hides behind requests that are refused.
export const SMUGGLED = 'smuggled/image';
export function smuggled() {
    const body = envelope([newImage(SMUGGLED)]);
    return join(
        `POST /registries/${REGISTRY}/events HTTP/1.1\r\nHost: a\r\n`,
        `Content-Type: ${ENVELOPE_TYPE}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
}

const request = (line, headers, body = '') => join(`${[line, ...headers].join('\r\n')}\r\n\r\n`, body);
const row = (id, name, status, reason, make, listener = 'both') => ({
    id,
    name,
    status: [status].flat(),
    reason: [reason].flat(),
    make,
    listener,
});

const post = (headers, body) => (l) => request(`${l.post} HTTP/1.1`, ['Host: a', ...headers], body);
const get = (headers, version = 'HTTP/1.1') => (l) => request(`${l.get} ${version}`, headers);
const chunked = (body) => post(['Transfer-Encoding: chunked'], body);
const text = (of) => (l) => bytes(of(l));
const named = (value) => JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value);

const CL = 'Content-Length: 5';
const TE = 'Transfer-Encoding: chunked';

export const httpCases = [
    row('HP-01', 'length, then chunked', 400, 'cl_te', (l) => join(post([CL, TE], '0\r\n\r\n')(l), smuggled())),
    row('HP-01', 'chunked, then length', 400, 'cl_te', (l) => join(post([TE, CL], '0\r\n\r\n')(l), smuggled())),
    row('HP-01', 'length 0 and chunked', 400, 'cl_te', (l) =>
        join(post(['Content-Length: 0', TE], '0\r\n\r\n')(l), smuggled())),

    row('HP-02', 'length twice, the same', 400, 'bad_cl', post([CL, CL], 'hello')),
    row('HP-02', 'length twice, different', 400, 'bad_cl', (l) =>
        join(post([CL, 'Content-Length: 0'], 'hello')(l), smuggled())),
    ...['5, 5', '5,5', '+5', '-1', '0x5', '', '5 5', '5a', '5.0', '18446744073709551616', '99999999999999999999999', 'five'].map(
        (value) =>
            row('HP-02', `length ${named(value)}`, 400, 'bad_cl', post([`Content-Length: ${value}`], 'hello')),
    ),

    ...['identity', 'gzip, chunked', 'chunked, identity', 'chunked, chunked', 'xchunked', 'chunkedx', '', 'chunked;q=1', '"chunked"', 'gzip'].map(
        (value) =>
            row('HP-03', `encoding ${named(value)}`, 400, 'bad_te', (l) =>
                join(post([`Transfer-Encoding: ${value}`], '0\r\n\r\n')(l), smuggled())),
    ),
    row('HP-03', 'encoding twice', 400, 'bad_te', post([TE, TE], '0\r\n\r\n')),
    row('HP-03', 'identity, then chunked', 400, 'bad_te', post(['Transfer-Encoding: identity', TE], '0\r\n\r\n')),
    row('HP-03', 'encoding in HTTP/1.0', 400, ['bad_te', 'version'], (l) =>
        request(`${l.post} HTTP/1.0`, ['Host: a', TE], '0\r\n\r\n')),
    row('HP-03', 'empty encoding and a length', 400, ['bad_te', 'cl_te'], post(['Transfer-Encoding:', CL], 'hello')),

    row('HP-04', 'fold before the first header', 400, 'obs_fold', get([' Host: a'])),
    row('HP-04', 'fold with a space', 400, 'obs_fold', get(['Host: a', 'X: b', ' c'])),
    row('HP-04', 'fold with a tab', 400, 'obs_fold', get(['Host: a', 'X: b', '\tc'])),
    row('HP-04', 'folded encoding', 400, ['obs_fold', 'bad_te'], post(['Transfer-Encoding:', ' chunked'], '0\r\n\r\n')),
    row('HP-04', 'folded length', 400, ['obs_fold', 'bad_cl'], post(['Content-Length:', ' 5'], 'hello')),
    row('HP-04', 'length hidden in a fold', 400, 'obs_fold', post(['X: b', ' Content-Length: 5'], 'hello')),
    row('HP-04', 'folded Host', 400, ['obs_fold', 'host'], get(['Host:', ' a'])),

    row('HP-05', 'LF behind the request line', 400, 'line_end', text((l) => `${l.get} HTTP/1.1\nHost: a\r\n\r\n`)),
    row('HP-05', 'LF behind a header', 400, 'line_end', text((l) => `${l.get} HTTP/1.1\r\nHost: a\nX: y\r\n\r\n`)),
    row('HP-05', 'LF as the empty line', 400, 'line_end', text((l) => `${l.get} HTTP/1.1\r\nHost: a\r\n\n`)),
    row('HP-05', 'LF everywhere', 400, 'line_end', text((l) => `${l.get} HTTP/1.1\nHost: a\n\n`)),
    row('HP-05', 'CR in a value', 400, ['line_end', 'token'], get(['Host: a', 'X: a\rb'])),
    row('HP-05', 'CR behind a colon', 400, 'line_end', post(['X:\rTransfer-Encoding: chunked'], '0\r\n\r\n')),
    row('HP-05', 'CR in a name', 400, ['line_end', 'token'], get(['Host: a', 'X\rY: z'])),
    row('HP-05', 'CR in the request line', 400, ['line_end', 'token', 'request_line', 'version'], text((l) =>
        `${l.get}\r HTTP/1.1\r\nHost: a\r\n\r\n`)),
    row('HP-05', 'CR CR LF', 400, ['line_end', 'token'], text((l) => `${l.get} HTTP/1.1\r\r\nHost: a\r\n\r\n`)),
    row('HP-05', 'CR and no LF at the end', 400, 'line_end', (l) =>
        join(`${l.get} HTTP/1.1\r\nHost: a\r\n\rX`, smuggled())),
    row('HP-05', 'LF before the request', 400, ['line_end', 'request_line'], text((l) =>
        `\n${l.get} HTTP/1.1\r\nHost: a\r\n\r\n`)),

    ...[
        ['a size of 17 digits', 'FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n'],
        ['a size of 2^64', '10000000000000000\r\nhello\r\n0\r\n\r\n'],
        ['a space behind the size', '5 \r\nhello\r\n0\r\n\r\n'],
        ['a space before the size', ' 5\r\nhello\r\n0\r\n\r\n'],
        ['a size with 0x', '0x5\r\nhello\r\n0\r\n\r\n'],
        ['a size with a sign', '+5\r\nhello\r\n0\r\n\r\n'],
        ['a negative size', '-5\r\nhello\r\n0\r\n\r\n'],
        ['no size', '\r\nhello\r\n0\r\n\r\n'],
        ['a size that is no number', 'xyz\r\nhello\r\n0\r\n\r\n'],
        ['LF behind the size', '5\nhello\r\n0\r\n\r\n'],
        ['CR behind the size', '5\rhello\r\n0\r\n\r\n'],
        ['nothing behind the data', '5\r\nhello0\r\n\r\n'],
        ['LF behind the data', '5\r\nhello\n0\r\n\r\n'],
        ['data longer than its size', '5\r\nhello, world\r\n0\r\n\r\n'],
        ['LF at the end', '5\r\nhello\r\n0\r\n\n'],
    ].map(([name, body]) =>
        row('HP-06', name, 400, name.startsWith('LF at') ? ['chunk', 'line_end', 'trailer'] : 'chunk', chunked(body), 'webhooks'),
    ),

    row('HP-07', 'control character in an extension', 400, 'chunk_ext', chunked('5;a=\x01\r\nhello\r\n0\r\n\r\n'), 'webhooks'),
    row('HP-07', 'LF in an extension', 400, ['chunk_ext', 'chunk'], chunked('5;a=b\nc\r\nhello\r\n0\r\n\r\n'), 'webhooks'),
    row('HP-07', 'an extension of 1100 bytes', 400, 'chunk_ext', chunked(`5;${'a'.repeat(1100)}\r\nhello\r\n0\r\n\r\n`), 'webhooks'),
    row('HP-07', 'extensions of 1100 bytes together', 400, 'chunk_ext', chunked(`1;${'a'.repeat(50)}\r\nx\r\n`.repeat(22) + '0\r\n\r\n'), 'webhooks'),
    row('HP-07', 'a trailer', 400, 'trailer', chunked('5\r\nhello\r\n0\r\nX: y\r\n\r\n'), 'webhooks'),
    row('HP-07', 'a trailer that is a length', 400, 'trailer', chunked('5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n'), 'webhooks'),

    row('HP-08', 'no Host', 400, 'host', get(['X: y'])),
    row('HP-08', 'Host twice', 400, 'host', get(['Host: a', 'Host: a'])),
    row('HP-08', 'two Hosts', 400, 'host', get(['Host: a', 'X: y', 'Host: b'])),
    ...['', 'a b', 'a/b', 'user@a', 'a:x', 'a:1:2', '[::1', '::1', 'a?b', 'a#b', 'a\\b', 'a"b', 'h\xe4st', '[a]', 'http://a'].map(
        (value) => row('HP-08', `Host ${named(value)}`, 400, 'host', get([`Host: ${value}`])),
    ),

    ...['HTTP/2.0', 'HTTP/1.9', 'HTTP/0.9', 'HTTP/3.0'].map((version) =>
        row('HP-09', version, [505, 400], 'version', get(['Host: a'], version)),
    ),
    ...['HTTP/1.10', 'HTTP/11.1', 'http/1.1', 'HTTX/1.1', 'HTTP/1,1', 'HTTP /1.1', 'HTTP/1.1 ', 'HTTP/1.1x', 'HTTP/'].map(
        (version) => row('HP-09', version, [505, 400], ['version', 'request_line'], get(['Host: a'], version)),
    ),
    row('HP-09', 'HTTP/0.9 line', [505, 400], ['version', 'request_line'], text((l) => `${l.get}\r\n\r\n`)),
    row('HP-09', 'preface of HTTP/2', [505, 400], ['version', 'request_line', 'method'], text(() => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')),
    row('HP-09', 'two spaces', 400, ['version', 'request_line', 'token'], text((l) => `${l.get}  HTTP/1.1\r\nHost: a\r\n\r\n`)),

    row('HP-10', 'upgrade with a length', 400, 'upgrade_body', () => join(handshake('/', { 'Content-Length': '5' }), 'hello'), 'gateway'),
    row('HP-10', 'upgrade with chunks', 400, 'upgrade_body', () => join(handshake('/', { 'Transfer-Encoding': 'chunked' }), '5\r\nhello\r\n0\r\n\r\n'), 'gateway'),

    row('HP-11', 'request line of 9 KB', 414, 'uri_long', text((l) => `${l.get}${'a'.repeat(9000)} HTTP/1.1\r\nHost: a\r\n\r\n`)),
    row('HP-11', 'request line without an end', 414, 'uri_long', text((l) => `${l.get}${'a'.repeat(9000)}`)),
    row('HP-11', 'headers of 18 KB', 431, 'headers', get(['Host: a', ...Array.from({ length: 60 }, (_, i) => `X${i}: ${'a'.repeat(300)}`)])),
    row('HP-11', 'one header of 17 KB', 431, 'headers', get(['Host: a', `X: ${'a'.repeat(17000)}`])),
    row('HP-11', 'a header name of 17 KB', 431, 'headers', get(['Host: a', `${'a'.repeat(17000)}: x`])),
    row('HP-11', '65 headers', 431, 'headers', get(['Host: a', ...Array.from({ length: 64 }, (_, i) => `X${i}: y`)])),
    row('HP-11', 'headers without an end', 431, 'headers', text((l) => `${l.get} HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(3000)}`)),

    ...[
        ['NUL in the target', (l) => `${l.get}\0 HTTP/1.1`, 'token'],
        ['control character in the target', (l) => `${l.get}\x01 HTTP/1.1`, 'token'],
        ['DEL in the target', (l) => `${l.get}\x7f HTTP/1.1`, 'token'],
        ['8-bit character in the target', (l) => `${l.get}\xff HTTP/1.1`, 'token'],
        ['tab in the target', (l) => `${l.get}\tx HTTP/1.1`, ['token', 'request_line', 'version']],
        ['space in the target', (l) => `${l.get} x HTTP/1.1`, ['token', 'request_line', 'version']],
        ['no target', () => 'GET HTTP/1.1', ['token', 'request_line', 'version', 'path']],
        ['control character in the method', () => 'G\x01T / HTTP/1.1', ['token', 'request_line', 'method']],
        ['bracket in the method', () => 'G(T / HTTP/1.1', ['token', 'request_line', 'method']],
    ].map(([name, line, reason]) =>
        row('HP-12', name, reason === 'token' ? 400 : [400, 405, 505], reason, text((l) => `${line(l)}\r\nHost: a\r\n\r\n`)),
    ),
    ...[
        ['NUL in a value', 'X: a\0b', 'token'],
        ['control character in a value', 'X: a\x01b', 'token'],
        ['DEL in a value', 'X: a\x7fb', 'token'],
        ['empty name', ': b', 'token'],
        ['space before the colon', 'X : b', 'token'],
        ['space in a name', 'X Y: b', 'token'],
        ['8-bit character in a name', 'X\xff: b', 'token'],
        ['bracket in a name', 'X(: b', 'token'],
        ['control character in a name', 'X\x01: b', 'token'],
        ['no colon', 'XYZ', 'token'],
        ['length with a space before the colon', 'Content-Length : 5', 'token'],
    ].map(([name, line, reason]) => row('HP-12', name, 400, reason, get(['Host: a', line]))),

    row('HP-15', 'CONNECT', [405, 400], ['method', 'token', 'path', 'request_line', 'host'], text(() => 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n')),
    row('HP-15', 'TRACE', 405, 'method', text((l) => `${l.get.replace('GET', 'TRACE')} HTTP/1.1\r\nHost: a\r\n\r\n`)),
    row('HP-15', 'an unknown method', 405, 'method', text((l) => `${l.get.replace('GET', 'BREW')} HTTP/1.1\r\nHost: a\r\n\r\n`)),
    row('HP-15', 'a known method we do not have', 405, 'method', text((l) => `${l.get.replace('GET', 'DELETE')} HTTP/1.1\r\nHost: a\r\n\r\n`)),
    row('HP-15', 'a method in lower case', [405, 400], ['method', 'token', 'request_line'], text((l) => `${l.get.replace('GET', 'get')} HTTP/1.1\r\nHost: a\r\n\r\n`)),
    row('HP-15', 'absolute form of another host', 400, 'host', text((l) => `${l.get.replace('/', 'http://b/')} HTTP/1.1\r\nHost: a\r\n\r\n`)),
    row('HP-15', 'absolute form with userinfo', 400, ['host', 'token', 'path', 'request_line'], text((l) => `${l.get.replace('/', 'http://u@a/')} HTTP/1.1\r\nHost: a\r\n\r\n`)),
    row('HP-15', 'asterisk form', [400, 405], ['path', 'token', 'request_line', 'method'], text(() => 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n')),
    row('HP-15', 'an unknown expectation', 417, 'expect', post([CL, 'Expect: 200-ok'], 'hello')),
];

// What must pass: the walls refuse nothing that is right.
const good = (name, status, make, listener) => ({ id: 'good', name, status, make, listener });
const upgraded = (name, headers, path = '/') => good(name, 101, () => bytes(handshake(path, headers)), 'gateway');
function envelopeRequest(headers, encode = (body) => body) {
    const body = envelope([newImage('good/image')]);
    return request(
        `${LISTENERS.webhooks.post} HTTP/1.1`,
        ['Host: a', `Content-Type: ${ENVELOPE_TYPE}`, ...headers(body)],
        encode(body),
    );
}
const inChunks = (body, extension = '') =>
    `5${extension}\r\n${body.slice(0, 5)}\r\n${(body.length - 5).toString(16).toUpperCase()}\r\n${body.slice(5)}\r\n0\r\n\r\n`;
export const goodCases = [
    good('health', 200, get(['Host: a']), 'webhooks'),
    good('health by HTTP/1.0', 200, get(['Host: a'], 'HTTP/1.0'), 'webhooks'),
    good('absolute form of this host', 200, text(() => 'GET http://a/healthz HTTP/1.1\r\nHost: a\r\n\r\n'), 'webhooks'),
    good('Host with a port', 200, get(['Host: [::1]:8081']), 'webhooks'),
    good('white space around a value', 200, get(['Host: \t a \t', 'X:']), 'webhooks'),
    good('8-bit characters in a value', 200, get(['Host: a', 'X: \xe4\xff']), 'webhooks'),
    good('60 headers', 200, get(['Host: a', ...Array.from({ length: 60 }, (_, i) => `X${i}: y`)]), 'webhooks'),
    good('headers of 12 KB', 200, get(['Host: a', `X: ${'a'.repeat(12000)}`]), 'webhooks'),
    good('an envelope', 202, () => envelopeRequest((body) => [`Content-Length: ${body.length}`]), 'webhooks'),
    good('an envelope in chunks', 202, () => envelopeRequest(() => [TE], inChunks), 'webhooks'),
    good('an envelope in chunks with an extension', 202, () => envelopeRequest(() => ['Transfer-Encoding: Chunked'], (body) => inChunks(body, ';name="value"')), 'webhooks'),
    upgraded('an upgrade', {}),
    upgraded('an upgrade in other cases', { Upgrade: 'WebSocket', Connection: 'keep-alive, UPGRADE' }),
    upgraded('an upgrade with a query', {}, '/?token=secret'),
];

// -------------------------------------------------------------------- WS: the opening handshake

const ws = (id, name, status, reason, headers, path = '/', options) =>
    row(id, name, status, reason, () => bytes(handshake(path, headers, options)), 'gateway');
const opens = (id, name, headers, path = '/') => ({
    ...ws(id, name, 101, [], headers, path),
    opens: true,
});
const version = (value) => ({ 'Sec-WebSocket-Version': value });
const key = (value) => ({ 'Sec-WebSocket-Key': value });
const protocol = (value) => ({ 'Sec-WebSocket-Protocol': value });
const upgrade = ['upgrade', 'upgrade_required'];

export const handshakeCases = [
    row('WS-01', 'plain GET', 426, 'upgrade_required', get(['Host: a']), 'gateway'),
    ws('WS-01', 'POST', 405, 'method', {}, '/', { method: 'POST' }),
    ws('WS-01', 'HTTP/1.0', 400, 'upgrade', {}, '/', { version: '1.0' }),
    ws('WS-01', 'Connection without Upgrade', [400, 426], upgrade, { Connection: 'keep-alive' }),
    ws('WS-01', 'Upgrade to something else', [400, 426], upgrade, { Upgrade: 'h2c' }),
    ws('WS-01', 'Upgrade with a version', [400, 426], upgrade, { Upgrade: 'websocket13' }),
    opens('WS-01', 'keep-alive, Upgrade', { Connection: 'keep-alive, Upgrade' }),

    ws('WS-02', 'no version', 426, 'ws_version', version(null)),
    ...['8', '13, 8', '8, 13', '', '013', '13.0', '1 3', '+13', '14', '255', 'x', '13'.repeat(5000)].map((v) =>
        ws('WS-02', `version ${named(v)}`, 426, 'ws_version', version(v)),
    ),
    ws('WS-02', 'version twice', 426, 'ws_version', version(['13', '13'])),

    ws('WS-03', 'no key', 400, 'ws_key', key(null)),
    ws('WS-03', 'key twice', 400, 'ws_key', key([KEY, KEY])),
    ...[
        ['of 15 bytes', Buffer.alloc(15, 1).toString('base64')],
        ['of 17 bytes', Buffer.alloc(17, 1).toString('base64')],
        ['empty', ''],
        ['without padding', KEY.slice(0, -2)],
        ['with one =', KEY.slice(0, -1)],
        ['with three =', `${KEY}=`],
        ['with padding inside', 'dGhlIHNhbXBsZSBub2==jZQ='],
        ['with stray bits', 'dGhlIHNhbXBsZSBub25jZR=='],
        ['of the URL alphabet', '_-8lIHNhbXBsZSBub25jZQ=='],
        ['that is no base64', '!!!!!!!!!!!!!!!!!!!!!!=='],
        ['with a space', 'dGhlIHNhbXBs ZSBub25jZQ=='],
        ['of 8 KB', 'A'.repeat(8000)],
    ].map(([name, value]) => ws('WS-03', `key ${name}`, 400, 'ws_key', key(value))),
    opens('WS-03', 'key of zeros', key('AAAAAAAAAAAAAAAAAAAAAA==')),

    ...[
        ['bad token', 'a, b c'],
        ['empty list', ' , ,'],
        ['quoted', '"chat"'],
        ['twice in one line', 'chat, chat'],
        ['with a slash', 'a/b'],
    ].map(([name, value]) => ws('WS-05', `protocol: ${name}`, 400, 'ws_protocol', protocol(value))),
    ws('WS-05', 'protocol: twice in two lines', 400, 'ws_protocol', protocol(['chat', 'chat'])),
    opens('WS-05', 'no protocol', {}),
    opens('WS-05', 'one unknown protocol', protocol('chat')),
    opens('WS-05', '200 unknown protocols', protocol(Array.from({ length: 200 }, (_, i) => `p${i}`).join(', '))),
    opens('WS-05', '8 KB of spaces', protocol(`a,${' '.repeat(8000)}b`)),

    ...[
        'permessage-deflate',
        'permessage-deflate; client_max_window_bits',
        'permessage-deflate; server_max_window_bits=7',
        'permessage-deflate; server_max_window_bits=16',
        'permessage-deflate; server_max_window_bits=08',
        'permessage-deflate; server_max_window_bits="10"',
        'permessage-deflate; client_no_context_takeover; client_no_context_takeover',
        'permessage-deflate; unknown=1, permessage-deflate',
        'permessage-deflate; ; ;=,,',
        '"',
        ';'.repeat(4000),
        'x-webkit-deflate-frame, bbf-usp-protocol',
    ].map((value) => opens('WS-06', `extension ${named(value)}`, { 'Sec-WebSocket-Extensions': value })),

    ...['/unknown', '/builds/more', '/BUILDS'].map((path) => ws('WS-07', path, 404, 'not_found', {}, path)),
    ...[
        '/%2e%2e/builds',
        '/x/../builds',
        '/./builds',
        '/builds/%2E',
        '/%00',
        '/builds%00',
        '//',
        '//builds',
        '/teams//x',
        '/teams/%c0%af',
        '/teams/%ed%a0%80',
        '/teams/%ff',
        '/teams/a%2fb',
        '/teams/a%5cb',
        '/teams/a%0ab',
        '/teams/%zz',
        '/teams/%4',
        '/teams/%',
    ].map((path) => ws('WS-07', path, [400, 404], ['path', 'not_found'], {}, path)),
    opens('WS-07', 'a path of 4 KB', {}, `/teams/${'a'.repeat(4000)}`),
    opens('WS-07', 'another spelling of a path', {}, '/%62uilds'),
];

// Origins against the list ["https://ok.example", "http://localhost:3000"].
export const ORIGINS = ['https://ok.example', 'http://localhost:3000'];
const origin = (value) => ({ Origin: value });
export const originCases = [
    opens('WS-04', 'listed', origin('https://ok.example')),
    opens('WS-04', 'listed, with a port', origin('http://localhost:3000')),
    opens('WS-04', 'absent', {}),
    ...[
        'https://bad.example',
        'null',
        '',
        'http://ok.example',
        'https://ok.example:444',
        'http://localhost:3001',
        'http://localhost',
        'https://ok.example.evil',
        'https://evil-ok.example',
        'https://sub.ok.example',
        'https://user@ok.example',
        'https://ok.example@evil.example',
        'https://ok.example/',
        'https://ok.example/path',
        'https://ok.example, https://bad.example',
        'https://bad.example https://ok.example',
        'ok.example',
        'https://',
        `https://${'a'.repeat(8000)}.example`,
    ].map((value) => ws('WS-04', named(value), 403, 'origin', origin(value))),
    ws('WS-04', 'twice', [403, 400], 'origin', origin(['https://ok.example', 'https://ok.example'])),
    ws('WS-04', 'a good and a bad one', [403, 400], 'origin', origin(['https://ok.example', 'https://bad.example'])),
];

// ---------------------------------------------------------------------- FR: frames, on an echo path

// `close`: the code that must come (any of those listed) with `reason` counted; else `back`: the
// messages, pongs or close that come back and the connection lives (or ends by the peer's close).
const fails = (id, name, close, reason, ...parts) => ({
    id,
    name,
    close: [close].flat(),
    reason: [reason].flat(),
    bytes: join(...parts),
});
const works = (id, name, back, ...parts) => ({ id, name, back, bytes: join(...parts) });
const header = { headerOnly: true };
const part = { fin: false };
const utf8 = (...values) => Buffer.from(values);
const K32 = 32768;
const zeros = Buffer.alloc(K32);
const four = (opcode, last) =>
    join(
        frame(opcode, zeros, part),
        frame(CONTINUATION, zeros, part),
        frame(CONTINUATION, zeros, part),
        frame(CONTINUATION, last, part),
    );

export const frameCases = [
    fails('FR-01', 'text without a mask', 1002, 'mask', frame(TEXT, 'hello', { mask: false })),
    fails('FR-01', 'ping without a mask', 1002, 'mask', frame(PING, '', { mask: false })),
    fails('FR-01', 'close without a mask', 1002, 'mask', frame(CLOSE, closeBody(1000), { mask: false })),

    ...[4, 2, 1, 7].map((rsv) => fails('FR-02', `reserved bits ${rsv}`, 1002, 'rsv', frame(TEXT, 'hello', { rsv }))),
    fails('FR-02', 'reserved bit on a ping', 1002, 'rsv', frame(PING, '', { rsv: 4 })),
    fails('FR-02', 'reserved bit on a continuation', 1002, 'rsv', frame(TEXT, 'a', part), frame(CONTINUATION, 'b', { rsv: 4 })),

    ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) =>
        fails('FR-03', `opcode ${opcode}`, 1002, 'opcode', frame(opcode, '')),
    ),

    ...[
        ['ping', PING],
        ['pong', PONG],
        ['close', CLOSE],
    ].flatMap(([name, opcode]) => [
        fails('FR-04', `${name} of 126 bytes`, 1002, 'control', frame(opcode, Buffer.alloc(126), header)),
        fails('FR-04', `${name} of 64 KB`, 1002, 'control', frame(opcode, '', { form: 64, declared: 65536, headerOnly: true })),
        fails('FR-04', `${name} in fragments`, 1002, 'control', frame(opcode, '', part)),
    ]),
    works('FR-04', 'ping of 125 bytes', { pongs: [Buffer.alloc(125, 1)] }, frame(PING, Buffer.alloc(125, 1))),

    fails('FR-05', 'continuation without a start', 1002, 'continuation', frame(CONTINUATION, 'x')),
    fails('FR-05', 'continuation behind a whole message', 1002, 'continuation', frame(TEXT, 'x'), frame(CONTINUATION, 'y')),
    fails('FR-05', 'text inside a message', 1002, 'continuation', frame(TEXT, 'x', part), frame(TEXT, 'y')),
    fails('FR-05', 'binary inside a message', 1002, 'continuation', frame(TEXT, 'x', part), frame(BINARY, 'y', part)),

    works('FR-06', 'ping between fragments', { pongs: [Buffer.from('now')], messages: ['xyz'] },
        frame(TEXT, 'x', part), frame(PING, 'now'), frame(CONTINUATION, 'y', part), frame(CONTINUATION, 'z')),
    works('FR-06', 'unasked pong between fragments', { messages: ['xy'] },
        frame(TEXT, 'x', part), frame(PONG, 'now'), frame(CONTINUATION, 'y')),

    fails('FR-07', '5 in 16 bits', 1002, 'frame', frame(TEXT, 'hello', { form: 16, headerOnly: true })),
    fails('FR-07', '125 in 16 bits', 1002, 'frame', frame(TEXT, '', { form: 16, declared: 125, headerOnly: true })),
    fails('FR-07', '5 in 64 bits', 1002, 'frame', frame(TEXT, 'hello', { form: 64, headerOnly: true })),
    fails('FR-07', '65535 in 64 bits', [1002, 1009], ['frame', 'frame_size'], frame(TEXT, '', { form: 64, declared: 65535, headerOnly: true })),
    fails('FR-07', 'highest bit set', [1002, 1009], ['frame', 'frame_size'], frame(TEXT, '', { form: 64, declared: 1n << 63n, headerOnly: true })),
    fails('FR-07', '2^64-1', [1002, 1009], ['frame', 'frame_size'], frame(TEXT, '', { form: 64, declared: (1n << 64n) - 1n, headerOnly: true })),
    fails('FR-07', '2^63-1', 1009, 'frame_size', frame(TEXT, '', { form: 64, declared: (1n << 63n) - 1n, headerOnly: true })),
    fails('FR-07', '2^63-1 in a continuation', 1009, ['frame_size', 'message_size'], frame(TEXT, 'x', part), frame(CONTINUATION, '', { form: 64, declared: (1n << 63n) - 1n, headerOnly: true })),

    works('FR-08', 'frame of 32767', { messages: [zeros.subarray(1)] }, frame(BINARY, zeros.subarray(1))),
    works('FR-08', 'frame of 32768', { messages: [zeros] }, frame(BINARY, zeros)),
    fails('FR-08', 'frame of 32769', 1009, 'frame_size', frame(BINARY, '', { declared: K32 + 1, headerOnly: true })),
    works('FR-08', 'message of 131071', { messages: [Buffer.alloc(131071)] }, four(BINARY, zeros.subarray(1)), frame(CONTINUATION)),
    works('FR-08', 'message of 131072', { messages: [Buffer.alloc(131072)] }, four(BINARY, zeros), frame(CONTINUATION)),
    fails('FR-08', 'message of 131073', 1009, 'message_size', four(BINARY, zeros), frame(CONTINUATION, 'x', header)),
    fails('FR-08', 'five frames of 32 KB', 1009, 'message_size', four(TEXT, zeros), frame(CONTINUATION, zeros, header)),

    ...[
        ['overlong NUL', [0xc0, 0x80]],
        ['overlong slash', [0xe0, 0x80, 0xaf]],
        ['overlong of four', [0xf0, 0x80, 0x80, 0xaf]],
        ['surrogate', [0xed, 0xa0, 0x80]],
        ['above U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
        ['0xf8', [0xf8]],
        ['0xff', [0xff]],
        ['continuation byte alone', [0x80]],
    ].flatMap(([name, values]) => [
        fails('FR-09', name, 1007, 'utf8', frame(TEXT, utf8(...values))),
        // Fail fast: the frame says 100 bytes more are to come, which never do.
        fails('FR-09', `${name}, at once`, 1007, 'utf8',
            frame(TEXT, join('ok', utf8(...values)), { declared: 100, form: 7 })),
    ]),
    fails('FR-09', 'cut at the end', 1007, 'utf8', frame(TEXT, utf8(0xe2, 0x82))),
    fails('FR-09', 'cut at the end of the last fragment', 1007, 'utf8', frame(TEXT, utf8(0xe2), part), frame(CONTINUATION, utf8(0x82))),
    fails('FR-09', 'in the first of three fragments', 1007, 'utf8', frame(TEXT, utf8(0x61, 0xff), part)),
    fails('FR-09', 'over two fragments', 1007, 'utf8', frame(TEXT, utf8(0xe2), part), frame(CONTINUATION, utf8(0x28), part)),
    works('FR-09', 'a character over three fragments', { messages: ['€'] },
        frame(TEXT, utf8(0xe2), part), frame(CONTINUATION, utf8(0x82), part), frame(CONTINUATION, utf8(0xac))),
    works('FR-09', 'binary need not be text', { messages: [Buffer.from([0xff, 0xc0])] }, frame(BINARY, utf8(0xff, 0xc0))),
    works('FR-09', 'U+10FFFF and a noncharacter', { messages: ['\u{10ffff}\ufffe'] }, frame(TEXT, '\u{10ffff}\ufffe')),

    ...[0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535].map((code) =>
        fails('FR-10', `close with ${code}`, 1002, 'close_code', frame(CLOSE, closeBody(code))),
    ),
    ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999].map((code) =>
        works('FR-10', `close with ${code}`, { close: code }, frame(CLOSE, closeBody(code, 'bye'))),
    ),
    works('FR-10', 'close with nothing', { close: 1005 }, frame(CLOSE)),

    fails('FR-11', 'close of 1 byte', 1002, ['close_code', 'control', 'frame'], frame(CLOSE, 'x')),
    fails('FR-11', 'reason that is not UTF-8', 1007, 'utf8', frame(CLOSE, join(closeBody(1000), utf8(0xc0, 0x80)))),
    fails('FR-11', 'reason cut in a character', 1007, 'utf8', frame(CLOSE, join(closeBody(1000), utf8(0xe2, 0x82)))),
    fails('FR-11', 'reason of 124 bytes', 1002, 'control', frame(CLOSE, closeBody(1000, 'x'.repeat(124)), header)),
    works('FR-11', 'reason of 123 bytes', { close: 1000 }, frame(CLOSE, closeBody(1000, 'x'.repeat(123)))),

    works('FR-12', 'text and rubbish behind a close', { close: 1000 },
        frame(CLOSE, closeBody(1000)), frame(TEXT, 'late'), utf8(0xff, 0xff, 0xff)),

    fails('FR-13', '65 fragments', 1008, 'fragments', frame(TEXT, 'x', part), ...Array(64).fill(frame(CONTINUATION, 'x', part))),
    fails('FR-13', '65 empty fragments', 1008, 'fragments', frame(TEXT, '', part), ...Array(64).fill(frame(CONTINUATION, '', part))),
    works('FR-13', '64 fragments', { messages: ['x'.repeat(64)] },
        frame(TEXT, 'x', part), ...Array(62).fill(frame(CONTINUATION, 'x', part)), frame(CONTINUATION, 'x')),
];

// --------------------------------------------------------------------------- JS: envelopes

// `make(event, sibling)` returns a body. `event` must arrive when `good` is true, must not when it is
// false, may when it is null; `sibling` is a good event in the same envelope: it must arrive when
// `sibling` is true.
const js = (id, name, make, expect = {}) => ({ id, name, make, good: false, sibling: false, ...expect });
const fine = { good: true };
const whole = (event) => envelope([event]);
const withTag = (event, json) => whole({ ...event, target: { ...event.target, tag: 'TAG' } }).replace('"TAG"', json);
const withField = (event, json) => whole({ ...event, extra: 'EXTRA' }).replace('"EXTRA"', json);
const nest = (depth) => '['.repeat(depth) + ']'.repeat(depth);
const changed = (name, change, good = false) =>
    js('JS-08', name, (event, sibling) => {
        const bad = structuredClone(event);
        change(bad);
        return envelope([bad, sibling]);
    }, { good, sibling: true });

export const jsonCases = [
    js('JS-01', 'depth 28 in all', (e) => withField(e, nest(25)), fine),
    ...[36, 100, 1000, 60000].map((depth) => js('JS-01', `depth ${depth}`, (e) => withField(e, nest(depth)))),
    js('JS-01', 'depth 60000 without an end', (e) => `${whole(e)}${'['.repeat(60000)}`),
    js('JS-01', 'objects of depth 40', (e) => withField(e, `${'{"a":'.repeat(40)}1${'}'.repeat(40)}`)),

    js('JS-02', 'id twice', (e) => whole(e).replace('"id":', '"id":"x","id":')),
    js('JS-02', 'events twice', (e) => `{"events":[],"events":${JSON.stringify([e])}}`),
    js('JS-02', 'tag twice', (e) => withTag(e, '"v1","tag":"v2"')),
    js('JS-02', 'a key twice, once escaped', (e) => withTag(e, '"v1","t\\u0061g":"v2"')),
    js('JS-02', 'keys in another case do not count', (e) =>
        whole(e).replace('"action":', '"Action":"pull","ACTION":"delete","action":'), fine),

    js('JS-03', 'escaped NUL in a tag', (e) => withTag(e, '"v1\\u0000x"')),
    js('JS-03', 'NUL in a string', (e) => withTag(e, '"v1\0x"')),
    js('JS-03', 'NUL behind the envelope', (e) => `${whole(e)}\0`),

    ...[
        ['0xff', '\xff'],
        ['overlong', '\xc0\xaf'],
        ['surrogate in bytes', '\xed\xa0\x80'],
        ['cut character', '\xe2\x82'],
        ['control character', '\x01'],
        ['tab', '\t'],
        ['newline', '\n'],
    ].map(([name, value]) => js('JS-04', `${name} in a string`, (e) => bytes(withTag(e, `"v${value}1"`)))),
    js('JS-04', 'half a surrogate pair, escaped', (e) => withTag(e, '"v\\ud8001"')),
    js('JS-04', 'the wrong half first', (e) => withTag(e, '"v\\udc00\\ud800"')),
    js('JS-04', 'byte order mark', (e) => bytes(`\xef\xbb\xbf${whole(e)}`)),
    js('JS-04', 'UTF-16', (e) => Buffer.from(whole(e), 'utf16le')),

    ...['01', '1.', '.5', '+1', '-', '1e', '0x10', 'NaN', 'Infinity', '-01', '1_000'].map((value) =>
        js('JS-05', `number ${value}`, (e) => withField(e, value)),
    ),
    ...['0', '-0', '1.5e3', '9007199254740993', '1'.repeat(64)].map((value) =>
        js('JS-05', `number ${named(value)} in a field nobody reads`, (e) => withField(e, value), fine),
    ),

    ...['1e400', '-1E-400'].map((value) =>
        js('JS-05', `number ${value} in a field nobody reads`, (e) => withField(e, value), { good: null }),
    ),

    js('JS-06', '128 KB of ones', () => `[${Array(65536).fill(1).join(',')}]`),
    js('JS-06', 'an event with 128 KB of ones', (e) => withField(e, `[${Array(65536).fill(1).join(',')}]`)),
    js('JS-06', '80,000 keys', () => `{${Array.from({ length: 80000 }, (_, i) => `"k${i}":0`).join(',')}}`),
    js('JS-06', 'an event with 60,000 keys', (e) =>
        withField(e, `{${Array.from({ length: 60000 }, (_, i) => `"k${i}":0`).join(',')}}`)),

    ...[
        ['nothing', () => ''],
        ['white space', () => ' \r\n\t'],
        ['no JSON', () => 'hello'],
        ['data behind it', (e) => `${whole(e)}x`],
        ['a second envelope', (e) => whole(e) + whole(e)],
        ['a comment', (e) => `/* hi */${whole(e)}`],
        ['a comment inside', (e) => withField(e, '1/**/')],
        ['a comma at the end', (e) => whole(e).replace(']}', ',]}')],
        ['a comma at the end of an object', (e) => whole(e).replace('}]}', ',}]}')],
        ['single quotes', (e) => whole(e).replaceAll('"', "'")],
        ['keys without quotes', (e) => whole(e).replace('"events"', 'events')],
        ['cut in the middle', (e) => whole(e).slice(0, 60)],
        ['cut before the last brace', (e) => whole(e).slice(0, -1)],
        ['bad escape', (e) => withTag(e, '"v\\x41"')],
        ['short escape', (e) => withTag(e, '"v\\u41"')],
        ['True', (e) => withField(e, 'True')],
        ['an array', (e) => JSON.stringify([e])],
        ['an event without an envelope', (e) => JSON.stringify(e)],
        ['null', () => 'null'],
        ['a string', () => '"events"'],
        ['no events', () => '{}'],
        ['events that are null', () => '{"events":null}'],
        ['events that are an object', (e) => JSON.stringify({ events: { 0: e } })],
    ].map(([name, make]) => js('JS-07', name, make)),

    ...['1', 'null', '"x"', '[]', 'true', '{}'].map((value) =>
        js('JS-08', `${value} among the events`, (_, sibling) => `{"events":[${value},${JSON.stringify(sibling)}]}`, { sibling: true }),
    ),
    changed('no id', (e) => delete e.id, null),
    changed('an id that is a number', (e) => (e.id = 5)),
    changed('an empty id', (e) => (e.id = ''), null),
    changed('an id of 10 KB', (e) => (e.id = 'x'.repeat(10000))),
    changed('no action', (e) => delete e.action),
    changed('an action that is a number', (e) => (e.action = 1)),
    changed('no target', (e) => delete e.target),
    changed('a target that is an array', (e) => (e.target = [e.target])),
    changed('no repository', (e) => delete e.target.repository),
    changed('an empty repository', (e) => (e.target.repository = '')),
    changed('a repository that is a number', (e) => (e.target.repository = 1)),
    changed('a repository of 10 KB', (e) => (e.target.repository = 'x'.repeat(10000))),
    changed('a push without a digest', (e) => delete e.target.digest),
    changed('a digest that is a number', (e) => (e.target.digest = 1)),
    changed('a digest that is none', (e) => (e.target.digest = 'sha256:xyz')),
    changed('a digest of another length', (e) => (e.target.digest = e.target.digest.slice(0, -1))),
    changed('a tag that is a number', (e) => (e.target.tag = 1)),
    changed('a tag of 10 KB', (e) => (e.target.tag = 'x'.repeat(10000))),
];

// ------------------------------------------------------------------ LM-03: no HTTP at all

export const garbage = [
    ['a TLS hello', Buffer.from('16030100f8010000f40303' + '5a'.repeat(237), 'hex')],
    ['MQTT', Buffer.from('101000044d5154540402003c000474657374', 'hex')],
    ['SSH', bytes('SSH-2.0-OpenSSH_9.2p1\r\n')],
    ['SMTP', bytes('EHLO example\r\n')],
    ['Redis', bytes('*1\r\n$4\r\nPING\r\n')],
    ['zeros', Buffer.alloc(64)],
    ['ones', Buffer.alloc(64, 0xff)],
    ['a megabyte of zeros', Buffer.alloc(1 << 20)],
    ['a megabyte of newlines', Buffer.alloc(1 << 20, 10)],
    ['a megabyte of CR LF', Buffer.from('\r\n'.repeat(1 << 19))],
    ['a megabyte of letters', Buffer.alloc(1 << 20, 65)],
];

// Rows of the security list that this version has nothing to show for.
export const SKIPPED = [
    ['HP-16', 'comparison with nginx: done with Node alone where nginx is not installed'],
    ['WS-12', 'upgrade over HTTP/2: the gateway speaks HTTP/1.1 alone'],
    ['FR-18', 'the Autobahn suite is not part of these tests'],
];
