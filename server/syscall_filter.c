#include "syscall_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#endif

#define X32_BIT 0x40000000u /* x86-64: the same calls once more, by other numbers */

/*
 * Only what neither weir nor a library that it uses ever needs. A list of what is allowed would be shorter on attackers, and would break weir with the next libc.
 */
static const unsigned denied[] = {
	/* Programs: no plugin starts one. */
	SYS_execve,
	SYS_execveat,
	/* Others' memory and descriptors. */
	SYS_ptrace,
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_kcmp,
#ifdef SYS_pidfd_getfd
	SYS_pidfd_getfd,
#endif
	/* Mounts and namespaces. */
	SYS_mount,
	SYS_umount2,
	SYS_pivot_root,
	SYS_chroot,
	SYS_setns,
	SYS_unshare,
#ifdef SYS_fsopen
	SYS_fsopen,
	SYS_fsconfig,
	SYS_fsmount,
	SYS_fspick,
	SYS_move_mount,
	SYS_open_tree,
#endif
#ifdef SYS_mount_setattr
	SYS_mount_setattr,
#endif
	SYS_mknodat,
#ifdef SYS_mknod
	SYS_mknod,
#endif
	SYS_open_by_handle_at,
	SYS_name_to_handle_at,
	SYS_swapon,
	SYS_swapoff,
	SYS_quotactl,
	SYS_acct,
	SYS_fanotify_init,
	/* The kernel itself. */
	SYS_init_module,
	SYS_finit_module,
	SYS_delete_module,
	SYS_kexec_load,
#ifdef SYS_kexec_file_load
	SYS_kexec_file_load,
#endif
	SYS_reboot,
	SYS_syslog,
	SYS_bpf,
	SYS_perf_event_open,
	SYS_userfaultfd,
	SYS_personality,
#ifdef SYS_io_uring_setup
	SYS_io_uring_setup,
	SYS_io_uring_enter,
	SYS_io_uring_register,
#endif
	SYS_add_key,
	SYS_request_key,
	SYS_keyctl,
	/* The host's name and clocks. */
	SYS_sethostname,
	SYS_setdomainname,
	SYS_settimeofday,
	SYS_clock_settime,
	SYS_clock_adjtime,
	SYS_adjtimex,
	SYS_vhangup,
#ifdef SYS_iopl
	SYS_iopl,
	SYS_ioperm,
	SYS_modify_ldt,
#endif
};

enum { DENIED = sizeof denied / sizeof *denied };

size_t syscall_filter_count(void)
{
	return DENIED;
}

#ifdef NATIVE_ARCH

/* Flags that old kernels do not know are done without. */
static bool install(const struct sock_fprog *program)
{
	static const unsigned flags[] = {SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW, 0};
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags[i], program) == 0)
			return true;
		if (errno != EINVAL)
			return false;
	}
	return false;
}

/* Each comparison jumps to the end where it is equal: `left` of them are still to come. */
static struct sock_filter compare(unsigned call, size_t left)
{
	return (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, (uint8_t)(left + 1), 0);
}

bool syscall_filter_install(struct err *err)
{
	enum { HEAD = 4, ALLOW = HEAD + DENIED, DENY = ALLOW + 1, SIZE = DENY + 1 };
	_Static_assert(DENY < 256, "a jump goes 255 instructions far");
	struct sock_filter code[SIZE] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 0, DENY - 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, DENY - HEAD, 0),
	};
	for (size_t i = 0; i < DENIED; i++)
		code[HEAD + i] = compare(denied[i], DENIED - 1 - i);
	code[ALLOW] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	code[DENY] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	struct sock_fprog program = {.len = SIZE, .filter = code};
	if (install(&program))
		return true;
	if (errno == ENOSYS || errno == EINVAL)
		return err_set(err, "this kernel has no seccomp");
	return err_sys(err, errno, "seccomp is not allowed here");
}

#else

bool syscall_filter_install(struct err *err)
{
	return err_set(err, "the numbers of this processor's system calls are not known");
}

#endif
