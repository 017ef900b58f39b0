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
pub struct Definition {
    pub name: &'static str,
    pub kind: Kind,
    pub help: &'static str,
    /// Labels that are there from the beginning.
    pub first: &'static [Labels],
}

const fn define(name: &'static str, kind: Kind, first: &'static [Labels], help: &'static str) -> Definition {
    Definition { name, kind, help, first }
}

const UNLABELLED: &[Labels] = &[&[]];

/// All names, in the order of the documentation.
pub const DEFINITIONS: &[Definition] = &[
    define(
        "hapa_requests_total",
        Kind::Counter,
        &[&[("method", "GET"), ("endpoint", "/health"), ("status", "200")]],
        "Requests that were answered",
    ),
    define(
        "hapa_request_duration_seconds",
        Kind::Histogram,
        &[],
        "Seconds from a request to the beginning of its response",
    ),
    define("hapa_active_connections", Kind::Gauge, UNLABELLED, "Requests whose response is not whole yet"),
    define(
        "hapa_cache_hits_total",
        Kind::Counter,
        UNLABELLED,
        "Questions and completions that were answered without the model",
    ),
    define(
        "hapa_cache_misses_total",
        Kind::Counter,
        UNLABELLED,
        "Questions and completions that were put to the model",
    ),
    define(
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
    define("hapa_ai_model_response_time_seconds", Kind::Histogram, &[], "Seconds from a question to its last token"),
    define(
        "hapa_ai_tokens_used_total",
        Kind::Counter,
        &[&[("kind", "prompt")], &[("kind", "completion")]],
        "Tokens that the model has read and written",
    ),
    define("hapa_system_cpu_usage_percent", Kind::Gauge, UNLABELLED, "Use of all processor cores, 0 to 100"),
    define("hapa_system_memory_usage_bytes", Kind::Gauge, UNLABELLED, "Memory of the machine that is in use"),
    define("hapa_system_disk_usage_bytes", Kind::Gauge, UNLABELLED, "Space in use on the disk with the data folder"),
    define(
        "hapa_errors_total",
        Kind::Counter,
        &[&[("error_type", "INTERNAL_SERVER_ERROR"), ("endpoint", "/api/v1/generate-code")]],
        "Errors that were answered",
    ),
    define("hapa_ttft_seconds", Kind::Histogram, &[], "Seconds from a question to the first token of its answer"),
    define("hapa_tokens_per_second", Kind::Histogram, &[], "Speed of answers once they had begun"),
    define(
        "hapa_queue_depth",
        Kind::Gauge,
        &[&[("lane", "chat")], &[("lane", "completion")], &[("lane", "background")]],
        "Requests that wait for the model",
    ),
    define(
        "hapa_prefix_reused_tokens_total",
        Kind::Counter,
        UNLABELLED,
        "Prompt tokens that were in the model's memory already",
    ),
    define(
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
