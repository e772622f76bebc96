/* See the header.  Entries are recognised by their jump, whatever the section is called and however the linker laid it
 * out (.plt, .plt.sec with endbr64, .plt.got). */
#include "plt.h"

static uint32_t read_u32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* [endbr64] [bnd] jmp *disp(%rip) */
static uint64_t slot_x86_64(const uint8_t *p, size_t bytes, uint64_t address)
{
	size_t i = bytes > 4 && read_u32(p) == 0xfa1e0ff3 ? 4 : 0;

	i += i < bytes && p[i] == 0xf2;
	if (i + 6 > bytes || p[i] != 0xff || p[i + 1] != 0x25)
		return 0;
	return address + i + 6 + (uint64_t)(int64_t)(int32_t)read_u32(p + i + 2);
}

/* [bti c] adrp x16, page; ldr x17, [x16, #offset] */
static uint64_t slot_aarch64(const uint8_t *p, size_t bytes, uint64_t address)
{
	const size_t at = bytes >= 4 && read_u32(p) == 0xd503245f ? 4 : 0;
	uint32_t adrp, ldr;
	int64_t pages;

	if (bytes < at + 8)
		return 0;
	adrp = read_u32(p + at);
	ldr = read_u32(p + at + 4);
	if ((adrp & 0x9f00001f) != 0x90000010 || (ldr & 0xffc003ff) != 0xf9400211)
		return 0;
	pages = (int64_t)((uint64_t)((adrp >> 5 & 0x7ffff) << 2 | (adrp >> 29 & 3)) << 43) >> 43;
	return ((address + at) & ~UINT64_C(0xfff)) + (uint64_t)pages * 4096 + (uint64_t)(ldr >> 10 & 0xfff) * 8;
}

uint64_t lode_plt_slot(enum lode_plt_machine machine, const uint8_t *p, size_t bytes, uint64_t address)
{
	return machine == LODE_PLT_X86_64 ? slot_x86_64(p, bytes, address) : slot_aarch64(p, bytes, address);
}
