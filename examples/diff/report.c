/* Builds a report line by line.  Given "after", it keeps a copy of every line "for later": the change to be judged. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES 4000
#define LINE_BYTES 256

static char *kept[LINES];

static char *make_line(int number)
{
	char *line = malloc(LINE_BYTES);
	if (!line)
		exit(1);
	memset(line, '.', LINE_BYTES);
	snprintf(line, LINE_BYTES, "line %d", number);
	return line;
}

static void keep_copy(int number, const char *line)
{
	kept[number] = malloc(LINE_BYTES);
	if (kept[number])
		memcpy(kept[number], line, LINE_BYTES);
}

int main(int argc, char **argv)
{
	int is_after = argc > 1 && !strcmp(argv[1], "after");
	size_t total = 0;
	for (int i = 0; i < LINES; i++) {
		char *line = make_line(i);
		total += strlen(line);
		if (is_after)
			keep_copy(i, line);
		free(line);
	}
	printf("%zu characters\n", total);
	for (int i = 0; i < LINES; i++)
		free(kept[i]);
	return 0;
}
