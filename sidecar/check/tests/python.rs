//! Python: the codes, lines and columns of what is found.

use check::{Applicability, Severity, ValidationRequest, ValidationType, validate};

use crate::{everything, places};

#[test]
fn syntax_errors_have_a_place_a_message_and_their_line() {
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
        let found = validate(&ValidationRequest::new(code, "python"));
        assert!(!found.is_valid, "{code:?}");
        let first = places(&found.syntax_errors)[0].clone();
        assert!(first.ends_with(&format!(" {expected}")), "{code:?}: {first}, {:?}", found.syntax_errors[0].message);
        let error = &found.syntax_errors[0];
        assert!(error.severity == Severity::Error && !error.message.is_empty() && error.fix.is_none());
    }
    let found = validate(&ValidationRequest::new("x = 1\n    나 = 2 # 여기\n", "python"));
    assert_eq!(found.syntax_errors[0].source_line, "    나 = 2 # 여기");
}

#[test]
fn each_family_of_rules_finds_its_own_where_it_is() {
    for (code, area, expected) in [
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
        let found = everything(code, "python");
        let list = match area {
            "security" => &found.security_issues,
            "performance" => &found.performance_warnings,
            _ => &found.style_issues,
        };
        let (mut list, mut expected) = (places(list), expected.to_vec());
        list.sort();
        expected.sort_unstable();
        for one in expected {
            assert!(list.iter().any(|found| found == one), "{code:?}: {one} is not in {list:?}");
        }
        assert_eq!(found.syntax_errors, [], "{code:?}");
    }
}

#[test]
fn a_tangled_function_is_a_performance_warning() {
    let code = format!("def f(x):\n{}", "    if x:\n        x -= 1\n".repeat(11));
    assert_eq!(places(&everything(&code, "python").performance_warnings), ["C901 1:5-1:6"]);
}

#[test]
fn clean_code_has_no_findings() {
    let code = "\"\"\"인사.\"\"\"\n\n\ndef 인사(이름: str) -> str:\n    \"\"\"인사말을 만든다.\"\"\"\n    return f\"안녕하세요, {이름}\"\n";
    let found = everything(code, "python");
    assert_eq!((found.syntax_errors, found.security_issues), (vec![], vec![]));
    assert_eq!((found.performance_warnings, found.style_issues), (vec![], vec![]));
    assert_eq!((found.is_valid, found.code_quality_score, found.omitted), (true, 10.0, 0));
}

#[test]
fn a_fix_says_what_to_put_in_place_of_what() {
    let found = everything("가 = 1\nif 가 == None:\n    pass\n", "python");
    let finding = found.style_issues.iter().find(|finding| finding.code == "E711").unwrap();
    let fix = finding.fix.as_ref().unwrap();
    assert_eq!(fix.applicability, Applicability::Unsafe);
    assert!(fix.message.contains("is None"), "{}", fix.message);
    let edit = &fix.edits[0];
    let place = (edit.start_line, edit.start_column, edit.end_line, edit.end_column);
    assert_eq!((place, edit.content.as_str()), ((2, 4, 2, 13), "가 is None"));
}

#[test]
fn noqa_hides_everything_but_security() {
    let found = everything("# ruff: noqa\nimport os\neval(input())  # noqa\n", "python");
    assert_eq!(found.style_issues, []);
    assert_eq!(places(&found.security_issues), ["S307 3:1-3:14"]);
}

#[test]
fn dangerous_calls_are_found_by_what_imports_lead_to() {
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
        let found = everything(code, "python");
        let got: Vec<&str> = found.security_issues.iter().map(|finding| finding.code.as_str()).collect();
        for code_expected in codes {
            assert!(got.contains(code_expected), "{code:?}: {code_expected} is not in {got:?}");
        }
        assert_eq!(got.is_empty(), codes.is_empty(), "{code:?}: {got:?}");
    }
}

#[test]
fn a_danger_is_told_also_where_the_code_is_not_well_formed() {
    let found = validate(&ValidationRequest::new("import os\nos.system('rm -rf /')\nx = (\n", "python"));
    assert_eq!(places(&found.security_issues), ["HAPA001 2:1-2:22"]);
    assert_eq!(found.execution_safety, check::ExecutionSafety::Dangerous);
    let kinds = validate(&ValidationRequest {
        validation_type: ValidationType::All,
        ..ValidationRequest::new("x = (", "python")
    })
    .not_checked;
    assert_eq!(kinds, [check::CheckCategory::Security, check::CheckCategory::Performance, check::CheckCategory::Style]);
}
