#include "lib/path.h"

#include <stdio.h>
#include <string.h>

#include "lib/error.h"

/* Appends the parts of `from` to the `n` bytes of path `to`. */
static size_t append(char *to, size_t n, const char *from)
{
	while (*from) {
		const size_t part = strcspn(from, "/");
		const char *last = n ? memrchr(to, '/', n) : NULL;
		const size_t last_at = last ? (size_t)(last - to) + 1 : 0;
		const int is_up = part == 2 && !memcmp(from, "..", 2);
		const int can_go_up = n > last_at && strncmp(to + last_at, "..", n - last_at);

		if (is_up && n == 1 && to[0] == '/') {
			; /* above the root there is the root */
		} else if (is_up && can_go_up) {
			n = last_at > 1 ? last_at - 1 : last_at;
		} else if (part && !(part == 1 && from[0] == '.')) {
			if (n && to[n - 1] != '/')
				to[n++] = '/';
			memcpy(to + n, from, part);
			n += part;
		}
		from += part + strspn(from + part, "/");
	}
	return n;
}

char *lode_path_join(const char *directory, const char *file)
{
	const size_t room = (directory ? strlen(directory) : 0) + strlen(file) + 3;
	const char *first = file[0] != '/' && directory ? directory : file;
	char *path = lode_alloc(room);
	size_t n = 0;

	if (first[0] == '/')
		path[n++] = '/';
	if (first != file)
		n = append(path, n, directory);
	n = append(path, n, file);
	path[n] = 0;
	return path;
}

int lode_path_of_debug(char *path, size_t size, const char *root, const uint8_t *id, size_t id_bytes)
{
	char hex[2 * 64 + 1];
	int n;

	if (id_bytes < 2 || id_bytes > 64)
		return -1;
	for (size_t i = 0; i < id_bytes; i++)
		snprintf(hex + 2 * i, 3, "%02x", id[i]);
	n = snprintf(path, size, "%s/usr/lib/debug/.build-id/%.2s/%s.debug", root, hex, hex + 2);
	return n > 0 && (size_t)n < size ? 0 : -1;
}
