//! Times as the store keeps them and as the API writes them.

/// Milliseconds since 1970, UTC: the form in which the store keeps times.
#[must_use]
pub fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A time of the store as the API writes it: RFC 3339 in UTC, such as `2024-12-28T10:00:00.25Z`.
#[must_use]
pub fn timestamp(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds).unwrap_or_default().to_string()
}
