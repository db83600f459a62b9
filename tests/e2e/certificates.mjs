// Certificates made for one test, by openssl.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { X509Certificate, sign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from './harness.mjs';

const KINDS = { ec: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'], rsa: ['rsa:2048'] };

function openssl(args) {
    const made = spawnSync('openssl', args, { encoding: 'utf8' });
    assert.equal(made.status, 0, made.stderr ?? String(made.error));
}

// A certificate signed with its own key: the files of both, and its text.
export function makeCertificate({ names = ['localhost'], kind = 'ec', subject = 'regcast' } = {}) {
    const dir = tempDir();
    const [certificate_file, private_key_file] = ['cert.pem', 'key.pem'].map((name) => join(dir, name));
    openssl(['req', '-x509', '-newkey', ...KINDS[kind], '-nodes', '-days', '2',
        '-subj', `/CN=${subject}`, '-addext', `subjectAltName=IP:127.0.0.1,${names.map((name) => `DNS:${name}`).join(',')}`,
        '-out', certificate_file, '-keyout', private_key_file]);
    return { certificate_file, private_key_file, text: readFileSync(certificate_file) };
}

// What a side's `tls` is with these certificates.
export const tlsOf = (...made) => ({
    certificates: made.map(({ certificate_file, private_key_file }) => ({ certificate_file, private_key_file })),
});

// ---------------------------------------------------------------------- authorities of clients

const DAY_MS = 86400000;
const timeOf = (ms) => new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14) + 'Z';

const SETTINGS = `[ca]
default_ca = it
[it]
new_certs_dir = .
database = index
serial = serial
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = optional
organizationName = optional
`;

// Takes the parts of a certificate (RFC 5280 section 4.1) out of its DER: what is signed, how.
function partsOf(der) {
    const end = (at) => {
        const short = der[at + 1] < 128;
        const n = short ? 0 : der[at + 1] & 127;
        return at + 2 + n + (short ? der[at + 1] : der.readUIntBE(at + 2, n));
    };
    const first = end(4), second = end(first);
    return { signed: der.subarray(4, first), algorithm: der.subarray(first, second) };
}

function sequence(tag, content) {
    const head = Buffer.from([tag, 0x82, 0, 0]);
    head.writeUInt16BE(content.length, 2);
    return Buffer.concat([head, content]);
}

// An authority, its own or `by` another one's, that makes certificates of clients as one likes.
export function makeAuthority(name, { by } = {}) {
    const dir = tempDir();
    const file = (of) => join(dir, of);
    writeFileSync(file('settings'), SETTINGS.replaceAll(/= (\.|index|serial)$/gm, `= ${dir}/$1`));
    writeFileSync(file('index'), '');
    writeFileSync(file('serial'), '1000');
    const key = file('key.pem');
    let chain = ''; // from this authority up, without the first
    if (by) {
        const own = by.issue({ subject: `/CN=${name}`, names: [], ca: true });
        writeFileSync(file('ca.pem'), own.single);
        writeFileSync(key, own.key, { mode: 0o600 });
        chain = own.single + by.chain;
    } else {
        openssl(['req', '-x509', '-newkey', ...KINDS.ec, '-nodes', '-days', '30', '-subj', `/CN=${name}`, '-out', file('ca.pem'),
            '-keyout', key, '-addext', 'keyUsage=critical,keyCertSign']);
    }
    let made = 0;

    // `names` as openssl writes them; of a "~~" in them or the subject the first is a NUL in the certificate.
    function issue({ names = [], subject = '/CN=client', usage = 'clientAuth', from = Date.now() - DAY_MS, to = Date.now() + DAY_MS, ca = false }) {
        const [request, into, more, own] = ['csr', 'crt', 'ext', 'key'].map((of) => file(`${made}.${of}`));
        made++;
        writeFileSync(more, [
            `basicConstraints=critical,CA:${ca ? 'TRUE' : 'FALSE'}`,
            ca ? 'keyUsage=critical,keyCertSign' : `extendedKeyUsage=${usage}`,
            ...(names.length ? [`subjectAltName=${names.join(',')}`] : []),
        ].join('\n'));
        openssl(['req', '-new', '-newkey', ...KINDS.ec, '-nodes', '-subj', subject, '-out', request, '-keyout', own]);
        openssl(['ca', '-batch', '-notext', '-preserveDN', '-config', file('settings'), '-cert', file('ca.pem'), '-keyfile', key, '-in', request,
            '-out', into, '-extfile', more, '-startdate', timeOf(from), '-enddate', timeOf(to)]);
        let single = readFileSync(into, 'utf8');
        if (`${names}${subject}`.includes('~~')) {
            const { signed, algorithm } = partsOf(new X509Certificate(single).raw);
            const changed = Buffer.from(signed);
            for (let at; (at = changed.indexOf('~~')) >= 0;) changed[at] = 0;
            const bits = Buffer.concat([Buffer.from([0]), sign('sha256', changed, readFileSync(key))]);
            const der = sequence(0x30, Buffer.concat([changed, algorithm, sequence(0x03, bits)]));
            single = `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replaceAll(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
        }
        return { cert: single + chain, single, key: readFileSync(own, 'utf8') };
    }
    return { file: file('ca.pem'), chain, issue };
}
