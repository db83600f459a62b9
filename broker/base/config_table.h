/* config_table.h - the settings themselves: every key with its type, place, bounds, default and
 * help. For config*.c only; never changes, any thread. */
#ifndef BASE_CONFIG_TABLE_H
#define BASE_CONFIG_TABLE_H

#include "config.h"

enum setting_type {
    SETTING_COUNT,      /* uint64_t */
    SETTING_SIZE,       /* uint64_t, bytes */
    SETTING_DURATION,   /* uint64_t, ms */
    SETTING_TIME,       /* uint64_t, seconds of Unix time; 0 is none */
    SETTING_WORKERS,    /* uint64_t, 0 is `auto` */
    SETTING_ALARM,      /* uint64_t, ms; 0 is `auto`, CONFIG_ALARM_OFF `off` */
    SETTING_TEXT,       /* char *; min and max are its length */
    SETTING_TOKEN_FILE, /* char *: the first line of the file that is named, a secret */
    SETTING_LINES_FILE, /* struct config_strings: its lines, 1 to CONFIG_SECRETS secrets */
    SETTING_TEXT_FILE,  /* char *: all of the file that is named */
    SETTING_TEXTS,      /* struct config_strings; min and max are how many */
    SETTING_CHOICE,     /* one of the format's words: an enum of theirs, in that order */
    SETTING_WORD,       /* the same, kept as a char * */
    SETTING_EVENTS,     /* struct event_list */
    SETTING_LIST,       /* mappings, each one an array element: struct list_place says where */
    SETTING_DEFAULTS    /* a mapping of what paths have in common */
};

enum setting_flag {
    SETTING_REQUIRED = 1, /* in its mapping, if that is there */
    SETTING_SECRET = 2,   /* never quoted in a message; of a list: its elements neither */
    SETTING_LATE = 4,     /* read after what it refers to, wherever it stands in the file */
    SETTING_RESTART = 8,  /* cannot change while we run; of a list: nothing of it can */
    SETTING_ORDERED = 16  /* of a list with a unique key: where an element stands means something */
};

/* What a text looks like beyond its length. */
struct setting_format {
    const char *expected;           /* completes "expected ..." */
    bool (*fits)(const char *text); /* NULL: one of `words` */
    const char *const *words;       /* ended by NULL */
};

struct setting {
    const char *key; /* "gateway.paths[].inbound" */
    size_t offset;   /* in struct config; behind a "[]" in the structure of that list */
    enum setting_type type;
    uint64_t min, max;
    const char *def; /* as one would write it in the file; NULL: nothing */
    const struct setting_format *format;
    unsigned flags;
    const char *help;
};

extern const struct setting SETTINGS[];
extern const size_t N_SETTINGS;
#define SETTINGS_MAX 256 /* for arrays beside the table */

/* Where the elements of a SETTING_LIST are. */
struct list_place {
    const char *key;  /* "gateway.paths", "service_accounts[].keys" */
    size_t at_offset; /* of the pointer in struct config, or in the element of the outer list */
    size_t n_offset;  /* of the size_t beside it */
    size_t item_size;
    const char *text_item_key; /* the one key that an item given as text stands for, or NULL */
    const char *unique_key;    /* by which elements are told apart, or NULL */
    size_t unique_offset;      /* char * in the element */
    size_t line_offset;        /* unsigned in the element: its line in the file; 0: none */
};
extern const struct list_place LISTS[];
extern const size_t N_LISTS;

/* NULL: there is none of that key. */
const struct setting *setting_find(const char *key);
const struct list_place *list_find(const char *key);
/* Length of the part of `key` that names an array element: up to and with the last "[].", or 0. */
size_t setting_item_prefix(const char *key);

/* What a message or conf/reference.md says of the value: "a size from 125 to 16MiB". */
#define SETTING_TEXT_SIZE 160
const char *setting_expected(const struct setting *s, char ret[SETTING_TEXT_SIZE]);

#endif
