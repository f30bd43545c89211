//! The machine, and the memory that a run took.

use univip_run_format::Machine;

/// This machine.
pub fn here() -> Machine {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cpu = cpu.map_or(std::env::consts::ARCH, |(_, name)| name).trim().to_string();
    Machine { cpu, threads: std::thread::available_parallelism().map_or(1, usize::from) }
}

/// The name of this computer.
pub fn host() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

/// Lets [`peak_memory`] begin anew. Where the system does not offer it, the peak is the process's.
pub fn reset_peak_memory() {
    // Only Linux has it, and only for the report: failing is no reason to stop a run.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most memory this process has held since the last reset, in bytes, where the system tells.
pub fn peak_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
