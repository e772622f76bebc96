/* A writer of JSON: commas and escapes are its matter, nesting the caller's.  Integers are exact.
 * Nothing here fails: errors stay in the FILE. */
#ifndef LODE_JSON_H
#define LODE_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct lode_json {
	FILE *f;
	bool needs_comma; /* a value stands before in the same object or array */
};

void lode_json_init(struct lode_json *j, FILE *f);
void lode_json_open(struct lode_json *j, char bracket);  /* '{' or '[' */
void lode_json_close(struct lode_json *j, char bracket); /* '}' or ']' */
void lode_json_line(struct lode_json *j);                /* the next element starts on a new line */
void lode_json_key(struct lode_json *j, const char *key);

void lode_json_text(struct lode_json *j, const char *value); /* NULL: null */
void lode_json_int(struct lode_json *j, int64_t value);
void lode_json_double(struct lode_json *j, double value);
void lode_json_bool(struct lode_json *j, bool value);

/* A key and its value. */
void lode_json_put_text(struct lode_json *j, const char *key, const char *value);
void lode_json_put_int(struct lode_json *j, const char *key, int64_t value);
void lode_json_put_double(struct lode_json *j, const char *key, double value);
void lode_json_put_bool(struct lode_json *j, const char *key, bool value);

#endif
