// What a change leads to: operations that are done, or will be.

const STEP_MS = 500;

// A UUID for the header idempotency-key. Not crypto.randomUUID(): that is only there with TLS.
export function idempotencyKey() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = [...bytes].map((one) => one.toString(16).padStart(2, '0')).join('');
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

// Waits for the end of an operation and returns it; throws what it failed with, or what `signal` says.
export async function finished(api, operation, signal) {
    let now = operation;
    while (!now.done && !now.error) {
        await new Promise((done) => setTimeout(done, STEP_MS));
        signal?.throwIfAborted();
        now = await api.get(`/operations/${encodeURIComponent(now.id)}`, { signal });
    }
    if (now.error) throw new Error(now.error.message);
    return now;
}
