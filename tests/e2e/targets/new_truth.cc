// The C++ operators: each allocation counts once, whether or not the library's operator calls malloc.
#include <new>
#include <vector>

#include "truth.h"

static void *kept[1024];
static int kept_count;

static void keep(void *p)
{
	must(p != nullptr, "an allocation");
	kept[kept_count++] = hide(p);
}

static truth made(const char *name, uint64_t bytes, uint64_t count, uint64_t leaked, uint64_t blocks)
{
	truth t = { name, bytes, count, leaked, blocks, leaked, 1 };
	return t;
}

extern "C" {

CASE new_kept()
{
	for (int i = 0; i < 10; i++)
		keep(::operator new(120));
	truth_add(made(__func__, 1200, 10, 1200, 10));
}

CASE new_array_kept()
{
	for (int i = 0; i < 10; i++)
		keep(::operator new[](240));
	truth_add(made(__func__, 2400, 10, 2400, 10));
}

CASE new_nothrow_kept()
{
	keep(::operator new(77, std::nothrow));
	keep(::operator new[](88, std::nothrow));
	truth_add(made(__func__, 165, 2, 165, 2));
}

CASE new_that_fails()
{
	must(hide(::operator new(PTRDIFF_MAX, std::nothrow)) == nullptr, "failing new");
	truth t = made(__func__, 0, 0, 0, 0);
	t.exact_count = 0; // the library throws and catches inside: an exception may be allocated and freed
	truth_add(t);
}

CASE new_aligned_kept()
{
	for (int i = 0; i < 4; i++)
		keep(::operator new(512, std::align_val_t(128)));
	truth_add(made(__func__, 2048, 4, 2048, 4));
}

CASE deleted_in_every_way()
{
	::operator delete(hide(::operator new(100)));
	::operator delete(hide(::operator new(100)), size_t(100));
	::operator delete[](hide(::operator new[](100)));
	::operator delete[](hide(::operator new[](100)), size_t(100));
	::operator delete(hide(::operator new(128, std::align_val_t(64))), std::align_val_t(64));
	::operator delete(hide(::operator new(128, std::align_val_t(64))), size_t(128), std::align_val_t(64));
	::operator delete[](hide(::operator new[](128, std::align_val_t(64))), std::align_val_t(64));
	::operator delete(hide(::operator new(100, std::nothrow)), std::nothrow);
	::operator delete(nullptr);
	truth_add(made(__func__, 5 * 100 + 3 * 128, 8, 0, 0));
}

CASE deleted_objects()
{
	struct object {
		char bytes[56];
	};
	for (int i = 0; i < 50; i++) {
		object *one = static_cast<object *>(hide(new object));
		object *many = static_cast<object *>(hide(new object[3]));
		delete one;
		delete[] many;
	}
	truth_add(made(__func__, 50 * (56 + 168), 100, 0, 0));
}

CASE vector_reserves()
{
	for (int i = 0; i < 5; i++) {
		std::vector<int> *v = new std::vector<int>;
		v->reserve(1000);
		keep(v);
	}
	truth_add(made(__func__, 5 * (4000 + sizeof(std::vector<int>)), 10, 5 * (4000 + sizeof(std::vector<int>)), 10));
}

CASE peak_of_the_program()
{
	void *p = hide(::operator new(50000000));
	::operator delete(p);
	truth t = made(__func__, 50000000, 1, 0, 0);
	t.peak = 50000000;
	truth_add(t);
}
}

int main()
{
	new_kept();
	new_array_kept();
	new_nothrow_kept();
	new_that_fails();
	new_aligned_kept();
	deleted_in_every_way();
	deleted_objects();
	vector_reserves();
	peak_of_the_program();
	truth_print();
	_exit(0);
}
