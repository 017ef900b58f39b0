//! The totals that the metrics history is computed from.

/// Totals since the process started.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Totals {
    /// Responses.
    pub requests: u64,
    /// Error responses.
    pub errors: u64,
    /// Prompt tokens.
    pub prompt_tokens: u64,
    /// Of those, tokens served from the KV cache.
    pub reused_tokens: u64,
    /// Tokens of answers.
    pub completion_tokens: u64,
    /// Decode speed of answers, in tokens per second.
    pub speed: Sum,
    /// Time to first token, in seconds.
    pub first_token: Sum,
}

impl Totals {
    /// The difference to earlier totals.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            requests: self.requests - before.requests,
            errors: self.errors - before.errors,
            prompt_tokens: self.prompt_tokens - before.prompt_tokens,
            reused_tokens: self.reused_tokens - before.reused_tokens,
            completion_tokens: self.completion_tokens - before.completion_tokens,
            speed: self.speed.since(before.speed),
            first_token: self.first_token.since(before.first_token),
        }
    }
}

/// A sum of values, and their number.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sum {
    sum: f64,
    values: u64,
}

impl Sum {
    /// Adds a value, if there is one.
    pub fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.sum += value;
            self.values += 1;
        }
    }

    /// The mean of the values; `None` without any.
    #[must_use]
    pub fn mean(self) -> Option<f64> {
        (self.values > 0).then(|| self.sum / self.values as f64)
    }

    fn since(self, before: Self) -> Self {
        Self { sum: self.sum - before.sum, values: self.values - before.values }
    }
}
