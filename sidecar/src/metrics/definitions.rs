//! The names that are counted: what each means, and the labels that it begins with.

/// What kind of figure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It tells how values are spread.
    Histogram,
}

type Labels = &'static [(&'static str, &'static str)];

/// One name.
#[derive(Debug)]
pub struct Row {
    pub name: &'static str,
    pub kind: Kind,
    pub help: &'static str,
    /// Labels that are there from the beginning.
    pub first: &'static [Labels],
}

const fn row(name: &'static str, kind: Kind, first: &'static [Labels], help: &'static str) -> Row {
    Row { name, kind, help, first }
}

const PLAIN: &[Labels] = &[&[]];

/// All names, in the order of the documentation.
pub const TABLE: &[Row] = &[
    row(
        "hapa_requests_total",
        Kind::Counter,
        &[&[("method", "GET"), ("endpoint", "/health"), ("status", "200")]],
        "Requests that were answered",
    ),
    row(
        "hapa_request_duration_seconds",
        Kind::Histogram,
        &[],
        "Seconds from a request to the beginning of its response",
    ),
    row("hapa_active_connections", Kind::Gauge, PLAIN, "Requests whose response is not whole yet"),
    row(
        "hapa_cache_hits_total",
        Kind::Counter,
        PLAIN,
        "Questions and completions that were answered without the model",
    ),
    row("hapa_cache_misses_total", Kind::Counter, PLAIN, "Questions and completions that were put to the model"),
    row(
        "hapa_ai_model_requests_total",
        Kind::Counter,
        &[
            &[("model_type", "code_generation"), ("status", "success")],
            &[("model_type", "code_generation"), ("status", "error")],
            &[("model_type", "code_completion"), ("status", "success")],
            &[("model_type", "code_completion"), ("status", "error")],
        ],
        "Answers that the model was asked for",
    ),
    row("hapa_ai_model_response_time_seconds", Kind::Histogram, &[], "Seconds from a question to its last token"),
    row(
        "hapa_ai_tokens_used_total",
        Kind::Counter,
        &[&[("kind", "prompt")], &[("kind", "completion")]],
        "Tokens that the model has read and written",
    ),
    row("hapa_system_cpu_usage_percent", Kind::Gauge, PLAIN, "Use of all processor cores, 0 to 100"),
    row("hapa_system_memory_usage_bytes", Kind::Gauge, PLAIN, "Memory of the machine that is in use"),
    row("hapa_system_disk_usage_bytes", Kind::Gauge, PLAIN, "Space in use on the disk with the data folder"),
    row(
        "hapa_errors_total",
        Kind::Counter,
        &[&[("error_type", "INTERNAL_SERVER_ERROR"), ("endpoint", "/api/v1/generate-code")]],
        "Errors that were answered",
    ),
    row("hapa_ttft_seconds", Kind::Histogram, &[], "Seconds from a question to the first token of its answer"),
    row("hapa_tokens_per_second", Kind::Histogram, &[], "Speed of answers once they had begun"),
    row(
        "hapa_queue_depth",
        Kind::Gauge,
        &[&[("lane", "chat")], &[("lane", "completion")], &[("lane", "background")]],
        "Requests that wait for the model",
    ),
    row(
        "hapa_prefix_reused_tokens_total",
        Kind::Counter,
        PLAIN,
        "Prompt tokens that were in the model's memory already",
    ),
    row(
        "hapa_completions_total",
        Kind::Counter,
        &[&[("event", "shown")], &[("event", "accepted")], &[("event", "rejected")]],
        "What became of completions",
    ),
];

/// The borders of the buckets of each histogram.
pub const HISTOGRAMS: &[(&str, &[f64])] = &[
    (
        "hapa_request_duration_seconds",
        &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0],
    ),
    ("hapa_ai_model_response_time_seconds", &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0]),
    ("hapa_ttft_seconds", &[0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]),
    ("hapa_tokens_per_second", &[1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0]),
];
