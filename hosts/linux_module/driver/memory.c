// SPDX-License-Identifier: Apache-2.0
/*
 * memcpy and its kind for driver code, which may hand them pointers of the user's: compiled as driver code is, so that
 * a bad one is found here.
 */
#include <stddef.h>

void *kebound_driver_memcpy(void *to, const void *from, size_t size)
{
	void *const result = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
	return result;
}

void *kebound_driver_memmove(void *to, const void *from, size_t size)
{
	unsigned char *t = to;
	const unsigned char *f = from;

	if (t <= f || t >= f + size)
		return kebound_driver_memcpy(to, from, size);
	while (size-- > 0)
		t[size] = f[size];
	return to;
}

void *kebound_driver_memset(void *to, int value, size_t size)
{
	void *const result = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
	return result;
}

int kebound_driver_memcmp(const void *left, const void *right, size_t size)
{
	const unsigned char *l = left;
	const unsigned char *r = right;

	for (; size > 0; size--, l++, r++)
		if (*l != *r)
			return *l < *r ? -1 : 1;
	return 0;
}
