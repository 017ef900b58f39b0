//! The id of a model: its file name without the extension.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The id of a model: its file name without the extension.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(min_length = 1, max_length = 200, pattern = r"^[^/\\\x00-\x1f]+$")]
pub struct ModelId(pub String);

impl ModelId {
    /// Whether the model is split into several files, such as `large-00001-of-00003`.
    #[must_use]
    pub fn is_split(&self) -> bool {
        self.part().is_some()
    }

    /// Whether the file is not a later part, such as `large-00002-of-00003`.
    #[must_use]
    pub fn is_first_part(&self) -> bool {
        self.part().is_none_or(|number| number == "00001")
    }

    /// The part number in the name.
    fn part(&self) -> Option<&str> {
        let (rest, of) = self.0.rsplit_once("-of-")?;
        let number = rest.rsplit_once('-')?.1;
        let digits = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
        (digits(of) && digits(number)).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_in_several_files_is_one_model() {
        for (name, first) in [
            ("large", true),
            ("large-00001-of-00003", true),
            ("large-00002-of-00003", false),
            ("one-of-many", true),
            ("a-2-of-3", true),
        ] {
            assert_eq!(ModelId(name.to_owned()).is_first_part(), first, "{name}");
        }
    }
}
