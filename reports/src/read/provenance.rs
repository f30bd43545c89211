//! The provenance of a run's numbers: builds, hosts, sittings.

use univip_run_format::{RunRecord, Sitting};

/// The provenance of a run. Records of earlier versions say less of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The builds that worked on it: `0.1.0 (e351a1108c6f)`.
    pub builds: String,
    /// The computers that it ran on; empty where nothing says so.
    pub hosts: String,
    /// The time of its first start, RFC 3339.
    pub started: String,
    /// The end of its last sitting; empty while it goes on, when it was killed, and where nothing says so.
    pub ended: String,
    /// The number of its sittings; none where nothing says so.
    pub sittings: Option<u64>,
    /// The command line of its last sitting.
    pub command: String,
}

impl Provenance {
    /// The provenance that a run's record states.
    pub fn of(record: &RunRecord) -> Self {
        let last = record.sittings.last();
        let builds = match record.sittings.is_empty() {
            true => record.version.clone(),
            false => distinct(record, |sitting| sitting.build.describe()),
        };
        Self {
            builds,
            hosts: distinct(record, |sitting| sitting.host.clone()),
            started: record.started.clone(),
            ended: last.and_then(|last| last.ended.clone()).unwrap_or_default(),
            sittings: Some(record.sittings.len() as u64).filter(|&sittings| sittings > 0),
            command: last.map(|last| last.command.join(" ")).unwrap_or_default(),
        }
    }

    /// One phrase: `univip 0.1.0 (e351a1108c6f) on one, 2 sittings`.
    pub fn describe(&self) -> String {
        let host = if self.hosts.is_empty() { String::new() } else { format!(" on {}", self.hosts) };
        let sittings = match self.sittings {
            Some(several @ 2..) => format!(", {several} sittings"),
            _ => String::new(),
        };
        format!("univip {}{host}{sittings}", self.builds)
    }
}

/// The sittings' words, each once, in order.
fn distinct(record: &RunRecord, say: impl Fn(&Sitting) -> String) -> String {
    let mut said: Vec<String> = Vec::new();
    for word in record.sittings.iter().map(say) {
        if !said.contains(&word) {
            said.push(word);
        }
    }
    said.join(", ")
}
