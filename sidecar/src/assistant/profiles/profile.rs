//! The profile of a user: skill level, style and preferences; each choice is one sentence of the prompt, in the table
//! below.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::i18n::Language;

/// The profile of a user. Fields that are absent have their defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Profile {
    /// The user's Python skill level.
    pub python_skill_level: SkillLevel,
    /// How much structure the code should have.
    pub code_output_structure: OutputStructure,
    /// How much should be explained.
    pub explanation_style: ExplanationStyle,
    /// What the code is for.
    pub project_context: ProjectContext,
    /// How thorough the error handling should be.
    pub error_handling_preference: ErrorHandling,
    /// Preferred features of the language.
    pub preferred_language_features: Vec<Feature>,
    /// Accepted for older clients, without effect.
    pub is_onboarding_completed: Option<bool>,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            python_skill_level: SkillLevel::default(),
            code_output_structure: OutputStructure::default(),
            explanation_style: ExplanationStyle::default(),
            project_context: ProjectContext::default(),
            error_handling_preference: ErrorHandling::default(),
            preferred_language_features: vec![Feature::TypeHints, Feature::FStrings],
            is_onboarding_completed: None,
        }
    }
}

/// A field of the profile: its values as the API spells them, each with its sentence in the prompt, in Korean and
/// English. The default has no sentence, so that the system prompt stays short, and is shared.
macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($(#[$attribute:meta])* $value:ident => $ko:literal, $en:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        #[expect(missing_docs, reason = "the sentence next to each value documents it")]
        pub enum $name { $($(#[$attribute])* $value,)* }

        impl $name {
            /// All values, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$value),*];

            /// The sentence of this choice in the prompt; empty if none.
            #[must_use]
            pub fn sentence(self, language: Language) -> &'static str {
                match (self, language) {
                    $((Self::$value, Language::Korean) => $ko, (Self::$value, Language::English) => $en,)*
                }
            }
        }
    };
}

choices! {
    /// A user's Python skill level.
    SkillLevel {
        Beginner => "읽는 사람은 초보자입니다. 쉬운 문법을 쓰고 각 단계가 하는 일을 설명하세요.",
            "The reader is new to programming: use simple constructs and say what each step does.";
        #[default] Intermediate => "", "";
        Advanced => "읽는 사람은 숙련자입니다. 관용적인 표현을 쓰고 기초 설명은 생략하세요.",
            "The reader is experienced: use idiomatic constructs and skip the basics.";
        Expert => "읽는 사람은 전문가입니다. 간결하게 쓰고 장단점만 언급하세요.",
            "The reader is an expert: be terse, and name trade-offs only.";
    }
}

choices! {
    /// How much structure the code should have.
    OutputStructure {
        Minimal => "일을 해내는 가장 짧은 코드를 쓰세요.", "Write the shortest code that does the job.";
        #[default] Standard => "", "";
        Detailed => "코드를 이름이 분명한 함수들로 나누세요.", "Split the code into well-named functions.";
        Comprehensive => "완전한 모듈을 쓰세요: 함수나 클래스, docstring, 짧은 사용 예까지.",
            "Write a complete module: functions or classes, docstrings, and a short usage example.";
    }
}

choices! {
    /// How much should be explained.
    ExplanationStyle {
        Brief => "설명은 한 문장으로 하세요.", "Explain in one sentence.";
        #[default] Standard => "", "";
        Detailed => "코드가 어떻게 동작하고 왜 그렇게 썼는지 설명하세요.",
            "Explain how the code works and why it is written this way.";
        Educational => "선생님처럼 바탕이 되는 개념과 함께 단계별로 설명하세요.",
            "Explain step by step, as a teacher would, with the ideas behind it.";
    }
}

choices! {
    /// What the code is for.
    ProjectContext {
        WebDevelopment => "이 코드는 웹 애플리케이션의 일부입니다.", "The code is part of a web application.";
        DataScience => "이 코드는 데이터 분석용이며 numpy와 pandas를 쓸 수 있습니다.",
            "The code is for data analysis; numpy and pandas are at hand.";
        Automation => "이 코드는 자동화 스크립트입니다.", "The code is an automation script.";
        #[default] GeneralPurpose => "", "";
        Academic => "이 코드는 연구나 학습용입니다. 정확함과 명료함이 우선입니다.",
            "The code is for research or study: correctness and clarity come first.";
        Enterprise => "이 코드는 큰 업무 시스템에 쓰입니다. 유지 보수와 테스트가 쉬워야 합니다.",
            "The code is for a large business system: it must be easy to maintain and to test.";
    }
}

choices! {
    /// How thorough the error handling should be.
    ErrorHandling {
        Minimal => "오류 처리는 생략하세요.", "Leave error handling out.";
        #[default] Basic => "", "";
        Comprehensive => "입력을 검사하고 예상되는 모든 오류를 처리하세요.",
            "Check inputs, and handle every error that can be expected.";
        ProductionReady => "운영 환경 수준으로 오류를 처리하세요: 입력 검사, 구체적인 예외, 로그.",
            "Handle errors as production code does: check inputs, raise precise exceptions, and log them.";
    }
}

choices! {
    /// A feature of Python.
    Feature {
        #[default] TypeHints => "타입 힌트", "type hints";
        Dataclasses => "dataclass", "dataclasses";
        AsyncAwait => "async/await", "async/await";
        Comprehensions => "컴프리헨션", "comprehensions";
        Generators => "제너레이터", "generators";
        Decorators => "데코레이터", "decorators";
        ContextManagers => "컨텍스트 매니저", "context managers";
        FStrings => "f-string", "f-strings";
    }
}

choices! {
    /// How much the enhanced endpoints explain.
    Detail {
        Minimal => "설명은 한 문장으로 하세요.", "Explain in one sentence.";
        #[default] Standard => "", "";
        Detailed => "코드가 어떻게 동작하고 왜 그렇게 썼는지 설명하세요.",
            "Explain how the code works and why it is written this way.";
        Comprehensive => "모든 부분을 예와 함께 빠짐없이 설명하세요.", "Explain every part thoroughly, with examples.";
    }
}

choices! {
    /// The code style that the enhanced endpoints ask for.
    CodeStyle {
        Clean => "짧은 함수와 분명한 이름으로 깔끔하게 쓰세요.", "Write clean code: short functions and clear names.";
        Performance => "실행 속도를 가장 중요하게 여기세요.", "Prefer the fastest solution.";
        Readable => "짧기보다 읽기 쉽게 쓰세요.", "Prefer code that is easy to read over code that is short.";
        #[default] Pythonic => "", "";
    }
}

/// The profile fields of a request; the rest comes from the saved profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProfileFields {
    /// The user's Python skill level.
    pub python_skill_level: Option<SkillLevel>,
    /// How much structure the code should have.
    pub code_output_structure: Option<OutputStructure>,
    /// How much should be explained.
    pub explanation_style: Option<ExplanationStyle>,
    /// What the code is for.
    pub project_context: Option<ProjectContext>,
    /// How thorough the error handling should be.
    pub error_handling_preference: Option<ErrorHandling>,
    /// Preferred features of the language; at most 8.
    #[schema(max_items = 8)]
    pub preferred_language_features: Option<Vec<Feature>>,
    /// Accepted for older clients, without effect on answers.
    pub is_onboarding_completed: Option<bool>,
}

impl ProfileFields {
    /// Whether the list of features is longer than the number of features that exist.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        self.preferred_language_features.as_ref().is_some_and(|features| features.len() > Feature::ALL.len())
    }
}

impl Profile {
    /// This profile, with the fields of a request replacing those of the profile.
    #[must_use]
    pub fn with(self, fields: ProfileFields) -> Self {
        Self {
            python_skill_level: fields.python_skill_level.unwrap_or(self.python_skill_level),
            code_output_structure: fields.code_output_structure.unwrap_or(self.code_output_structure),
            explanation_style: fields.explanation_style.unwrap_or(self.explanation_style),
            project_context: fields.project_context.unwrap_or(self.project_context),
            error_handling_preference: fields.error_handling_preference.unwrap_or(self.error_handling_preference),
            preferred_language_features: fields.preferred_language_features.unwrap_or(self.preferred_language_features),
            is_onboarding_completed: fields.is_onboarding_completed.or(self.is_onboarding_completed),
        }
    }

    /// The profile's sentences in the prompt: one for each choice that is not the default.
    #[must_use]
    pub fn sentences(&self, language: Language, programming_language: &str) -> Vec<String> {
        let mut sentences: Vec<String> = [
            self.python_skill_level.sentence(language),
            self.code_output_structure.sentence(language),
            self.explanation_style.sentence(language),
            self.project_context.sentence(language),
            self.error_handling_preference.sentence(language),
        ]
        .into_iter()
        .filter(|sentence| !sentence.is_empty())
        .map(str::to_owned)
        .collect();
        let default = Self::default().preferred_language_features;
        if programming_language == "python" && self.preferred_language_features != default {
            let features: Vec<&str> =
                self.preferred_language_features.iter().map(|feature| feature.sentence(language)).collect();
            sentences.push(match (features.is_empty(), language) {
                (true, Language::Korean) => "타입 힌트와 f-string 없이 쓰세요.".into(),
                (true, Language::English) => "Do without type hints and f-strings.".into(),
                (false, Language::Korean) => format!("어울리는 곳에는 다음을 쓰세요: {}.", features.join(", ")),
                (false, Language::English) => format!("Where they fit, use {}.", features.join(", ")),
            });
        }
        sentences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each value of each field, as a client writes it, with a part of the sentence it adds, in Korean and English.
    const TABLE: &[(&str, &str, &str, &str)] = &[
        ("pythonSkillLevel", "\"beginner\"", "초보자", "new to programming"),
        ("pythonSkillLevel", "\"intermediate\"", "", ""),
        ("pythonSkillLevel", "\"advanced\"", "숙련자", "experienced"),
        ("pythonSkillLevel", "\"expert\"", "전문가", "expert"),
        ("codeOutputStructure", "\"minimal\"", "가장 짧은", "shortest"),
        ("codeOutputStructure", "\"standard\"", "", ""),
        ("codeOutputStructure", "\"detailed\"", "함수들로", "well-named functions"),
        ("codeOutputStructure", "\"comprehensive\"", "완전한 모듈", "complete module"),
        ("explanationStyle", "\"brief\"", "한 문장", "one sentence"),
        ("explanationStyle", "\"standard\"", "", ""),
        ("explanationStyle", "\"detailed\"", "왜 그렇게", "why it is written"),
        ("explanationStyle", "\"educational\"", "선생님", "teacher"),
        ("projectContext", "\"web_development\"", "웹", "web application"),
        ("projectContext", "\"data_science\"", "pandas", "pandas"),
        ("projectContext", "\"automation\"", "자동화", "automation"),
        ("projectContext", "\"general_purpose\"", "", ""),
        ("projectContext", "\"academic\"", "연구", "research"),
        ("projectContext", "\"enterprise\"", "업무 시스템", "business system"),
        ("errorHandlingPreference", "\"minimal\"", "생략", "Leave error handling out"),
        ("errorHandlingPreference", "\"basic\"", "", ""),
        ("errorHandlingPreference", "\"comprehensive\"", "예상되는 모든", "every error"),
        ("errorHandlingPreference", "\"production_ready\"", "운영 환경", "production"),
        ("preferredLanguageFeatures", "[\"type_hints\"]", "타입 힌트", "type hints"),
        ("preferredLanguageFeatures", "[\"dataclasses\"]", "dataclass", "dataclasses"),
        ("preferredLanguageFeatures", "[\"async_await\"]", "async/await", "async/await"),
        ("preferredLanguageFeatures", "[\"comprehensions\"]", "컴프리헨션", "comprehensions"),
        ("preferredLanguageFeatures", "[\"generators\"]", "제너레이터", "generators"),
        ("preferredLanguageFeatures", "[\"decorators\"]", "데코레이터", "decorators"),
        ("preferredLanguageFeatures", "[\"context_managers\"]", "컨텍스트 매니저", "context managers"),
        ("preferredLanguageFeatures", "[\"f_strings\"]", "f-string", "f-strings"),
        ("preferredLanguageFeatures", "[\"type_hints\", \"f_strings\"]", "", ""),
        ("preferredLanguageFeatures", "[]", "없이", "without"),
        ("isOnboardingCompleted", "true", "", ""),
    ];

    #[test]
    fn each_value_of_each_field_adds_its_sentence_and_each_default_adds_none() {
        for (field, value, ko, en) in TABLE {
            let fields: ProfileFields = serde_json::from_str(&format!("{{\"{field}\": {value}}}")).unwrap();
            let profile = Profile::default().with(fields);
            for (language, expected) in [(Language::Korean, ko), (Language::English, en)] {
                let sentences = profile.sentences(language, "python");
                assert_eq!(sentences.len(), usize::from(!expected.is_empty()), "{field} {value}: {sentences:?}");
                assert!(sentences.iter().all(|sentence| sentence.contains(expected)), "{field} {value}: {sentences:?}");
            }
        }
    }

    #[test]
    fn the_table_above_has_each_value() {
        let values = SkillLevel::ALL.len()
            + OutputStructure::ALL.len()
            + ExplanationStyle::ALL.len()
            + ProjectContext::ALL.len()
            + ErrorHandling::ALL.len()
            + Feature::ALL.len();
        assert_eq!(TABLE.len(), values + 3, "two more lists of features, and the field without effect");
    }

    #[test]
    fn fields_that_a_request_leaves_out_come_from_the_saved_profile() {
        let saved: Profile =
            serde_json::from_str(r#"{"pythonSkillLevel": "expert", "explanationStyle": "brief"}"#).unwrap();
        let requested: ProfileFields = serde_json::from_str(r#"{"pythonSkillLevel": "beginner"}"#).unwrap();
        let both = saved.with(requested);
        assert_eq!((both.python_skill_level, both.explanation_style), (SkillLevel::Beginner, ExplanationStyle::Brief));
    }
}
