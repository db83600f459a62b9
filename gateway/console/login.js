// The dialog that asks for a token.
import { h } from './dom.js';
import { dialog, errorText, field } from './ui.js';

// `words()` gives the translator of now. Returns askToken of session.js.
export function makeLogin(words) {
    return (logIn) => {
        const { t } = words();
        const token = h('input', {
            type: 'password',
            name: 'token',
            autocomplete: 'current-password',
            spellcheck: 'false',
            autocapitalize: 'off',
            autofocus: true,
        });
        const own = field({ label: t('login.token'), hint: t('login.hint'), control: token, required: true });
        const submit = h('button', { type: 'submit', class: 'primary' }, t('login.submit'));
        let done = false;
        const form = h(
            'form',
            {
                class: 'stack',
                novalidate: true,
                onsubmit: async (event) => {
                    event.preventDefault();
                    const value = token.value.trim();
                    if (value === '') {
                        own.fail(t('login.missing'));
                        token.focus();
                        return;
                    }
                    submit.disabled = true;
                    own.fail('');
                    try {
                        await logIn(value);
                        done = true;
                        shown.close();
                    } catch (error) {
                        own.fail(
                            error.status === 401
                                ? t('login.wrong')
                                : error.status === 429
                                  ? t('login.later', { n: error.retryAfter ?? 60 })
                                  : errorText(words(), error),
                        );
                        token.select();
                        token.focus();
                    } finally {
                        submit.disabled = false;
                    }
                },
            },
            own.element,
            h(
                'div',
                { class: 'actions' },
                submit,
                h('button', { type: 'button', onclick: () => shown.close() }, t('cancel')),
            ),
        );
        const shown = dialog({ title: t('login.title'), body: [h('p', null, t('login.text')), form], close: t('close') });
        return shown.closed.then(() => done);
    };
}
