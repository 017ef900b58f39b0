//! Code analysis: metrics, functions, classes and imports in each language.

use check::{Analysis, AnalysisType, Locale, analyze};

fn analyze_all(code: &str, language: &str) -> Analysis {
    analyze(code, language, AnalysisType::All, Locale::English)
}

/// Each function as `name line-end parameters complexity big-o`.
fn functions(analysis: &Analysis) -> Vec<String> {
    let show = |f: &check::Function| {
        let hint = f.big_o_hint.as_deref().unwrap_or("?");
        format!("{} {}-{} {} {} {hint}", f.name, f.line, f.end_line, f.parameters, f.complexity)
    };
    analysis.functions.iter().map(show).collect()
}

#[test]
fn functions_classes_and_imports_are_listed_in_each_language() {
    for (language, code, expected, classes, imports) in [
        (
            "python",
            "import os, sys as s\nfrom a.b import c\n\n\nclass 가:\n    def 나(self, x, *, y=1):\n        for i in x:\n            if i and y:\n                print(i)\n\n\ndef fact(n):\n    return 1 if n < 2 else n * fact(n - 1)\n",
            &["가.나 6-9 3 4 O(n)", "fact 12-13 1 2 ?"][..],
            &["가 5-9 1"][..],
            &["os 1", "sys 1", "a.b 2"][..],
        ),
        (
            "javascript",
            "import x from 'y';\nclass A {\n  m(a, b) { return a && b; }\n}\nconst f = (a) => { for (const i of a) for (const j of a) i; };\nfunction g() {}\n",
            &["A.m 3-3 2 2 O(1)", "f 5-5 1 3 O(n^2)", "g 6-6 0 1 O(1)"],
            &["A 2-4 1"],
            &["y 1"],
        ),
        (
            "typescript",
            "import { a } from './a';\ninterface I { x: number }\nfunction f(x: number, y?: string): number { return x > 1 ? 1 : 2; }\n",
            &["f 3-3 2 2 O(1)"],
            &["I 2-2 0"],
            &["./a 1"],
        ),
        (
            "java",
            "import java.util.List;\nclass A {\n  int f(int x) {\n    while (x > 0) { x--; }\n    if (x == 1) { return 1; } else if (x == 2) { return 2; }\n    return f(x);\n  }\n}\n",
            &["A.f 3-7 1 4 ?"],
            &["A 2-8 1"],
            &["java.util.List 1"],
        ),
        (
            "go",
            "package main\n\nimport (\n\t\"fmt\"\n\t\"os\"\n)\n\ntype T struct{}\n\nfunc (t *T) M(a, b int) int {\n\tfor i := range a {\n\t\tb += i\n\t}\n\treturn b\n}\n",
            &["T.M 10-15 2 2 O(n)"],
            &["T 8-8 1"],
            &["fmt 4", "os 5"],
        ),
        (
            "rust",
            "use std::fmt;\nstruct S;\nimpl S {\n    fn f(&self, x: u8) -> u8 {\n        match x { 0 => 1, 1 => 2, _ => 3 }\n    }\n}\nfn g() { loop { break; } }\n",
            &["S.f 4-6 2 3 O(1)", "g 8-8 0 2 ?"],
            &["S 2-2 1"],
            &["std::fmt 1"],
        ),
        (
            "c",
            "#include <stdio.h>\n#include \"a.h\"\nstruct p { int x; };\nint *f(void) { return 0; }\nint g(int a, char *b) { for (int i = 0; i < a; i++) a--; return a; }\n",
            &["f 4-4 0 1 O(1)", "g 5-5 2 2 O(n)"],
            &["p 3-3 0"],
            &["stdio.h 1", "a.h 2"],
        ),
        (
            "cpp",
            "#include <vector>\nclass A {\n public:\n  int f(int x) { return x ? 1 : 2; }\n};\nint& g(int& x) { for (auto y : v) x += y; return x; }\n",
            &["A.f 4-4 1 2 O(1)", "g 6-6 1 2 O(n)"],
            &["A 2-5 1"],
            &["vector 1"],
        ),
    ] {
        let analysis = analyze_all(code, language);
        assert_eq!(functions(&analysis), expected, "{language}");
        let got: Vec<String> =
            analysis.classes.iter().map(|c| format!("{} {}-{} {}", c.name, c.line, c.end_line, c.methods)).collect();
        assert_eq!(got, classes, "{language}");
        let got: Vec<String> = analysis.imports.iter().map(|i| format!("{} {}", i.module, i.line)).collect();
        assert_eq!(got, imports, "{language}");
        let metrics = analysis.metrics;
        assert_eq!(
            (metrics.functions, metrics.classes, metrics.imports),
            (Some(expected.len()), Some(classes.len()), Some(imports.len())),
            "{language}"
        );
    }
}

#[test]
fn metrics_have_the_documented_values() {
    let code = "# 주석\n\nx = 1  # 옆에\nif x:\n    for i in [1, 2]:\n        while i:\n            i -= 1\n\n\ndef f():\n    \"\"\"글\n    둘째 줄\"\"\"\n";
    let metrics = analyze_all(code, "python").metrics;
    assert_eq!((metrics.lines, metrics.code_lines, metrics.comment_lines), (12, Some(8), Some(2)));
    assert_eq!((metrics.max_nesting, metrics.cyclomatic_complexity), (Some(3), Some(4)));
    let index = metrics.maintainability_index.unwrap();
    assert!((50.0..100.0).contains(&index), "{index}");
    let long = analyze_all(
        &"def f(a, b):\n    if a and b:\n        return a * b + 1\n    return None\n\n\n".repeat(200),
        "python",
    );
    assert!(long.metrics.maintainability_index.unwrap() < index - 20.0, "{:?}", long.metrics);
}

#[test]
fn a_constant_loop_does_not_raise_the_time_complexity() {
    for (code, hint) in [
        ("def f(x):\n    for i in range(10):\n        x += i\n    return x\n", None),
        ("def f(x):\n    for i in (1, 2):\n        x += i\n    return x\n", Some("O(1)")),
        ("def f(x):\n    return [y for y in x]\n", Some("O(n)")),
        (
            "def f(x):\n    for a in x:\n        for b in x:\n            for c in x:\n                pass\n",
            Some("O(n^3)"),
        ),
        ("def f(x):\n    while x:\n        x -= 1\n", None),
        ("class A:\n    def f(self, x):\n        return self.f(x)\n", None),
    ] {
        assert_eq!(analyze_all(code, "python").functions[0].big_o_hint.as_deref(), hint, "{code}");
    }
}

#[test]
fn the_analysis_type_selects_the_issues() {
    let deep = "def f(a, b, c, d, e, g, h):\n    for x in a:\n        for y in b:\n            for z in c:\n                if x:\n                    if y:\n                        eval(z)\n    import os\n";
    for (analysis_type, includes, excludes) in [
        (AnalysisType::Performance, &["HAPA106"][..], &["S307", "HAPA102", "HAPA104", "F401"][..]),
        (AnalysisType::Complexity, &["HAPA102"], &["S307", "HAPA104", "HAPA106", "F401"]),
        (AnalysisType::Security, &["S307"], &["HAPA102", "HAPA104", "HAPA106", "F401"]),
        (AnalysisType::Quality, &["F401"], &["S307", "HAPA102", "HAPA104", "HAPA106"]),
        (AnalysisType::Structure, &["HAPA104"], &["S307", "HAPA102", "HAPA106", "F401"]),
        (AnalysisType::All, &["S307", "HAPA102", "HAPA104", "HAPA106", "F401"], &[]),
    ] {
        let analysis = analyze(deep, "python", analysis_type, Locale::English);
        let codes: Vec<&str> = analysis.issues.iter().map(|issue| issue.code.as_str()).collect();
        assert!(includes.iter().all(|code| codes.contains(code)), "{analysis_type:?}: {codes:?}");
        assert!(!excludes.iter().any(|code| codes.contains(code)), "{analysis_type:?}: {codes:?}");
        assert_eq!(analysis.functions.len(), 1);
    }
}

#[test]
fn an_unsupported_language_has_a_line_count_only() {
    let analysis = analyze_all("SELECT 1;\nSELECT 2;\n", "sql");
    assert_eq!((analysis.metrics.lines, analysis.metrics.functions), (2, None));
    assert_eq!(analysis.not_checked.len(), 4);
    assert!(analysis.summary.contains("not analyzed"), "{}", analysis.summary);
    let korean = analyze("x = 1\n", "python", AnalysisType::All, Locale::Korean);
    assert!(korean.summary.contains("유지보수 지수"), "{}", korean.summary);
}
