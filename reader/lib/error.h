/* Messages of the reader, on standard error, prefixed "lode: ". */
#ifndef LODE_ERROR_H
#define LODE_ERROR_H

/* Says what failed, on what, and what to do next; returns -1. */
int lode_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void lode_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Memory or a message and exit 2... the reader has nothing sensible to do without it. */
void *lode_alloc(unsigned long bytes);
void *lode_realloc(void *p, unsigned long bytes);
void *lode_alloc_zeroed(unsigned long n, unsigned long bytes);
char *lode_copy_string(const char *s);

#endif
