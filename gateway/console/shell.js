// Command lines that a shell reads as they are meant, whatever is in them. (pure)

const PLAIN = /^[A-Za-z0-9_/.:=@%+,-]+$/;
// What must not reach a terminal as it is: control characters, and those that turn or hide what is written.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

const hex = (byte) => `\\x${byte.toString(16).padStart(2, '0')}`;

// One word. 'single quotes' where they suffice, $'...' of bash, zsh and ksh where something hidden has to be written out.
export function quote(text) {
    const word = String(text);
    if (PLAIN.test(word)) return word;
    if (!HIDDEN.test(word)) return `'${word.replaceAll("'", "'\\''")}'`;
    let out = '';
    for (const c of word)
        if (c === '\n') out += '\\n';
        else if (c === '\t') out += '\\t';
        else if (c === "'" || c === '\\') out += `\\${c}`;
        else if (c === '!' || HIDDEN.test(c)) for (const byte of new TextEncoder().encode(c)) out += hex(byte);
        else out += c;
    return `$'${out}'`;
}

// Lines of one command: [[word, ...], ...], each but the last ending in a backslash.
export const lines = (groups) =>
    groups
        .filter((words) => words.length > 0)
        .map((words) => words.join(' '))
        .join(' \\\n    ');

// What asks the API for it. With `token` the caller proves himself by the variable REGCAST_TOKEN.
export function curl(method, url, body, { token = false } = {}) {
    return lines([
        ['curl', '-sS', '-X', method, quote(url)],
        token ? ['-H', '"authorization: Bearer $REGCAST_TOKEN"'] : [],
        body === undefined ? [] : ['-H', quote('content-type: application/json')],
        body === undefined ? [] : ['--data-raw', quote(JSON.stringify(body))],
    ]);
}
