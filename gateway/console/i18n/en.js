// The console's texts in English. The same keys as in the other languages; each view has its part.
export default {
    // The frame.
    'nav': 'Main',
    'nav.triggers': 'Triggers',
    'nav.live': 'Live',
    'nav.paths': 'Paths',
    'nav.registries': 'Registries',
    'nav.overview': 'Overview',
    'skip': 'Skip to the content',
    'language': 'Language',
    'theme': 'Colours',
    'theme.auto': 'As the system',
    'theme.light': 'Light',
    'theme.dark': 'Dark',
    'loading': 'Loading…',
    'cancel': 'Cancel',
    'close': 'Close',
    'retry': 'Try again',
    'copy': 'Copy',
    'copied': 'Copied',
    'copy.failed': 'Not copied',
    'unreachable': 'The server does not answer. What you see may be out of date; the page keeps trying.',
    'error.title': 'That did not work',
    'error.denied': 'Not allowed',
    'error.network': 'The server did not answer.',
    'error.timeout': 'The server did not answer in time.',
    'error.format': 'The answer is not one of regcast ({status}). Is there a proxy in between?',
    'error.login': 'You are not logged in.',
    'error.request': 'Request {id}',
    'confirm.type': 'Type {name} to go on',
    'confirm.differs': 'This is not {name}.',
    'leave.title': 'Leave without saving?',
    'leave.text': 'What you have entered will be lost.',
    'leave.verb': 'Leave',

    // Login.
    'login.title': 'Log in',
    'login.open': 'Log in',
    'login.text': 'This server wants to know who is there.',
    'login.token': 'Token',
    'login.hint': 'One of the tokens in the configuration of regcastd. It is not kept in the browser.',
    'login.submit': 'Log in',
    'login.missing': 'Enter a token.',
    'login.wrong': 'This token is not accepted.',
    'login.later': { one: 'Too many attempts. Wait {n} second.', other: 'Too many attempts. Wait {n} seconds.' },
    'logout': 'Log out',
    'loggedout.title': 'You are not logged in',
    'loggedout.text': 'Log in with a token to see triggers, events and connections.',
    'session.ended': 'Your session has ended.',
    'session.open': 'Open access',
    'session.open.hint': 'No authentication is configured: whoever reaches this page may do everything.',

    // Triggers.
    'triggers.title': 'Triggers',

    // Live.
    'live.title': 'Live',

    // Paths and connections.
    'paths.title': 'Paths and connections',

    // Registries.
    'registries.title': 'Registries',

    // Overview.
    'overview.title': 'Overview',
};
