// Makes small OCI images, indexes and artifacts without a network: as an OCI layout on disk for
// skopeo, and as plain bytes for the registry's own interface.
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { OCI_INDEX, OCI_MANIFEST, tempDir } from './harness.mjs';

const CONFIG = 'application/vnd.oci.image.config.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';

export const sha256 = (bytes) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

// A tar archive (ustar) of one small file.
function tarOf(name, text) {
    const body = Buffer.from(text);
    const head = Buffer.alloc(512);
    const octal = (value, at, width) => head.write(value.toString(8).padStart(width - 1, '0'), at);
    head.write(name, 0);
    octal(0o644, 100, 8);
    octal(0, 108, 8);
    octal(0, 116, 8);
    octal(body.length, 124, 12);
    octal(0, 136, 12);
    head.fill(' ', 148, 156);
    head.write('0', 156);
    head.write('ustar\x0000', 257);
    let sum = 0;
    for (const byte of head) sum += byte;
    head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    const padding = Buffer.alloc((512 - (body.length % 512)) % 512);
    return Buffer.concat([head, body, padding, Buffer.alloc(1024)]);
}

const describe = (mediaType, bytes) => ({ mediaType, digest: sha256(bytes), size: bytes.length });

// {descriptor, manifest, blobs: [bytes]} of an image whose one layer holds `text`.
export function makeImage(text, architecture = 'amd64') {
    const tar = tarOf('hello.txt', text);
    const layer = gzipSync(tar);
    const config = Buffer.from(
        JSON.stringify({
            created: '2024-05-01T00:00:00Z',
            architecture,
            os: 'linux',
            config: { Cmd: ['/hello'] },
            rootfs: { type: 'layers', diff_ids: [sha256(tar)] },
            history: [{ created: '2024-05-01T00:00:00Z', created_by: 'tests' }],
        }),
    );
    const manifest = Buffer.from(
        JSON.stringify({
            schemaVersion: 2,
            mediaType: OCI_MANIFEST,
            config: describe(CONFIG, config),
            layers: [describe(LAYER, layer)],
        }),
    );
    const descriptor = describe(OCI_MANIFEST, manifest);
    return { descriptor, digest: descriptor.digest, manifest, blobs: [config, layer], architecture };
}

// An index over images of several architectures.
export function makeIndex(images) {
    const manifest = Buffer.from(
        JSON.stringify({
            schemaVersion: 2,
            mediaType: OCI_INDEX,
            manifests: images.map((image) => ({
                ...image.descriptor,
                platform: { os: 'linux', architecture: image.architecture },
            })),
        }),
    );
    const descriptor = describe(OCI_INDEX, manifest);
    return { descriptor, digest: descriptor.digest, manifest, blobs: [], images };
}

// An artifact that refers to `subject`, as signatures and SBOMs do.
export function makeArtifact(text, subject) {
    const config = Buffer.from('{}');
    const layer = Buffer.from(text);
    const manifest = Buffer.from(
        JSON.stringify({
            schemaVersion: 2,
            mediaType: OCI_MANIFEST,
            artifactType: 'application/vnd.example.sbom',
            config: describe('application/vnd.oci.empty.v1+json', config),
            layers: [describe('application/vnd.example.sbom+json', layer)],
            subject: subject.descriptor,
        }),
    );
    const descriptor = describe(OCI_MANIFEST, manifest);
    return { descriptor, digest: descriptor.digest, manifest, blobs: [config, layer] };
}

// Writes an OCI layout with `tagged` ({name: image or index}); returns its folder.
export function writeLayout(tagged) {
    const dir = tempDir();
    mkdirSync(join(dir, 'blobs/sha256'), { recursive: true });
    writeFileSync(join(dir, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    const put = (bytes) => writeFileSync(join(dir, 'blobs/sha256', sha256(bytes).slice(7)), bytes);
    const putAll = (one) => {
        for (const bytes of [...one.blobs, one.manifest]) put(bytes);
        for (const image of one.images ?? []) putAll(image);
    };
    const manifests = Object.entries(tagged).map(([name, one]) => {
        putAll(one);
        return {
            ...one.descriptor,
            annotations: { 'org.opencontainers.image.ref.name': name },
        };
    });
    writeFileSync(join(dir, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
    return dir;
}
