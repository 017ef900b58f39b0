//! Metrics, in Prometheus's format.

mod definitions;
pub mod error_log;
pub mod history;
pub mod latency;
mod totals;

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::{Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use self::definitions::{DEFINITIONS, HISTOGRAMS, Kind};
pub use self::totals::Totals;

/// All metrics. Clones share them; each process has one, each test server its own.
#[derive(Clone)]
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    totals: Arc<Mutex<Totals>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// The metrics of one generation.
#[derive(Debug, Clone, Copy)]
pub struct GenerationMetrics {
    /// The kind of task, by its name in the API.
    pub model_type: &'static str,
    /// Whether it is complete.
    pub success: bool,
    /// From the request to the last token.
    pub duration: Duration,
    /// From the request to the first token.
    pub first_token: Option<Duration>,
    /// Decode speed, in tokens per second.
    pub tokens_per_second: Option<f64>,
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Of those, tokens served from the KV cache.
    pub reused_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
}

const METADATA: Metadata<'static> = Metadata::new("hapa", Level::INFO, None);

impl Default for Metrics {
    fn default() -> Self {
        let mut builder = PrometheusBuilder::new();
        for (name, buckets) in HISTOGRAMS {
            let matcher = Matcher::Full((*name).to_owned());
            builder = builder.set_buckets_for_metric(matcher, buckets).expect("the table has buckets");
        }
        let recorder = builder.build_recorder();
        let metrics = Self { handle: recorder.handle(), recorder: Arc::new(recorder), totals: Arc::default() };
        metrics.describe();
        metrics
    }
}

impl Metrics {
    /// Describes all metrics, and sets each counter and gauge to zero, so that the first scrape has all of them.
    fn describe(&self) {
        for row in DEFINITIONS {
            match row.kind {
                Kind::Counter => {
                    self.recorder.describe_counter(row.name.into(), None, row.help.into());
                    for labels in row.first {
                        self.add(row.name, labels, 0);
                    }
                }
                Kind::Gauge => {
                    self.recorder.describe_gauge(row.name.into(), None, row.help.into());
                    for labels in row.first {
                        self.set(row.name, labels, 0.0);
                    }
                }
                Kind::Histogram => self.recorder.describe_histogram(row.name.into(), None, row.help.into()),
            }
        }
    }

    /// Counts a response.
    pub fn request(&self, method: &str, endpoint: &str, status: u16, duration: Duration) {
        let status = status.to_string();
        self.add("hapa_requests_total", &[("method", method), ("endpoint", endpoint), ("status", &status)], 1);
        let labels = [("method", method), ("endpoint", endpoint)];
        self.record("hapa_request_duration_seconds", &labels, duration.as_secs_f64());
    }

    /// Counts a request for the metrics history, unless it polls HAPA's own state.
    pub fn count_request(&self) {
        self.sums().requests += 1;
    }

    /// Counts an error response.
    pub fn error(&self, code: &str, endpoint: &str) {
        self.sums().errors += 1;
        self.add("hapa_errors_total", &[("error_type", code), ("endpoint", endpoint)], 1);
    }

    /// Counts a generation.
    pub fn record_generation(&self, generation: &GenerationMetrics) {
        {
            let mut sums = self.sums();
            sums.prompt_tokens += generation.prompt_tokens;
            sums.reused_tokens += generation.reused_tokens;
            sums.completion_tokens += generation.completion_tokens;
            sums.speed.add(generation.tokens_per_second);
            sums.first_token.add(generation.first_token.map(|first| first.as_secs_f64()));
        }
        let model_type = ("model_type", generation.model_type);
        let status = if generation.success { "success" } else { "error" };
        self.add("hapa_ai_model_requests_total", &[model_type, ("status", status)], 1);
        self.record("hapa_ai_model_response_time_seconds", &[model_type], generation.duration.as_secs_f64());
        self.add("hapa_ai_tokens_used_total", &[("kind", "prompt")], generation.prompt_tokens);
        self.add("hapa_ai_tokens_used_total", &[("kind", "completion")], generation.completion_tokens);
        self.add("hapa_prefix_reused_tokens_total", &[], generation.reused_tokens);
        if let Some(first) = generation.first_token {
            self.record("hapa_ttft_seconds", &[], first.as_secs_f64());
        }
        if let Some(speed) = generation.tokens_per_second {
            self.record("hapa_tokens_per_second", &[], speed);
        }
    }

    /// Counts the outcome of a completion: `shown`, `accepted` or `rejected`.
    pub fn completion(&self, event: &'static str) {
        self.add("hapa_completions_total", &[("event", event)], 1);
    }

    /// Sets a gauge.
    pub fn set(&self, name: &'static str, labels: &[(&'static str, &str)], value: f64) {
        self.recorder.register_gauge(&key(name, labels), &METADATA).set(value);
    }

    /// Changes a gauge by a difference.
    pub fn change(&self, name: &'static str, by: f64) {
        self.recorder.register_gauge(&key(name, &[]), &METADATA).increment(by);
    }

    /// Sets a counter to a total that another part of the process counts.
    pub fn counted(&self, name: &'static str, count: u64) {
        self.recorder.register_counter(&key(name, &[]), &METADATA).absolute(count);
    }

    /// The totals so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        *self.sums()
    }

    fn sums(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All metrics as text, in version 0.0.4 of Prometheus's format.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.run_upkeep();
        let mut text = self.handle.render();
        for (name, buckets) in HISTOGRAMS {
            // A histogram without values is not rendered by the exporter.
            if !text.contains(&format!("# TYPE {name} ")) {
                let row = DEFINITIONS.iter().find(|row| row.name == *name).expect("each histogram is in the table");
                empty_histogram(&mut text, row.name, row.help, buckets);
            }
        }
        text
    }

    fn add(&self, name: &'static str, labels: &[(&'static str, &str)], count: u64) {
        self.recorder.register_counter(&key(name, labels), &METADATA).increment(count);
    }

    fn record(&self, name: &'static str, labels: &[(&'static str, &str)], value: f64) {
        self.recorder.register_histogram(&key(name, labels), &METADATA).record(value);
    }
}

fn key(name: &'static str, labels: &[(&'static str, &str)]) -> Key {
    let labels: Vec<Label> = labels.iter().map(|(name, value)| Label::new(*name, (*value).to_owned())).collect();
    Key::from_parts(name, labels)
}

fn empty_histogram(text: &mut String, name: &str, help: &str, buckets: &[f64]) {
    let written = (|| {
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram")?;
        for bucket in buckets {
            writeln!(text, "{name}_bucket{{le=\"{bucket}\"}} 0")?;
        }
        writeln!(text, "{name}_bucket{{le=\"+Inf\"}} 0\n{name}_sum 0\n{name}_count 0\n")
    })();
    written.expect("a string can be written to");
}
