// Certificates made for one test, by openssl.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from './harness.mjs';

const KINDS = { ec: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'], rsa: ['rsa:2048'] };

// A certificate signed with its own key: the files of both, and its text.
export function makeCertificate({ names = ['localhost'], kind = 'ec', subject = 'regcast' } = {}) {
    const dir = tempDir();
    const [certificate_file, private_key_file] = ['cert.pem', 'key.pem'].map((name) => join(dir, name));
    const made = spawnSync('openssl', ['req', '-x509', '-newkey', ...KINDS[kind], '-nodes', '-days', '2',
        '-subj', `/CN=${subject}`, '-addext', `subjectAltName=IP:127.0.0.1,${names.map((name) => `DNS:${name}`).join(',')}`,
        '-out', certificate_file, '-keyout', private_key_file], { encoding: 'utf8' });
    assert.equal(made.status, 0, made.stderr ?? String(made.error));
    return { certificate_file, private_key_file, text: readFileSync(certificate_file) };
}

// What a side's `tls` is with these certificates.
export const tlsOf = (...made) => ({
    certificates: made.map(({ certificate_file, private_key_file }) => ({ certificate_file, private_key_file })),
});
