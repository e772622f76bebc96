/* Parser of .eh_frame: finds the functions (FDEs) through .eh_frame_hdr's sorted index, or one by one where it has
 * none, runs each function's call frame program and keeps what a row can hold: rsp, rbp and the return address.
 * Called by modules.c when an object is first seen, never on the signal path. */
#include "ehframe.h"

#include "mem.h"
#include "unwind_table.h"

#include <stdbool.h>
#include <stdint.h>

/* Pointer encodings of the LSB (DW_EH_PE_*): the low half says the size, the high half what it is relative to. */
enum {
	PE_ABSPTR = 0x00, PE_ULEB128 = 0x01, PE_UDATA2 = 0x02, PE_UDATA4 = 0x03, PE_UDATA8 = 0x04,
	PE_SLEB128 = 0x09, PE_SDATA2 = 0x0a, PE_SDATA4 = 0x0b, PE_SDATA8 = 0x0c,
	PE_PCREL = 0x10, PE_DATAREL = 0x30, PE_APPLICATION = 0x70, PE_INDIRECT = 0x80, PE_OMIT = 0xff,
};

enum {
	CFA_ADVANCE_LOC = 0x40, CFA_OFFSET = 0x80, CFA_RESTORE = 0xc0,
	CFA_NOP = 0x00, CFA_SET_LOC = 0x01, CFA_ADVANCE_LOC1 = 0x02, CFA_ADVANCE_LOC2 = 0x03, CFA_ADVANCE_LOC4 = 0x04,
	CFA_OFFSET_EXTENDED = 0x05, CFA_RESTORE_EXTENDED = 0x06, CFA_UNDEFINED = 0x07, CFA_SAME_VALUE = 0x08,
	CFA_REGISTER = 0x09, CFA_REMEMBER_STATE = 0x0a, CFA_RESTORE_STATE = 0x0b, CFA_DEF_CFA = 0x0c,
	CFA_DEF_CFA_REGISTER = 0x0d, CFA_DEF_CFA_OFFSET = 0x0e, CFA_DEF_CFA_EXPRESSION = 0x0f, CFA_EXPRESSION = 0x10,
	CFA_OFFSET_EXTENDED_SF = 0x11, CFA_DEF_CFA_SF = 0x12, CFA_DEF_CFA_OFFSET_SF = 0x13, CFA_VAL_OFFSET = 0x14,
	CFA_VAL_OFFSET_SF = 0x15, CFA_VAL_EXPRESSION = 0x16, CFA_GNU_WINDOW_SAVE = 0x2d, CFA_GNU_ARGS_SIZE = 0x2e,
	CFA_GNU_NEGATIVE_OFFSET_EXTENDED = 0x2f,
};

enum {
	OP_DEREF = 0x06, OP_AND = 0x1a, OP_PLUS = 0x22, OP_PLUS_UCONST = 0x23, OP_SHL = 0x24, OP_GE = 0x2a,
	OP_LIT0 = 0x30, OP_BREG0 = 0x70,
};

/* DWARF's numbers of the x86-64 registers (System V ABI, figure 3.36). */
enum { REG_RBP = 6, REG_RSP = 7, REG_RA = 16 };

enum { RA_AT_CFA_8, RA_UNDEFINED, RA_IN_UCONTEXT, RA_ELSEWHERE };

#define REMEMBER_DEPTH 16
#define CIE_CACHE 4
#define MAX_FUNCTIONS (1u << 24)
#define MAX_ROWS (1u << 24)
#define PADDING_BYTES 16 /* shorter gaps are the alignment between two functions: no code runs there */
/* Where glibc's __restore_rt says that rip lies: uc_mcontext.gregs[REG_RIP] from rsp. */
#define UCONTEXT_RIP 168

struct cursor {
	const uint8_t *at, *end;
	bool is_bad; /* read past the end; all later reads give 0 */
};

struct state {
	uint8_t cfa, rbp, ra;
	int64_t cfa_offset, rbp_offset;
};

struct cie {
	uintptr_t address;
	const uint8_t *program, *program_end;
	uint64_t code_align;
	int64_t data_align;
	uint8_t pointer_encoding;
	bool has_augmentation, is_signal, is_usable;
	struct state initial;
};

struct function {
	uint32_t start; /* offset in the module */
	uint32_t fde;   /* offset in .eh_frame's segment */
};

struct builder {
	const struct lode_ehframe_input *in;
	struct lode_ehframe_segment frames; /* the segment of .eh_frame */
	uintptr_t eh_frame;
	struct cie cies[CIE_CACHE];
	uint32_t next_cie;
	struct function *functions;
	uint32_t function_count, function_capacity;
	uint32_t *locations;
	struct lode_unwind_rule *rules;
	uint32_t row_count, row_capacity;
	bool is_out_of_memory;
	struct state remembered[REMEMBER_DEPTH];
};

/* ---- reading ---- */

static bool segment_of(const struct lode_ehframe_input *in, uintptr_t address, struct lode_ehframe_segment *found)
{
	for (uint32_t i = 0; i < in->segment_count; i++) {
		if (address >= in->segments[i].start && address < in->segments[i].end) {
			*found = in->segments[i];
			return true;
		}
	}
	return false;
}

static struct cursor cursor_at(const struct lode_ehframe_segment *s, uintptr_t address)
{
	struct cursor c = { (const uint8_t *)address, (const uint8_t *)s->end, false };

	if (address < s->start || address > s->end) {
		c.at = c.end;
		c.is_bad = true;
	}
	return c;
}

static uint64_t read_fixed(struct cursor *c, unsigned bytes)
{
	uint64_t value = 0;

	if ((size_t)(c->end - c->at) < bytes) {
		c->is_bad = true;
		c->at = c->end;
		return 0;
	}
	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)c->at[i] << (8 * i);
	c->at += bytes;
	return value;
}

static uint8_t read_u8(struct cursor *c)
{
	return (uint8_t)read_fixed(c, 1);
}

static int64_t read_signed(struct cursor *c, unsigned bytes)
{
	unsigned shift = 64 - 8 * bytes;

	return (int64_t)(read_fixed(c, bytes) << shift) >> shift;
}

static uint64_t read_uleb(struct cursor *c)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = read_u8(c);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while ((byte & 0x80) && !c->is_bad);
	return value;
}

static int64_t read_sleb(struct cursor *c)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = read_u8(c);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while ((byte & 0x80) && !c->is_bad);
	if (shift < 64 && (byte & 0x40))
		value |= ~UINT64_C(0) << shift;
	return (int64_t)value;
}

/* Takes `bytes` out of the cursor as a cursor of their own. */
static struct cursor read_block(struct cursor *c, uint64_t bytes)
{
	struct cursor block = { c->at, c->at, c->is_bad };

	if (bytes > (uint64_t)(c->end - c->at)) {
		c->is_bad = block.is_bad = true;
		c->at = c->end;
		return block;
	}
	block.end = c->at += bytes;
	return block;
}

/* A pointer in one of the LSB's encodings; `data_base` is what DATAREL starts from. */
static uintptr_t read_pointer(struct cursor *c, uint8_t encoding, uintptr_t data_base)
{
	uintptr_t here = (uintptr_t)c->at;
	uint64_t value;

	switch (encoding & 0x0f) {
	case PE_ABSPTR: case PE_UDATA8: case PE_SDATA8: value = read_fixed(c, 8); break;
	case PE_UDATA2: value = read_fixed(c, 2); break;
	case PE_UDATA4: value = read_fixed(c, 4); break;
	case PE_SDATA2: value = (uint64_t)read_signed(c, 2); break;
	case PE_SDATA4: value = (uint64_t)read_signed(c, 4); break;
	case PE_ULEB128: value = read_uleb(c); break;
	case PE_SLEB128: value = (uint64_t)read_sleb(c); break;
	default: c->is_bad = true; return 0;
	}
	switch (encoding & PE_APPLICATION) {
	case PE_ABSPTR: return value;
	case PE_PCREL: return here + value;
	case PE_DATAREL: return data_base + value;
	default: c->is_bad = true; return 0;
	}
}

/* ---- rows ---- */

static bool rules_are_equal(const struct lode_unwind_rule *a, const struct lode_unwind_rule *b)
{
	return a->cfa_offset == b->cfa_offset && a->rbp_offset == b->rbp_offset && a->cfa == b->cfa &&
	       a->rbp == b->rbp;
}

static bool rows_reserve(struct builder *b)
{
	uint32_t capacity = b->row_capacity ? b->row_capacity * 2 : b->function_count * 4 + 16;
	uint32_t *locations;
	struct lode_unwind_rule *rules;

	if (b->row_count < b->row_capacity)
		return true;
	if (capacity > MAX_ROWS)
		capacity = MAX_ROWS;
	if (b->is_out_of_memory || capacity <= b->row_count)
		return false;
	locations = lode_mem_realloc(b->locations, capacity * sizeof(*locations));
	if (locations)
		b->locations = locations;
	rules = locations ? lode_mem_realloc(b->rules, capacity * sizeof(*rules)) : NULL;
	if (!rules) {
		b->is_out_of_memory = true;
		return false;
	}
	b->rules = rules;
	b->row_capacity = capacity;
	return true;
}

/* Rows come in rising order; a row at the same place replaces the last, an equal one continues it. */
static void rows_append(struct builder *b, uint32_t location, struct lode_unwind_rule rule)
{
	if (b->row_count && b->locations[b->row_count - 1] == location)
		b->row_count--;
	if (b->row_count && rules_are_equal(&b->rules[b->row_count - 1], &rule))
		return;
	if (!rows_reserve(b))
		return;
	b->locations[b->row_count] = location;
	b->rules[b->row_count] = rule;
	b->row_count++;
}

/* Cuts what a function before claims of this one, and the gap between the two when it is mere padding. */
static void rows_begin_function(struct builder *b, uint32_t start)
{
	while (b->row_count && b->locations[b->row_count - 1] >= start)
		b->row_count--;
	if (b->row_count && b->rules[b->row_count - 1].cfa == LODE_CFA_NONE &&
	    start - b->locations[b->row_count - 1] < PADDING_BYTES)
		b->row_count--;
}

static struct lode_unwind_rule rule_of_state(const struct state *s)
{
	struct lode_unwind_rule rule = { .cfa = s->cfa, .cfa_offset = (int32_t)s->cfa_offset, .rbp = s->rbp };

	if (s->ra == RA_IN_UCONTEXT)
		return (struct lode_unwind_rule){ .cfa = LODE_CFA_SIGNAL };
	if (s->ra == RA_UNDEFINED) {
		bool is_known = rule.cfa_offset == s->cfa_offset && rule.cfa != LODE_CFA_UNSUPPORTED;

		return (struct lode_unwind_rule){ .cfa = (is_known ? s->cfa : LODE_CFA_NONE) | LODE_CFA_END,
						  .cfa_offset = is_known ? rule.cfa_offset : 0 };
	}
	if (s->ra == RA_ELSEWHERE || s->cfa == LODE_CFA_UNSUPPORTED || rule.cfa_offset != s->cfa_offset)
		return (struct lode_unwind_rule){ .cfa = LODE_CFA_UNSUPPORTED };
	/* GCC's realigned functions: at `ret` rbp is popped already, but the rows still say where it lay. */
	if (s->rbp == LODE_RBP_AT_RBP && s->cfa == LODE_CFA_RSP && s->cfa_offset == 8) {
		rule.rbp = LODE_RBP_SAME;
		return rule;
	}
	if (s->rbp != LODE_RBP_SAME && s->rbp != LODE_RBP_LOST) {
		rule.rbp_offset = (int16_t)(s->rbp_offset / 8);
		if ((int64_t)rule.rbp_offset * 8 != s->rbp_offset) {
			rule.rbp = LODE_RBP_LOST;
			rule.rbp_offset = 0;
		}
	}
	return rule;
}

/* ---- expressions ---- */

/* breg7 8; breg16 0; lit15; and; litN; ge; lit3; shl; plus: binutils' description of its PLTs; N differs by kind. */
static bool is_plt_expression(struct cursor e, int64_t *threshold)
{
	static const uint8_t head[] = { OP_BREG0 + REG_RSP, 8, OP_BREG0 + REG_RA, 0, OP_LIT0 + 15, OP_AND };
	static const uint8_t tail[] = { OP_GE, OP_LIT0 + 3, OP_SHL, OP_PLUS };

	if ((size_t)(e.end - e.at) != sizeof(head) + 1 + sizeof(tail))
		return false;
	for (size_t i = 0; i < sizeof(head); i++) {
		if (e.at[i] != head[i])
			return false;
	}
	for (size_t i = 0; i < sizeof(tail); i++) {
		if (e.at[sizeof(head) + 1 + i] != tail[i])
			return false;
	}
	*threshold = e.at[sizeof(head)] - OP_LIT0;
	return *threshold >= 0 && *threshold < 16;
}

/* breg6/7 n; deref [; plus_uconst m]: where realigned code keeps its old stack pointer (GCC's DRAP; OpenSSL). */
static bool is_deref_expression(struct cursor e, struct state *s)
{
	uint8_t base = read_u8(&e);
	int64_t inner = read_sleb(&e);
	uint64_t add = 0;

	if ((base != OP_BREG0 + REG_RSP && base != OP_BREG0 + REG_RBP) || read_u8(&e) != OP_DEREF)
		return false;
	if (e.at < e.end) {
		uint8_t op = read_u8(&e);

		if (op == OP_PLUS_UCONST)
			add = read_uleb(&e);
		else if (op > OP_LIT0 && op < OP_LIT0 + 32 && read_u8(&e) == OP_PLUS)
			add = op - OP_LIT0;
		else
			return false;
	}
	if (e.is_bad || e.at != e.end || add > 255 || inner < -(1 << 22) || inner >= 1 << 22)
		return false;
	s->cfa = base == OP_BREG0 + REG_RSP ? LODE_CFA_AT_RSP : LODE_CFA_AT_RBP;
	s->cfa_offset = inner * 256 + (int64_t)add;
	return true;
}

static void set_cfa_expression(struct state *s, struct cursor e)
{
	int64_t threshold;

	if (is_plt_expression(e, &threshold)) {
		s->cfa = LODE_CFA_PLT;
		s->cfa_offset = threshold;
	} else if (!is_deref_expression(e, s)) {
		s->cfa = LODE_CFA_UNSUPPORTED;
	}
}

/* The caller's register lies in memory at the expression's value: simple ones are base register + offset. */
static void set_register_expression(const struct cie *cie, struct state *s, uint64_t reg, struct cursor e)
{
	uint8_t base = read_u8(&e);
	int64_t offset = read_sleb(&e);
	bool is_simple = !e.is_bad && e.at == e.end;

	if (reg == REG_RA) {
		bool is_ucontext = cie->is_signal && is_simple && base == OP_BREG0 + REG_RSP && offset == UCONTEXT_RIP;

		s->ra = is_ucontext ? RA_IN_UCONTEXT : RA_ELSEWHERE;
	} else if (reg == REG_RBP) {
		s->rbp = LODE_RBP_LOST;
		if (is_simple && base == OP_BREG0 + REG_RSP)
			s->rbp = LODE_RBP_AT_RSP;
		else if (is_simple && base == OP_BREG0 + REG_RBP)
			s->rbp = LODE_RBP_AT_RBP;
		s->rbp_offset = offset;
	}
}

/* ---- call frame programs ---- */

static void set_cfa_register(struct state *s, uint64_t reg)
{
	if (reg == REG_RSP)
		s->cfa = LODE_CFA_RSP;
	else if (reg == REG_RBP)
		s->cfa = LODE_CFA_RBP;
	else
		s->cfa = LODE_CFA_UNSUPPORTED;
}

static void set_saved(struct state *s, uint64_t reg, int64_t offset)
{
	if (reg == REG_RBP) {
		s->rbp = LODE_RBP_AT_CFA;
		s->rbp_offset = offset;
	} else if (reg == REG_RA) {
		s->ra = offset == -8 ? RA_AT_CFA_8 : RA_ELSEWHERE;
	}
}

static void set_lost(struct state *s, uint64_t reg)
{
	if (reg == REG_RBP)
		s->rbp = LODE_RBP_LOST;
	else if (reg == REG_RA)
		s->ra = RA_ELSEWHERE;
}

static void set_restored(struct state *s, const struct state *initial, uint64_t reg)
{
	if (reg == REG_RBP) {
		s->rbp = initial->rbp;
		s->rbp_offset = initial->rbp_offset;
	} else if (reg == REG_RA) {
		s->ra = initial->ra;
	}
}

static int64_t scaled(const struct cie *cie, uint64_t factored)
{
	return (int64_t)(factored * (uint64_t)cie->data_align);
}

/* The instructions that change rules, not the place; false: not known, the rest of the program cannot be trusted. */
static bool run_rule(struct cursor *c, const struct cie *cie, struct state *s, uint8_t op)
{
	uint64_t reg;

	switch (op) {
	case CFA_NOP: break;
	case CFA_GNU_WINDOW_SAVE: break; /* SPARC's; takes no operand */
	case CFA_GNU_ARGS_SIZE: read_uleb(c); break;
	case CFA_OFFSET_EXTENDED: reg = read_uleb(c); set_saved(s, reg, scaled(cie, read_uleb(c))); break;
	case CFA_OFFSET_EXTENDED_SF: reg = read_uleb(c); set_saved(s, reg, scaled(cie, (uint64_t)read_sleb(c))); break;
	case CFA_GNU_NEGATIVE_OFFSET_EXTENDED: reg = read_uleb(c); set_saved(s, reg, -scaled(cie, read_uleb(c))); break;
	case CFA_RESTORE_EXTENDED: set_restored(s, &cie->initial, read_uleb(c)); break;
	case CFA_UNDEFINED:
		reg = read_uleb(c);
		set_lost(s, reg);
		if (reg == REG_RA)
			s->ra = RA_UNDEFINED;
		break;
	case CFA_SAME_VALUE:
		reg = read_uleb(c);
		set_lost(s, reg);
		if (reg == REG_RBP)
			s->rbp = LODE_RBP_SAME;
		break;
	case CFA_REGISTER: reg = read_uleb(c); read_uleb(c); set_lost(s, reg); break;
	case CFA_VAL_OFFSET: reg = read_uleb(c); read_uleb(c); set_lost(s, reg); break;
	case CFA_VAL_OFFSET_SF: reg = read_uleb(c); read_sleb(c); set_lost(s, reg); break;
	case CFA_VAL_EXPRESSION: reg = read_uleb(c); read_block(c, read_uleb(c)); set_lost(s, reg); break;
	case CFA_EXPRESSION: reg = read_uleb(c); set_register_expression(cie, s, reg, read_block(c, read_uleb(c))); break;
	case CFA_DEF_CFA: set_cfa_register(s, read_uleb(c)); s->cfa_offset = (int64_t)read_uleb(c); break;
	case CFA_DEF_CFA_SF: set_cfa_register(s, read_uleb(c)); s->cfa_offset = scaled(cie, (uint64_t)read_sleb(c)); break;
	case CFA_DEF_CFA_REGISTER: set_cfa_register(s, read_uleb(c)); break;
	case CFA_DEF_CFA_OFFSET: s->cfa_offset = (int64_t)read_uleb(c); break;
	case CFA_DEF_CFA_OFFSET_SF: s->cfa_offset = scaled(cie, (uint64_t)read_sleb(c)); break;
	case CFA_DEF_CFA_EXPRESSION: set_cfa_expression(s, read_block(c, read_uleb(c))); break;
	default: return false;
	}
	return true;
}

/* The place after an advance, or `at` itself when the instruction is none. */
static uint64_t run_advance(struct cursor *c, const struct cie *cie, const struct builder *b, uint8_t op, uint64_t at)
{
	if ((op & 0xc0) == CFA_ADVANCE_LOC)
		return at + (op & 0x3f) * cie->code_align;
	switch (op) {
	case CFA_SET_LOC: return read_pointer(c, cie->pointer_encoding, 0) - b->in->start;
	case CFA_ADVANCE_LOC1: return at + read_fixed(c, 1) * cie->code_align;
	case CFA_ADVANCE_LOC2: return at + read_fixed(c, 2) * cie->code_align;
	case CFA_ADVANCE_LOC4: return at + read_fixed(c, 4) * cie->code_align;
	default: return at;
	}
}

static bool is_advance(uint8_t op)
{
	return (op & 0xc0) == CFA_ADVANCE_LOC || (op >= CFA_SET_LOC && op <= CFA_ADVANCE_LOC4);
}

/* Runs a program over [*at, end), with a row where rules hold; false where it is malformed, from *at on. */
static bool run_program(struct builder *b, const struct cie *cie, struct cursor c, struct state *s, uint64_t *at,
			uint64_t end)
{
	uint32_t depth = 0;

	while (c.at < c.end) {
		uint8_t op = read_u8(&c);

		if (is_advance(op)) {
			uint64_t next = run_advance(&c, cie, b, op, *at);

			if (c.is_bad || next < *at)
				return false;
			if (next >= end)
				return true; /* what follows holds for no code */
			if (next != *at)
				rows_append(b, (uint32_t)*at, rule_of_state(s));
			*at = next;
		} else if ((op & 0xc0) == CFA_OFFSET) {
			set_saved(s, op & 0x3f, scaled(cie, read_uleb(&c)));
		} else if ((op & 0xc0) == CFA_RESTORE) {
			set_restored(s, &cie->initial, op & 0x3f);
		} else if (op == CFA_REMEMBER_STATE) {
			if (depth == REMEMBER_DEPTH)
				return false;
			b->remembered[depth++] = *s;
		} else if (op == CFA_RESTORE_STATE) {
			if (!depth)
				return false;
			*s = b->remembered[--depth];
		} else if (!run_rule(&c, cie, s, op)) {
			return false;
		}
		if (c.is_bad)
			return false;
	}
	return true;
}

/* ---- CIEs and FDEs ---- */

/* The contents of the CIE or FDE at an address; `after_id` is where its id or CIE pointer lies. */
static bool read_entry(const struct builder *b, uintptr_t address, struct cursor *entry)
{
	struct cursor c = cursor_at(&b->frames, address);
	uint64_t bytes = read_fixed(&c, 4);

	if (bytes == 0xffffffff)
		bytes = read_fixed(&c, 8);
	*entry = read_block(&c, bytes);
	return !entry->is_bad && bytes >= 4;
}

/* 'z': the data's size, then per letter: R pointer encoding, P personality, L encoding of LSDA pointers, S signal. */
static bool read_augmentation(struct cie *cie, const char *letters, struct cursor *c)
{
	struct cursor data;

	if (!*letters)
		return true;
	if (*letters != 'z')
		return false; /* "eh" of GCC 2 and others' inventions: the layout that follows is not known */
	cie->has_augmentation = true;
	data = read_block(c, read_uleb(c));
	for (letters++; *letters; letters++) {
		switch (*letters) {
		case 'R': cie->pointer_encoding = read_u8(&data); break;
		case 'L': read_u8(&data); break;
		case 'S': cie->is_signal = true; break;
		case 'B': break; /* AArch64's pointer signing key */
		case 'P': {
			uint8_t encoding = read_u8(&data);

			read_pointer(&data, encoding & ~PE_INDIRECT, 0);
			break;
		}
		default: return true; /* the rest is skipped by its size */
		}
	}
	return !c->is_bad && !data.is_bad;
}

static bool cie_read(struct builder *b, struct cie *cie, uintptr_t address)
{
	struct cursor c;
	const char *letters;
	uint64_t at = 0;
	uint8_t version;

	*cie = (struct cie){ .address = address, .pointer_encoding = PE_ABSPTR,
			     .initial = { .cfa = LODE_CFA_UNSUPPORTED, .rbp = LODE_RBP_SAME, .ra = RA_ELSEWHERE } };
	if (!read_entry(b, address, &c) || read_fixed(&c, 4) != 0)
		return false;
	version = read_u8(&c);
	letters = (const char *)c.at;
	while (read_u8(&c) && !c.is_bad)
		;
	if (c.is_bad || (version != 1 && version != 3 && version != 4))
		return false;
	if (version == 4 && (read_u8(&c) != 8 || read_u8(&c) != 0)) /* address and segment selector sizes */
		return false;
	cie->code_align = read_uleb(&c);
	cie->data_align = read_sleb(&c);
	if ((version == 1 ? read_u8(&c) : read_uleb(&c)) != REG_RA || !read_augmentation(cie, letters, &c) || c.is_bad)
		return false;
	if (cie->code_align > 16 || cie->data_align > 1024 || cie->data_align < -1024)
		return false;
	/* Its own program holds for all functions and has no place: rows cannot come of it. */
	cie->is_usable = run_program(b, cie, c, &cie->initial, &at, 1);
	return cie->is_usable;
}

static const struct cie *cie_find(struct builder *b, uintptr_t address)
{
	struct cie *cie;

	for (uint32_t i = 0; i < CIE_CACHE; i++) {
		if (b->cies[i].address == address)
			return b->cies[i].is_usable ? &b->cies[i] : NULL;
	}
	cie = &b->cies[b->next_cie++ % CIE_CACHE];
	return cie_read(b, cie, address) ? cie : NULL;
}

struct fde {
	const struct cie *cie;
	uintptr_t start, end;
	struct cursor program;
};

static bool fde_read(struct builder *b, uintptr_t address, struct fde *fde)
{
	struct cursor c;
	uintptr_t id_at;
	uint64_t id;

	if (!read_entry(b, address, &c))
		return false;
	id_at = (uintptr_t)c.at;
	id = read_fixed(&c, 4);
	if (!id || !(fde->cie = cie_find(b, id_at - id)) || (fde->cie->pointer_encoding & PE_INDIRECT))
		return false;
	fde->start = read_pointer(&c, fde->cie->pointer_encoding, 0);
	fde->end = fde->start + read_pointer(&c, fde->cie->pointer_encoding & 0x0f, 0);
	if (fde->cie->has_augmentation)
		read_block(&c, read_uleb(&c));
	fde->program = c;
	return !c.is_bad && fde->start >= b->in->start && fde->end > fde->start && fde->end <= b->in->end;
}

static void add_function_rows(struct builder *b, uintptr_t address)
{
	struct fde fde;
	struct state s;
	uint64_t at, end;
	bool is_sound;

	if (!fde_read(b, address, &fde))
		return;
	at = fde.start - b->in->start;
	end = fde.end - b->in->start;
	rows_begin_function(b, (uint32_t)at);
	s = fde.cie->initial;
	is_sound = run_program(b, fde.cie, fde.program, &s, &at, end);
	rows_append(b, (uint32_t)at, is_sound ? rule_of_state(&s)
					      : (struct lode_unwind_rule){ .cfa = LODE_CFA_UNSUPPORTED });
	rows_append(b, (uint32_t)end, (struct lode_unwind_rule){ .cfa = LODE_CFA_NONE });
}

/* ---- the list of functions ---- */

static bool functions_reserve(struct builder *b, uint32_t count)
{
	struct function *functions;
	uint32_t capacity = b->function_capacity ? b->function_capacity * 2 : 256;

	if (count <= b->function_capacity)
		return true;
	if (capacity < count)
		capacity = count;
	if (capacity > MAX_FUNCTIONS)
		return false;
	functions = lode_mem_realloc(b->functions, capacity * sizeof(*functions));
	if (!functions)
		return false;
	b->functions = functions;
	b->function_capacity = capacity;
	return true;
}

static void functions_add(struct builder *b, uintptr_t start, uintptr_t fde)
{
	if (start < b->in->start || start >= b->in->end || fde < b->frames.start || fde >= b->frames.end)
		return;
	if (!functions_reserve(b, b->function_count + 1))
		return;
	b->functions[b->function_count++] = (struct function){ .start = (uint32_t)(start - b->in->start),
							       .fde = (uint32_t)(fde - b->frames.start) };
}

/* The index: pairs of (function, FDE), which linkers sort. */
static void functions_from_index(struct builder *b, struct cursor *c, uint8_t encoding, uint64_t count)
{
	if (count > MAX_FUNCTIONS || !functions_reserve(b, (uint32_t)count))
		return;
	for (uint64_t i = 0; i < count; i++) {
		uintptr_t start = read_pointer(c, encoding, b->in->header);
		uintptr_t fde = read_pointer(c, encoding, b->in->header);

		if (c->is_bad)
			return;
		functions_add(b, start, fde);
	}
}

/* Entry after entry, up to the terminator of length 0. */
static void functions_from_section(struct builder *b)
{
	uintptr_t at = b->eh_frame;
	struct cursor entry;

	while (read_entry(b, at, &entry)) {
		struct fde fde;

		if (fde_read(b, at, &fde))
			functions_add(b, fde.start, at);
		at = (uintptr_t)entry.end;
	}
}

static void sift_down(struct function *f, uint32_t root, uint32_t count)
{
	struct function moved = f[root];

	for (uint64_t child; (child = 2 * (uint64_t)root + 1) < count; root = (uint32_t)child) {
		if (child + 1 < count && f[child + 1].start > f[child].start)
			child++;
		if (f[child].start <= moved.start)
			break;
		f[root] = f[child];
	}
	f[root] = moved;
}

/* Heap sort: no recursion, no memory, no bad case.  Indexes come sorted, so this rarely runs. */
static void functions_sort(struct function *f, uint32_t count)
{
	bool is_sorted = true;

	for (uint32_t i = 1; i < count && is_sorted; i++)
		is_sorted = f[i - 1].start <= f[i].start;
	if (is_sorted)
		return;
	for (uint32_t i = count / 2; i-- > 0;)
		sift_down(f, i, count);
	for (uint32_t last = count - 1; last > 0; last--) {
		struct function top = f[0];

		f[0] = f[last];
		f[last] = top;
		sift_down(f, 0, last);
	}
}

static void functions_find(struct builder *b)
{
	struct lode_ehframe_segment segment;
	struct cursor c;
	uint8_t version, frame_encoding, count_encoding, table_encoding;
	uint64_t count = 0;

	if (!segment_of(b->in, b->in->header, &segment))
		return;
	c = cursor_at(&segment, b->in->header);
	version = read_u8(&c);
	frame_encoding = read_u8(&c);
	count_encoding = read_u8(&c);
	table_encoding = read_u8(&c);
	if (c.is_bad || version != 1 || frame_encoding == PE_OMIT)
		return;
	b->eh_frame = read_pointer(&c, frame_encoding, b->in->header);
	if (c.is_bad || !segment_of(b->in, b->eh_frame, &b->frames) || b->frames.end - b->frames.start > UINT32_MAX)
		return;
	if (count_encoding != PE_OMIT && table_encoding != PE_OMIT)
		count = read_pointer(&c, count_encoding, b->in->header);
	if (count && !c.is_bad)
		functions_from_index(b, &c, table_encoding, count);
	else
		functions_from_section(b);
	functions_sort(b->functions, b->function_count);
}

/* ---- the table ---- */

static void fill_buckets(uint32_t *buckets, uint32_t bucket_count, const uint32_t *locations, uint32_t rows)
{
	uint32_t row = 0;

	for (uint32_t i = 0; i < bucket_count; i++) {
		while (row + 1 < rows && locations[row + 1] <= (uint64_t)i << LODE_UNWIND_BUCKET_SHIFT)
			row++;
		buckets[i] = row;
	}
}

static struct lode_unwind_table *table_new(const struct builder *b)
{
	uint32_t rows = b->row_count;
	uint32_t bucket_count;
	size_t bytes;
	struct lode_unwind_table *t;
	struct lode_unwind_rule *rules;
	uint32_t *locations, *buckets;

	if (!rows || b->is_out_of_memory)
		return NULL;
	bucket_count = (b->locations[rows - 1] >> LODE_UNWIND_BUCKET_SHIFT) + 2;
	bytes = sizeof(*t) + rows * sizeof(*rules) + (rows + (size_t)bucket_count) * sizeof(uint32_t);
	t = lode_mem_alloc(bytes);
	if (!t)
		return NULL;
	rules = (struct lode_unwind_rule *)(t + 1);
	locations = (uint32_t *)(rules + rows);
	buckets = locations + rows;
	*t = (struct lode_unwind_table){ .count = rows, .bucket_count = bucket_count, .bytes = bytes,
					 .buckets = buckets, .locations = locations, .rules = rules };
	for (uint32_t i = 0; i < rows; i++) {
		locations[i] = b->locations[i];
		rules[i] = b->rules[i];
		t->unsupported += rules[i].cfa == LODE_CFA_UNSUPPORTED;
	}
	fill_buckets(buckets, bucket_count, locations, rows);
	return t;
}

struct lode_unwind_table *lode_ehframe_build(const struct lode_ehframe_input *in)
{
	struct lode_unwind_table *t = NULL;
	struct builder *b;

	if (in->end <= in->start || in->end - in->start > UINT32_MAX - PADDING_BYTES)
		return NULL;
	b = lode_mem_alloc_zeroed(sizeof(*b));
	if (!b)
		return NULL;
	b->in = in;
	functions_find(b);
	for (uint32_t i = 0; i < b->function_count && !b->is_out_of_memory; i++)
		add_function_rows(b, b->frames.start + b->functions[i].fde);
	t = table_new(b);
	lode_mem_free(b->functions);
	lode_mem_free(b->locations);
	lode_mem_free(b->rules);
	lode_mem_free(b);
	return t;
}
