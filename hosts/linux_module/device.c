// SPDX-License-Identifier: Apache-2.0
/*
 * /dev/kebound: records to whoever may see them. policy.c has the other half, what ioctl() sets.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/pid_namespace.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "device.h"

#define MAX_READERS 64

static uint ring_records = 256;
module_param(ring_records, uint, 0444);
MODULE_PARM_DESC(ring_records, "records that an open /dev/kebound keeps for its reader, 16 to 4096");

struct reader {
	struct list_head list;
	struct pid_namespace *namespace;
	kuid_t user;
	bool sees_all;
	wait_queue_head_t wait;
	struct mutex reading;
	/* Under readers_lock, as is the list: */
	u64 written; /* records put into the ring */
	u64 taken;
	u64 sequence; /* dropped ones count */
	u64 dropped;
	kebound_ring_record *ring;
};

static LIST_HEAD(readers);
static DEFINE_RAW_SPINLOCK(readers_lock);
int kb_reader_count;

static bool may_see(const struct reader *reader, pid_t *pid, pid_t *tid)
{
	if (!reader->sees_all && !uid_eq(reader->user, current_euid()))
		return false;
	*pid = task_tgid_nr_ns(current, reader->namespace);
	*tid = task_pid_nr_ns(current, reader->namespace);
	return *pid > 0 && *tid > 0;
}

/* Called with readers_lock held. */
static void put_record(struct reader *reader, const kebound_ring_record *record, pid_t pid, pid_t tid)
{
	kebound_ring_record *slot;

	reader->sequence++;
	if (reader->written - reader->taken >= ring_records) {
		reader->dropped++;
		return;
	}
	slot = &reader->ring[reader->written % ring_records];
	*slot = *record;
	slot->sequence = reader->sequence;
	slot->pid = pid;
	slot->tid = tid;
	reader->written++;
}

void kb_publish(kebound_ring_record *record, int may_sleep)
{
	struct reader *reader;
	unsigned long flags;
	pid_t pid, tid;

	if (!kb_readers())
		return;
	record->time_ns = ktime_get_real_ns();
	record->is_64bit = !test_thread_flag(TIF_ADDR32);
	get_task_comm(record->thread_name, current);
	if (may_sleep && current->mm)
		kb_name_image(record);
	raw_spin_lock_irqsave(&readers_lock, flags);
	list_for_each_entry(reader, &readers, list) {
		if (!may_see(reader, &pid, &tid))
			continue;
		put_record(reader, record, pid, tid);
		wake_up(&reader->wait);
	}
	raw_spin_unlock_irqrestore(&readers_lock, flags);
}

static int open_device(struct inode *inode, struct file *file)
{
	struct reader *reader;
	unsigned long flags;

	if (__atomic_add_fetch(&kb_reader_count, 1, __ATOMIC_SEQ_CST) > MAX_READERS) {
		__atomic_sub_fetch(&kb_reader_count, 1, __ATOMIC_SEQ_CST);
		return -EMFILE;
	}
	reader = kzalloc(sizeof(*reader), GFP_KERNEL_ACCOUNT);
	if (reader)
		reader->ring = __vmalloc(array_size(ring_records, sizeof(*reader->ring)), GFP_KERNEL_ACCOUNT);
	if (!reader || !reader->ring) {
		kfree(reader);
		__atomic_sub_fetch(&kb_reader_count, 1, __ATOMIC_SEQ_CST);
		return -ENOMEM;
	}
	init_waitqueue_head(&reader->wait);
	mutex_init(&reader->reading);
	reader->namespace = get_pid_ns(task_active_pid_ns(current));
	reader->user = current_euid();
	reader->sees_all = capable(CAP_SYS_ADMIN);
	file->private_data = reader;
	raw_spin_lock_irqsave(&readers_lock, flags);
	list_add_tail(&reader->list, &readers);
	raw_spin_unlock_irqrestore(&readers_lock, flags);
	return stream_open(inode, file);
}

static int close_device(struct inode *inode, struct file *file)
{
	struct reader *reader = file->private_data;
	unsigned long flags;

	raw_spin_lock_irqsave(&readers_lock, flags);
	list_del(&reader->list);
	raw_spin_unlock_irqrestore(&readers_lock, flags);
	__atomic_sub_fetch(&kb_reader_count, 1, __ATOMIC_SEQ_CST);
	put_pid_ns(reader->namespace);
	vfree(reader->ring);
	kfree(reader);
	return 0;
}

static u64 available(struct reader *reader)
{
	unsigned long flags;
	u64 count;

	raw_spin_lock_irqsave(&readers_lock, flags);
	count = reader->written - reader->taken;
	raw_spin_unlock_irqrestore(&readers_lock, flags);
	return count;
}

static ssize_t read_records(struct reader *reader, char __user *buffer, u64 wanted)
{
	const u64 count = min(wanted, available(reader));
	unsigned long flags;
	ssize_t done = 0;
	u64 i;

	for (i = 0; i < count; i++) {
		/* Writers leave alone what is not taken, so the lock is not needed for the copy. */
		if (copy_to_user(buffer + done, &reader->ring[(reader->taken + i) % ring_records],
				 sizeof(*reader->ring)))
			break;
		done += sizeof(*reader->ring);
	}
	raw_spin_lock_irqsave(&readers_lock, flags);
	reader->taken += i;
	raw_spin_unlock_irqrestore(&readers_lock, flags);
	return done || !count ? done : -EFAULT;
}

static ssize_t read_device(struct file *file, char __user *buffer, size_t size, loff_t *position)
{
	struct reader *reader = file->private_data;
	ssize_t done;

	if (size < sizeof(*reader->ring))
		return -EINVAL;
	do {
		if (!(file->f_flags & O_NONBLOCK) && wait_event_interruptible(reader->wait, available(reader)))
			return -ERESTARTSYS;
		if (mutex_lock_interruptible(&reader->reading))
			return -ERESTARTSYS;
		done = read_records(reader, buffer, size / sizeof(*reader->ring));
		mutex_unlock(&reader->reading);
		if (!done && file->f_flags & O_NONBLOCK)
			return -EAGAIN;
	} while (!done); /* another thread took it */
	return done;
}

static __poll_t poll_device(struct file *file, poll_table *table)
{
	struct reader *reader = file->private_data;

	poll_wait(file, &reader->wait, table);
	return available(reader) ? EPOLLIN | EPOLLRDNORM : 0;
}

static long control_device(struct file *file, unsigned int request, unsigned long argument)
{
	struct reader *reader = file->private_data;
	unsigned long flags;
	u64 dropped;

	switch (request) {
	case KEBOUND_ADD_POLICY:
		return kb_add_policy((const void __user *)argument);
	case KEBOUND_CLEAR_POLICIES:
		return kb_clear_policies();
	case KEBOUND_GET_DROPPED:
		raw_spin_lock_irqsave(&readers_lock, flags);
		dropped = reader->dropped;
		raw_spin_unlock_irqrestore(&readers_lock, flags);
		return put_user(dropped, (u64 __user *)argument);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.open = open_device,
	.release = close_device,
	.read = read_device,
	.poll = poll_device,
	.unlocked_ioctl = control_device,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "kebound",
	.fops = &operations,
	.mode = 0666, /* who opens it sees what it may */
};

int kb_start_device(void)
{
	if (ring_records < 16 || ring_records > 4096) {
		pr_err("ring_records=%u: 16 to 4096\n", ring_records);
		return -EINVAL;
	}
	return misc_register(&device);
}

void kb_stop_device(void)
{
	misc_deregister(&device);
	kb_free_policies();
}
