// SPDX-License-Identifier: Apache-2.0
/*
 * What checks.cc needs of the running process: its code and data, the file that they are from, and a place to work in.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/semaphore.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

#include "compat.h"

size_t kb_read_resident(u64 address, void *buffer, size_t size)
{
	size_t done = 0;

	cond_resched();
	while (done < size && !fatal_signal_pending(current)) {
		const u64 at = address + done;
		const size_t part = min_t(size_t, size - done, PAGE_SIZE - offset_in_page(at));

		if (at < address || copy_from_user_nofault(buffer + done, (const void __user *)at, part))
			break;
		done += part;
	}
	return done;
}

size_t kb_fault_in(u64 address, size_t size)
{
	if (address >= TASK_SIZE_MAX)
		return 0;
	size = min_t(u64, size, TASK_SIZE_MAX - address);
	return size - fault_in_readable((const char __user *)address, size);
}

int kb_copy_from_user(u64 address, void *buffer, size_t size)
{
	return !copy_from_user(buffer, (const void __user *)address, size);
}

int kb_copy_to_user(u64 address, const void *buffer, size_t size)
{
	return !copy_to_user((void __user *)address, buffer, size);
}

static bool same_file(const struct vm_area_struct *area, const struct inode *inode)
{
	return area && area->vm_file && file_inode(area->vm_file) == inode;
}

/* All of the file's mappings that lie together, the one with the ELF header first. */
static int find_file(struct mm_struct *mm, u64 address, struct kb_mapped_file *out)
{
	const struct vm_area_struct *area = find_vma(mm, address);
	const struct inode *inode;
	pgoff_t first;

	if (!area || area->vm_start > address || !area->vm_file)
		return 0;
	inode = file_inode(area->vm_file);
	out->device = inode->i_sb->s_dev;
	out->inode = inode->i_ino;
	out->begin = area->vm_start;
	out->end = area->vm_end;
	first = area->vm_pgoff;
	{
		VMA_ITERATOR(before, mm, area->vm_start);
		while (first && same_file(area = vma_prev(&before), inode)) {
			out->begin = area->vm_start;
			first = area->vm_pgoff;
		}
	}
	{
		VMA_ITERATOR(behind, mm, out->end);
		while (same_file(area = vma_next(&behind), inode) && area->vm_pgoff)
			out->end = area->vm_end;
	}
	return 1;
}

int kb_find_file(u64 address, struct kb_mapped_file *out)
{
	struct mm_struct *mm = current->mm;
	int found;

	if (!mm || mmap_read_lock_killable(mm))
		return 0;
	found = find_file(mm, address, out);
	mmap_read_unlock(mm);
	return found;
}

/* Whoever has a place works without sleeping for anything that a user decides about: what is not there is waited for
 * outside (checks.cc). So waiting for a place is waiting for processor time, and nobody can keep one. A place remembers
 * the address space that it was used for: a reference keeps the number of that from coming again, the memory of the
 * process goes its way. */
#define WORKPLACES 4

struct workplace {
	void *memory;
	struct mm_struct *mm;
	u64 last_use;
	bool taken;
};

static struct workplace workplaces[WORKPLACES];
static u64 workplace_uses;
static DEFINE_SPINLOCK(workplaces_lock);
static struct semaphore free_workplaces = __SEMAPHORE_INITIALIZER(free_workplaces, WORKPLACES);

/* The one that knows this address space, or else the one that was not used for longest. */
static struct workplace *choose_workplace(void)
{
	struct workplace *best = NULL, *place;

	spin_lock(&workplaces_lock);
	for (place = workplaces; place < workplaces + WORKPLACES; place++) {
		if (place->taken)
			continue;
		if (!best || place->mm == current->mm ||
		    (best->mm != current->mm && place->last_use < best->last_use))
			best = place;
	}
	best->taken = true; /* there is one: the semaphore says so */
	best->last_use = ++workplace_uses;
	spin_unlock(&workplaces_lock);
	return best;
}

static void give_back(struct workplace *place)
{
	spin_lock(&workplaces_lock);
	place->taken = false;
	spin_unlock(&workplaces_lock);
	up(&free_workplaces);
}

void *kb_take_workplace(size_t size, int *is_new)
{
	struct workplace *place;

	if (!current->mm || down_killable(&free_workplaces))
		return NULL;
	place = choose_workplace();
	if (!place->memory)
		place->memory = kvzalloc(size, GFP_KERNEL | __GFP_NOWARN);
	if (!place->memory) {
		give_back(place);
		return NULL;
	}
	*is_new = place->mm != current->mm;
	if (*is_new) {
		if (place->mm)
			mmdrop(place->mm);
		mmgrab(current->mm);
		place->mm = current->mm;
	}
	return place->memory;
}

void kb_give_workplace(void *memory)
{
	struct workplace *place;

	for (place = workplaces; place < workplaces + WORKPLACES; place++) {
		if (place->memory == memory) {
			give_back(place);
			return;
		}
	}
}

void kb_free_workplaces(void)
{
	struct workplace *place;

	for (place = workplaces; place < workplaces + WORKPLACES; place++) {
		if (place->mm)
			mmdrop(place->mm);
		kvfree(place->memory);
	}
}
