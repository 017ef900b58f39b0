//! Hostile input: code made to overflow the stack, to panic, or to take very long.

use std::time::{Duration, Instant};

use check::{
    AnalysisType, Locale, MAX_CODE_CHARS, ValidationRequest, ValidationType, analyze, describe_completion,
    is_valid_python, validate,
};

const LANGUAGES: [&str; 11] =
    ["python", "javascript", "typescript", "tsx", "java", "go", "rust", "c", "cpp", "sql", "bash"];

/// Time limit per text: generous enough for a busy machine, since hostile input would take minutes.
const TIME_LIMIT: Duration = Duration::from_secs(20);

#[test]
fn code_nested_as_deep_as_it_is_long_is_handled() {
    let nested = |open: &str| open.repeat(MAX_CODE_CHARS / open.len());
    let closed = |open: &str, inside: &str, close: &str| {
        let count = (MAX_CODE_CHARS - inside.len()) / (open.len() + close.len());
        format!("{}{inside}{}", open.repeat(count), close.repeat(count))
    };
    let blocks: String = (0..300).map(|depth| format!("{}if x:\n", " ".repeat(depth))).collect();
    let texts = [
        nested("("),
        nested("["),
        nested("{"),
        nested("{("),
        nested("f\"{"),
        nested("-"),
        nested("not "),
        nested("lambda:"),
        nested("await "),
        nested("x if x else "),
        nested("1+"),
        nested("a."),
        nested("a("),
        nested("x["),
        nested("a<b>"),
        nested("1**"),
        nested("if(x)"),
        nested("<a>"),
        nested("/*"),
        nested("'''"),
        nested("\\\n"),
        nested("@a\n"),
        nested("else "),
        nested("fn f(){"),
        nested("class A{"),
        nested("=>"),
        nested("x=>"),
        nested(": "),
        nested("*"),
        nested("&"),
        closed("(", "1", ")"),
        closed("[", "", "]"),
        closed("f(", "1", ")"),
        closed("-", "1", ""),
        closed("1+", "1", ""),
        closed("x.", "y", ""),
        closed("not ", "x", ""),
        closed("lambda:", "1", ""),
        closed("", "x", "()"),
        closed("", "x", "[0]"),
        closed("{1:", "1", "}"),
        closed("f'{", "1", "}'"),
        closed("x=", "1", ""),
        closed("1 if 1 else ", "1", ""),
        closed("{", "", "}"),
        closed("a and ", "b", ""),
        closed("a<", "b", ""),
        closed("x=", "1", ""),
        closed("x and not x and ", "x", ""),
        format!("class A({}): pass", "B,".repeat(20_000)),
        format!("{blocks}{}pass\n", " ".repeat(300)),
        format!("match x:\n case {}", nested("[")),
    ];
    for (index, text) in texts.iter().enumerate() {
        check_all(text, "python");
        let _ = is_valid_python(text);
        // The other languages have the same failure modes but parse such texts slowly, so each text is used in full for one
        // language and shortened for the rest.
        let shorter: String = text.chars().take(4_000).collect();
        for (language_index, language) in LANGUAGES.iter().enumerate().skip(1) {
            check_all(if index % LANGUAGES.len() == language_index { text } else { &shorter }, language);
        }
    }
}

fn check_all(text: &str, language: &str) {
    let start = Instant::now();
    let validation =
        validate(&ValidationRequest { validation_type: ValidationType::All, ..ValidationRequest::new(text, language) });
    assert!(validation.syntax_errors.len() <= 100);
    let analysis = analyze(text, language, AnalysisType::All, Locale::Korean);
    assert!(analysis.issues.len() <= 200);
    assert!(!describe_completion(text, language, text).label.is_empty());
    let prefix = text.chars().take(12).collect::<String>();
    assert!(start.elapsed() < TIME_LIMIT, "{prefix:?} as {language} took {:?}", start.elapsed());
}

#[test]
fn unusual_texts_are_handled_in_every_language() {
    let texts = [
        "",
        " ",
        "\n",
        "\r",
        "\r\n",
        "\t",
        "\0",
        "\0\0\0",
        "\u{feff}",
        "\u{feff}\u{feff}x",
        "\u{2028}",
        "가",
        "👩‍👩‍👧‍👦 = 1",
        "\u{202e}x",
        "x = '\0'",
        "\\",
        "'",
        "\"\"\"",
        "f'",
        "f'{",
        "f'{x!",
        "#",
        "# noqa",
        "# ruff: noqa: ",
        "#!\n",
        "%",
        "$",
        "`",
        "\u{7f}",
        "0x",
        "1e",
        "0b2",
        "\\N{",
        "'\\N{'",
        "'\\x'",
        "b'가'",
        "rb'",
        "u'",
        "t'{x}'",
        "async",
        "match",
        "type X = ",
        "x: ",
        "del",
        "lambda",
        "import",
        "from . import",
        "class",
        "def",
        "@",
        "...",
        "*",
        "**",
        ":=",
        "->",
        "!",
        "a\u{c}b",
        "if x:\n\tif y:\n        z",
    ];
    for text in texts {
        for language in LANGUAGES {
            let validation = validate(&ValidationRequest {
                validation_type: ValidationType::All,
                ..ValidationRequest::new(text, language)
            });
            for diagnostic in validation.syntax_errors.iter().chain(&validation.style_issues) {
                assert!(diagnostic.line >= 1 && diagnostic.column >= 1, "{text:?}: {diagnostic:?}");
                assert!(
                    (diagnostic.end_line, diagnostic.end_column) >= (diagnostic.line, diagnostic.column),
                    "{text:?}: {diagnostic:?}"
                );
            }
            let _ = analyze(text, language, AnalysisType::All, Locale::English);
            let _ = describe_completion(text, language, text);
        }
    }
}

#[test]
fn a_megabyte_of_code_is_handled() {
    for text in ["x = 1\n".repeat(170_000), "가".repeat(340_000), format!("x = '{}'\n", "a".repeat(1_000_000))] {
        for language in ["python", "javascript", "c"] {
            let start = Instant::now();
            let validation = validate(&ValidationRequest {
                validation_type: ValidationType::All,
                ..ValidationRequest::new(&text, language)
            });
            assert!(validation.style_issues.iter().all(|diagnostic| diagnostic.source_line.chars().count() <= 200));
            assert!(start.elapsed() < TIME_LIMIT, "{language} took {:?}", start.elapsed());
        }
    }
}
