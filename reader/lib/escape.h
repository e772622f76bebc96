/* Escaping of hostile bytes (names come from the recording) for each place they are printed.  UTF-8 is repaired:
 * invalid bytes become U+FFFD. Nothing here fails. */
#ifndef LODE_ESCAPE_H
#define LODE_ESCAPE_H

#include <stdio.h>

/* Terminal: C0, C1, DEL, bidi controls become \xNN or \u{NNNN}; the rest passes.  Returns the columns printed. */
int lode_put_text(FILE *f, const char *s);
/* A JSON string with its quotes; < > & and U+2028/9 as \u escapes, so it may stand in a script element too. */
void lode_put_json(FILE *f, const char *s);
/* XML/HTML text or attribute value. */
void lode_put_xml(FILE *f, const char *s);
/* Folded stacks: `;` and newline replaced, trailing " digits" harmless. */
void lode_put_folded(FILE *f, const char *s);

#endif
