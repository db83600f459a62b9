// Calls of the management API from the page: same origin, JSON, the session's CSRF token, a login when the server asks
// for one, and errors as ApiError.

const TIMEOUT_MS = 15000;

export class ApiError extends Error {
    // kind: 'http' (the server refused it), 'network' (nobody answered), 'timeout', 'format' (not the API's answer).
    // code: of google.rpc; violations: [{field, description}]; retryAfter: seconds or null.
    constructor(kind, message, { status = 0, code = 0, violations = [], requestId = '', retryAfter = null } = {}) {
        super(message);
        this.name = 'ApiError';
        Object.assign(this, { kind, status, code, violations, requestId, retryAfter });
    }
}

async function refusal(answer) {
    let body = null;
    try {
        body = await answer.json();
    } catch {
        // a proxy's page: the status says enough
    }
    const details = Array.isArray(body?.details) ? body.details : [];
    const retry = Number(answer.headers.get('retry-after') ?? NaN);
    return new ApiError('http', String(body?.message ?? `${answer.status} ${answer.statusText}`.trim()), {
        status: answer.status,
        code: Number(body?.code ?? 0),
        violations: details.flatMap((one) => one.fieldViolations ?? []),
        requestId: details.find((one) => one.requestId)?.requestId ?? answer.headers.get('x-request-id') ?? '',
        retryAfter: Number.isFinite(retry) ? retry : null,
    });
}

// Options: `session` {csrf(), refresh(), login()}: see session.js.
export function makeApi(session) {
    async function once(method, path, { query, body, headers = {}, signal, timeout = TIMEOUT_MS, type } = {}) {
        const url = new URL(path, location.origin);
        for (const [name, value] of Object.entries(query ?? {}))
            if (value !== undefined && value !== null && value !== '') url.searchParams.set(name, value);
        const late = AbortSignal.timeout(timeout);
        const token = session.csrf();
        const send = body !== undefined;
        try {
            const answer = await fetch(url, {
                method,
                credentials: 'same-origin',
                cache: 'no-store',
                redirect: 'error',
                signal: signal ? AbortSignal.any([signal, late]) : late,
                headers: {
                    accept: 'application/json',
                    ...(send ? { 'content-type': type ?? 'application/json' } : {}),
                    ...(method !== 'GET' && method !== 'HEAD' && token ? { 'x-csrf-token': token } : {}),
                    ...headers,
                },
                body: send ? (typeof body === 'string' ? body : JSON.stringify(body)) : undefined,
            });
            if (!answer.ok) throw await refusal(answer);
            const text = await answer.text();
            try {
                return text === '' ? {} : JSON.parse(text);
            } catch {
                throw new ApiError('format', `${method} ${url.pathname}`, { status: answer.status });
            }
        } catch (error) {
            if (error instanceof ApiError) throw error;
            if (signal?.aborted) throw signal.reason; // the caller's own wish
            if (late.aborted) throw new ApiError('timeout', `${method} ${url.pathname}`);
            throw new ApiError('network', `${method} ${url.pathname}`);
        }
    }

    // Options: query {name: value}, body (an object, or a ready text with `type`), headers, signal, timeout in ms,
    // login: false when a 401 is the caller's to show.
    async function call(method, path, options = {}) {
        try {
            return await once(method, path, options);
        } catch (error) {
            if (!(error instanceof ApiError) || options.login === false) throw error;
            const change = method !== 'GET' && method !== 'HEAD';
            // The session may have ended, or another tab may have begun a new one, with a CSRF token of its own.
            const again =
                error.status === 401
                    ? await session.login(change)
                    : error.status === 403 && change && (await session.refresh());
            if (!again) throw error;
            return once(method, path, options);
        }
    }

    return {
        call,
        get: (path, options) => call('GET', path, options),
        post: (path, body, options) => call('POST', path, { ...options, body }),
        patch: (path, body, options) => call('PATCH', path, { ...options, body }),
        delete: (path, options) => call('DELETE', path, options),
    };
}
