//! Time formats of the store and of the API.

/// The current time as the store has it: milliseconds since 1970, UTC.
#[must_use]
pub fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A time of the store in the API's format: RFC 3339 in UTC, such as `2024-12-28T10:00:00.25Z`.
#[must_use]
pub fn timestamp(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds).unwrap_or_default().to_string()
}
