//! Confines the examining process: limits, no files, no network, and no access to other processes.
//!
//! A PDF that takes over this process must not reach the keys of the server, which runs as the same user. Landlock
//! (<https://docs.kernel.org/userspace-api/landlock.html>) and seccomp deny that twice. Kernels without them only have the
//! limits; the server logs which parts are missing.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use rustix::process::{Resource, Rlimit, getppid, setrlimit, test_kill_process};
use serde::{Deserialize, Serialize};

/// Address space of the process.
const MAX_MEMORY_BYTES: u64 = 2 << 30;
/// The largest file that the process may write: its output is a pipe.
const MAX_FILE_BYTES: u64 = 8 << 20;

/// What confines this process, and what it could still reach when it tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// The kernel enforces these.
    pub landlock: bool,
    pub seccomp: bool,
    /// It opened a file.
    pub files: bool,
    /// It opened a socket.
    pub network: bool,
    /// It opened the environment of the server's process, or could send it a signal.
    pub processes: bool,
}

impl Confinement {
    /// Returns what is missing, for the log.
    pub fn gaps(self) -> Option<String> {
        let gaps = [
            (!self.landlock, "no Landlock"),
            (!self.seccomp, "no seccomp"),
            (self.files, "files can be opened"),
            (self.network, "sockets can be opened"),
            (self.processes, "other processes can be reached"),
        ];
        let named: Vec<&str> = gaps.into_iter().filter(|(is_gap, _)| *is_gap).map(|(_, name)| name).collect();
        (!named.is_empty()).then(|| named.join(", "))
    }

    /// Tries what a confined process may not do.
    pub fn probe(self) -> Self {
        let server = getppid();
        let can_signal = server.is_some_and(|server| test_kill_process(server).is_ok());
        let environment = server.map(|server| format!("/proc/{}/environ", server.as_raw_pid()));
        let any = (Ipv4Addr::LOCALHOST, 0);
        Self {
            files: File::open("/").is_ok(),
            network: TcpListener::bind(any).is_ok() || UdpSocket::bind(any).is_ok(),
            processes: can_signal || environment.is_some_and(|path| File::open(path).is_ok()),
            ..self
        }
    }
}

/// Limits and confines this process before it reads a byte of the file. It must not have started a thread yet.
pub fn confine(cpu_seconds: u64) -> io::Result<Confinement> {
    // If memory runs out, the kernel kills this process, not the server. Systems without this file don't need it.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let limit = |resource, limit| setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) });
    limit(Resource::As, MAX_MEMORY_BYTES)?;
    limit(Resource::Cpu, cpu_seconds)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, MAX_FILE_BYTES)?;
    #[cfg(target_os = "linux")]
    let confinement = linux::restrict();
    #[cfg(not(target_os = "linux"))]
    let confinement = Confinement::default();
    Ok(confinement)
}

/// Keeps other processes of the same user from reading this one's memory and environment, which hold the keys, and
/// keeps the kernel from writing them into a core dump.
pub fn forbid_inspection() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;

    use landlock::{
        ABI, Access, AccessFs, AccessNet, RestrictionStatus, Ruleset, RulesetAttr, RulesetError, RulesetStatus, Scope,
    };
    use seccompiler::{
        BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    };

    /// System calls that take no file name, address or process: for memory, threads, time, and open descriptors.
    const ALLOWED: [i64; 38] = [
        libc::SYS_brk,
        libc::SYS_clock_getres,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_close,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_futex,
        libc::SYS_getcpu,
        libc::SYS_getpid,
        libc::SYS_getppid,
        libc::SYS_getrandom,
        libc::SYS_getrusage,
        libc::SYS_gettid,
        libc::SYS_gettimeofday,
        libc::SYS_lseek,
        libc::SYS_madvise,
        libc::SYS_membarrier,
        libc::SYS_mmap,
        libc::SYS_mprotect,
        libc::SYS_mremap,
        libc::SYS_munmap,
        libc::SYS_nanosleep,
        libc::SYS_pread64,
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_restart_syscall,
        libc::SYS_rseq,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sched_getaffinity,
        libc::SYS_sched_yield,
        libc::SYS_set_robust_list,
        libc::SYS_set_tid_address,
        libc::SYS_sigaltstack,
        libc::SYS_write,
        libc::SYS_writev,
    ];

    /// Applies both. A kernel without one still gets the other.
    pub fn restrict() -> super::Confinement {
        // An error means the same as a kernel without it.
        let landlock = landlock().is_ok_and(|status| status.ruleset != RulesetStatus::NotEnforced);
        super::Confinement { landlock, seccomp: seccomp().is_ok(), ..Default::default() }
    }

    /// No file, no TCP connection, and no signal to other processes. Older kernels know fewer of these rights.
    fn landlock() -> Result<RestrictionStatus, RulesetError> {
        Ruleset::default()
            .handle_access(AccessFs::from_all(ABI::V7))?
            .handle_access(AccessNet::from_all(ABI::V7))?
            .scope(Scope::from_all(ABI::V7))?
            .create()?
            .restrict_self()
    }

    /// Only the system calls of the list, new threads, their names, and signals to this process. The others seem unknown,
    /// so glibc uses clone instead of clone3, whose arguments a filter can't read.
    fn seccomp() -> Result<(), Error> {
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
        let first = |operator, value: u64| {
            SeccompRule::new(vec![SeccompCondition::new(0, SeccompCmpArgLen::Qword, operator, value)?])
        };
        let thread = libc::CLONE_THREAD as u64;
        rules.insert(libc::SYS_clone, vec![first(SeccompCmpOp::MaskedEq(thread), thread)?]);
        let names = [libc::PR_SET_NAME, libc::PR_SET_VMA].map(|operation| first(SeccompCmpOp::Eq, operation as u64));
        rules.insert(libc::SYS_prctl, names.into_iter().collect::<Result<_, _>>()?);
        rules.insert(libc::SYS_tgkill, vec![first(SeccompCmpOp::Eq, std::process::id().into())?]);
        let unknown = SeccompAction::Errno(libc::ENOSYS as u32);
        let arch = std::env::consts::ARCH.try_into()?;
        let filter: BpfProgram = SeccompFilter::new(rules, unknown, SeccompAction::Allow, arch)?.try_into()?;
        seccompiler::apply_filter_all_threads(&filter)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, dumpable_behavior};

    use super::*;

    #[test]
    fn missing_layers_and_reached_things_are_named() {
        let whole = Confinement { landlock: true, seccomp: true, ..Confinement::default() };
        assert_eq!(whole.gaps(), None);
        let partial = Confinement { landlock: false, network: true, ..whole };
        assert_eq!(partial.gaps().as_deref(), Some("no Landlock, sockets can be opened"));
    }

    /// This process isn't confined, so the probe reaches everything.
    #[test]
    fn the_probe_notices_what_is_open() {
        let probed = Confinement::default().probe();
        assert!(probed.files && probed.network && probed.processes, "{probed:?}");
    }

    #[test]
    fn the_keys_are_in_no_core_dump() {
        forbid_inspection().expect("Linux");
        assert_eq!(dumpable_behavior().expect("Linux"), DumpableBehavior::NotDumpable);
    }
}
