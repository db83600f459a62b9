/* print.c - JSON trees as YAML and JSON, and rows as a table. (pure) */
#include "print.h"

#include "json.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int append_spaces(struct buf *out, size_t n)
{
    return buf_printf(out, "%*s", (int) n, "");
}

static int append_number(const cJSON *value, struct buf *out)
{
    double number = value->valuedouble;
    if (floor(number) == number && fabs(number) < 1e15)
        return buf_printf(out, "%.0f", number);
    return buf_printf(out, "%.17g", number);
}

/* --- YAML --- */

/* Would YAML 1.1 read it as a number, a truth value, null or a time? */
static bool is_other_type(const char *text)
{
    static const char *const WORDS[] = {"",   "~",   "null", "true", "false", "yes", "no",
                                        "on", "off", "y",    "n",    ".nan",  ".inf"};
    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++)
        if (strcasecmp(WORDS[i], text) == 0)
            return true;
    const char *digits = text + (*text == '-' || *text == '+');
    if (!isdigit((unsigned char) *digits) && *digits != '.')
        return false;
    char *end;
    (void) strtod(text, &end);
    if (*end == '\0' || digits[strspn(digits, "0123456789_:")] == '\0')
        return true; /* with _ for people, or 1:30 in sixties */
    bool date = strlen(digits) >= 10 && digits[4] == '-' && digits[7] == '-' &&
                strspn(digits, "0123456789-") >= 10;
    return date && (digits[10] == '\0' || strchr("Tt ", digits[10]) != NULL);
}

static bool is_plain(const char *text)
{
    size_t len = strlen(text);
    if (strchr("-?:", text[0]) != NULL && (len == 1 || text[1] == ' '))
        return false;
    if (strchr(",[]{}#&*!|>'\"%@` ", text[0]) != NULL || text[len - 1] == ' ' ||
        text[len - 1] == ':')
        return false;
    return strstr(text, ": ") == NULL && strstr(text, " #") == NULL;
}

static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char) *text < ' ' || *text == 0x7f)
            return false;
    return true;
}

int print_yaml_text(const char *text, struct buf *out)
{
    if (is_other_type(text) || !is_printable(text))
        return json_append_string(out, slice_str(text)); /* JSON's strings are YAML's */
    if (is_plain(text))
        return buf_append_str(out, text);
    int r = buf_append_str(out, "'");
    for (; r == 0 && *text != '\0'; text++)
        r = buf_printf(out, *text == '\'' ? "''" : "%c", *text);
    return r == 0 ? buf_append_str(out, "'") : r;
}

static int yaml_scalar(const cJSON *value, struct buf *out)
{
    if (cJSON_IsString(value))
        return print_yaml_text(value->valuestring, out);
    if (cJSON_IsNumber(value))
        return append_number(value, out);
    if (cJSON_IsArray(value))
        return buf_append_str(out, "[]");
    if (cJSON_IsObject(value))
        return buf_append_str(out, "{}");
    return buf_append_str(out, cJSON_IsTrue(value)   ? "true"
                               : cJSON_IsNull(value) ? "null"
                                                     : "false");
}

/* The members of a container, each on lines of its own behind `indent` blanks; the first goes on
 * where the line stands if `inside`. A list's items stand under the key, not further in. */
static int yaml_block(const cJSON *value, size_t indent, bool inside, struct buf *out)
{
    int r = 0;
    for (const cJSON *item = value->child; r == 0 && item != NULL; item = item->next) {
        bool block = item->child != NULL, list = cJSON_IsArray(value);
        if (!inside)
            r = append_spaces(out, indent);
        inside = false;
        if (r == 0 && !list)
            r = print_yaml_text(item->string, out);
        if (r == 0)
            r = buf_append_str(out, list ? "- " : block ? ":\n" : ": ");
        if (r == 0 && !block)
            r = yaml_scalar(item, out);
        if (r == 0 && !block)
            r = buf_append_str(out, "\n");
        if (r == 0 && block)
            r = yaml_block(item, indent + (list || cJSON_IsObject(item) ? 2 : 0), list, out);
    }
    return r;
}

int print_yaml(const cJSON *value, struct buf *out)
{
    if (value->child != NULL)
        return yaml_block(value, 0, false, out);
    int r = yaml_scalar(value, out);
    return r == 0 ? buf_append_str(out, "\n") : r;
}

/* --- JSON --- */

static int json_value(const cJSON *value, size_t indent, struct buf *out);

static int json_block(const cJSON *value, size_t indent, struct buf *out)
{
    bool list = cJSON_IsArray(value);
    int r = buf_append_str(out, list ? "[\n" : "{\n");
    for (const cJSON *item = value->child; r == 0 && item != NULL; item = item->next) {
        r = append_spaces(out, indent + 2);
        if (r == 0 && !list)
            r = json_append_string(out, slice_str(item->string));
        if (r == 0 && !list)
            r = buf_append_str(out, ": ");
        if (r == 0)
            r = json_value(item, indent + 2, out);
        if (r == 0)
            r = buf_append_str(out, item->next != NULL ? ",\n" : "\n");
    }
    if (r == 0)
        r = append_spaces(out, indent);
    return r == 0 ? buf_append_str(out, list ? "]" : "}") : r;
}

static int json_value(const cJSON *value, size_t indent, struct buf *out)
{
    if (value->child != NULL)
        return json_block(value, indent, out);
    if (cJSON_IsString(value))
        return json_append_string(out, slice_str(value->valuestring));
    return yaml_scalar(value, out); /* the rest is written alike */
}

int print_json(const cJSON *value, struct buf *out)
{
    int r = json_value(value, 0, out);
    return r == 0 ? buf_append_str(out, "\n") : r;
}

/* --- tables --- */

static size_t width_of(const char *utf8) /* characters */
{
    size_t n = 0;
    for (; utf8 != NULL && *utf8 != '\0'; utf8++)
        n += ((unsigned char) *utf8 & 0xc0) != 0x80;
    return n;
}

static int table_line(const size_t *widths, size_t columns, struct buf *out)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < columns; i++) {
        r = buf_append_str(out, "+");
        for (size_t k = 0; r == 0 && k < widths[i] + 2; k++)
            r = buf_append_str(out, "-");
    }
    return r == 0 ? buf_append_str(out, "+\n") : r;
}

static int table_row(const char *const *cells, const size_t *widths, size_t columns, bool centred,
                     struct buf *out)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < columns; i++) {
        size_t room = widths[i] - width_of(cells[i]), left = centred ? room / 2 : 0;
        r = buf_printf(out, "| %*s%s%*s ", (int) left, "", cells[i] == NULL ? "" : cells[i],
                       (int) (room - left), "");
    }
    return r == 0 ? buf_append_str(out, "|\n") : r;
}

int print_table(const char *const *headers, size_t columns, const char *const *cells, size_t rows,
                struct buf *out)
{
    size_t widths[PRINT_MAX_COLUMNS];
    ASSERT(columns <= PRINT_MAX_COLUMNS);
    for (size_t i = 0; i < columns; i++) {
        widths[i] = width_of(headers[i]);
        for (size_t row = 0; row < rows; row++)
            if (width_of(cells[row * columns + i]) > widths[i])
                widths[i] = width_of(cells[row * columns + i]);
    }
    int r = table_line(widths, columns, out);
    if (r == 0)
        r = table_row(headers, widths, columns, true, out);
    if (r == 0)
        r = table_line(widths, columns, out);
    for (size_t row = 0; r == 0 && row < rows; row++)
        r = table_row(cells + row * columns, widths, columns, false, out);
    return r == 0 ? table_line(widths, columns, out) : r;
}
