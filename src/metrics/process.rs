//! The process itself, under the names that every Prometheus client uses. What the system doesn't tell is left out:
//! memory and files come from `/proc`, which only Linux has.

use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Registers what the system says now.
pub(super) fn register(to: &mut Registry, started_seconds: f64) {
    let start = ConstGauge::<f64>::new(started_seconds);
    to.register_with_unit("process_start_time", "When the process started", Unit::Seconds, start);
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let cpu = ConstCounter::<f64>::new(cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9);
    to.register_with_unit("process_cpu", "Processor time of the process", Unit::Seconds, cpu);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for (name, help, field) in [
        ("process_resident_memory", "Resident memory of the process", "VmRSS:"),
        ("process_virtual_memory", "Address space of the process", "VmSize:"),
    ] {
        if let Some(bytes) = kilobytes(&status, field).map(|kilobytes| kilobytes * 1024) {
            to.register_with_unit(name, help, Unit::Bytes, ConstGauge::<i64>::new(bytes));
        }
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        // Reading the folder opens one more.
        let open = i64::try_from(files.count()).unwrap_or(i64::MAX) - 1;
        to.register("process_open_fds", "Open files and sockets", ConstGauge::<i64>::new(open));
    }
    if let Some(most) = getrlimit(Resource::Nofile).current.and_then(|most| i64::try_from(most).ok()) {
        to.register("process_max_fds", "The most files and sockets", ConstGauge::<i64>::new(most));
    }
}

/// Reads a line such as `VmRSS:    68540 kB`.
fn kilobytes(status: &str, field: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_lines_of_the_kernel() {
        let status = "Name:\tprimetrade\nVmSize:\t  912340 kB\nVmRSS:\t   68540 kB\n";
        assert_eq!((kilobytes(status, "VmRSS:"), kilobytes(status, "VmSwap:")), (Some(68540), None));
    }
}
