//! Who asks, and how they like their answers; each choice is one sentence of the prompt, in the table below.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The profile of a user. Fields that are absent have their defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Profile {
    /// How well they know Python.
    pub python_skill_level: SkillLevel,
    /// How much structure the code should have.
    pub code_output_structure: OutputStructure,
    /// How much should be explained.
    pub explanation_style: ExplanationStyle,
    /// What the code is for.
    pub project_context: ProjectContext,
    /// How errors should be handled.
    pub error_handling_preference: ErrorHandling,
    /// Which features of the language they like.
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

/// A field of the profile: its values as the API spells them, and what each one says to the model. The default says nothing,
/// so that the common prompt stays short.
macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($(#[$attribute:meta])* $value:ident => $sentence:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        #[expect(missing_docs, reason = "the sentence beside each value says what it does")]
        pub enum $name { $($(#[$attribute])* $value,)* }

        impl $name {
            /// What this choice says to the model; empty if nothing.
            #[must_use]
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$value => $sentence,)* }
            }
        }
    };
}

choices! {
    /// How well somebody knows Python.
    SkillLevel {
        Beginner => "The reader is new to programming: use simple constructs and say what each step does.",
        #[default] Intermediate => "",
        Advanced => "The reader is experienced: use idiomatic constructs and skip the basics.",
        Expert => "The reader is an expert: be terse, and name trade-offs only.",
    }
}

choices! {
    /// How much structure the code should have.
    OutputStructure {
        Minimal => "Write the shortest code that does the job.",
        #[default] Standard => "",
        Detailed => "Split the code into well-named functions.",
        Comprehensive => "Write a complete module: functions or classes, docstrings, and a short usage example.",
    }
}

choices! {
    /// How much should be explained.
    ExplanationStyle {
        Brief => "Explain in one sentence.",
        #[default] Standard => "",
        Detailed => "Explain how the code works and why it is written this way.",
        Educational => "Explain step by step, as a teacher would, with the ideas behind it.",
    }
}

choices! {
    /// What the code is for.
    ProjectContext {
        WebDevelopment => "The code is part of a web application.",
        DataScience => "The code is for data analysis; numpy and pandas are at hand.",
        Automation => "The code is an automation script.",
        #[default] GeneralPurpose => "",
        Academic => "The code is for research or study: correctness and clarity come first.",
        Enterprise => "The code is for a large business system: it must be easy to maintain and to test.",
    }
}

choices! {
    /// How errors should be handled.
    ErrorHandling {
        Minimal => "Leave error handling out.",
        #[default] Basic => "",
        Comprehensive => "Check inputs, and handle every error that can be expected.",
        ProductionReady => "Handle errors as production code does: check inputs, raise precise exceptions, and log them.",
    }
}

choices! {
    /// A feature of Python.
    Feature {
        #[default] TypeHints => "type hints",
        Dataclasses => "dataclasses",
        AsyncAwait => "async/await",
        Comprehensions => "comprehensions",
        Generators => "generators",
        Decorators => "decorators",
        ContextManagers => "context managers",
        FStrings => "f-strings",
    }
}
