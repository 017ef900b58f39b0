//! What findings make of the whole: validity, score, safety and recommendations, and which are shown.

use check::{Area, ExecutionSafety, Kind, Submission, Validation, Words, validate};

use crate::everything;

/// A finding in every area, and well formed.
const ALL: &str = "import os\npassword = 'hunter2'\nr = []\nfor x in y:\n    r.append(x * 2)\n";

fn shown(found: &Validation) -> [bool; 3] {
    [&found.security_issues, &found.performance_warnings, &found.style_issues].map(|list| !list.is_empty())
}

#[test]
fn the_kind_and_the_two_switches_decide_what_is_shown() {
    for (kind, security, performance, expected) in [
        (Kind::Syntax, true, true, [true, true, false]),
        (Kind::Syntax, false, true, [false, true, false]),
        (Kind::Syntax, true, false, [true, false, false]),
        (Kind::Syntax, false, false, [false, false, false]),
        (Kind::Security, true, true, [true, false, false]),
        (Kind::Security, false, true, [false, false, false]),
        (Kind::Performance, true, true, [false, true, false]),
        (Kind::Style, true, true, [false, false, true]),
        (Kind::All, true, true, [true, true, true]),
        (Kind::All, false, false, [false, false, true]),
    ] {
        let found = validate(&Submission { kind, security, performance, ..Submission::new(ALL, "python") });
        assert_eq!(shown(&found), expected, "{kind:?} {security} {performance}");
        assert_eq!(found.not_checked, [], "{kind:?} {security} {performance}");
    }
}

#[test]
fn strict_makes_warnings_count() {
    let submission = Submission::new(ALL, "python");
    assert!(validate(&submission).is_valid);
    assert!(!validate(&Submission { strict: true, ..submission }).is_valid);
    let note = Submission { strict: true, kind: Kind::All, ..Submission::new("assert True\n", "python") };
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
        ("x = 1\n", Kind::Syntax, ExecutionSafety::Safe),
        ("assert x\n", Kind::Syntax, ExecutionSafety::Safe),
        ("password = 'hunter2'\n", Kind::Syntax, ExecutionSafety::Warning),
        ("eval(x)\n", Kind::Syntax, ExecutionSafety::Dangerous),
        ("eval(x)\n", Kind::Style, ExecutionSafety::Dangerous),
        ("x = )\n", Kind::Syntax, ExecutionSafety::Warning),
    ] {
        let found = validate(&Submission { kind, ..Submission::new(code, "python") });
        assert_eq!(found.execution_safety, expected, "{code:?} {kind:?}");
    }
    let off = validate(&Submission { security: false, ..Submission::new("eval(x)\n", "python") });
    assert_eq!((off.execution_safety, off.not_checked), (ExecutionSafety::Warning, vec![]));
}

#[test]
fn recommendations_are_sentences_in_either_language() {
    for (words, expected) in [(Words::Korean, "구문 오류"), (Words::English, "Fix the syntax errors")] {
        let found = validate(&Submission { words, ..Submission::new("x = )\n", "python") });
        assert!(found.recommendations[0].contains(expected), "{:?}", found.recommendations);
    }
    assert_eq!(validate(&Submission::new("x = 1\n", "python")).recommendations, [""; 0]);
}

#[test]
fn lists_end_and_say_how_much_was_left_out() {
    let found = everything(&"eval(x)\n".repeat(1000), "python");
    assert_eq!((found.security_issues.len(), found.style_issues.len(), found.omitted), (200, 200, 1600));
    assert_eq!(found.not_checked, [] as [Area; 0]);
    assert_eq!(everything(&"x = )\n".repeat(1000), "python").syntax_errors.len(), 100);
}
