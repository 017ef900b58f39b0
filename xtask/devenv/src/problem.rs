//! What went wrong, as the one sentence that the user reads.

use std::fmt;
use std::io;

/// Says what was being done, what is wrong and, where there is something, what to do next.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem(String);

/// The result of every step here.
pub type Result<T, E = Problem> = std::result::Result<T, E>;

impl Problem {
    /// A problem told by `sentence`, which starts in lower case and ends without a full stop.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Gives an input or output error the sentence it lacks.
pub trait While<T> {
    /// Puts "could not `what`: " before the system's own words.
    fn while_trying(self, what: impl fmt::Display) -> Result<T>;
}

impl<T> While<T> for io::Result<T> {
    fn while_trying(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull => Problem::new(format!(
                "could not {what}: the disk is full; make room and run this again, it goes on from there"
            )),
            _ => Problem::new(format!("could not {what}: {error}")),
        })
    }
}
