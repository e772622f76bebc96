/* Reads a loaded object's dynamic section, its GNU hash table and its .eh_frame_hdr.  Called by interp.c only, outside
 * signals, once or a few times in a process. */
#include "python/image.h"

static bool is_same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static void read_dynamic(struct lode_image *image, const ElfW(Dyn) *dynamic)
{
	for (; dynamic->d_tag != DT_NULL; dynamic++) {
		uintptr_t address = dynamic->d_un.d_ptr;

		/* glibc relocates these in place, but for objects with a read-only dynamic section (the vDSO). */
		if (address < image->start)
			address += image->bias;
		if (dynamic->d_tag == DT_SYMTAB)
			image->symbols = (const ElfW(Sym) *)address;
		else if (dynamic->d_tag == DT_STRTAB)
			image->strings = (const char *)address;
		else if (dynamic->d_tag == DT_GNU_HASH)
			image->gnu_hash = (const uint32_t *)address;
	}
	if (!image->strings || !image->gnu_hash)
		image->symbols = NULL;
}

static void add_load(struct lode_image *image, const ElfW(Phdr) *header)
{
	uintptr_t start = image->bias + header->p_vaddr, end = start + header->p_memsz;

	if (start < image->start)
		image->start = start;
	if (end > image->end)
		image->end = end;
	if (!(header->p_flags & PF_X))
		return;
	if (start < image->text_start)
		image->text_start = start;
	if (end > image->text_end)
		image->text_end = end;
}

void lode_image_init(struct lode_image *image, const struct dl_phdr_info *info)
{
	*image = (struct lode_image){
		.bias = info->dlpi_addr, .start = UINTPTR_MAX, .text_start = UINTPTR_MAX, .path = info->dlpi_name,
	};
	for (unsigned i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD)
			add_load(image, &info->dlpi_phdr[i]);
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		uintptr_t address = image->bias + info->dlpi_phdr[i].p_vaddr;

		if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
			read_dynamic(image, (const ElfW(Dyn) *)address);
		else if (info->dlpi_phdr[i].p_type == PT_GNU_EH_FRAME)
			image->eh_frame_hdr = address;
	}
}

/* DT_GNU_HASH: {buckets, first hashed symbol, bloom words, shift}, bloom words, buckets, chains. */
uintptr_t lode_image_symbol(const struct lode_image *image, const char *name, size_t *bytes)
{
	const uint32_t *table = image->gnu_hash;
	uint32_t hash = 5381;

	if (!image->symbols || !table[0])
		return 0;
	for (const char *c = name; *c; c++)
		hash = hash * 33 + (unsigned char)*c;
	const ElfW(Addr) *bloom = (const ElfW(Addr) *)(table + 4);
	const uint32_t *buckets = (const uint32_t *)(bloom + table[2]);
	const uint32_t *chains = buckets + table[0];
	uint32_t index = buckets[hash % table[0]];

	if (index < table[1])
		return 0;
	for (;; index++) {
		const ElfW(Sym) *symbol = &image->symbols[index];
		uint32_t other = chains[index - table[1]];

		if ((other | 1) == (hash | 1) && symbol->st_shndx != SHN_UNDEF && symbol->st_value &&
		    is_same(image->strings + symbol->st_name, name)) {
			if (bytes)
				*bytes = symbol->st_size;
			return image->bias + symbol->st_value;
		}
		if (other & 1)
			return 0;
	}
}

/* The binary search table of .eh_frame_hdr: pairs (start of the range, its FDE), relative to the section, sorted.
 * Source: LSB, "Exception Frames"; 0x1b03 and 0x3b are the encodings that every linker writes. */
struct unwind_index {
	uintptr_t base;
	const int32_t *pairs;
	uint32_t count;
};

static bool read_unwind_index(const struct lode_image *image, struct unwind_index *index)
{
	const unsigned char *header = (const unsigned char *)image->eh_frame_hdr;

	if (!header || header[0] != 1 || header[1] != 0x1b || header[2] != 0x03 || header[3] != 0x3b)
		return false;
	index->base = image->eh_frame_hdr;
	index->count = *(const uint32_t *)(header + 8);
	index->pairs = (const int32_t *)(header + 12);
	return index->count > 1;
}

static struct lode_range range_around(const struct unwind_index *index, uintptr_t pc, uintptr_t text_end)
{
	uint32_t low = 0, high = index->count;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (index->base + (intptr_t)index->pairs[2 * middle] <= pc)
			low = middle;
		else
			high = middle;
	}
	return (struct lode_range){
		.start = index->base + (intptr_t)index->pairs[2 * low],
		.end = high < index->count ? index->base + (intptr_t)index->pairs[2 * high] : text_end,
	};
}

struct jump_target {
	struct lode_range range;
	uint32_t jumps;
};

static void count_jump(struct jump_target *targets, unsigned *count, unsigned capacity, struct lode_range range)
{
	for (unsigned i = 0; i < *count; i++) {
		if (targets[i].range.start == range.start) {
			targets[i].jumps++;
			return;
		}
	}
	if (*count < capacity)
		targets[(*count)++] = (struct jump_target){.range = range, .jumps = 1};
}

/* Bytes that merely look like a jump lead anywhere: a range counts from the fourth one.  (The cold part of Debian's
 * build has hundreds; parts with fewer hold an abort, not code that runs.) */
#define JUMPS_NEEDED 4

unsigned lode_image_cold_parts(const struct lode_image *image, struct lode_range hot, struct lode_range *parts,
			       unsigned capacity)
{
	unsigned found = 0;
#if defined(__x86_64__)
	struct jump_target targets[32];
	unsigned count = 0;
	struct unwind_index index;

	if (!read_unwind_index(image, &index))
		return 0;
	for (uintptr_t at = hot.start; at + 6 <= hot.end; at++) {
		const unsigned char *code = (const unsigned char *)at;

		if (code[0] != 0x0f || (code[1] & 0xf0) != 0x80) /* jcc rel32 */
			continue;
		uintptr_t target = at + 6 + (intptr_t)*(const int32_t *)(code + 2);

		if (target < image->text_start || target >= image->text_end ||
		    (target >= hot.start && target < hot.end))
			continue;
		count_jump(targets, &count, 32, range_around(&index, target, image->text_end));
	}
	for (unsigned i = 0; i < count && found < capacity; i++)
		if (targets[i].jumps >= JUMPS_NEEDED)
			parts[found++] = targets[i].range;
#else
	(void)image, (void)hot, (void)parts, (void)capacity;
#endif
	return found;
}
