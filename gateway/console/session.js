// Who is at the page, and what he may do there. The token itself is never kept: the server's cookie is the session.
import { ApiError, makeApi } from './api.js';

const ROUTE = '/console/session';

// `askToken(logIn)` shows the login and calls logIn(token) until it succeeds; it resolves to false when the reader
// gives up. `onDeclined()` is called then: what runs by itself does not ask again.
export function makeSession(askToken, onDeclined = () => {}) {
    let state = null; // the answer of the server, or null: not logged in
    let asking = null;
    let declined = false;
    const listeners = new Set();

    const session = {
        get state() {
            return state;
        },
        csrf: () => state?.csrfToken ?? '',
        can: (permission) => state?.permissions?.includes(permission) ?? false,
        onChange(listener) {
            listeners.add(listener);
            return () => listeners.delete(listener);
        },
        load,
        refresh,
        login,
        logout,
    };
    const api = makeApi(session);

    function set(next) {
        state = next;
        for (const listener of listeners) listener(state);
    }

    // True: there is a session.
    async function load() {
        try {
            set(await api.get(ROUTE, { login: false }));
        } catch (error) {
            if (!(error instanceof ApiError) || error.status !== 401) throw error;
            set(null);
        }
        return state !== null;
    }

    // True: the CSRF token is another now, a refused call is worth repeating.
    async function refresh() {
        const before = session.csrf();
        return (await load()) && session.csrf() !== before;
    }

    // One login at a time, however many calls want it; `wanted`: by something the reader did. True: logged in.
    async function login(wanted = true) {
        if (declined && !wanted) return false;
        asking ??= askToken(async (token) => {
            const next = await api.post(ROUTE, { token }, { login: false });
            declined = false;
            set(next);
        }).finally(() => {
            asking = null;
        });
        const done = await asking;
        if (!done && !declined) {
            declined = true;
            onDeclined();
        }
        return done;
    }

    async function logout() {
        await api.delete(ROUTE, { login: false });
        set(null);
    }

    return session;
}
