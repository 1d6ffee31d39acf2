// SPDX-License-Identifier: Apache-2.0
/*
 * The file that has the code at a failing check: its name, which file that is, and which build. Whoever reads the record
 * later may find another file at that path, and the process gone.
 *
 * The file is read, not the task's memory: that is the task's to change, and may not be all there. mmap_lock is not held
 * meanwhile, a reference to the file is. Its page cache mostly has the headers, since they were read when it was mapped;
 * otherwise the task waits for its file system as in a page fault of that mapping, which a fatal signal ends. It is a
 * file that the task itself executes: a file system that does not answer (FUSE) holds up nobody else.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <linux/string.h>

#include "compat.h"
#include "device.h"

/* Has the program headers and the build ID of what today's linkers make, in one read. */
#define HEADERS_SIZE 1024

/* The file that is executed at `address`, with a reference; null: none. */
static struct file *executed_file(u64 address, u64 *place, u32 *is_program)
{
	struct vm_area_struct *area;
	struct file *file = NULL;

	mmap_read_lock(current->mm);
	area = find_vma(current->mm, address);
	/* What is not executable any more is not where the check was: another thread has mapped something else there. */
	if (area && area->vm_start <= address && area->vm_file && area->vm_flags & VM_EXEC) {
		file = get_file(area->vm_file);
		*place = address - area->vm_start + ((u64)area->vm_pgoff << PAGE_SHIFT);
		*is_program = file == rcu_access_pointer(current->mm->exe_file);
	}
	mmap_read_unlock(current->mm);
	return file;
}

/* A device's read() may do anything, and old file systems' ->read wants user memory. */
static bool may_be_read(const struct file *file)
{
	return S_ISREG(file_inode(file)->i_mode) && file->f_mode & FMODE_READ && file->f_mode & FMODE_CAN_READ &&
	       file->f_op->read_iter && !file->f_op->read;
}

size_t kb_read_file(void *opaque, u64 offset, void *buffer, size_t size)
{
	loff_t position = offset;
	ssize_t done;

	if (position < 0)
		return 0;
	done = kernel_read(opaque, buffer, size, &position);
	return done > 0 ? done : 0;
}

/* Of what stat(2) says. A file system is not asked to ask its server again. */
static void identify(const struct file *file, kebound_ring_record *record)
{
	struct kstat stat;

	if (vfs_getattr_nosec(&file->f_path, &stat, STATX_INO | STATX_SIZE | STATX_CTIME, AT_STATX_DONT_SYNC))
		return;
	record->image_device = new_encode_dev(stat.dev);
	record->image_inode = stat.ino;
	record->image_size = stat.size;
	record->image_changed_ns = stat.ctime.tv_sec * NSEC_PER_SEC + stat.ctime.tv_nsec;
}

void kb_name_image(kebound_ring_record *record)
{
	struct kb_image_facts facts;
	u32 is_program = 0;
	char *buffer, *path;
	struct file *file;
	u64 place = 0;

	file = executed_file(record->event.ip, &place, &is_program);
	if (!file)
		return;
	buffer = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!buffer || !may_be_read(file))
		goto out;
	path = file_path(file, buffer, PATH_MAX);
	/* Half a path is none. */
	if (IS_ERR(path) || strscpy(record->image, path, sizeof(record->image)) < 0)
		goto no_image;
	if (!kb_read_image_facts(file, place, buffer, HEADERS_SIZE, &facts))
		goto no_image;
	record->image_bias = record->event.ip - facts.address;
	record->image_is_program = is_program;
	record->build_id_size = facts.build_id_size;
	memcpy(record->build_id, facts.build_id, sizeof(record->build_id));
	identify(file, record);
	goto out;
no_image:
	record->image[0] = 0;
out:
	kfree(buffer);
	fput(file);
}
