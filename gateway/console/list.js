// A list of which only what is in sight is in the page, however long it is. All rows have one height.
import { fill, h, uid } from './dom.js';

const BEYOND = 6; // rows made above and below what is seen

// Which rows are to be there: [first, behind the last]. (pure)
export function span(top, height, rowHeight, n, beyond = BEYOND) {
    const first = Math.max(0, Math.min(n, Math.floor(top / rowHeight)) - beyond);
    return [first, Math.min(n, Math.ceil((top + height) / rowHeight) + beyond)];
}

// Where a key moves the chosen row of `n`; undefined: it is none of ours. -1: none is chosen. (pure)
export function moved(key, at, n, page) {
    if (n === 0) return undefined;
    const to = { ArrowDown: at + 1, ArrowUp: at < 0 ? 0 : at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: n - 1 }[key];
    return to === undefined ? undefined : Math.max(0, Math.min(n - 1, to));
}

// Options: label; columns: [text]; item(i): what is in row i; keyOf(item); make(): an element of role row, of which
// update(element, item) sets the texts; open(item): Enter or a click on it; heightOf(): of a row in pixels, asked again
// when the page changes its width. Returns {element, show(n, above), current(), goTop(), stop()}.
export function windowed({ label, columns, item, keyOf, make, update, open, heightOf }) {
    const id = uid('list');
    const body = h('div', { class: 'list-body', role: 'rowgroup' });
    const head = h(
        'div',
        { class: 'list-head', role: 'row', 'aria-rowindex': 1 },
        columns.map((one) => h('span', { role: 'columnheader', class: one.class }, one.text)),
    );
    const element = h(
        'div',
        { class: 'list', role: 'grid', tabindex: '0', 'aria-label': label, id },
        h('div', { role: 'rowgroup', class: 'list-top' }, head),
        body,
    );
    let n = 0;
    let rowHeight = heightOf();
    let chosen = null; // the key of the row that the keys are at
    let frame = 0;
    const rows = new Map(); // by key

    function place() {
        frame = 0;
        const top = Math.max(0, element.scrollTop);
        const [first, end] = span(top, element.clientHeight, rowHeight, n);
        const wanted = new Set();
        const spare = [];
        for (let i = first; i < end; i++) wanted.add(keyOf(item(i)));
        for (const [key, row] of rows)
            if (!wanted.has(key)) {
                rows.delete(key);
                spare.push(row);
            }
        let at = body.firstChild; // the order in the page is that of the list: it is read out by it
        for (let i = first; i < end; i++) {
            const row = rowOf(item(i), spare);
            if (row.listAt !== i) {
                row.listAt = i;
                row.style.setProperty('transform', `translateY(${i * rowHeight}px)`);
                row.setAttribute('aria-rowindex', String(i + 2));
            }
            row.setAttribute('aria-selected', String(row.listKey === chosen));
            if (row === at) at = at.nextSibling;
            else body.insertBefore(row, at);
        }
        for (const row of spare) row.remove();
        if (chosen !== null && rows.has(chosen)) element.setAttribute('aria-activedescendant', rows.get(chosen).id);
        else element.removeAttribute('aria-activedescendant');
    }

    function rowOf(one, spare) {
        const key = keyOf(one);
        let row = rows.get(key);
        if (row) return row;
        row = spare.pop() ?? make();
        row.id = `${id}-${key}`;
        row.listKey = key;
        row.listAt = -1;
        rows.set(key, row);
        update(row, one);
        return row;
    }

    const soon = () => {
        frame ||= requestAnimationFrame(place);
    };

    // There are `length` rows now, of which `above` are new at the top: what is read stays where it is.
    function show(length, above = 0) {
        n = length;
        body.style.setProperty('height', `${n * rowHeight}px`);
        element.setAttribute('aria-rowcount', String(n + 1));
        if (above > 0 && element.scrollTop > 0) element.scrollTop += above * rowHeight;
        for (const row of rows.values()) row.listAt = -1;
        soon();
    }

    function indexOf(key) {
        if (key === null) return -1;
        const near = rows.get(key)?.listAt ?? -1;
        if (near >= 0 && near < n && keyOf(item(near)) === key) return near;
        for (let i = 0; i < n; i++) if (keyOf(item(i)) === key) return i;
        return -1;
    }

    function choose(i) {
        chosen = keyOf(item(i));
        const top = i * rowHeight;
        const seen = element.clientHeight - head.offsetHeight;
        if (top < element.scrollTop) element.scrollTop = top;
        else if (top + rowHeight > element.scrollTop + seen) element.scrollTop = top + rowHeight - seen;
        place();
    }

    element.addEventListener('scroll', soon, { passive: true });
    element.addEventListener('keydown', (event) => {
        if (event.target !== element || event.ctrlKey || event.metaKey || event.altKey) return;
        const at = indexOf(chosen);
        if (event.key === 'Enter' && at >= 0) {
            event.preventDefault();
            open(item(at));
            return;
        }
        const to = moved(event.key, at, n, Math.max(1, Math.floor(element.clientHeight / rowHeight) - 1));
        if (to === undefined) return;
        event.preventDefault();
        choose(to);
    });
    element.addEventListener('click', (event) => {
        const row = event.target instanceof Element && event.target.closest('[role="row"]');
        if (!row || row === head || String(getSelection()) !== '') return;
        chosen = row.listKey;
        const at = indexOf(chosen);
        place();
        if (at >= 0) open(item(at));
    });
    const resized = new ResizeObserver(() => {
        const now = heightOf();
        if (now !== rowHeight) {
            element.scrollTop = (element.scrollTop / rowHeight) * now;
            rowHeight = now;
        }
        show(n);
    });
    resized.observe(element);

    return {
        element,
        show,
        atTop: () => element.scrollTop <= rowHeight,
        goTop() {
            element.scrollTop = 0;
            soon();
        },
        // Makes all rows anew: what they show has changed.
        refresh() {
            for (const row of rows.values()) row.remove();
            rows.clear();
            fill(body);
            show(n);
        },
        stop() {
            resized.disconnect();
            cancelAnimationFrame(frame);
        },
    };
}
