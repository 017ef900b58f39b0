//! What can be said about code by reading it: whether it is well formed, what is risky, slow or untidy in it, and how it is built.
//!
//! Text goes in, findings come out. Submitted code is never run, no file and no network is touched, and no input makes a
//! function here panic or overflow the stack. All of it is work for the processor: call it where blocking is allowed.
//! Python is read with Ruff's crates, seven other languages with tree-sitter; see [`Language`] for what is known about which.

mod advice;
mod analyze;
mod deep;
mod describe;
mod finding;
mod language;
mod metrics;
mod position;
mod python;
mod scope;
mod score;
mod tree;
mod validate;
mod words;

pub use analyze::{Analysis, AnalysisType, Class, Function, Import, Metrics, analyze};
pub use describe::{Category, Complexity, Description, describe};
pub use finding::{Applicability, Area, Edit, Finding, Fix, Severity};
pub use language::Language;
pub use python::python_sound_beginning;
pub use scope::enclosing;
pub use validate::{ExecutionSafety, Kind, Submission, Validation, python_syntax_ok, validate};
pub use words::Words;

/// The longest code that is looked at, in characters. Callers check it; longer code is refused by `POST /api/v1/validate-code`.
pub const LONGEST: usize = 50_000;
