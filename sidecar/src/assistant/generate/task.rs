//! The kinds of task that the model performs: each with its instructions, in Korean and English, and the shape of its
//! answer.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::i18n::Language;

/// A kind of task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelType {
    /// Continue code that is incomplete.
    CodeCompletion,
    /// Write code for a question.
    #[default]
    CodeGeneration,
    /// Explain code.
    CodeExplanation,
    /// Review code, line by line.
    CodeReview,
    /// Fix code.
    BugFix,
    /// Make code faster or more efficient.
    CodeOptimization,
    /// Write tests for code.
    UnitTestGeneration,
    /// Write docstrings and comments for code.
    Documentation,
}

/// The shape of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerShape {
    /// One block of code, and an explanation.
    CodeAndWords,
    /// An explanation; code in it is a quotation.
    Words,
    /// A line for each finding, with the number of the line of code that it is about.
    Findings,
}

impl ModelType {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::CodeCompletion,
        Self::CodeGeneration,
        Self::CodeExplanation,
        Self::CodeReview,
        Self::BugFix,
        Self::CodeOptimization,
        Self::UnitTestGeneration,
        Self::Documentation,
    ];

    /// The kind with this name in the API.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CodeCompletion => "code_completion",
            Self::CodeGeneration => "code_generation",
            Self::CodeExplanation => "code_explanation",
            Self::CodeReview => "code_review",
            Self::BugFix => "bug_fix",
            Self::CodeOptimization => "code_optimization",
            Self::UnitTestGeneration => "unit_test_generation",
            Self::Documentation => "documentation",
        }
    }

    /// The shape of its answers.
    #[must_use]
    pub fn shape(self) -> AnswerShape {
        match self {
            Self::CodeExplanation => AnswerShape::Words,
            Self::CodeReview => AnswerShape::Findings,
            _ => AnswerShape::CodeAndWords,
        }
    }

    /// Whether the linter's diagnostics belong into the prompt.
    #[must_use]
    pub fn uses_diagnostics(self) -> bool {
        matches!(self, Self::CodeReview | Self::BugFix)
    }

    /// The instructions to the model, for code in `programming_language`, its display name.
    #[must_use]
    pub fn instructions(self, language: Language, programming_language: &str) -> String {
        let (ko, en) = match self {
            Self::CodeGeneration => (
                "질문에 맞는 정확하고 바로 실행되는 {language} 코드를 마크다운 코드 블록 하나로 쓰고, 그 다음에 한국어로 짧게 설명하세요.",
                "Write correct {language} code that runs as it is, in one markdown code block, then explain it briefly in the language of the question.",
            ),
            Self::CodeCompletion => (
                "주어진 {language} 코드를 이어서 완성하세요. 완성된 코드 전체를 마크다운 코드 블록 하나로 쓰고, 그 다음에 무엇을 더했는지 한국어로 짧게 설명하세요.",
                "Complete the given {language} code. Write the whole completed code in one markdown code block, then say briefly what you added.",
            ),
            Self::CodeExplanation => (
                "주어진 {language} 코드가 무엇을 어떻게 하는지 한국어로 설명하세요. 코드를 새로 쓰지 마세요.",
                "Explain what the given {language} code does and how. Do not write new code.",
            ),
            Self::CodeReview => (
                "주어진 {language} 코드를 검토하세요. 문제마다 `- 줄 N: 문제 → 고치는 방법` 형식으로 한 줄씩 한국어로 쓰세요. N은 코드 앞에 적힌 줄 번호입니다. 문제가 없으면 `문제 없음`이라고만 쓰세요.",
                "Review the given {language} code. Write one line for each problem, in the form `- Line N: problem → how to fix it`, where N is the number written before that line of code. If there is no problem, write only `No problems`.",
            ),
            Self::BugFix => (
                "주어진 {language} 코드의 버그를 찾아 고치세요. 고친 코드 전체를 마크다운 코드 블록 하나로 쓰고, 그 다음에 무엇이 잘못되었고 어떻게 고쳤는지 한국어로 짧게 설명하세요.",
                "Find and fix the bugs in the given {language} code. Write the whole corrected code in one markdown code block, then say briefly what was wrong and how you fixed it.",
            ),
            Self::CodeOptimization => (
                "주어진 {language} 코드를 하는 일은 그대로 두고 더 빠르고 효율적으로 고치세요. 고친 코드 전체를 마크다운 코드 블록 하나로 쓰고, 그 다음에 무엇이 왜 빨라졌는지 한국어로 짧게 설명하세요.",
                "Make the given {language} code faster without changing what it does. Write the whole improved code in one markdown code block, then say briefly what became faster and why.",
            ),
            Self::UnitTestGeneration => (
                "주어진 {language} 코드를 위한 단위 테스트를 {framework} 쓰세요. 경계값과 오류 상황도 다루세요. 테스트 코드를 마크다운 코드 블록 하나로 쓰고, 그 다음에 무엇을 검사하는지 한국어로 짧게 설명하세요.",
                "Write unit tests for the given {language} code {framework}. Cover edge cases and errors. Write the tests in one markdown code block, then say briefly what they check.",
            ),
            Self::Documentation => (
                "주어진 {language} 코드에 문서 주석을 다세요. 코드는 바꾸지 말고 설명만 더한 전체 코드를 마크다운 코드 블록 하나로 쓰고, 그 다음에 한국어로 짧게 요약하세요.",
                "Document the given {language} code. Do not change what it does: write the whole code with its documentation comments in one markdown code block, then summarise it briefly.",
            ),
        };
        let (text, framework) = match language {
            Language::Korean => (ko, framework(programming_language).0),
            Language::English => (en, framework(programming_language).1),
        };
        text.replace("{language}", programming_language).replace("{framework}", framework)
    }
}

/// The test framework of a language.
fn framework(programming_language: &str) -> (&'static str, &'static str) {
    match programming_language {
        "Python" => ("pytest로", "with pytest"),
        "JavaScript" | "TypeScript" => ("Jest로", "with Jest"),
        "Java" => ("JUnit 5로", "with JUnit 5"),
        "Go" => ("testing 패키지로", "with the testing package"),
        "Rust" => ("`#[test]` 함수로", "as `#[test]` functions"),
        "C" | "C++" => ("assert로", "with assert"),
        _ => ("흔히 쓰는 도구로", "with the usual tool"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_instructions_of_its_own_in_both_languages() {
        for language in [Language::Korean, Language::English] {
            let all: std::collections::BTreeSet<String> =
                ModelType::ALL.iter().map(|kind| kind.instructions(language, "Python")).collect();
            assert_eq!(all.len(), ModelType::ALL.len());
            assert!(all.iter().all(|text| text.contains("Python") && !text.contains('{')), "{all:?}");
        }
    }

    #[test]
    fn the_name_of_each_kind_is_the_one_that_clients_send() {
        for kind in ModelType::ALL {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{}\"", kind.as_str()));
        }
    }
}
