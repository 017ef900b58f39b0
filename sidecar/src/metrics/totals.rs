//! The sums that figures over time are made from.

/// What was counted since the process started.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Totals {
    /// Requests that were answered.
    pub requests: u64,
    /// Errors that were answered.
    pub errors: u64,
    /// Tokens of prompts.
    pub prompt_tokens: u64,
    /// Of those, tokens that were in the model's memory already.
    pub reused_tokens: u64,
    /// Tokens of answers.
    pub completion_tokens: u64,
    /// Tokens per second of answers.
    pub speed: Sum,
    /// Seconds from a question to the first token of its answer.
    pub first_token: Sum,
}

impl Totals {
    /// What was counted after `before`.
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

/// Values, as their sum and their number.
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
