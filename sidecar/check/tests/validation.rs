//! The result of a validation: validity, score, execution safety, recommendations, and the reported categories.

use check::{CheckCategory, ExecutionSafety, Locale, Validation, ValidationRequest, ValidationType, validate};

use crate::validate_all;

/// Valid code with a diagnostic in every category.
const ALL: &str = "import os\npassword = 'hunter2'\nr = []\nfor x in y:\n    r.append(x * 2)\n";

fn reported(validation: &Validation) -> [bool; 3] {
    [&validation.security_issues, &validation.performance_warnings, &validation.style_issues]
        .map(|list| !list.is_empty())
}

#[test]
fn the_validation_type_and_both_flags_select_the_reported_categories() {
    for (validation_type, security, performance, expected) in [
        (ValidationType::Syntax, true, true, [true, true, false]),
        (ValidationType::Syntax, false, true, [false, true, false]),
        (ValidationType::Syntax, true, false, [true, false, false]),
        (ValidationType::Syntax, false, false, [false, false, false]),
        (ValidationType::Security, true, true, [true, false, false]),
        (ValidationType::Security, false, true, [false, false, false]),
        (ValidationType::Performance, true, true, [false, true, false]),
        (ValidationType::Style, true, true, [false, false, true]),
        (ValidationType::All, true, true, [true, true, true]),
        (ValidationType::All, false, false, [false, false, true]),
    ] {
        let validation = validate(&ValidationRequest {
            validation_type,
            security,
            performance,
            ..ValidationRequest::new(ALL, "python")
        });
        assert_eq!(reported(&validation), expected, "{validation_type:?} {security} {performance}");
        assert_eq!(validation.not_checked, [], "{validation_type:?} {security} {performance}");
    }
}

#[test]
fn strict_mode_makes_code_with_warnings_invalid() {
    let submission = ValidationRequest::new(ALL, "python");
    assert!(validate(&submission).is_valid);
    assert!(!validate(&ValidationRequest { strict: true, ..submission }).is_valid);
    let info = ValidationRequest {
        strict: true,
        validation_type: ValidationType::All,
        ..ValidationRequest::new("assert True\n", "python")
    };
    assert!(validate(&info).is_valid, "infos do not make code invalid");
}

#[test]
fn the_score_is_ten_minus_the_penalties() {
    for (code, score) in [
        ("x = 1\n", 10.0),
        ("assert True\n", 9.8),          // one security info
        ("password = 'hunter2'\n", 9.0), // one security warning
        ("eval(x)\n", 6.0),              // one dangerous call, one undefined name
        ("import os\n", 9.7),            // one style warning
        ("break\n", 6.0),                // one syntax error
        ("x = )\ny = )\n", 2.0),         // at most eight points for syntax
    ] {
        assert!(
            (validate_all(code, "python").code_quality_score - score).abs() < 1e-9,
            "{code:?}: {:?}",
            validate_all(code, "python")
        );
    }
}

#[test]
fn execution_safety_does_not_depend_on_the_validation_type() {
    for (code, validation_type, expected) in [
        ("x = 1\n", ValidationType::Syntax, ExecutionSafety::Safe),
        ("assert x\n", ValidationType::Syntax, ExecutionSafety::Safe),
        ("password = 'hunter2'\n", ValidationType::Syntax, ExecutionSafety::Warning),
        ("eval(x)\n", ValidationType::Syntax, ExecutionSafety::Dangerous),
        ("eval(x)\n", ValidationType::Style, ExecutionSafety::Dangerous),
        ("x = )\n", ValidationType::Syntax, ExecutionSafety::Warning),
    ] {
        let validation = validate(&ValidationRequest { validation_type, ..ValidationRequest::new(code, "python") });
        assert_eq!(validation.execution_safety, expected, "{code:?} {validation_type:?}");
    }
    let off = validate(&ValidationRequest { security: false, ..ValidationRequest::new("eval(x)\n", "python") });
    assert_eq!((off.execution_safety, off.not_checked), (ExecutionSafety::Warning, vec![]));
}

#[test]
fn recommendations_are_translated() {
    for (locale, expected) in [(Locale::Korean, "구문 오류"), (Locale::English, "Fix the syntax errors")] {
        let validation = validate(&ValidationRequest { locale, ..ValidationRequest::new("x = )\n", "python") });
        assert!(validation.recommendations[0].contains(expected), "{:?}", validation.recommendations);
    }
    assert_eq!(validate(&ValidationRequest::new("x = 1\n", "python")).recommendations, [""; 0]);
}

#[test]
fn lists_are_limited_and_omitted_diagnostics_are_counted() {
    let validation = validate_all(&"eval(x)\n".repeat(1000), "python");
    assert_eq!((validation.security_issues.len(), validation.style_issues.len(), validation.omitted), (200, 200, 1600));
    assert_eq!(validation.not_checked, [] as [CheckCategory; 0]);
    assert_eq!(validate_all(&"x = )\n".repeat(1000), "python").syntax_errors.len(), 100);
}
