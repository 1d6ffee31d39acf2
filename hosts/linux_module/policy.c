// SPDX-License-Identifier: Apache-2.0
/*
 * What becomes of exceptions that no callback handled: the list that ioctl() sets.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/cgroup.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/file.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "device.h"

#define MAX_POLICIES 64

struct policy {
	struct list_head list;
	kebound_device_policy what;
	kuid_t user;
	unsigned long second; /* jiffies at its begin */
	u32 acted;            /* in that second */
};

static LIST_HEAD(policies);
static DEFINE_MUTEX(policies_lock);
static atomic_t policy_count = ATOMIC_INIT(0);

static const char *const action_names[] = { "propagate", "skip", "terminate" };

int kb_policies(void)
{
	return atomic_read(&policy_count);
}

static bool ends(const char *text, size_t size)
{
	return strnlen(text, size) < size;
}

static bool good(const kebound_device_policy *what)
{
	return what->size == sizeof(*what) && what->action <= KEBOUND_POLICY_TERMINATE &&
	       ends(what->program, sizeof(what->program)) && ends(what->cgroup, sizeof(what->cgroup)) &&
	       (!what->program[0] || what->program[0] == '/') && (!what->cgroup[0] || what->cgroup[0] == '/');
}

long kb_add_policy(const void __user *argument)
{
	struct policy *policy;
	long error = -EINVAL;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	policy = kzalloc(sizeof(*policy), GFP_KERNEL);
	if (!policy)
		return -ENOMEM;
	if (copy_from_user(&policy->what, argument, sizeof(policy->what))) {
		error = -EFAULT;
		goto fail;
	}
	if (!good(&policy->what))
		goto fail;
	if (policy->what.user != KEBOUND_ANY_USER) {
		policy->user = make_kuid(current_user_ns(), policy->what.user);
		if (!uid_valid(policy->user))
			goto fail;
	}
	mutex_lock(&policies_lock);
	error = -ENOSPC;
	if (atomic_read(&policy_count) < MAX_POLICIES) {
		list_add_tail(&policy->list, &policies);
		atomic_inc(&policy_count);
		error = 0;
	}
	mutex_unlock(&policies_lock);
	if (error)
		goto fail;
	pr_notice("policy added by user %u: %s, user %d, program \"%*pE\", cgroup \"%*pE\", %u a second\n",
		  from_kuid_munged(&init_user_ns, current_euid()), action_names[policy->what.action],
		  (int)policy->what.user, (int)strlen(policy->what.program), policy->what.program,
		  (int)strlen(policy->what.cgroup), policy->what.cgroup, policy->what.per_second);
	return 0;
fail:
	kfree(policy);
	return error;
}

void kb_free_policies(void)
{
	struct policy *policy, *next;

	mutex_lock(&policies_lock);
	list_for_each_entry_safe(policy, next, &policies, list) {
		list_del(&policy->list);
		kfree(policy);
	}
	atomic_set(&policy_count, 0);
	mutex_unlock(&policies_lock);
}

long kb_clear_policies(void)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	kb_free_policies();
	pr_notice("policies cleared by user %u\n", from_kuid_munged(&init_user_ns, current_euid()));
	return 0;
}

static bool program_fits(const struct policy *policy, char *buffer)
{
	struct file *file;
	const char *path;
	bool fits;

	if (!policy->what.program[0])
		return true;
	file = kb_executable();
	if (!file)
		return false;
	path = file_path(file, buffer, PATH_MAX);
	fits = !IS_ERR(path) && !strcmp(path, policy->what.program);
	fput(file);
	return fits;
}

/* In the unified hierarchy, from its root whatever the task's cgroup namespace; task_cgroup_path() is about the others. */
#ifdef CONFIG_CGROUPS
static bool path_of_cgroup(char *buffer)
{
	int length;

	rcu_read_lock();
	length = cgroup_path(task_dfl_cgroup(current), buffer, PATH_MAX);
	rcu_read_unlock();
	return length > 0 && length < PATH_MAX;
}
#else
static bool path_of_cgroup(char *buffer)
{
	return false;
}
#endif

static bool cgroup_fits(const struct policy *policy, char *buffer)
{
	const size_t length = strlen(policy->what.cgroup);

	if (!length || (length == 1 && policy->what.cgroup[0] == '/'))
		return true;
	if (!path_of_cgroup(buffer))
		return false;
	return !strncmp(buffer, policy->what.cgroup, length) && (!buffer[length] || buffer[length] == '/');
}

static bool within_rate(struct policy *policy)
{
	if (!policy->what.per_second)
		return true;
	if (time_after(jiffies, policy->second + HZ)) {
		policy->second = jiffies;
		policy->acted = 0;
	}
	if (policy->acted >= policy->what.per_second)
		return false;
	policy->acted++;
	return true;
}

int kb_policy(void)
{
	int action = KEBOUND_POLICY_PROPAGATE;
	struct policy *policy;
	char *buffer;

	buffer = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!buffer)
		return action;
	mutex_lock(&policies_lock);
	list_for_each_entry(policy, &policies, list) {
		if ((policy->what.user == KEBOUND_ANY_USER || uid_eq(policy->user, current_euid())) &&
		    program_fits(policy, buffer) && cgroup_fits(policy, buffer) && within_rate(policy)) {
			action = policy->what.action;
			break;
		}
	}
	mutex_unlock(&policies_lock);
	kfree(buffer);
	return action;
}
