//! The table of metrics: name, kind, help text and initial labels.

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It only increases.
    Counter,
    /// It goes up and down.
    Gauge,
    /// The distribution of values.
    Histogram,
}

type Labels = &'static [(&'static str, &'static str)];

/// One metric.
#[derive(Debug)]
pub(crate) struct Definition {
    pub name: &'static str,
    pub kind: Kind,
    pub help: &'static str,
    /// Labels that exist from the start.
    pub first: &'static [Labels],
}

const fn define(name: &'static str, kind: Kind, first: &'static [Labels], help: &'static str) -> Definition {
    Definition { name, kind, help, first }
}

const UNLABELLED: &[Labels] = &[&[]];

/// All metrics, in the order of the documentation.
pub(crate) const DEFINITIONS: &[Definition] = &[
    define(
        "hapa_requests_total",
        Kind::Counter,
        &[&[("method", "GET"), ("endpoint", "/health"), ("status", "200")]],
        "Number of responses",
    ),
    define(
        "hapa_request_duration_seconds",
        Kind::Histogram,
        &[],
        "Seconds from a request to the start of its response",
    ),
    define("hapa_active_connections", Kind::Gauge, UNLABELLED, "Requests whose response is not complete yet"),
    define(
        "hapa_cache_hits_total",
        Kind::Counter,
        UNLABELLED,
        "Response cache hits: questions and completions that were answered without the model",
    ),
    define(
        "hapa_cache_misses_total",
        Kind::Counter,
        UNLABELLED,
        "Response cache misses: questions and completions that were sent to the model",
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
        "Generations",
    ),
    define("hapa_ai_model_response_time_seconds", Kind::Histogram, &[], "Seconds from a question to its last token"),
    define(
        "hapa_ai_tokens_used_total",
        Kind::Counter,
        &[&[("kind", "prompt")], &[("kind", "completion")]],
        "Prompt and completion tokens",
    ),
    define("hapa_system_cpu_usage_percent", Kind::Gauge, UNLABELLED, "CPU usage over all cores, 0 to 100"),
    define("hapa_system_memory_usage_bytes", Kind::Gauge, UNLABELLED, "Used memory of the machine"),
    define("hapa_system_disk_usage_bytes", Kind::Gauge, UNLABELLED, "Used space on the disk of the data folder"),
    define(
        "hapa_errors_total",
        Kind::Counter,
        &[&[("error_type", "INTERNAL_SERVER_ERROR"), ("endpoint", "/api/v1/generate-code")]],
        "Number of error responses",
    ),
    define("hapa_ttft_seconds", Kind::Histogram, &[], "Time to first token, in seconds"),
    define("hapa_tokens_per_second", Kind::Histogram, &[], "Decode speed, in tokens per second"),
    define(
        "hapa_queue_depth",
        Kind::Gauge,
        &[&[("lane", "chat")], &[("lane", "completion")], &[("lane", "background")]],
        "Queued requests by priority",
    ),
    define("hapa_prefix_reused_tokens_total", Kind::Counter, UNLABELLED, "Prompt tokens served from the KV cache"),
    define(
        "hapa_completions_total",
        Kind::Counter,
        &[&[("event", "shown")], &[("event", "accepted")], &[("event", "rejected")]],
        "Outcomes of completions",
    ),
];

/// The bucket bounds of each histogram.
pub(crate) const HISTOGRAMS: &[(&str, &[f64])] = &[
    (
        "hapa_request_duration_seconds",
        &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0],
    ),
    ("hapa_ai_model_response_time_seconds", &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0]),
    ("hapa_ttft_seconds", &[0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]),
    ("hapa_tokens_per_second", &[1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0]),
];
