/* Rows of a view as JSON and CSV: what --json and --csv print.
 *
 * JSON: {"lode", "command", "measure", "unit", "total", ..., "rows": [...]}; integers are exact.
 * The keys are stable: new ones may come, none goes. */
#ifndef LODE_OUT_ROWS_H
#define LODE_OUT_ROWS_H

#include "lib/json.h"
#include "view.h"

/* Opens the object and writes what every view says: version, command, the recording, totals,
 * losses, notices.  Measure LODE_MEASURE_COUNT: no single one.  The caller closes the object. */
void lode_json_head(struct lode_json *j, const char *command, const struct lode_profile *p,
		    enum lode_measure m);
/* "name", "file", "line", "module", "kind": inside an object that the caller opened. */
void lode_json_row_name(struct lode_json *j, const struct lode_view *v, const struct lode_row *r);
/* "stack": the frames of a node, leaf first. */
void lode_json_stack(struct lode_json *j, const struct lode_profile *p, uint32_t node);
/* "shown", "dropped", "rows": the first `limit` rows. */
void lode_json_rows(struct lode_json *j, const struct lode_view *v, size_t limit);

/* A field of CSV: quoted where needed (RFC 4180); the separator is the caller's. */
void lode_csv_field(FILE *f, const char *s);
void lode_csv_rows(FILE *f, const struct lode_view *v, size_t limit);

#endif
