// Builds what is on the page. Texts become text nodes and nothing else: no string is ever read as HTML.

const SVG = 'http://www.w3.org/2000/svg';

function put(node, name, value) {
    if (value === undefined || value === null || value === false) return;
    if (name.startsWith('on')) {
        if (typeof value !== 'function') throw new TypeError(`${name} must be a function`);
        node.addEventListener(name.slice(2).toLowerCase(), value);
    } else if (name === 'class') {
        node.setAttribute('class', Array.isArray(value) ? value.filter(Boolean).join(' ') : value);
    } else if (name === 'dataset') {
        Object.assign(node.dataset, value);
    } else if (name === 'style') {
        // By the object model: a style attribute would be refused by the page's policy.
        for (const [property, one] of Object.entries(value)) node.style.setProperty(property, one);
    } else if (name === 'value' || name === 'checked' || name === 'indeterminate') {
        node[name] = value;
    } else if (name === 'href' || name === 'src') {
        if (!/^(#|\/(?![/\\])|https?:\/\/|[\w-]+\.\w+$)/.test(value)) throw new TypeError(`${name}: ${value}`);
        node.setAttribute(name, value);
    } else {
        node.setAttribute(name, value === true ? '' : String(value));
    }
}

function append(node, children) {
    for (const child of children) {
        if (Array.isArray(child)) append(node, child);
        else if (child !== undefined && child !== null && child !== false)
            node.append(child instanceof Node ? child : String(child));
    }
}

function build(node, props, children) {
    append(node, children); // before the properties: the value of a select needs its options
    if (props) for (const [name, value] of Object.entries(props)) put(node, name, value);
    return node;
}

// An element. `props`: attributes, `class` (text or list), `dataset`, `style` (object), on<event> functions.
// Children: nodes, texts, numbers, lists of them; null, undefined and false are left out.
export const h = (tag, props, ...children) => build(document.createElement(tag), props, children);

// The same for SVG.
export const s = (tag, props, ...children) => build(document.createElementNS(SVG, tag), props, children);

// Puts `children` in the place of what `node` has.
export function fill(node, ...children) {
    node.replaceChildren();
    append(node, children);
    return node;
}

// Sets a text only when it is another, so that selections and screen readers are left alone.
export function setText(node, text) {
    const now = String(text);
    if (node.textContent !== now) node.textContent = now;
}

// Brings the children of `node` in line with `items`: keeps the one of a key, makes what is missing, takes away what is
// over, and moves as little as it can. `make(item)` gives an element, `update(element, item)` is called for all of them.
// No key twice.
export function keyed(node, items, keyOf, make, update = () => {}) {
    const had = (node.regcastKeys ??= new Map());
    const keys = items.map(keyOf);
    const wanted = new Set(keys);
    // First what is over: what stays would be moved past it otherwise, and lose the focus.
    for (const [key, one] of had)
        if (!wanted.has(key)) {
            one.remove();
            had.delete(key);
        }
    let at = node.firstChild;
    items.forEach((item, i) => {
        const one = had.get(keys[i]) ?? make(item);
        had.set(keys[i], one);
        update(one, item);
        if (one === at) at = at.nextSibling;
        else node.insertBefore(one, at);
    });
}

let ids = 0;
// An id nobody else has, for labels and descriptions.
export const uid = (prefix = 'x') => `${prefix}-${++ids}`;
