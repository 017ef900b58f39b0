//! Static analysis of code: syntax errors, lint diagnostics, code metrics and an outline of symbols.
//!
//! * Input is text, output is [`Diagnostic`]s and numbers. Submitted code is never executed; no file and no network is accessed.
//! * No input makes a function here panic or overflow the stack.
//! * All functions are CPU-bound: call them from a thread that may block.
//! * Python is linted with Ruff's crates. Seven other languages are parsed with tree-sitter, see [`Language`].

mod analyze;
mod big_stack;
mod completion;
mod diagnostic;
mod language;
mod line_index;
mod locale;
mod metrics;
mod python;
mod recommendations;
mod scope;
mod score;
mod tree;
mod validate;

pub use analyze::{Analysis, AnalysisType, Class, Function, Import, Metrics, analyze};
pub use completion::{CompletionCategory, CompletionComplexity, CompletionDescription, describe_completion};
pub use diagnostic::{Applicability, CheckCategory, Diagnostic, Edit, Fix, Severity};
pub use language::Language;
pub use locale::Locale;
pub use python::python_valid_prefix_len;
pub use scope::enclosing_scopes;
pub use validate::{ExecutionSafety, Validation, ValidationRequest, ValidationType, is_valid_python, validate};

/// Maximum length of code, in characters. Callers enforce it: `POST /api/v1/validate-code` rejects longer code.
pub const MAX_CODE_CHARS: usize = 50_000;
