//! The other languages: positions of syntax errors, and the categories that are not checked.

use check::{CheckCategory, ExecutionSafety};

use crate::{positions, validate_all};

#[test]
fn valid_code_has_no_syntax_errors() {
    for (language, code) in [
        ("javascript", "const f = async (a) => { for (const x of a) await x?.y ?? 1; };\nexport default f;\n"),
        ("jsx", "const 앱 = () => <div className=\"a\">{'안녕'}</div>;\n"),
        ("typescript", "interface A { b: number }\nconst f = <T,>(x: T): T => x as T;\n"),
        ("tsx", "const A = (p: { n: number }) => <b>{p.n}</b>;\n"),
        ("java", "class A {\n  int f(int... x) { return switch (x.length) { case 0 -> 1; default -> 2; }; }\n}\n"),
        ("go", "package main\n\nfunc Map[T any](x []T) []T {\n\treturn x // 그대로\n}\n"),
        ("rust", "fn f<'a>(x: &'a str) -> Option<&'a str> { if let Some(y) = g(x)? { Some(y) } else { None } }\n"),
        ("c", "#include <stdio.h>\nint main(void) {\r\n\tprintf(\"가\\n\");\r\n\treturn 0;\r\n}\n"),
        ("c++", "template <typename T> auto f(T&& x) -> decltype(x) { return [&] { return x; }(); }\n"),
    ] {
        let validation = validate_all(code, language);
        assert_eq!(positions(&validation.syntax_errors), [""; 0], "{language}");
        assert!(validation.is_valid && !validation.not_checked.contains(&CheckCategory::Syntax));
    }
}

#[test]
fn syntax_errors_have_a_position() {
    for (language, code, line) in [
        ("javascript", "function f( {\n  return 1;\n}\n", 1),
        ("javascript", "let 가 = 1;\nlet 나 = = 2;\n", 2),
        ("typescript", "let x: = 1;\n", 1),
        ("tsx", "const A = () => <div>;\n", 1),
        ("java", "class A {\n  void f() { int x = ; }\n}\n", 2),
        ("java", "class A {\n  void f() { f() }\n}\n", 2),
        ("go", "package main\n\nfunc f() {\n\tx := \n}\n", 4),
        ("rust", "fn f() {\n    let x = ;\n}\n", 2),
        ("c", "int main(void) {\n  return 0\n}\n", 2),
        ("cpp", "class A {\n  int x\n};\n", 2),
    ] {
        let validation = validate_all(code, language);
        assert!(!validation.is_valid, "{language}: {code:?}");
        let error = &validation.syntax_errors[0];
        assert!((line..=line + 1).contains(&error.line), "{language} {code:?}: {:?}", validation.syntax_errors);
        assert!(!error.message.is_empty() && error.code == "invalid-syntax");
    }
}

#[test]
fn unchecked_categories_are_reported() {
    for language in ["sql", "bash", "kotlin", "brainfuck", ""] {
        let validation = validate_all("DROP TABLE users", language);
        assert_eq!(
            validation.not_checked,
            [CheckCategory::Syntax, CheckCategory::Security, CheckCategory::Performance, CheckCategory::Style]
        );
        assert_eq!((validation.is_valid, validation.code_quality_score), (true, 5.0));
        assert_eq!(validation.execution_safety, ExecutionSafety::Warning);
        assert!(validation.recommendations[0].starts_with("Not checked"), "{:?}", validation.recommendations);
    }
    let validation = validate_all("class A {}", " JAVA ");
    assert_eq!(validation.not_checked, [CheckCategory::Security, CheckCategory::Performance, CheckCategory::Style]);
    assert_eq!(validation.execution_safety, ExecutionSafety::Warning);
}
