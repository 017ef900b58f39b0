//! What findings make of the whole: validity, score, safety and recommendations, and which are shown.

use check::{CheckCategory, ExecutionSafety, Locale, Validation, ValidationRequest, ValidationType, validate};

use crate::everything;

/// A finding in every area, and well formed.
const ALL: &str = "import os\npassword = 'hunter2'\nr = []\nfor x in y:\n    r.append(x * 2)\n";

fn shown(found: &Validation) -> [bool; 3] {
    [&found.security_issues, &found.performance_warnings, &found.style_issues].map(|list| !list.is_empty())
}

#[test]
fn the_kind_and_the_two_switches_decide_what_is_shown() {
    for (kind, security, performance, expected) in [
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
        let found = validate(&ValidationRequest {
            validation_type,
            security,
            performance,
            ..ValidationRequest::new(ALL, "python")
        });
        assert_eq!(shown(&found), expected, "{kind:?} {security} {performance}");
        assert_eq!(found.not_checked, [], "{kind:?} {security} {performance}");
    }
}

#[test]
fn strict_makes_warnings_count() {
    let submission = ValidationRequest::new(ALL, "python");
    assert!(validate(&submission).is_valid);
    assert!(!validate(&ValidationRequest { strict: true, ..submission }).is_valid);
    let note = ValidationRequest {
        strict: true,
        validation_type: ValidationType::All,
        ..ValidationRequest::new("assert True\n", "python")
    };
    assert!(validate(&note).is_valid, "notes do not count");
}

#[test]
fn the_score_is_ten_less_what_the_findings_cost() {
    for (code, score) in [
        ("x = 1\n", 10.0),
        ("assert True\n", 9.8),          // one note about security
        ("password = 'hunter2'\n", 9.0), // one warning about security
        ("eval(x)\n", 6.0),              // one danger, one undefined name
        ("import os\n", 9.7),            // one warning about style
        ("break\n", 6.0),                // one syntax error
        ("x = )\ny = )\n", 2.0),         // no more than eight for syntax
    ] {
        assert!(
            (everything(code, "python").code_quality_score - score).abs() < 1e-9,
            "{code:?}: {:?}",
            everything(code, "python")
        );
    }
}

#[test]
fn safety_is_judged_whatever_is_shown() {
    for (code, kind, expected) in [
        ("x = 1\n", ValidationType::Syntax, ExecutionSafety::Safe),
        ("assert x\n", ValidationType::Syntax, ExecutionSafety::Safe),
        ("password = 'hunter2'\n", ValidationType::Syntax, ExecutionSafety::Warning),
        ("eval(x)\n", ValidationType::Syntax, ExecutionSafety::Dangerous),
        ("eval(x)\n", ValidationType::Style, ExecutionSafety::Dangerous),
        ("x = )\n", ValidationType::Syntax, ExecutionSafety::Warning),
    ] {
        let found = validate(&ValidationRequest { validation_type, ..ValidationRequest::new(code, "python") });
        assert_eq!(found.execution_safety, expected, "{code:?} {kind:?}");
    }
    let off = validate(&ValidationRequest { security: false, ..ValidationRequest::new("eval(x)\n", "python") });
    assert_eq!((off.execution_safety, off.not_checked), (ExecutionSafety::Warning, vec![]));
}

#[test]
fn recommendations_are_sentences_in_either_language() {
    for (locale, expected) in [(Locale::Korean, "구문 오류"), (Locale::English, "Fix the syntax errors")] {
        let found = validate(&ValidationRequest { locale, ..ValidationRequest::new("x = )\n", "python") });
        assert!(found.recommendations[0].contains(expected), "{:?}", found.recommendations);
    }
    assert_eq!(validate(&ValidationRequest::new("x = 1\n", "python")).recommendations, [""; 0]);
}

#[test]
fn lists_end_and_say_how_much_was_left_out() {
    let found = everything(&"eval(x)\n".repeat(1000), "python");
    assert_eq!((found.security_issues.len(), found.style_issues.len(), found.omitted), (200, 200, 1600));
    assert_eq!(found.not_checked, [] as [CheckCategory; 0]);
    assert_eq!(everything(&"x = )\n".repeat(1000), "python").syntax_errors.len(), 100);
}
