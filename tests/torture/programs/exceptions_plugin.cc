// A C++ library that is loaded into a C program, as a Python extension is: throws through eleven frames.
#include <stdexcept>

extern "C" __attribute__((noinline)) int throws_deep(int depth)
{
	struct guard {
		int *n;
		~guard() { ++*n; }
	};
	static int destroyed;
	guard g{ &destroyed };
	if (depth == 0)
		throw std::runtime_error("thrown");
	return throws_deep(depth - 1) + 1;
}

extern "C" int throws_and_catches(int n)
{
	int caught = 0;
	for (int i = 0; i < n; i++) {
		try {
			throws_deep(10);
		} catch (const std::runtime_error &) {
			caught++;
		}
	}
	return caught;
}
