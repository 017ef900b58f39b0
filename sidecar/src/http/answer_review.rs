//! Static checks of a generated answer: quality score, security findings, and the findings of a code review.

use check::{CheckCategory, ExecutionSafety, Validation, ValidationRequest};
use serde::Serialize;
use utoipa::ToSchema;

use crate::assistant::generate::review::Finding;
use crate::assistant::generate::{GenerationRequest, GenerationResult, ModelType, review as code_review};

/// Checks of the completed answer; in a stream, part of the `done` event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Review {
    /// Code quality from 0 to 1, scored as `validate-code` does; null without code.
    #[schema(minimum = 0, maximum = 1)]
    quality_score: Option<f64>,
    security_info: SecurityInfo,
    /// Findings of a code review by line, those of static analysis before those of the model; null for other model types.
    findings: Option<Vec<Finding>>,
}

/// Security findings in the generated code. They are reported; the code is never blocked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SecurityInfo {
    /// Whether the request passed validation; always true here.
    input_validated: bool,
    /// Whether the generated code was checked; false without code and for languages without security checks.
    code_validated: bool,
    /// Whether running the code could do harm.
    threat_detected: bool,
    /// 1 without findings, 0.5 with findings to check by hand, 0 if running the code could do harm; null if the code was not
    /// checked.
    #[schema(minimum = 0, maximum = 1)]
    safety_score: Option<f64>,
}

impl Review {
    /// Checks a completed answer. CPU-bound.
    fn of(request: &GenerationRequest, outcome: &GenerationResult) -> Self {
        let code = &outcome.generated_code;
        let validation = (!code.is_empty()).then(|| check::validate(&ValidationRequest::new(code, &request.language)));
        let lines =
            request.code_context.as_ref().map_or(0, |code| u32::try_from(code.lines().count()).unwrap_or(u32::MAX));
        Self {
            quality_score: validation.as_ref().map(|validation| validation.code_quality_score / 10.0),
            security_info: SecurityInfo::of(validation.as_ref()),
            findings: (request.kind == ModelType::CodeReview).then(|| {
                let code = request.code_context.as_deref().unwrap_or_default();
                let findings = code_review::lint(code, &request.language);
                code_review::merge(findings, code_review::parse(&outcome.explanation, lines))
            }),
        }
    }
}

impl SecurityInfo {
    fn of(validation: Option<&Validation>) -> Self {
        let checked = validation.filter(|validation| !validation.not_checked.contains(&CheckCategory::Security));
        let safety = checked.map(|validation| validation.execution_safety);
        Self {
            input_validated: true,
            code_validated: checked.is_some(),
            threat_detected: safety == Some(ExecutionSafety::Dangerous),
            safety_score: safety.map(|safety| match safety {
                ExecutionSafety::Safe => 1.0,
                ExecutionSafety::Warning => 0.5,
                ExecutionSafety::Dangerous => 0.0,
            }),
        }
    }
}

/// Checks a completed answer on a blocking thread, so that other requests are not delayed.
pub(crate) async fn review(request: GenerationRequest, outcome: GenerationResult) -> (Review, GenerationResult) {
    let checked = tokio::task::spawn_blocking(move || (Review::of(&request, &outcome), outcome));
    checked.await.expect("checking code does not panic, and is not cancelled")
}
