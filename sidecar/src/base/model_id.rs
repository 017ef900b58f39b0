//! The id of a model: the name of its file without the ending.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A model by its id: the name of its file without the ending.
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

    /// Whether the name is not that of a later part, such as `large-00002-of-00003`.
    #[must_use]
    pub fn is_first_part(&self) -> bool {
        self.part().is_none_or(|number| number == "00001")
    }

    /// The number of the part that the name contains.
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
