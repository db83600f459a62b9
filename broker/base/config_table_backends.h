/* config_table_backends.h - rows of config_table.c, which includes it among its own: what the paths
 * of a specification ask, and what its names stand for. */
// clang-format off
    {C(gateway.backends.allowed_networks), TEXTS, 0, 256,      NULL,       &NETWORK, 0,
     "Where requests of the specification may go beside public addresses, such as 10.1.0.0/16 or "
     "127.0.0.1. Counts for the address that is connected to, whatever name led to it."},
    {C_MS(gateway.backends.connect_timeout), DURATION, 1, HOUR, "5s",      NULL, 0,
     "For a connection, its name and TLS included, where the specification says nothing else."},
    {C_MS(gateway.backends.read_timeout), DURATION, 1, HOUR,   "30s",      NULL, 0,
     "For the first byte of an answer, and between two, where the specification says nothing else."},
    {C_MS(gateway.backends.request_timeout), DURATION, 1, HOUR, "60s",     NULL, 0,
     "For all of a request, its waiting included."},
    {C(gateway.backends.max_calls),   COUNT,    1, 100000,     "256",      NULL, 0,
     "Requests under way, of each worker."},
    {C(gateway.backends.max_waiting), COUNT,    0, 1000000,    "4096",     NULL, 0,
     "Requests that wait for their turn, of each worker; one more fails."},
    {C(gateway.backends.breaker_failures), COUNT, 0, 1000000,  "20",       NULL, 0,
     "After so many failures in a row a backend is not asked for `breaker_timeout`, then by one "
     "request at first. 0: it is always asked."},
    {C_MS(gateway.backends.breaker_timeout), DURATION, 1, HOUR, "5s",      NULL, 0,
     "Requests to it fail at once meanwhile."},
    {C(gateway.backends.max_queue),   COUNT,    1, 1024,       "16",       NULL, 0,
     "Messages of one client that wait for their turn; until there is room no more are read."},
    {C(gateway.backends.ca_file),     TEXT,     1, 4000,       NULL,       &FILE_NAME, 0,
     "Certificates that those of backends lead to, PEM. Left out: the system's."},
    {C(gateway.backends.containers),  LIST,     0, 4096,       NULL,       NULL, 0,
     "Where the containers of the specification are: mappings with the keys of "
     "`gateway.backends.containers[]`."},
    {C(gateway.backends.functions),   LIST,     0, 4096,       NULL,       NULL, 0,
     "Where its functions are, that authorizers ask: mappings with the keys of "
     "`gateway.backends.functions[]`."},

    {V(name),                         TEXT,     1, 63,         NULL,       &VARIABLE, REQUIRED,
     "As in `${var.NAME}`. Unique."},
    {V(value),                        TEXT,     0, 8192,       NULL,       &ANY, REQUIRED | SECRET,
     "Its text, which counts more than the `default` in the specification."},

    {BACKEND(containers, id),         TEXT,     1, 50,         NULL,       &ID, REQUIRED,
     "`container_id` of `serverless_containers`. Unique."},
    {BACKEND(containers, url),        TEXT,     1, 2000,       NULL,       &BACKEND_URL, REQUIRED,
     "What is asked in its place. The path of a request is put behind it."},

    {BACKEND(functions, id),          TEXT,     1, 50,         NULL,       &ID, REQUIRED,
     "`function_id` of an authorizer. Unique."},
    {BACKEND(functions, url),         TEXT,     1, 2000,       NULL,       &BACKEND_URL, REQUIRED,
     "What is asked in its place, with POST."},
    // clang-format on
