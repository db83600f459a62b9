/* trust.h - whom TLS connections believe, and what they show of themselves: files of the caller. */
#ifndef CLI_TRUST_H
#define CLI_TRUST_H

struct trust {
    const char *ca_file;          /* PEM; NULL: the system's authorities */
    const char *certificate_file; /* PEM, ours; NULL: none */
    const char *key_file;         /* its key; NULL: it is in certificate_file too */
};

#endif
