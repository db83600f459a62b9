// Applies the chosen colours before anything is painted. A classic script on purpose: modules run too late.
(() => {
    let chosen = null;
    try {
        chosen = localStorage.getItem('regcast.theme');
    } catch {
        // storage is off: the system's colours
    }
    if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
})();
