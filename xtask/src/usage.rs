//! Misuse of the command line.

use std::error::Error;
use std::fmt;

/// A chore that cannot be done as it is asked for.
#[derive(Debug)]
pub struct Usage(pub String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Usage {}
