// JSON Web Tokens and their keys, made with Node's own crypto.
import { constants, createHmac, createSign, generateKeyPairSync } from 'node:crypto';

export const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
export const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
const CURVES = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };
export const pairs = Object.fromEntries(Object.entries(CURVES).map(([alg, namedCurve]) => [alg, generateKeyPairSync('ec', { namedCurve })]));

export const jwk = ({ publicKey }, more = {}) => ({ ...publicKey.export({ format: 'jwk' }), use: 'sig', ...more });
// `rsa` serves RS256, RS384 and RS512; each curve is of one algorithm, and named by it.
export const KEYS = [jwk(rsa, { kid: 'rsa' }), ...Object.entries(pairs).map(([alg, pair]) => jwk(pair, { kid: alg, alg }))];

export const now = () => Math.floor(Date.now() / 1000);

function signature(alg, key, text) {
    if (alg === 'none') return Buffer.alloc(0);
    if (alg.startsWith('HS')) return createHmac(`sha${alg.slice(2)}`, key).update(text).digest();
    const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
    return createSign(`sha${alg.slice(2)}`).update(text).sign({ key, dsaEncoding: 'ieee-p1363', ...(alg.startsWith('PS') ? pss : {}) });
}

export function makeJwt(claims, { alg = 'RS256', kid = pairs[alg] ? alg : 'rsa', key = pairs[alg]?.privateKey ?? rsa.privateKey, header = {} } = {}) {
    const part = (object) => Buffer.from(typeof object === 'string' ? object : JSON.stringify(object)).toString('base64url');
    const text = `${part({ alg, typ: 'JWT', kid, ...header })}.${part(claims)}`;
    return `${text}.${signature(alg, key, text).toString('base64url')}`;
}
