//! The names of run directories and tables.

/// The recipe and the seed of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// The recipe's fingerprint: 12 hexadecimal digits.
    pub fingerprint: String,
    /// The seed.
    pub seed: u64,
}

impl Identity {
    /// The identity that a directory's name states, whatever comes before it.
    pub fn of_directory(name: &str) -> Option<Self> {
        let mut parts = name.rsplit('-');
        let seed = parts.next()?.strip_prefix('s')?.parse().ok()?;
        let hexadecimal = |part: &&str| part.len() == 12 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(Self { fingerprint: parts.next().filter(hexadecimal)?.into(), seed })
    }
}

/// The name of the directory of a run.
pub fn directory_name(name: &str, fingerprint: &str, seed: u64) -> String {
    format!("{name}-{fingerprint}-s{seed}")
}

/// True for a name that a table can have: its plans and pages are files of that name.
pub fn can_name_table(name: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    !name.is_empty() && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_was_made() {
        let name = directory_name("table7-e", "0123456789ab", 7);
        let identity = Identity { fingerprint: "0123456789ab".into(), seed: 7 };
        assert_eq!(Identity::of_directory(&name), Some(identity));
        for other in ["notes", "table7-e-0123456789ab", "x-0123456789a-s0", "x-0123456789ab-0"] {
            assert_eq!(Identity::of_directory(other), None, "{other}");
        }
    }
}
