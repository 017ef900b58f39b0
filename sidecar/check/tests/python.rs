//! Python: rule codes and positions of diagnostics.

use check::{Applicability, Severity, ValidationRequest, ValidationType, validate};

use crate::{positions, validate_all};

#[test]
fn syntax_errors_have_a_position_a_message_and_a_source_line() {
    for (code, expected) in [
        ("def f(:\n    pass\n", "1:7-1:8"),
        ("x = (1,\ny = 2\n", "2:3-2:4"),
        ("if True\n    x = 1\n", "1:8-2:1"),
        ("이름 = = 1\n", "1:6-1:7"),
        ("# 주석\r\n가 = '나' 다\r\n", "2:9-2:10"),
        ("\tx = 1\n", "1:1-1:2"),
        ("a = 1\rb = )\r", "2:5-2:6"),
        ("\u{feff}x = )", "1:5-1:6"),
        ("x = 'abc", "1:5-1:9"),
        ("return 1\n", "1:1-1:9"),
        ("break\n", "1:1-1:6"),
        ("def f(a, a): pass\n", "1:10-1:11"),
        ("x = \0", "1:5-1:6"),
    ] {
        let validation = validate(&ValidationRequest::new(code, "python"));
        assert!(!validation.is_valid, "{code:?}");
        let first = positions(&validation.syntax_errors)[0].clone();
        assert!(
            first.ends_with(&format!(" {expected}")),
            "{code:?}: {first}, {:?}",
            validation.syntax_errors[0].message
        );
        let error = &validation.syntax_errors[0];
        assert!(error.severity == Severity::Error && !error.message.is_empty() && error.fix.is_none());
    }
    let validation = validate(&ValidationRequest::new("x = 1\n    나 = 2 # 여기\n", "python"));
    assert_eq!(validation.syntax_errors[0].source_line, "    나 = 2 # 여기");
}

#[test]
fn each_rule_family_reports_its_category_at_the_right_position() {
    for (code, category, expected) in [
        ("eval(input())\n", "security", &["S307 1:1-1:14"][..]),
        ("exec('x')\n", "security", &["S102 1:1-1:5"]),
        ("import pickle\n\npickle.loads(b'')\n", "security", &["S301 3:1-3:18"]),
        ("import subprocess\n\nsubprocess.run(cmd, shell=True)\n", "security", &["S602 3:1-3:15"]),
        ("import os\n\nos.system('ls ' + 가)\n", "security", &["S605 3:1-3:10"]),
        ("비밀번호 = 1\npassword = 'hunter2'\n", "security", &["S105 2:12-2:21"]),
        ("assert True\n", "security", &["S101 1:1-1:7"]),
        ("import hashlib\n\nhashlib.md5(b'')\n", "security", &["S324 3:1-3:12"]),
        ("r = []\nfor x in y:\n    r.append(x * 2)\n", "performance", &["PERF401 3:5-3:20"]),
        ("import os\n", "style", &["F401 1:8-1:10"]),
        ("print(없음)\n", "style", &["F821 1:7-1:9"]),
        ("x = 1;\n", "style", &["E703 1:6-1:7"]),
        ("x = 1 \n", "style", &["W291 1:6-1:7"]),
        ("def f(a=[]):\n    return a\n", "style", &["B006 1:9-1:11"]),
        (
            "def f(a):\n    if a:\n        return True\n    else:\n        return False\n",
            "style",
            &["RET505 4:5-4:9", "SIM103 2:5-5:21"],
        ),
        ("from typing import List\n\nx: List[int] = []\n", "style", &["UP006 3:4-3:8", "UP035 1:1-1:24"]),
        ("x = list([1])\n", "style", &["C410 1:5-1:14"]),
        ("x = 1  # noqa\r\nimport os\r\n", "style", &["F401 2:8-2:10"]),
    ] {
        let validation = validate_all(code, "python");
        let list = match category {
            "security" => &validation.security_issues,
            "performance" => &validation.performance_warnings,
            _ => &validation.style_issues,
        };
        let (mut list, mut expected) = (positions(list), expected.to_vec());
        list.sort();
        expected.sort_unstable();
        for position in expected {
            assert!(list.iter().any(|actual| actual == position), "{code:?}: {position} is not in {list:?}");
        }
        assert_eq!(validation.syntax_errors, [], "{code:?}");
    }
}

#[test]
fn a_complex_function_is_a_performance_warning() {
    let code = format!("def f(x):\n{}", "    if x:\n        x -= 1\n".repeat(11));
    assert_eq!(positions(&validate_all(&code, "python").performance_warnings), ["C901 1:5-1:6"]);
}

#[test]
fn clean_code_has_no_diagnostics() {
    let code = "\"\"\"인사.\"\"\"\n\n\ndef 인사(이름: str) -> str:\n    \"\"\"인사말을 만든다.\"\"\"\n    return f\"안녕하세요, {이름}\"\n";
    let validation = validate_all(code, "python");
    assert_eq!((validation.syntax_errors, validation.security_issues), (vec![], vec![]));
    assert_eq!((validation.performance_warnings, validation.style_issues), (vec![], vec![]));
    assert_eq!((validation.is_valid, validation.code_quality_score, validation.omitted), (true, 10.0, 0));
}

#[test]
fn a_fix_has_edits_with_positions_and_replacements() {
    let validation = validate_all("가 = 1\nif 가 == None:\n    pass\n", "python");
    let diagnostic = validation.style_issues.iter().find(|diagnostic| diagnostic.code == "E711").unwrap();
    let fix = diagnostic.fix.as_ref().unwrap();
    assert_eq!(fix.applicability, Applicability::Unsafe);
    assert!(fix.message.contains("is None"), "{}", fix.message);
    let edit = &fix.edits[0];
    let position = (edit.start_line, edit.start_column, edit.end_line, edit.end_column);
    assert_eq!((position, edit.content.as_str()), ((2, 4, 2, 13), "가 is None"));
}

#[test]
fn noqa_suppresses_all_categories_but_security() {
    let validation = validate_all("# ruff: noqa\nimport os\neval(input())  # noqa\n", "python");
    assert_eq!(validation.style_issues, []);
    assert_eq!(positions(&validation.security_issues), ["S307 3:1-3:14"]);
}

#[test]
fn dangerous_calls_are_resolved_through_imports() {
    for (code, codes) in [
        ("from os import system as s\ns('ls')\n", &["S605"][..]),
        ("getattr(__import__('os'), 'system')('ls')\n", &["HAPA001"]),
        ("import shutil\nshutil.rmtree('/')\n", &["HAPA003"]),
        ("import shutil\nfrom pathlib import Path\nshutil.rmtree(Path.home())\n", &["HAPA003"]),
        ("import shutil\nshutil.rmtree('build')\n", &[]),
        ("import asyncio\nasyncio.create_subprocess_shell('ls')\n", &["HAPA001"]),
        ("import subprocess\nsubprocess.run(['ls'])\n", &["S607"]),
        ("def eval_model(x):\n    return x\n\n\neval_model(1)\n", &[]),
        ("import yaml\nyaml.unsafe_load(x)\n", &["HAPA002"]),
        ("import dill\ndill.loads(x)\n", &["S301"]),
        ("import runpy\nrunpy.run_path('x.py')\n", &["HAPA002"]),
    ] {
        let validation = validate_all(code, "python");
        let got: Vec<&str> = validation.security_issues.iter().map(|diagnostic| diagnostic.code.as_str()).collect();
        for expected in codes {
            assert!(got.contains(expected), "{code:?}: {expected} is not in {got:?}");
        }
        assert_eq!(got.is_empty(), codes.is_empty(), "{code:?}: {got:?}");
    }
}

#[test]
fn dangerous_calls_are_reported_in_code_with_syntax_errors_too() {
    let validation = validate(&ValidationRequest::new("import os\nos.system('rm -rf /')\nx = (\n", "python"));
    assert_eq!(positions(&validation.security_issues), ["HAPA001 2:1-2:22"]);
    assert_eq!(validation.execution_safety, check::ExecutionSafety::Dangerous);
    let not_checked = validate(&ValidationRequest {
        validation_type: ValidationType::All,
        ..ValidationRequest::new("x = (", "python")
    })
    .not_checked;
    assert_eq!(
        not_checked,
        [check::CheckCategory::Security, check::CheckCategory::Performance, check::CheckCategory::Style]
    );
}
