//! What can be said about code by reading it: whether it is well formed, what is risky, slow or untidy in it, and how it is built.
//!
//! Text goes in, findings come out. Submitted code is never run, no file and no network is touched, and no input makes a
//! function here panic or overflow the stack. All of it is work for the processor: call it where blocking is allowed.
//! Python is read with Ruff's crates, seven other languages with tree-sitter; see [`Language`] for what is known about which.

mod advice;
mod analyze;
mod deep;
mod describe;
mod diagnostic;
mod language;
mod locale;
mod metrics;
mod position;
mod python;
mod scope;
mod score;
mod tree;
mod validate;

pub use analyze::{Analysis, AnalysisType, Class, Function, Import, Metrics, analyze};
pub use describe::{CompletionCategory, CompletionComplexity, CompletionDescription, describe_completion};
pub use diagnostic::{Applicability, CheckCategory, Diagnostic, Edit, Fix, Severity};
pub use language::Language;
pub use locale::Locale;
pub use python::python_valid_prefix_len;
pub use scope::enclosing_scopes;
pub use validate::{ExecutionSafety, Validation, ValidationRequest, ValidationType, is_valid_python, validate};

/// The longest code that is looked at, in characters. Callers check it; longer code is refused by `POST /api/v1/validate-code`.
pub const MAX_CODE_CHARS: usize = 50_000;
