// The triggers: all of them, one of them, and the form that makes and changes one.
import { h } from '../dom.js';

export const title = 'triggers.title';

export function mount(root, ctx) {
    root.append(h('p', null, ctx.t('loading')));
}
