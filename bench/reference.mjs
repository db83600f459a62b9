// reference.mjs - what the reference servers written for Node have in common: they say on which port
// they listen, and those for fan-out take the messages that bench_load posts to bench_naked.
import { renameSync, writeFileSync } from 'node:fs';

// The messages of a body "<length>\n<message>" repeated.
export function messagesOf(body) {
    const messages = [];
    for (let at = 0; at < body.length;) {
        const newline = body.indexOf(10, at);
        const digits = body.toString('latin1', at, Math.max(at, newline));
        const length = Number(digits);
        if (!/^\d+$/.test(digits) || newline + 1 + length > body.length)
            throw new Error('the published body is malformed');
        messages.push(body.subarray(newline + 1, newline + 1 + length));
        at = newline + 1 + length;
    }
    return messages;
}

// Writes the file named by --ready-file, with the port's address under each name, and ends the process
// on SIGTERM.
export function ready(port, names = ['gateway', 'webhooks']) {
    const option = process.argv.indexOf('--ready-file');
    const address = `127.0.0.1:${port}`;
    process.on('SIGTERM', () => process.exit(0));
    if (option < 0) {
        console.log(address);
        return;
    }
    const file = process.argv[option + 1];
    const listeners = Object.fromEntries(names.map((name) => [name, [address]]));
    writeFileSync(`${file}.new`, `${JSON.stringify({ pid: process.pid, ...listeners })}\n`);
    renameSync(`${file}.new`, file);
}
